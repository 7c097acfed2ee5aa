"""The transformer that fills gaps, against torch's own encoder and against what must be true of any such model."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from policies.bert4rec import BERT4Rec, Cloze, gaps
from policies.log import FeedbackLog
from policies.sequence import newest
from policies.validation import HeldOut
from simulator.draws import Draws

M, LENGTH, HIDDEN = 30, 6, 8


def network(layers: int = 2, heads: int = 2, dropout: float = 0.0, content: Tensor | None = None) -> Cloze:
    """With every weight drawn large, biases and norms included, so that no part of it is next to nothing."""
    made = Cloze(M, LENGTH, HIDDEN, layers, heads, dropout, content)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn(weight.shape, generator=rng) * 0.5)
    return made


def plain(model: Cloze, sequence: list[int], hidden: list[int]) -> Tensor:
    """ln of the softmax at each place of one sequence (l, n_items), by torch's encoder, in double precision."""
    table = model.items.table().detach().double()
    model = copy.deepcopy(model).double()
    layer = nn.TransformerEncoderLayer(
        HIDDEN, model.blocks[0].heads, 4 * HIDDEN, dropout=0.0, activation="gelu", batch_first=True, dtype=torch.float64
    )
    encoder = nn.TransformerEncoder(layer, len(model.blocks), enable_nested_tensor=False)
    x, l = table[sequence], len(sequence)
    x[hidden] = model.mask.weight[0]
    x = F.layer_norm(x + model.positions.weight[-l:], (HIDDEN,), model.norm.weight, model.norm.bias)
    for theirs, block in zip(encoder.layers, model.blocks, strict=True):
        for other, ours in (
            (theirs.self_attn.in_proj_weight, block.query_key_value.weight),
            (theirs.self_attn.in_proj_bias, block.query_key_value.bias),
            (theirs.self_attn.out_proj, block.mix), (theirs.linear1, block.inner), (theirs.linear2, block.outer),
            (theirs.norm1, block.attention_norm), (theirs.norm2, block.forward_norm),
        ):
            if isinstance(other, nn.Module):
                other.load_state_dict(ours.state_dict())
            else:
                other.data.copy_(ours)
    x = F.gelu(encoder(x[None])[0] @ model.head.weight.T + model.head.bias)
    x = F.layer_norm(x, (HIDDEN,), model.head_norm.weight, model.head_norm.bias)
    return (x @ table.T + model.bias).log_softmax(1).detach()


def log_of(sequences: list[list[int]], m: int = M) -> FeedbackLog:
    log = FeedbackLog(len(sequences), m)
    for user, items in enumerate(sequences):
        log.record(user, torch.full((len(items),), user), torch.tensor(items, dtype=torch.int64))
    return log


def random_sequences(n: int, longest: int, seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.permutation(M)[: rng.integers(1, longest + 1)].tolist() for _ in range(n)]


def fitted(log: FeedbackLog, make_items, **keys: object) -> BERT4Rec:
    policy = BERT4Rec(**{"hidden": HIDDEN, "max_length": LENGTH, "epochs": 1, **keys})
    return policy.fit(log, make_items(log.n_items), torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("layers", "heads", "content"), [(1, 1, 0), (2, 2, 0), (2, 4, 5)])
def test_it_is_the_transformer_of_torch(layers, heads, content):
    """With short sequences beside long ones: padding is invisible."""
    model = network(layers, heads, content=torch.rand(M, content) if content else None)
    sequences = random_sequences(12, LENGTH)
    sequence, present = newest(log_of(sequences), torch.arange(12), LENGTH)
    hidden = gaps(present, 0.4, 0.2, torch.Generator().manual_seed(2))
    with torch.no_grad():
        output = model.guess(model(sequence, present, hidden)) @ model.items.table().T + model.bias
    assert len({len(sequence) for sequence in sequences}) > 3
    for row, items in enumerate(sequences):
        n = len(items)
        expected = plain(model, items, hidden[row, -n:].nonzero()[:, 0].tolist())
        torch.testing.assert_close(output[row, -n:].log_softmax(1).double(), expected, atol=1e-4, rtol=1e-4)


def test_a_gap_is_filled_from_both_sides_and_not_by_what_is_in_it():
    model = network()
    sequence, present = torch.arange(LENGTH)[None], torch.ones(1, LENGTH, dtype=torch.bool)
    hidden = torch.arange(LENGTH)[None] == 2
    with torch.no_grad():
        before = model(sequence, present, hidden)[0, 2]
        for t in range(LENGTH):
            changed = sequence.clone()
            changed[0, t] = 20
            assert torch.equal(model(changed, present, hidden)[0, 2], before) == (t == 2)


