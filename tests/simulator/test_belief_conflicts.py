"""What goes with users who do not know their interests is said at the door, each fault at its key."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.faults import ScenarioError
from simulator.overrides import parse_override
from simulator.scenario import Scenario, check
from simulator.yaml_source import parse

WORLD = """\
title: t
users:
  count: 30
  interests: {kind: correlated, correlation: 0.5}
  choice: certainty_equivalent
  drift: belief
items: {count: 40, topics: 40, space: values, mixture: one_hot}
discovery: {awareness: all}
policies: [organic, {kind: informed, of: quality}, {kind: informed, name: oracle, of: utility}, random]
"""


def checked(*changes: str, text: str = WORLD) -> Scenario:
    return check(parse(text, "w.yaml"), [parse_override(change) for change in changes])


def faults(*changes: str, text: str = WORLD) -> str:
    with pytest.raises(ScenarioError) as caught:
        checked(*changes, text=text)
    return str(caught.value)


def test_the_world_of_the_paper_can_be_said():
    scenario = checked()
    assert scenario.discovery.awareness == "all"
    assert [arm.name for arm in scenario.policies] == ["organic", "informed", "oracle", "random"]
    again: Any = check(parse(scenario.resolved(), "again"))
    assert again == scenario


@pytest.mark.parametrize(("changes", "message"), [
    (["users.drift=none"], "users.choice: 'certainty_equivalent' chooses by what it believes: write `drift: belief`"),
    (["users.interests=uniform"], "needs users who do not know what items are worth to them: write `interests: correlated`"),
    (["users.choice=best"], "tells users what they know: only those of `users.choice: certainty_equivalent` do not"),
    (["items.mixture=dirichlet"], "each item has a place of its own: write `mixture: one_hot`"),
    (["items.topics=20"], "must be the number of items, 40 (got 20)"),
    (["items.affinity=cosine"], "must be dot"),
    (["users.interests.common=2", "items.quality=1"], "`users.interests.common` says how much it counts (2)"),
    (["users.interests.common=-1"], "must be at least 0"),
    (["items.space=simplex"], "'certainty_equivalent' needs `items.space: values` (it is simplex)"),
])
def test_what_does_not_fit_is_refused_with_what_would(changes, message):
    assert message in faults(*changes)


def test_bounded_confidence_needs_a_space_with_distances():
    message = faults("users.choice=bounded_confidence")
    assert "'bounded_confidence' needs `items.space: simplex or sphere or plane` (it is values)" in message


def test_cohorts_may_differ_in_risk_aversion_but_stand_before_one_ring():
    cohorts = """\
  cohorts:
    - {name: bold, share: 0.5, choice: {kind: certainty_equivalent, risk_aversion: 0}}
    - {name: shy, share: 0.5, interests: {kind: correlated, correlation: %s, variance: 2.0}}
"""
    text = WORLD.replace("items:", cohorts % 0.5 + "items:", 1)
    assert len(checked(text=text).users.cohorts) == 2
    other = WORLD.replace("items:", cohorts % 0.9 + "items:", 1)
    assert "users.cohorts[1].interests: all items stand on one ring" in faults(text=other)


def test_a_share_of_knowledge_that_cannot_vary_so_much_is_refused():
    assert "users.choice: `noise` must be less than" in faults("users.choice={kind: partial_knowledge, noise: 0.3}")
