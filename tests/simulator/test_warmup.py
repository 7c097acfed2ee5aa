"""An arm that goes on from a shared warm-up plays what it plays alone."""

from __future__ import annotations

import pytest
import torch

from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario, check
from simulator.warmup import WarmStart
from simulator.yaml_source import parse

_ARMS = """
title: {name}
rounds: 4
replicates: 2
slate_size: 4
measures: {{window: 3}}
policies:
  - organic
  - {{kind: mf, loss: bpr, factors: 4, epochs: 2, retrain_every: 2}}
  - {{kind: popularity, rerank: {{kind: mmr, strength: 0.5}}}}
  - {{kind: thompson}}
  - oracle
"""

WORLDS = {
    "simplex": "{warmup: 2, users: {count: 40}, items: {count: 30, topics: 4}}",
    "cohorts": "{warmup: 2, users: {count: 40, agents: 3, activity: 0.7, takes: 2}, items: {count: 30, topics: 4}}",
    "sphere": "{warmup: 3, users: {count: 40, interests: sphere, drift: biased_assimilation}, "
    "items: {count: 30, topics: 4, space: sphere}}",
    "cold": "{warmup: 0, users: {count: 40}, items: {count: 30, topics: 4}}",
}


def world(name: str) -> Scenario:
    """Return the scenario of this name."""
    source = parse(_ARMS.format(name=name), name)
    source.values.update(parse(WORLDS[name], name).values)
    return check(source)


@pytest.mark.parametrize("name", WORLDS)
def test_every_arm_plays_what_it_plays_alone(name: str):
    scenario: Scenario = world(name)
    warm = WarmStart()
    for replicate in range(2):
        for place, arm in enumerate(scenario.policies):
            alone = FilterBubbleModel(scenario, arm, replicate).run()
            shared = warm.model(scenario, place, replicate, None)
            assert shared.round == 0
            shared.run()
            assert repr(shared.trajectory) == repr(alone.trajectory)
            for ours, theirs in zip(shared.platform.log.interactions(), alone.platform.log.interactions(), strict=True):
                assert torch.equal(ours, theirs)
            assert torch.equal(shared.users.interests, alone.users.interests)
            alone.close()
            shared.close()


def test_the_warm_up_is_lived_through_once_in_a_replicate(monkeypatch: pytest.MonkeyPatch):
    rounds: list[int] = []
    step = FilterBubbleModel.step

    def counted(model: FilterBubbleModel) -> None:
        step(model)
        rounds.append(model.round)

    monkeypatch.setattr(FilterBubbleModel, "step", counted)
    scenario, warm = world("simplex"), WarmStart()
    for place in range(len(scenario.policies)):
        warm.model(scenario, place, 0, None).close()
    assert rounds == list(range(1 - scenario.warmup, 1))
    longer = scenario.model_copy(update={"rounds": scenario.rounds + 1, "title": "another"})
    assert warm.model(longer, 0, 0, None).scenario is longer
    assert len(rounds) == scenario.warmup                   # nothing that differs has had a say yet
    warm.model(scenario, 0, 1, None).close()
    drifting = scenario.model_copy(update={"slate_size": scenario.slate_size + 1})
    warm.model(drifting, 0, 1, None).close()
    assert len(rounds) == 3 * scenario.warmup


def test_cohorts_of_a_copy_stay_views_into_its_own_users():
    scenario, warm = world("cohorts"), WarmStart()
    first, second = (warm.model(scenario, place, 0, None) for place in (0, 1))
    first.cohorts[1].users.interests[:] = 0
    rows = first.cohorts[1].rows
    assert not first.users.interests[rows].any()
    assert second.users.interests[rows].any()
    assert second.cohorts[1].users.interests.any()
