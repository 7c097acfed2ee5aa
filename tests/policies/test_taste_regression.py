"""Taste regression: nonnegative least squares of what was taken on what items are about."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear, nnls

from policies import TasteRegression
from policies.log import FeedbackLog, ItemData
from policies.validation import HeldOut

NOTHING = HeldOut(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))


def items_of(rows: list[list[float]] | torch.Tensor, **columns: torch.Tensor) -> ItemData:
    topics = torch.as_tensor(rows, dtype=torch.float32)
    return ItemData(topics, torch.nn.functional.normalize(topics), **columns)


def log_of(*histories: list[int], m: int) -> FeedbackLog:
    log = FeedbackLog(len(histories), m)
    for user, taken in enumerate(histories):
        for item in taken:
            log.record(0, torch.tensor([user]), torch.tensor([item]))
    return log


def learnt(log: FeedbackLog, items: ItemData, **keys) -> TasteRegression:
    return TasteRegression(**keys).fit(log, items, torch.Generator().manual_seed(0), validation=NOTHING)


def test_by_hand() -> None:
    """Of two items of topic 0 she took one, of two of topic 1 both, of topic 2 none: w = (½, 1, 0)."""
    one_hot = [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]
    policy = learnt(log_of([0, 2, 3], [], m=5), items_of(one_hot))
    assert policy.tastes_[0].tolist() == pytest.approx([0.5, 1, 0])
    assert policy.tastes_[1].tolist() == [0, 0, 0]
    assert policy.score(torch.tensor([0]), policy.log_)[0].tolist() == pytest.approx([0.5, 0.5, 1, 1, 0])
    assert torch.equal(policy.representations(), policy.tastes_)


@pytest.mark.parametrize("vectors", ["features", "topics"])
def test_against_the_whole_least_squares_problem(vectors, make_log, make_items) -> None:
    log, items = make_log(n=40), make_items()
    policy = learnt(log, items, vectors=vectors)
    a = getattr(items, vectors).double().numpy()
    users, taken, _ = log.interactions()
    x = np.zeros((40, len(items)))
    x[users, taken] = 1
    for user in range(40):
        assert policy.tastes_[user].numpy() == pytest.approx(nnls(a, x[user])[0], abs=1e-5)
        assert policy.tastes_[user].numpy() == pytest.approx(lsq_linear(a, x[user], (0, np.inf), tol=1e-14).x, abs=1e-4)
    assert (policy.tastes_ == 0).any(1).float().mean() > 0.2        # the bound holds some of them


def test_what_came_out_just_now_says_nothing_against_its_topic() -> None:
    rows = [[1.0, 0], [1, 0], [0, 1], [1, 0], [1, 0]]
    fresh = torch.tensor([3, 2, 2, 0, 0])
    policy = learnt(log_of([0, 1], m=5), items_of(rows, age=fresh))
    assert policy.tastes_[0].tolist() == pytest.approx([1, 0])      # all two of two, not two of four
    assert learnt(log_of([0, 1], m=5), items_of(rows)).tastes_[0].tolist() == pytest.approx([0.5, 0])


def test_new_items_are_scored_by_what_they_are_about() -> None:
    rows = [[1.0, 0], [0, 1], [1, 0], [0, 1]]
    log = log_of([0], m=2)
    policy = learnt(log, items_of(rows[:2]))
    policy.meet(items_of(rows))
    assert policy.score(torch.tensor([0]), log)[0].tolist() == pytest.approx([1, 0, 1, 0])


def test_an_empty_catalogue_teaches_nothing() -> None:
    policy = learnt(FeedbackLog(3, 2), items_of([[1.0, 0], [0, 1]], age=torch.zeros(2, dtype=torch.int64)))
    assert policy.tastes_.tolist() == [[0, 0]] * 3


def test_an_explanation_is_what_the_regression_made_of_each_item(make_log, make_items) -> None:
    log, items = make_log(n=40), make_items()
    policy, user, asked = learnt(log, items), 5, torch.arange(10)
    why = policy.explain(user, asked, log)
    assert why.method == "exact"
    assert why.rest.abs().max() < 1e-5
    assert torch.allclose(why.parts.sum(1), policy.score(torch.tensor([user]), log)[0, asked], atol=1e-5)