def test_a_share_of_each_sequence_is_hidden_and_at_least_one_item():
    present = torch.arange(20) >= 20 - torch.tensor([[1], [2], [5], [10], [20]]).expand(-1, 1)
    present = present.repeat(500, 1)
    hidden = gaps(present, 0.2, 0.0, torch.Generator().manual_seed(0))
    assert not (hidden & ~present).any()
    assert torch.equal(hidden.sum(1), torch.tensor([1, 1, 1, 2, 4]).repeat(500))
    longest = hidden[4::5].float().mean(0)                          # each place as often as another
    assert (longest - 0.2).abs().max() < 0.08
    alone = gaps(present, 0.2, 0.3, torch.Generator().manual_seed(0))[4::5]
    last_only = alone[:, -1] & (alone.sum(1) == 1)
    assert last_only.float().mean() == pytest.approx(0.3, abs=0.07)
    assert torch.equal(alone[~last_only].sum(1).unique(), torch.tensor([4]))


def test_what_is_next_is_what_is_behind_a_mask_after_the_newest_items(make_items):
    sequences = [[3], [5, 9], list(range(10, 25)), [7, 1, 4]]
    log = log_of(sequences)
    policy = fitted(log, make_items)
    policy.network_ = network()
    scores = policy.score(torch.arange(4), log)
    for user, items in enumerate(sequences):
        read = items[-(LENGTH - 1) :]
        expected = plain(policy.network_, [*read, 0], [len(read)])[-1]
        torch.testing.assert_close(scores[user].log_softmax(0).double(), expected, atol=1e-4, rtol=1e-4)


def test_the_losses_are_cross_entropies_over_all_items(make_items):
    """With the newest item alone hidden, training asks of it what validation asks of an item that follows."""
    sequences = [items for items in random_sequences(60, 12) if len(items) >= 2]
    log = log_of(sequences)
    before, last = log_of([items[:-1] for items in sequences]), torch.tensor([items[-1] for items in sequences])
    keys = {"last_masked": 1.0, "dropout": 0.0, "learning_rate": 1e-12, "batch_size": 7, "warm": True}
    policy = fitted(log, make_items, **keys)
    policy.network_ = network()
    held = HeldOut(torch.arange(len(sequences)), last)
    policy.fit(log, make_items(M), torch.Generator().manual_seed(1), validation=held)
    expected = np.mean([
        -plain(policy.network_, items[-LENGTH:], [len(items[-LENGTH:]) - 1])[-1, items[-1]].item() for items in sequences
    ])
    assert policy.training_[-1].train_loss == pytest.approx(expected, rel=1e-4)
    policy.log_ = before
    assert policy._validate(held, 10)[0] == pytest.approx(expected, rel=1e-4)


def test_training_starts_from_knowing_nothing(make_items):
    policy = fitted(log_of(random_sequences(40, 9)), make_items, hidden=64, learning_rate=1e-9)
    assert policy.training_[0].train_loss == pytest.approx(math.log(M), abs=0.1)


def test_what_follows_in_a_cycle_is_learnt(make_items):
    """Next item = item + 1 mod n: whoever has seen five in a row gets the sixth."""
    n = 12
    rng = np.random.default_rng(0)
    log = log_of([[(start + step) % n for step in range(5)] for start in rng.integers(0, n, 300)], n)
    policy = fitted(log, make_items, max_length=5, epochs=30, batch_size=32, hidden=16, learning_rate=0.01, dropout=0.1)
    ids, _ = policy.rank(torch.arange(300), 1, log, Draws(0).at(1)("slate"))
    last = log.history(torch.arange(300)).items[:, -1]
    assert (ids[:, 0] == (last + 1) % n).float().mean() > 0.95
    assert max(epoch.recall for epoch in policy.training_) > 0.9
    history = log.history(torch.tensor([9])).items[0]
    why = policy.explain(9, ids[9], log)
    assert why.ids[why.parts[0].argmax()] == history[-1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_comes_to_the_same(make_items):
    log = log_of(random_sequences(60, 9))
    here, there = (fitted(log, make_items, epochs=2, device=device, content="features") for device in ("cpu", "cuda"))
    assert there.training_[-1].train_loss == pytest.approx(here.training_[-1].train_loss, rel=1e-3)
    torch.testing.assert_close(there.score(torch.arange(60), log), here.score(torch.arange(60), log), atol=1e-3, rtol=1e-3)
