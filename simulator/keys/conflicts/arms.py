"""What the arms need of the world that they are compared in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from policies.base import Policy
from simulator.parts import problem

if TYPE_CHECKING:
    from simulator.scenario import Scenario


def arm_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Policies that read, or learn from, what a generated world does not have."""
    if scenario.data is not None:
        return
    for key, arm in scenario.each_arm():
        if isinstance(arm.policy, Policy) and arm.policy.reads_titles():
            yield problem(f"{arm.name!r} reads titles, and generated items have none: add `data:`", key)
    if not scenario.warmup:
        for place, arm in enumerate(scenario.policies):
            if arm.frozen:
                message = "would be trained on nothing, once and for all: without `warmup` the platform has no data yet"
                yield problem(message, ("policies", place))
