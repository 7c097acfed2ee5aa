"""Random slates: which law they follow."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from policies import Random
from policies.log import FeedbackLog
from simulator.draws import Draws

N, M, K = 6000, 7, 2
SEEN = [1, 4]                               # by every user
UNSEEN = [0, 2, 3, 5, 6]


@pytest.fixture(scope="module")
def log() -> FeedbackLog:
    log = FeedbackLog(N, M)
    for item in SEEN:
        log.record(1, torch.arange(N), torch.full((N,), item))
    return log


@pytest.fixture(scope="module")
def policy(log, make_items) -> Random:
    return Random().fit(log, make_items(M), torch.Generator().manual_seed(0))


def slates(policy: Random, log: FeedbackLog, round: int = 3, bias: Tensor | None = None, k: int = K) -> Tensor:
    return policy.rank(torch.arange(N), k, log, Draws(11).at(round)("slate"), bias)[0]


def law(rows: Tensor, expected: dict[tuple[int, ...], float]) -> float:
    """p of a chi-square test that the rows follow these probabilities."""
    counts = Counter(map(tuple, rows.tolist()))
    assert set(counts) <= set(expected)
    return stats.chisquare([counts[key] for key in expected], [len(rows) * p for p in expected.values()]).pvalue


def test_every_ordered_pair_of_unseen_items_is_as_likely(policy, log):
    pairs = dict.fromkeys(permutations(UNSEEN, 2), 1 / 20)
    assert law(slates(policy, log), pairs) > 1e-3


def test_who_has_hardly_anything_left_gets_it_in_random_order(policy, log):
    """Five of five unseen items: many rows run out of draws, and are finished in the exact way."""
    orders = dict.fromkeys(permutations(UNSEEN), 1 / 120)
    assert law(slates(policy, log, k=5), orders) > 1e-3


def test_the_rejection_way_and_the_exact_way_follow_one_law(make_items):
    """A large history makes draws run out for some users and not for others; the mix must still be uniform."""
    n, m = 4000, 60
    log = FeedbackLog(n, m)
    for item in range(m - 4):
        log.record(1, torch.arange(n), torch.full((n,), item))
    policy = Random().fit(log, make_items(m), torch.Generator().manual_seed(0))
    ids, scores = policy.rank(torch.arange(n), 2, log, Draws(2).at(1)("slate"))
    exact = (scores != 0).any(1)
    assert 0.2 < exact.float().mean() < 0.95
    for some in (exact, ~exact):
        assert law(ids[some], dict.fromkeys(permutations(range(m - 4, m), 2), 1 / 12)) > 1e-3


def test_with_a_bias_slates_follow_plackett_and_luce(policy, log):
    bias = torch.tensor([0.0, 5.0, 1.0, -1.0, 5.0, 0.5, 2.0])
    weight = bias.exp().numpy()
    total = weight[UNSEEN].sum()
    expected = {
        (i, j): float(weight[i] / total * weight[j] / (total - weight[i])) for i, j in permutations(UNSEEN, 2)
    }
    assert law(slates(policy, log, bias=bias), expected) > 1e-3


def test_a_flat_bias_is_uniform(policy, log):
    pairs = dict.fromkeys(permutations(UNSEEN, 2), 1 / 20)
    assert law(slates(policy, log, bias=torch.zeros(M)), pairs) > 1e-3


def test_slates_are_new_each_round_and_different_between_users(policy, log):
    now, next_round = slates(policy, log)[:, 0], slates(policy, log, round=4)[:, 0]
    for one, other in ((now, next_round), (now[:-1], now[1:])):
        table = np.zeros((M, M))
        np.add.at(table, (one.numpy(), other.numpy()), 1)
        assert stats.chi2_contingency(table[np.ix_(UNSEEN, UNSEEN)]).pvalue > 1e-3


@pytest.fixture
def alike(log, make_items) -> Random:
    return Random(factors=3).fit(log, make_items(M), torch.Generator().manual_seed(0))


def test_with_factors_a_list_is_in_the_order_of_products_of_random_vectors(alike, log):
    """By brute force, from the draws themselves."""
    draws = Draws(11).at(3)("slate")
    vector = lambda who: draws.uniform_pair(torch.full((3,), who), torch.arange(3))[1].numpy()     # noqa: E731
    got = slates(alike, log, k=5)
    for user in (0, 17, 5999):
        worth = {item: -(vector(user) * vector(-1 - item)).sum() for item in UNSEEN}
        assert got[user].tolist() == sorted(UNSEEN, key=worth.get)


def test_with_factors_lists_of_a_round_are_alike_and_those_of_rounds_are_not(alike, log):
    first, again, later = slates(alike, log)[:, 0], slates(alike, log)[:, 0], slates(alike, log, round=4)[:, 0]
    assert torch.equal(first, again)
    share = first.bincount(minlength=M).max() / N
    assert share > 0.3                          # one of five unseen items; on its own each would be first for .2
    tops = [slates(alike, log, round=round)[:, 0].bincount(minlength=M).argmax().item() for round in range(40)]
    assert set(tops) == set(UNSEEN)
    assert not torch.equal(first, later)


def test_with_factors_a_block_of_users_is_served_like_each_of_them(alike, log):
    draws = Draws(11).at(3)("slate")
    whole = alike.rank(torch.arange(200), K, log, draws)[0]
    assert all(torch.equal(alike.rank(torch.tensor([user]), K, log, draws)[0][0], whole[user]) for user in (0, 3, 199))


def test_with_factors_a_bias_comes_first(alike, log):
    bias = torch.tensor([0.0, 9.0, -torch.inf, 0.0, 0.0, 1.0, 1.0])
    rows = slates(alike, log, bias=bias)
    assert set(rows.flatten().tolist()) == {5, 6}
