"""Popularity: counts, window and decay by hand, fair ties, and the short cut against the general way."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from policies import Policy, Popularity
from policies.log import FeedbackLog, ItemData
from simulator.draws import Draws

STREAM = Draws(0).at(1)("slate")


@pytest.fixture
def log() -> FeedbackLog:
    """Item 0 taken 4 times in round 1, item 1 three times in round 2, item 2 once and item 3 twice in round 4."""
    log = FeedbackLog(12, 5)
    for round, users, item in ((1, [0, 1, 2, 3], 0), (2, [4, 5, 6], 1), (4, [7], 2), (4, [8, 9], 3)):
        log.record(round, torch.tensor(users), torch.full((len(users),), item))
    return log


@pytest.mark.parametrize(
    ("window", "decay", "ranking"),
    [
        (None, 1.0, [0, 1, 3, 2]),          # 4 3 1 2
        (None, 0.7, [3, 1, 0, 2]),          # 4 · .343 = 1.37, 3 · .49 = 1.47, 1, 2
        (None, 0.5, [3, 2, 1, 0]),          # 4 / 8 = .5, 3 / 4 = .75, 1, 2
        (3, 1.0, [1, 3, 2]),                # rounds 2 to 4
        (1, 1.0, [3, 2]),                   # round 4
        (2, 0.5, [3, 2]),                   # rounds 3 and 4
    ],
)
def test_items_rank_by_their_recent_counts(log, make_items, window, decay, ranking):
    for seed in range(5):                   # whatever the ties
        policy = Popularity(window, decay).fit(log, make_items(5), torch.Generator().manual_seed(seed))
        ids, scores = policy.rank(torch.tensor([10]), 5, log, STREAM)       # who has taken nothing
        assert ids[0, : len(ranking)].tolist() == ranking
        assert (scores[0, :-1] > scores[0, 1:]).all()


@pytest.mark.parametrize("decay", [1.0, 0.7])
def test_scores_may_be_the_counts_and_change_no_ranking(log, make_items, decay):
    ranks, counts = (
        Popularity(decay=decay, scores=scores).fit(log, make_items(5), torch.Generator().manual_seed(3))
        for scores in ("ranks", "counts")
    )
    users = torch.arange(12)
    (first, _), (second, scores) = (policy.rank(users, 3, log, STREAM) for policy in (ranks, counts))
    assert torch.equal(first, second)
    taken = torch.tensor([4 * decay**3, 3 * decay**2, 1, 2, 0])
    torch.testing.assert_close(scores, taken[second], rtol=0, atol=1e-3)
    hidden = torch.where(torch.arange(5) == 1, -torch.inf, 0.0)         # the general way, by the scores
    torch.testing.assert_close(ranks.rank(users, 3, log, STREAM, hidden)[0], counts.rank(users, 3, log, STREAM, hidden)[0])


def test_ties_are_broken_at_random_and_for_all_users_alike(log, make_items):
    log.record(4, torch.tensor([10]), torch.tensor([3]))        # now 1 and 3 are both taken three times
    first, users = [], torch.tensor([2, 7, 11])                 # none of whom has taken 1 or 3
    for seed in range(400):
        policy = Popularity().fit(log, make_items(5), torch.Generator().manual_seed(seed))
        ids, _ = policy.rank(users, 5, log, STREAM)
        order = [[item for item in row if item in (1, 3)] for row in ids.tolist()]
        assert order[0] == order[1] == order[2]
        first.append(order[0][0])
    assert stats.binomtest(first.count(1), len(first)).pvalue > 1e-3


def test_an_old_take_still_counts_for_more_than_none(make_items):
    """A decayed count is tiny next to a new one, and still above 0."""
    log = FeedbackLog(5, 8)
    for round, item in ((0, 6), (400, 2)):
        log.record(round, torch.tensor([item % 5]), torch.tensor([item]))
    for seed in range(10):
        policy = Popularity(decay=0.9).fit(log, make_items(8), torch.Generator().manual_seed(seed))
        assert policy.rank(torch.tensor([4]), 2, log, STREAM)[0].tolist() == [[2, 6]]


@given(st.integers(0, 2**31), st.floats(0, 1), st.integers(1, 30), st.booleans())
def test_the_short_cut_is_the_general_way(seed, share, k, ties):
    rng = torch.Generator().manual_seed(seed)
    n, m = 23, 30
    seen = torch.rand(n, m, generator=rng) < share * torch.rand(n, 1, generator=rng)
    log = FeedbackLog(n, m)
    users, items = seen.nonzero(as_tuple=True)
    order = torch.randperm(len(users), generator=rng)
    log.record(1, users[order], items[order])
    public = ItemData(torch.eye(m), torch.eye(m))
    policy = Popularity(window=1 if ties else None).fit(log, public, rng)
    everybody = torch.arange(n)
    ids, scores = policy.rank(everybody, k, log, STREAM)
    expected_ids, expected_scores = Policy.rank(policy, everybody, k, log, STREAM)
    assert torch.equal(scores, expected_scores)
    unseen = scores > -torch.inf
    assert torch.equal(ids[unseen], expected_ids[unseen])


def test_the_short_cut_is_taken_when_everybody_has_enough_unseen_items(make_log, make_items):
    log = make_log()
    policy = Popularity().fit(log, make_items(), torch.Generator().manual_seed(0))
    with patch.object(Policy, "rank", side_effect=AssertionError("the general way was taken")):
        policy.rank(torch.arange(300), 10, log, STREAM)
        with pytest.raises(AssertionError, match="general way"):
            policy.rank(torch.arange(300), 70, log, STREAM)


def test_somebody_with_little_left_changes_nobody_else_s_slate(make_items):
    """Then all are ranked in the general way, where a newcomer's slate must be what it was: recent, not all-time."""
    n, m = 40, 12
    log = FeedbackLog(n, m)
    log.record(1, torch.arange(30), torch.zeros(30, dtype=torch.int64))
    log.record(9, torch.arange(20, 22), torch.tensor([5, 5]))
    policy = Popularity(window=2).fit(log, make_items(m), torch.Generator().manual_seed(0))
    newcomer = torch.tensor([35])
    alone = policy.rank(newcomer, 4, log, STREAM)[0][0].tolist()
    log.record(10, torch.full((10,), 39), torch.arange(10))
    together = policy.rank(torch.tensor([39, 35]), 4, log, STREAM)[0][1].tolist()
    assert alone == together
    assert alone[0] == 5


def test_with_a_bias_scores_are_ranks_plus_bias(make_log, make_items):
    log = make_log()
    policy = Popularity().fit(log, make_items(), torch.Generator().manual_seed(0))
    bias = -3 * torch.arange(70).float() / 70
    ids, scores = policy.rank(torch.arange(300), 5, log, STREAM, bias)
    total = policy.score_ + bias
    for user in range(0, 300, 29):
        taken = set(log.history(torch.tensor([user])).items[0].tolist())
        best = [i for i in np.argsort(-total.numpy(), kind="stable").tolist() if i not in taken][:5]
        assert ids[user].tolist() == best
        assert torch.equal(scores[user], total[best])


def test_equal_scores_are_never_two_items(make_items):
    """Ranks, spread over [0, 1], stay apart in float32 for a catalogue of a million."""
    m = 1_000_000
    log = FeedbackLog(1, m)
    policy = Popularity().fit(log, ItemData(torch.zeros(m, 1), torch.zeros(m, 1)), torch.Generator().manual_seed(0))
    ordered = policy.score_[policy.ranking_]
    assert (ordered[:-1] > ordered[1:]).all()
