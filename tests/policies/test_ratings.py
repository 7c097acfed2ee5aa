"""The average rating, by hand and however the log grew."""

from __future__ import annotations

import pytest
import torch

from policies.log import FeedbackLog, ItemData
from policies.ratings import AverageRating

ITEMS = ItemData(torch.eye(4), torch.eye(4))


def rated(log: FeedbackLog, round: int, users: list[int], items: list[int], ratings: list[float]) -> None:
    log.record(round, torch.tensor(users), torch.tensor(items), {"rating": torch.tensor(ratings)})


def fitted(log: FeedbackLog, **keys: object) -> AverageRating:
    return AverageRating(**keys).fit(log, ITEMS, torch.Generator())


def test_ratings_by_hand() -> None:
    """Item 0: 5 and 3, item 1: 1 and one who did not say, item 2: nothing but a take, item 3: nothing."""
    log = FeedbackLog(3, 4)
    policy = fitted(log, prior=0.5)
    assert policy.ratings(log).tolist() == [0, 0, 0, 0]
    rated(log, 1, [0, 1, 2], [0, 0, 1], [5.0, 3.0, 1.0])
    rated(log, 2, [0], [1], [torch.nan])
    log.record(3, torch.tensor([1]), torch.tensor([2]))
    torch.testing.assert_close(policy.ratings(log), torch.tensor([8 / 2.5, 1 / 1.5, 0, 0]))     # though it was fitted before
    assert torch.equal(policy.ratings(log), fitted(log, prior=0.5).ratings(log))
    assert policy.score(torch.arange(2), log).tolist() == [policy.ratings(log).tolist()] * 2


@pytest.mark.parametrize(("reach", "expected"), [(None, [4, 1, 0, 0]), (1.5, [4, 2.5, 2.5, 2.5]), (0.0, [4, 4, 4, 4])])
def test_nothing_is_shown_as_further_below_the_best_than_the_reach(reach: float | None, expected: list[float]) -> None:
    log = FeedbackLog(3, 4)
    rated(log, 1, [0, 1], [0, 1], [4.0, 1.0])
    assert fitted(log, prior=0.0, reach=reach).ratings(log).tolist() == expected


def test_another_log_is_counted_anew() -> None:
    one, other = FeedbackLog(3, 4), FeedbackLog(3, 4)
    rated(one, 1, [0], [0], [4.0])
    rated(other, 1, [0], [3], [2.0])
    policy = fitted(one, prior=0.0)
    assert policy.ratings(one).tolist() == [4, 0, 0, 0]
    assert policy.ratings(other).tolist() == [0, 0, 0, 2]
    assert policy.ratings(one).tolist() == [4, 0, 0, 0]


def test_another_signal_may_be_averaged() -> None:
    log = FeedbackLog(3, 4)
    rated(log, 1, [0], [0], [4.0])
    log.record(2, torch.tensor([1]), torch.tensor([1]), {"dwell": torch.tensor([30.0])})
    assert fitted(log, prior=0.0, signal="dwell").ratings(log).tolist() == [0, 30, 0, 0]
    assert AverageRating(signal="dwell").reads_signal() == "dwell"
