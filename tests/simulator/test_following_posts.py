"""Rewiring by posts at the door and in the loop."""

from __future__ import annotations

import pytest

from simulator.faults import ScenarioError
from simulator.model import FilterBubbleModel
from simulator.overrides import parse_override
from simulator.plain import plain
from simulator.scenario import Scenario, check
from simulator.yaml_source import parse

WORLD = """\
title: t
rounds: 12
warmup: 0
users: {count: 50, interests: {kind: dirichlet, concentration: 1}, drift: none}
items: {count: 2, topics: 2, mixture: one_hot}
discovery: {awareness: 1}
slate_size: 1
network:
  graph: {kind: erdos_renyi, friends: 4, least: 1}
  influence: {kind: shared_posts, rate: 0.5, tolerance: 0.2}
  rewiring: {probability: 0.5, tolerance: 0.2, unfollows: poster, follows: [random, reposted, similar_post]}
policies: [organic]
measures: {names: ['network.segregated', 'network.component*']}
"""


def checked(*changes: str) -> Scenario:
    return check(parse(WORLD, "w.yaml"), [parse_override(change) for change in changes])


def played(*changes: str, replicate: int = 0) -> tuple[list, list, list]:
    scenario = checked(*changes)
    model = FilterBubbleModel(scenario, scenario.policies[0], replicate)
    try:
        model.run()
        return model.trajectory, model.users.interests.tolist(), model.network.ties.followed.tolist()
    finally:
        model.close()


@pytest.mark.parametrize(("changes", "message"), [
    (["network.influence=degroot"], "network.rewiring.unfollows: 'poster' goes by what users post, and nobody posts"),
    (["network.influence=degroot", "network.rewiring.unfollows=random"], "network.rewiring.follows: 'reposted' goes by what"),
    (["network.rewiring.follows=[]"], "network.rewiring.follows"),
    (["network.rewiring.follows=[random, strangers]"], "network.rewiring.follows"),
    (["network.graph.least=5"], "`least` must be at most `friends`, 4 (got 5)"),
])
def test_what_does_not_fit_is_refused_with_what_would(changes: list[str], message: str):
    with pytest.raises(ScenarioError) as caught:
        checked(*changes)
    assert message in str(caught.value)


def test_the_world_comes_back_from_its_own_text_and_says_what_happens():
    scenario = checked()
    assert check(parse(scenario.resolved(), "again")) == scenario
    assert "follows anybody or the author of a post that a friend passed on or the author" in " ".join(plain(scenario, None))


def test_one_cohort_of_n_and_n_cohorts_of_one_live_the_same_lives():
    assert played("rounds=5") == played("rounds=5", "users.agents=50")


def test_every_rule_changes_who_is_followed():
    ends = [
        played(f"network.rewiring.unfollows={one}", f"network.rewiring.follows={other}")[2]
        for one in ("random", "poster") for other in ("random", "reposted", "similar_post", "[random, reposted]")
    ]
    assert len({tuple(end) for end in ends}) == len(ends)


def test_without_unfollowing_the_network_never_segregates_and_with_it_some_do():
    still = [played("network.rewiring.probability=0", replicate=r)[0][-1][1] for r in range(2)]
    assert [values["network.segregated"] for values in still] == [0, 0]
    split = [played("rounds=60", "measures.every=60", "network.rewiring.follows=similar_post", replicate=r) for r in range(3)]
    assert sum(trajectory[-1][1]["network.segregated"] for trajectory, _, _ in split) >= 1
