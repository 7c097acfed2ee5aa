"""The six facts: by hand, against brute force, and what they must not depend on."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simulator.fitting.facts import FACTS, GRID, Sample, distances, facts_of
from simulator.fitting.halves import half_distances, is_within, place
from simulator.fitting.log import Log
from simulator.measures.catalogue import gini

EYE = np.eye(4)


def sample(log: Log, depth: int, seed: int = 0) -> Sample:
    return Sample(log, depth, np.random.default_rng(seed))


def fact(name: str, log: Log, depth: int, seed: int = 0) -> np.ndarray:
    return FACTS[name].of(sample(log, depth, seed))


def some_log(seed: int, users: int = 40, items: int = 60, least: int = 12, topics: int = 5) -> Log:
    """Users of unequal histories, a few genres per item, popular items first."""
    rng = np.random.default_rng(seed)
    shares = rng.random((items, topics)) < 0.35
    shares[np.arange(items), rng.integers(0, topics, items)] = True
    weights = 1 / (1 + np.arange(items))
    histories = [rng.choice(items, rng.integers(least, 50), replace=False, p=weights / weights.sum()) for _ in range(users)]
    order = rng.permutation(sum(map(len, histories)))           # in the order of time, users mingle
    of_user, taken = np.repeat(np.arange(users), [len(each) for each in histories]), np.concatenate(histories)
    return Log(of_user[order], taken[order], shares / shares.sum(1, keepdims=True), users)


def test_popularity_by_hand(make_log):
    """Takes of four items, 0, 1, 1 and 2: the poorest half has a quarter of them, the poorest three quarters a half."""
    curve = fact("popularity", make_log([[1, 3], [2, 3]], EYE), 2)
    assert np.interp([0, 0.25, 0.5, 0.75, 1], GRID, curve) == pytest.approx([0, 0, 0.25, 0.5, 1])


def test_the_lorenz_curve_has_the_gini_of_the_measure():
    import torch

    log = some_log(3)
    chosen = sample(log, 12)
    takes = np.bincount(chosen.rarefied.items, minlength=len(log.topics))
    found, _ = FACTS["popularity"].summaries(FACTS["popularity"].of(chosen))
    assert found == pytest.approx(gini(torch.from_numpy(takes)), abs=2e-3)      # the curve is read at 201 places


def test_activity_by_hand(make_log):
    assert fact("activity", make_log([[0, 1], [0, 1, 2]], EYE), 2) == pytest.approx(np.log([2, 3]))


def test_diversity_by_hand(make_log):
    """Takes of one topic; of two, equally; of a film that is half and half and one of the first: 3/4 and 1/4."""
    topics = [[1, 0], [0, 1], [0.5, 0.5], [1, 0]]
    found = fact("diversity", make_log([[0, 3], [0, 1], [0, 2]], topics), 2)
    assert found == pytest.approx([0, math.log(2), -0.75 * math.log(0.75) - 0.25 * math.log(0.25)])


def test_narrowing_by_hand(make_log):
    """Nine takes, three to a third: all topics alike in the first, one in the last; for the other user the other way round."""
    topics = np.eye(3)[np.arange(12) % 3]
    middle = [9, 10, 11]
    log = make_log([[0, 1, 2, *middle, 3, 6, 0], [3, 6, 0, *middle, 1, 2, 6], [0, 1, 2]], topics)
    narrower, wider = fact("narrowing", log, 3)
    assert narrower == pytest.approx(-math.log(3))
    assert wider == pytest.approx(math.log(3))
    assert not len(fact("narrowing", make_log([[0, 1, 2]], topics), 3))


def test_novelty_by_hand(make_log):
    """Action; then action and comedy (half of it new); then drama (new), against drama, drama, comedy and drama."""
    topics = [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1], [0, 0, 1], [0, 0.5, 0.5]]
    assert fact("novelty", make_log([[0, 1, 2]], topics), 3) == pytest.approx([0.5, 1])
    assert fact("novelty", make_log([[2, 3, 4]], topics), 3) == pytest.approx([0, 0.5])
    assert fact("novelty", make_log([[0, 1, 2], [2, 3, 4]], topics), 3) == pytest.approx([0.25, 0.75])


def test_a_topic_that_is_hardly_there_is_no_main_topic(make_log):
    topics = [[0.9, 0.1], [0.1, 0.9], [0.55, 0.45]]
    assert fact("novelty", make_log([[0, 1]], topics), 2) == pytest.approx([1])
    assert fact("novelty", make_log([[0, 2]], topics), 2) == pytest.approx([0.5])


def test_overlap_by_hand(make_log):
    """{0, 1}, {1, 2} and {2, 3}: 1 of 3, 1 of 3 and 0 of 4."""
    assert sorted(fact("overlap", make_log([[0, 1], [1, 2], [2, 3]], EYE), 2)) == pytest.approx([0, 1 / 3, 1 / 3])


def test_overlap_is_that_of_sets():
    log = some_log(5, users=12)
    taken = sample(log, 12).rarefied
    sets = [set(taken.items[taken.users == user].tolist()) for user in range(log.n_users)]
    expected = [len(a & b) / len(a | b) for a, b in combinations(sets, 2)]
    assert fact("overlap", log, 12) == pytest.approx(expected)


def test_what_a_sample_of_takes_holds():
    """`depth` of each user's own takes, none twice, and each as likely as the others."""
    log, hits = some_log(7, users=6, least=12), np.zeros((6, 60))
    for seed in range(400):
        taken = log.rarefied(12, np.random.default_rng(seed))
        assert (taken.counts() == 12).all()
        hits[taken.users, taken.items] += 1
    assert hits.max() <= 400
    for user, count in enumerate(log.counts()):
        own = log.items[log.users == user]
        assert hits[user].sum() == hits[user, own].sum()
        assert stats.chisquare(hits[user, own]).pvalue > 1e-4 or count == 12


