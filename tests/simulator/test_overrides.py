"""Changes to several arms at once."""

from __future__ import annotations

import pytest

from simulator.faults import ScenarioError
from simulator.overrides import parse_override
from simulator.scenario import Scenario, check
from simulator.yaml_source import parse

WORLD = """
title: t
policies:
  - organic
  - {kind: mf, name: small}
  - {kind: mf, name: small too, factors: 4}
  - {kind: mf, name: large, rerank: {kind: mmr, strength: 0.2}}
"""


def changed(*options: str) -> Scenario:
    return check(parse(WORLD, "t.yaml"), [parse_override(option) for option in options])


def factors(scenario: Scenario) -> list[int]:
    return [arm.policy.factors for arm in scenario.policies[1:]]


def test_a_star_stands_for_every_arm_whose_name_fits() -> None:
    assert factors(changed("policies.small*.factors=7")) == [7, 7, 32]
    assert factors(changed("policies[small*].factors=7", "policies.small.factors=3")) == [3, 7, 32]
    assert changed("policies.lar*.rerank.strength=0.9").policies[3].rerank.strength == 0.9


def test_a_star_that_fits_nothing_is_a_fault_of_the_option() -> None:
    with pytest.raises(ScenarioError, match=r"there is none that 'huge\*' fits among its 4 entries") as error:
        changed("policies.huge*.factors=7")
    assert error.value.faults[0].where == "--set policies.huge*.factors=7"


def test_a_long_option_is_cut_where_it_is_wrong() -> None:
    with pytest.raises(ScenarioError) as error:
        changed("policies.huge*.factors=[" + ", ".join("7" * 100) + "]")
    where = error.value.faults[0].where
    assert where.startswith("--set policies.huge*.factors=[7, 7, ")
    assert where.endswith("…")
    assert len(where) == len("--set ") + 99             # of 100, as there is no blank before the ellipsis


def test_what_an_arm_does_not_have_is_said_of_that_arm() -> None:
    with pytest.raises(ScenarioError, match=r"policies\[0\].factors: there is no key"):
        changed("policies.*.factors=7")
