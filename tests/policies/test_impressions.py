"""What was shown and what came of it, counted one by one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.impressions import exposures, impressions, inverse_propensity
from policies.log import FeedbackLog

N, M, K = 6, 12, 3


def random_log(seed: int, rounds: int = 5) -> FeedbackLog:
    """Some are shown slates, of which they take some items, others come without; who is shown what is recorded first."""
    rng = np.random.default_rng(seed)
    log, taken = FeedbackLog(N, M), {user: set() for user in range(N)}
    for round in range(rounds):
        users = rng.permutation(N)[: rng.integers(0, N + 1)]
        slates = np.stack([rng.permutation(M)[:K] for _ in users]) if len(users) else np.zeros((0, K), dtype=np.int64)
        log.record_slates(round, torch.from_numpy(users), torch.from_numpy(slates))
        new = []
        for user in range(N):
            for item in rng.permutation(M)[: rng.integers(0, 4)].tolist():
                if item not in taken[user]:
                    taken[user].add(item)
                    new.append((user, item))
        if new:
            log.record(round, *torch.tensor(new).T)
    return log


def rows(log: FeedbackLog) -> set[tuple[int, int, int]]:
    return set(zip(*(column.tolist() for column in log.interactions()), strict=True))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
def test_an_item_is_taken_from_a_slate_if_it_was_shown_in_the_round_in_which_it_was_taken(seed):
    log = random_log(seed)
    shown = impressions(log)
    given_ = [(round, users, items) for round, users, items in log.slates if len(users)]
    assert len(shown) == len(given_)
    for (round, users, slates), slate in zip(given_, shown, strict=True):
        assert torch.equal(slate.users, users)
        assert torch.equal(slate.items, slates.long())
        for user, items, taken in zip(users.tolist(), slates.tolist(), slate.taken.tolist(), strict=True):
            assert taken == [(user, item, round) in rows(log) for item in items]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
def test_an_exposure_is_a_showing_or_a_take_of_what_was_not_shown(seed):
    log = random_log(seed)
    shown = {
        (user, item, round) for round, users, slates in log.slates
        for user, slate in zip(users.tolist(), slates.tolist(), strict=True) for item in slate
    }
    count = Counter(item for _, item, _ in [*shown, *(rows(log) - shown)])
    assert exposures(log).tolist() == [count[item] for item in range(M)]


def test_where_nothing_was_shown_the_interactions_are_the_exposures(make_log):
    log = make_log()
    assert torch.equal(exposures(log), torch.bincount(log.interactions().items, minlength=log.n_items).float())


def test_an_item_met_half_as_often_counts_double_at_power_1():
    log = FeedbackLog(8, 4)
    log.record(1, torch.arange(8), torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]))
    log.record_slates(1, torch.arange(4), torch.tensor([[1], [1], [1], [1]]))       # of whom none takes item 1 this round
    for power, ratio in ((0.0, 1.0), (0.5, 2**0.5), (1.0, 2.0)):
        weight = inverse_propensity(log, power)
        assert weight[0] / weight[1] == pytest.approx(ratio)
        assert weight[log.interactions().items].mean() == pytest.approx(1.0)


def test_what_was_hardly_ever_met_has_a_bounded_weight_and_an_empty_log_none():
    log = FeedbackLog(5000, 3)
    log.record(1, torch.arange(5000), torch.tensor([0] * 4999 + [1]))
    weight = inverse_propensity(log, 1.0)
    assert weight[1] / weight[0] == pytest.approx(100)
    assert weight[2] == weight[1]
    assert inverse_propensity(FeedbackLog(3, 4), 1.0).tolist() == [1.0] * 4
