"""The social filter: what those took whom a user follows."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from policies import Friends
from policies.failure import PolicyFailed
from policies.log import FeedbackLog
from policies.validation import HeldOut

NOTHING = HeldOut(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))


def learnt(policy: Friends, follows: np.ndarray, log: FeedbackLog, items) -> Friends:
    policy.befriend(sp.csr_array(follows.astype(np.float32)))
    return policy.fit(log, items, torch.Generator().manual_seed(0), validation=NOTHING)


@pytest.mark.parametrize("herself", [True, False])
def test_a_score_counts_friends_one_by_one(herself, make_log, make_items) -> None:
    log, rng = make_log(n=40), np.random.default_rng(1)
    follows = (rng.random((40, 40)) < 0.1) & ~np.eye(40, dtype=bool)
    scores = learnt(Friends(herself), follows, log, make_items()).score(torch.arange(40), log)
    taken = [set(row[there].tolist()) for row, there in zip(*log.history(torch.arange(40)), strict=True)]
    for user in range(40):
        heard = [other for other in range(40) if follows[user, other] or (herself and other == user)]
        assert scores[user].tolist() == [sum(item in taken[other] for other in heard) for item in range(len(make_items()))]


def test_a_user_is_seen_as_those_whom_she_follows(make_log, make_items) -> None:
    follows = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    log = make_log(n=3)
    assert learnt(Friends(), follows, log, make_items()).representations().tolist() == (follows + np.eye(3)).tolist()
    assert learnt(Friends(herself=False), follows, log, make_items()).representations().tolist() == follows.tolist()


def test_who_hears_nothing_gets_what_is_popular(make_items) -> None:
    log = FeedbackLog(3, len(make_items()))
    log.record(0, torch.tensor([2, 2]), torch.tensor([5, 6]))
    policy = learnt(Friends(), np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]]), log, make_items())
    assert policy.unknown(torch.arange(3), log).tolist() == [True, False, False]


def test_without_anybody_who_follows_anybody_it_says_what_is_missing(make_log, make_items) -> None:
    with pytest.raises(PolicyFailed, match="needs a scenario with a `network`"):
        Friends().fit(make_log(), make_items(), torch.Generator())
