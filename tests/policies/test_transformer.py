"""The blocks, against those of torch, and dropout from a generator of one's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from policies.transformer import Block, Items, Transformer, attention, drawn
from policies.weights import drop

B, L, HIDDEN, HEADS, INNER = 5, 7, 12, 3, 20


@pytest.mark.parametrize(("norm_first", "activation"), [(True, F.relu), (False, F.gelu)])
def test_a_block_is_torch_s_encoder_layer(norm_first, activation):
    theirs = nn.TransformerEncoderLayer(
        HIDDEN, HEADS, INNER, dropout=0.0, activation=activation, batch_first=True, norm_first=norm_first
    )
    block = Block(HIDDEN, HEADS, 0.1, INNER, activation, norm_first)
    rng = torch.Generator().manual_seed(0)
    pairs = [
        (block.query_key_value.weight, theirs.self_attn.in_proj_weight),
        (block.query_key_value.bias, theirs.self_attn.in_proj_bias),
        (block.mix.weight, theirs.self_attn.out_proj.weight), (block.mix.bias, theirs.self_attn.out_proj.bias),
        (block.inner.weight, theirs.linear1.weight), (block.inner.bias, theirs.linear1.bias),
        (block.outer.weight, theirs.linear2.weight), (block.outer.bias, theirs.linear2.bias),
        (block.attention_norm.weight, theirs.norm1.weight), (block.attention_norm.bias, theirs.norm1.bias),
        (block.forward_norm.weight, theirs.norm2.weight), (block.forward_norm.bias, theirs.norm2.bias),
    ]
    assert {id(ours) for ours, _ in pairs} == {id(weight) for weight in block.parameters()}
    with torch.no_grad():
        for ours, other in pairs:
            other.copy_(ours.copy_(torch.randn(ours.shape, generator=rng) * 0.5))
        x = torch.randn(B, L, HIDDEN, generator=rng)
        visible = torch.rand(B, L, L, generator=rng) < 0.5
        visible |= torch.eye(L, dtype=torch.bool)
        expected = theirs(x, src_mask=~visible.repeat_interleave(HEADS, 0))
        torch.testing.assert_close(block(x, visible[:, None], None), expected, rtol=1e-4, atol=1e-5)


def test_attention_is_the_same_in_training_but_for_the_dropout():
    rng = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 60, 2, L, 4, generator=rng)
    visible = torch.ones(L, L, dtype=torch.bool).tril()
    expected = attention(q, k, v, visible, 0.3, None)
    torch.testing.assert_close(attention(q, k, v, visible, 1e-12, rng), expected)
    dropped = attention(q, k, v, visible, 0.3, rng)
    assert not torch.allclose(dropped, expected, atol=0.1)
    torch.testing.assert_close(torch.stack([attention(q, k, v, visible, 0.3, rng) for _ in range(400)]).mean(0), expected,
                               atol=0.5, rtol=0)


def test_dropout_keeps_the_mean():
    x = torch.ones(100_000)
    dropped = drop(x, 0.3, torch.Generator().manual_seed(0))
    assert (dropped == 0).float().mean() == pytest.approx(0.3, abs=0.01)
    assert dropped[dropped > 0].unique().tolist() == pytest.approx([1 / 0.7])
    assert drop(x, 0.3, None) is x


def test_items_are_their_own_vectors_plus_an_image_of_their_content():
    content = torch.rand(9, 4)
    for items in (Items(9, 6), Items(9, 6, content)):
        whole = items.weight if items.content is None else items.weight + content @ items.projection.weight.T
        ids = torch.tensor([[3, 8], [0, 3]])
        torch.testing.assert_close(items.table(), whole)
        torch.testing.assert_close(items(ids), whole[ids])


def test_weights_are_drawn_from_the_generator_alone_and_content_stays():
    content = torch.rand(500, 4)
    before = torch.random.get_rng_state()
    one, two = (
        drawn(lambda: Transformer(500, 50, 64, 2, 1, 0.1, content), torch.Generator().manual_seed(0)) for _ in range(2)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one.items.content, content)
    for (name, weight), other in zip(one.named_parameters(), two.parameters(), strict=True):
        assert torch.equal(weight, other)
        if weight.dim() > 1:
            assert weight.std().item() == pytest.approx(0.02, rel=0.1), name
            assert abs(weight.mean().item()) < 0.003, name
        else:
            assert weight.unique().tolist() == [float("norm" in name and name.endswith("weight"))], name
