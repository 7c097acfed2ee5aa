"""Worlds of news and posts: what is wrong with one, and what their parts do to each other in the loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.graphs import StochasticBlocks
from simulator.faults import ScenarioError
from simulator.model import FilterBubbleModel
from simulator.overrides import parse_override
from simulator.scenario import Scenario, check
from simulator.yaml_source import parse

WORLD = """\
title: t
rounds: 60
warmup: 0
users:
  count: 60
  interests: {kind: points, scatter: uniform, extent: 16.5}
  choice: {kind: bounded_confidence, latitude: 6}
  drift: {kind: memory_mean, size: 8}
  takes: 20
  repeats: {after: 1}
items: {count: 3600, topics: 4, space: plane, scatter: uniform, extent: 16.5, quality: 0}
discovery: {source: individual, awareness: 1}
network:
  graph: {kind: stochastic_blocks, friends: 8, blocks: [0.5, 0.5], mixing: 0.3}
  sharing: {posts: 1, most: 30}
policies: [organic]
measures: {names: [interests.distance_to_held, 'interests.*sharers', interests.camps, network.distance_to_friends], every: 20}
"""


def checked(*changes: str) -> Scenario:
    return check(parse(WORLD, "w.yaml"), [parse_override(change) for change in changes])


def played(*changes: str, replicate: int = 0) -> tuple[list, list]:
    scenario = checked(*changes)
    model = FilterBubbleModel(scenario, scenario.policies[0], replicate)
    try:
        model.run()
        return model.trajectory, model.users.interests.tolist()
    finally:
        model.close()


@pytest.mark.parametrize(("changes", "message"), [
    (["items.count=3599"], "items.count: with `discovery.source: individual` must be at least 3,600, for 60 users, 60 rounds"),
    (["discovery.source=central", "items.count=59"], "must be at least 60, for 60 rounds with 1 each (got 59)"),
    (["warmup=1"], "must be at least 3,660"),
    (["discovery.awareness=all"], "discovery.awareness: must be a number of items"),
    (["discovery.fame=1"], "discovery.fame: has no effect"),
    (["discovery.popularity_weight=0"], "discovery.popularity_weight: has no effect"),
    (["users.churn={arrivals: 2}"], "users.churn.arrivals: is for users who are there from the start"),
    (["creators={}", "items.space=simplex", "users.interests=dirichlet"], "not with `creators:`"),
    (["users.drift=none"], "network.sharing.posts: users post what they hold in mind, and nobody does"),
    (["network.sharing.posts=1.5"], "network.sharing.posts"),
])
def test_what_does_not_fit_is_refused_with_what_would(changes: list[str], message: str):
    with pytest.raises(ScenarioError) as caught:
        checked(*changes)
    assert message in str(caught.value)


def test_the_world_comes_back_from_its_own_text():
    scenario = checked()
    assert check(parse(scenario.resolved(), "again")) == scenario


@pytest.mark.parametrize("change", ["discovery.source=individual", "discovery.source=central"])
def test_one_cohort_of_n_and_n_cohorts_of_one_live_the_same_lives(change: str):
    assert played("rounds=3", change) == played("rounds=3", change, "users.agents=60")


def test_posting_is_what_makes_users_share_and_friends_come_together():
    silent, loud = (played("rounds=40", f"network.sharing.posts={posts}")[0][-1][1] for posts in (0, 1))
    assert silent["interests.sharers"] == silent["interests.camps"] == 0
    assert "interests.distance_to_sharers" not in silent
    assert loud["network.distance_to_friends"] < silent["network.distance_to_friends"] - 1
    some = played("rounds=40", "network.sharing.posts=0.2")[0][-1][1]
    assert 0 < some["interests.sharers"] < loud["interests.sharers"]


def test_central_news_are_shared_and_leave_a_user_near_many_who_are_not_near_each_other():
    central = played("discovery.source=central", "network.sharing.posts=0")[0][-1][1]
    assert central["interests.sharers"] > 0
    assert central["interests.distance_to_sharers"] > central["interests.distance_to_held"]


def test_who_accepts_more_holds_what_is_further():
    near, far = (played("rounds=20", "network.sharing.posts=0", f"users.choice.latitude={d}")[0][-1][1] for d in (3, 9))
    assert near["interests.distance_to_held"] < far["interests.distance_to_held"]


def one_after_the_other(rng: np.random.Generator, n: int = 60, ticks: int = 59, latitude: float = 6, size: int = 8) -> list:
    """The published schedule in plain Python: a bit to each, then one after the other posts to all friends, at once."""
    places, bits = rng.uniform(-16.5, 16.5, (n, 2)), np.zeros((0, 2))
    arcs = StochasticBlocks(8, 0.3, (0.5, 0.5)).draw(n, np.zeros(n, int), None, rng)
    friends: list[list[int]] = [[] for _ in range(n)]
    for one, other in arcs:
        friends[one].append(other)
    held: list[list[int]] = [[] for _ in range(n)]

    def offer(user: int, bit: int) -> None:
        distance = np.hypot(*(places[user] - bits[bit]))
        if rng.random() < 1 / (1 + (distance / latitude) ** 20) and bit not in held[user]:
            if len(held[user]) == size:
                held[user].pop(rng.integers(size))
            held[user].append(bit)
            places[user] = bits[held[user]].mean(0)

    for _ in range(ticks):
        bits = np.vstack([bits, rng.uniform(-16.5, 16.5, (n, 2))])
        for user in range(n):
            offer(user, len(bits) - n + user)
        for user in rng.permutation(n):
            if held[user]:
                bit = held[user][rng.integers(len(held[user]))]
                for friend in friends[user]:
                    offer(friend, bit)
    to_held = [np.hypot(*(places[u] - bits[held[u]]).T).mean() for u in range(n) if held[u]]
    sharers = [[v for v in range(n) if v != u and set(held[u]) & set(held[v])] for u in range(n)]
    to_sharers = [np.hypot(*(places[u] - places[vs]).T).mean() for u, vs in enumerate(sharers) if vs]
    to_friends = [np.hypot(*(places[u] - places[vs]).T).mean() for u, vs in enumerate(friends) if vs]
    return [np.mean(to_held), np.mean(to_sharers), np.mean([len(vs) for vs in sharers]), np.mean(to_friends)]


@pytest.mark.slow
def test_posting_all_at_once_comes_to_the_numbers_of_posting_one_after_the_other():
    """Two implementations and two schedules of one model: means over replicates differ by less than chance has it."""
    names = ["interests.distance_to_held", "interests.distance_to_sharers", "interests.sharers", "network.distance_to_friends"]
    count = 12
    here: Any = [[played(replicate=r)[0][-1][1][name] for name in names] for r in range(count)]
    there: Any = [one_after_the_other(np.random.default_rng(r)) for r in range(count)]
    here, there = np.array(here), np.array(there)
    spread = np.sqrt((here.var(0, ddof=1) + there.var(0, ddof=1)) / count)
    assert (np.abs(here.mean(0) - there.mean(0)) < 3 * spread).all(), (here.mean(0), there.mean(0), spread)
