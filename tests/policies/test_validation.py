"""What is held out of training, and how it is scored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import ndcg_score

from policies import Popularity
from policies.log import FeedbackLog
from policies.ranking import rank
from policies.validation import MOST_HELD_OUT, HeldOut, accuracy, hold_out


def rows(log: FeedbackLog) -> list[tuple[int, int, int]]:
    return list(zip(*(column.tolist() for column in log.interactions()), strict=True))


@given(st.integers(0, 9), st.sampled_from([None, 0, 3, 6, 20]), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_a_share_of_the_users_with_something_new_give_their_newest_take(make_log, seed, since, share):
    log = make_log(n=40, rounds=6, seed=seed, share=0.4)
    train, held = hold_out(log, share, since, torch.Generator().manual_seed(seed))
    history = {user: [row for row in rows(log) if row[0] == user] for user in range(40)}
    eligible = {user for user, own in history.items() if len(own) >= 2 and own[-1][2] >= (since or 0)}
    users = held.users.tolist()
    assert len(users) == len(set(users)) == round(share * len(eligible))
    assert set(users) <= eligible
    assert held.items.tolist() == [history[user][-1][1] for user in users]
    gone = [history[user][-1] for user in users]
    assert rows(train) == [row for row in rows(log) if row not in gone]         # nothing of it is left, all else is
    assert all(train.counts()[user] == len(history[user]) - 1 >= 1 for user in users)


def test_every_eligible_user_is_as_likely_to_be_held_out(make_log):
    log = make_log(n=40, rounds=6, share=0.4)
    rng = torch.Generator().manual_seed(0)
    times = torch.zeros(40)
    for _ in range(400):
        times[hold_out(log, 0.3, None, rng)[1].users] += 1
    eligible = log.counts() >= 2
    assert times[~eligible].sum() == 0
    assert stats.chisquare(times[eligible].numpy()).pvalue > 1e-3


def test_at_most_so_many_are_held_out():
    n = MOST_HELD_OUT * 3
    log = FeedbackLog(n, 2)
    for item in (0, 1):
        log.record(item, torch.arange(n), torch.full((n,), item))
    train, held = hold_out(log, 0.5, None, torch.Generator().manual_seed(0))
    assert len(held.users) == MOST_HELD_OUT
    assert len(train) == 2 * n - MOST_HELD_OUT


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**31))
def test_accuracy_is_that_of_scikit_learn(k, most, seed):
    rng = np.random.default_rng(seed)
    n_users, n_items = 7, 12
    scores = np.stack([rng.permutation(n_items) for _ in range(n_users)]).astype(float)
    truth = np.zeros((n_users, n_items))
    for user in range(n_users):
        truth[user, rng.permutation(n_items)[: rng.integers(1, most + 1)]] = 1
    ranked = torch.from_numpy(np.argsort(-scores, axis=1)[:, :k].copy())
    users, relevant = torch.from_numpy(truth).nonzero(as_tuple=True)
    shuffled = torch.from_numpy(rng.permutation(len(users)))
    recall, ndcg, hit = accuracy(ranked, HeldOut(2 * users[shuffled], relevant[shuffled]))     # ids with gaps
    found = np.take_along_axis(truth, ranked.numpy(), 1).sum(1)
    assert ndcg == pytest.approx(ndcg_score(truth, scores, k=k), abs=1e-6)
    assert recall == pytest.approx((found / truth.sum(1)).mean(), abs=1e-6)
    assert hit == pytest.approx((found > 0).mean(), abs=1e-6)


def test_accuracy_by_hand():
    ranked = torch.tensor([[5, 1, 2], [1, 5, 2], [1, 2, 5], [1, 2, 3]])
    recall, ndcg, hit = accuracy(ranked, HeldOut(torch.arange(4), torch.full((4,), 5)))
    assert recall == hit == pytest.approx(3 / 4)
    assert ndcg == pytest.approx((1 + 1 / np.log2(3) + 1 / 2) / 4)


def test_training_is_judged_on_the_best_unseen_items_of_the_policy(make_log, make_items):
    """Each user's newest item is the one that most users took: popularity finds all that it was not shown."""
    n, m = 200, 50
    log = FeedbackLog(n, m)
    log.record(1, torch.arange(n), 1 + torch.arange(n) % (m - 1))
    log.record(2, torch.arange(n), torch.zeros(n, dtype=torch.int64))
    (epoch,) = Popularity().fit(log, make_items(m), torch.Generator().manual_seed(0), k=1).training_
    assert (epoch.recall, epoch.ndcg, epoch.k) == (1.0, 1.0, 1)


def test_what_is_held_out_is_judged_among_the_unseen(make_log, make_items):
    """The reported numbers, once more from the policy's own scores: seen items out, the held-out one in."""
    log = make_log()
    policy = Popularity().fit(log, make_items(), torch.Generator().manual_seed(3), k=5)
    train, held = hold_out(log, policy.held_out_share, None, torch.Generator().manual_seed(3))
    assert rows(policy.log_) == rows(train)
    ranked, _ = rank(lambda users: policy.score(users, train), held.users, 5, train)
    assert len(held.users) > 20
    assert accuracy(ranked, held)[:2] == (policy.training_[0].recall, policy.training_[0].ndcg)


def test_a_new_training_is_judged_only_on_what_it_did_not_train_on_before(make_log, make_items):
    """With `since`, whoever took nothing since then keeps all; with nobody left, no accuracy is claimed."""
    log = make_log(rounds=9)
    policy = Popularity().fit(log, make_items(), torch.Generator().manual_seed(0), since=9)
    assert policy.training_[0].recall is None
    assert rows(policy.log_) == rows(log)