def test_a_history_is_not_diverse_because_it_is_long():
    """The trap of length: the same chooser, three times as long. Her entropy at equal numbers of takes is the same."""
    rng = np.random.default_rng(1)
    topics = np.eye(6)[rng.integers(0, 6, 400)]
    short, long = ([rng.permutation(400)[:length] for _ in range(300)] for length in (20, 60))
    as_log = lambda histories: Log(  # noqa: E731
        np.repeat(np.arange(300), [len(each) for each in histories]), np.concatenate(histories), topics, 300
    )
    at_equal = [fact("diversity", as_log(each), 20) for each in (short, long)]
    assert stats.ks_2samp(*at_equal).pvalue > 1e-3
    naive = [FACTS["diversity"].of(Sample(as_log(each), 10**6, rng)) for each in (short, long)]
    assert stats.ks_2samp(*naive).pvalue < 1e-9


@given(seed=st.integers(0, 2**20), shift=st.integers(0, 2**20))
@settings(max_examples=15, deadline=None)
def test_names_of_users_and_items_mean_nothing(seed, shift):
    """Facts that draw nothing, at full depth, are the same after both are numbered anew; ranges are kept."""
    log = some_log(seed, least=12)
    rng = np.random.default_rng(shift)
    users, items = rng.permutation(log.n_users), rng.permutation(len(log.topics))
    renamed = Log(users[log.users], items[log.items], log.topics[np.argsort(items)], log.n_users)
    for name in ("activity", "novelty"):
        one, other = fact(name, log, 12), fact(name, renamed, 12)
        assert np.sort(one) == pytest.approx(np.sort(other))
    whole, again = (FACTS["diversity"].of(Sample(each, 10**6, rng)) for each in (log, renamed))
    assert np.sort(whole) == pytest.approx(np.sort(again))
    found = facts_of(log, 12, rng)
    assert (np.diff(found["popularity"]) >= -1e-12).all()
    assert (found["popularity"] <= GRID + 1e-12).all()          # a Lorenz curve is convex: under the diagonal
    assert ((found["overlap"] >= 0) & (found["overlap"] <= 1)).all()
    assert ((found["novelty"] >= 0) & (found["novelty"] <= 1)).all()
    assert ((found["diversity"] >= 0) & (found["diversity"] <= math.log(5) + 1e-12)).all()
    assert all(distance == 0 for distance in distances(found, found).values())


def test_distances_are_those_of_the_library():
    one, other = (facts_of(some_log(seed), 12, np.random.default_rng(0)) for seed in (1, 2))
    apart = distances(one, other)
    assert apart == pytest.approx(distances(other, one))
    grid = np.linspace(-1, 6, 200_001)
    cdf = lambda values: np.searchsorted(np.sort(values), grid, side="right") / len(values)  # noqa: E731
    for name in ("activity", "diversity", "overlap"):
        assert apart[name] == pytest.approx(np.trapezoid(np.abs(cdf(one[name]) - cdf(other[name])), grid), abs=1e-4)
    assert apart["novelty"] == pytest.approx(np.mean(np.abs(one["novelty"] - other["novelty"])))
    assert FACTS["narrowing"].distance(np.empty(0), one["diversity"]) == np.inf


def test_who_took_too_little_is_in_no_fact(make_log):
    log = some_log(4)
    short = Log(
        np.append(log.users, [log.n_users] * 3), np.append(log.items, [0, 1, 2]), log.topics, log.n_users + 1
    )
    for name, values in facts_of(short, 12, np.random.default_rng(0)).items():
        assert values == pytest.approx(facts_of(log, 12, np.random.default_rng(0))[name])


def test_the_yardstick_is_of_disjoint_halves():
    """Half of the users like nothing that the others do: were a user in both halves, some pairs would overlap wholly."""
    log = some_log(8)
    table = half_distances(log, 12, 30, seed=1)
    assert list(table) == list(FACTS)
    assert len(table) == 30
    assert (table > 0).all().all()
    assert table.equals(half_distances(log, 12, 30, seed=1))
    assert not table.equals(half_distances(log, 12, 30, seed=2))


def test_a_world_of_the_same_people_is_within_the_spread_and_another_is_not():
    """95 % of halves are within by definition; a log of other tastes is outside in what differs."""
    log = some_log(9, users=200)
    table = half_distances(log, 12, 100, seed=1)
    for name in FACTS:
        values = table[name].to_numpy()
        assert np.mean([is_within(value, values) for value in values]) == pytest.approx(0.95, abs=0.011)
        assert place(values.max(), values) == pytest.approx(0.99)
        assert place(0.0, values) == 0
    narrow = Log(log.users, log.items, np.eye(5)[np.arange(60) // 12], log.n_users)
    real, other = (facts_of(each.of_users(np.arange(100)), 12, np.random.default_rng(0)) for each in (log, narrow))
    apart = distances(real, other)
    assert is_within(apart["activity"], table["activity"].to_numpy())
    assert not is_within(apart["diversity"], table["diversity"].to_numpy())
