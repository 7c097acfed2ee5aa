"""The losses of sequence models, against the same thing written out and against autograd in one piece."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from policies import losses

T, M, D, TOPICS = 11, 7, 5, 3       # positions, items, width, features


@pytest.fixture(autouse=True)
def small_parts(monkeypatch) -> None:
    monkeypatch.setattr(losses, "_LOGITS_AT_ONCE", 4 * M)       # four positions at a time: 4, 4 and 3


@pytest.fixture
def features() -> Tensor:
    return F.normalize(torch.rand(M, TOPICS, generator=torch.Generator().manual_seed(1)))


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    table, output = torch.randn(M, D, generator=rng), torch.randn(T, D, generator=rng)
    return table.requires_grad_(), output.requires_grad_(), torch.randint(0, M, (T,), generator=rng)


def plain(table: Tensor, output: Tensor, targets: Tensor, diversity: float, features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy and mean penalty, the penalty as a double sum over items."""
    logits = output @ table.T
    p, cosines = logits.softmax(1), features @ features.T
    return F.cross_entropy(logits, targets), diversity * torch.einsum("tj,jk,tk->t", p, cosines, p).mean()


@pytest.mark.parametrize("diversity", [0.0, 2.5])
def test_part_by_part_is_the_same_as_at_once(features, diversity):
    table, output, targets = inputs()
    loss, penalty = plain(table, output, targets, diversity, features)
    expected = torch.autograd.grad(loss + penalty, [table, output])
    # What lies before them, here a factor of 2, must get the gradient too.
    before = [(tensor.detach() / 2).requires_grad_() for tensor in (table, output)]
    mean = losses.backward(losses.full(diversity, features, torch.zeros(M)), [before[0] * 2], [before[1] * 2, targets])
    assert mean == pytest.approx(loss.item(), rel=1e-5)
    for tensor, gradient in zip(before, expected, strict=True):
        torch.testing.assert_close(tensor.grad, gradient * 2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("diversity", [0.0, 2.5])
def test_a_sample_of_all_items_is_no_sample(features, diversity):
    table, output, targets = inputs()
    loss = losses.backward(losses.full(diversity, features, torch.zeros(M)), [table], [output, targets])
    expected = table.grad, output.grad
    table, output, _ = inputs()
    ids = torch.randperm(M, generator=torch.Generator().manual_seed(3))
    positive = (output * table[targets]).sum(1)
    objective = losses.sampled(ids, M, diversity, features)
    assert losses.backward(objective, [table[ids]], [output, positive, targets]) == pytest.approx(loss, rel=1e-5)
    for tensor, gradient in zip((table, output), expected, strict=True):
        torch.testing.assert_close(tensor.grad, gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("diversity", [0.0, 2.5])
def test_what_is_barred_is_as_if_it_were_not_there(features, diversity):
    table, output, targets = inputs()
    barred, kept = torch.zeros(M), torch.tensor([0, 1, 3, 4, 6])
    barred[[2, 5]] = -torch.inf
    targets = targets % len(kept)
    loss = losses.backward(losses.full(diversity, features, barred), [table], [output, kept[targets]])
    less, same, _ = inputs()
    fewer = losses.full(diversity, features[kept], torch.zeros(len(kept)))
    assert losses.backward(fewer, [less[kept]], [same, targets]) == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(less.grad, table.grad)
    torch.testing.assert_close(same.grad, output.grad)


def sampled_losses(n: int) -> Tensor:
    """The loss (samples, T) with each possible sample of n items."""
    table, output, targets = (tensor.detach().double() if tensor.is_floating_point() else tensor for tensor in inputs())
    positive = (output * table[targets]).sum(1)
    samples = map(torch.tensor, combinations(range(M), n))
    empty = torch.zeros(M, 0)
    return torch.stack([losses.sampled(ids, M, 0.0, empty)(table[ids], output, positive, targets)[0] for ids in samples])


@pytest.mark.parametrize("n", [2, 3, 6])
def test_the_sum_of_the_softmax_is_estimated_without_bias(n):
    table, output, targets = inputs()
    scores = (output @ table.T).detach().double()
    positive = scores.gather(1, targets[:, None])[:, 0]
    estimates = (sampled_losses(n) + positive).exp()
    torch.testing.assert_close(estimates.mean(0), scores.exp().sum(1), rtol=1e-5, atol=1e-5)


def test_the_larger_the_sample_the_nearer_the_loss():
    table, output, targets = inputs()
    full = F.cross_entropy(output @ table.T, targets, reduction="none").detach().double()
    error = [(sampled_losses(n) - full).square().mean().item() for n in range(2, M + 1)]
    assert all(more > less for more, less in pairwise(error))
    assert error[-1] < 1e-10


def test_a_sample_that_is_only_the_target_teaches_nothing():
    table, output, _ = inputs()
    ids, targets = torch.tensor([3]), torch.full((T,), 3)
    objective = losses.sampled(ids, M, 0.0, torch.zeros(M, 0))
    assert losses.backward(objective, [table[ids]], [output, (output * table[targets]).sum(1), targets]) == 0
    assert table.grad.abs().max() == output.grad.abs().max() == 0


def test_binary_is_binary_cross_entropy():
    positive, negative = torch.linspace(-3, 3, 9), torch.linspace(2, -5, 9)
    expected = sum(
        F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, label), reduction="none")
        for scores, label in ((positive, 1.0), (negative, 0.0))
    )
    torch.testing.assert_close(losses.binary(positive, negative), expected)
