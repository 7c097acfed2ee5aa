"""Vectors of items by who took them, against scipy's singular vectors and on a world of two crowds."""

from __future__ import annotations

import numpy as np
import scipy.sparse.linalg
import torch

from policies.interaction_matrix import interaction_matrix
from policies.log import FeedbackLog
from policies.spectral import spectral_vectors


def vectors(log: FeedbackLog, d: int, seed: int = 0) -> torch.Tensor:
    return spectral_vectors(log, d, torch.Generator().manual_seed(seed))


def crowds() -> FeedbackLog:
    """Users take items with their own parity only; the last two items are never taken."""
    log, rng = FeedbackLog(80, 32), torch.Generator().manual_seed(0)
    for user in range(80):
        items = 2 * torch.randperm(15, generator=rng)[:6] + user % 2
        log.record(0, torch.full((6,), user), items)
    return log


def test_their_cosines_are_those_of_the_singular_vectors():
    log, d = crowds(), 2
    x = interaction_matrix(log).toarray().astype(np.float64)
    s = x / np.sqrt(np.maximum(x.sum(1, keepdims=True), 1)) / np.sqrt(np.maximum(x.sum(0), 1))
    _, values, v = scipy.sparse.linalg.svds(s, k=d, v0=np.ones(32))
    rows = v.T * values
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    expected = rows / np.maximum(norms, 1e-12)
    got = vectors(log, d).numpy()
    np.testing.assert_allclose((got @ got.T)[:30, :30], (expected @ expected.T)[:30, :30], atol=1e-5)


def test_items_of_one_crowd_are_alike_and_of_two_are_not():
    x = vectors(crowds(), 2)
    cosine = x @ x.T
    assert cosine[0:30:2, 0:30:2].min() > 0.99
    assert cosine[1:30:2, 1:30:2].min() > 0.99
    assert cosine[0:30:2, 1:30:2].abs().max() < 0.01


def test_what_nobody_took_has_no_direction():
    assert not vectors(crowds(), 4)[30:].any()
    assert not vectors(FeedbackLog(9, 7), 4).any()
    one = FeedbackLog(9, 7)
    one.record(0, torch.tensor([3]), torch.tensor([5]))
    assert vectors(one, 4).norm(dim=1).tolist() == [0, 0, 0, 0, 0, 1, 0]


def test_its_generator_decides(make_log):
    log = make_log()
    torch.manual_seed(1)
    first = vectors(log, 8)
    torch.manual_seed(2)
    assert torch.equal(first, vectors(log, 8))
    assert first.shape == (log.n_items, 8)
