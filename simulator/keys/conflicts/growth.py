"""What keys that are about a growing catalogue need of the rest of a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from policies.base import Policy
from simulator.controls import Oracle
from simulator.parts import problem

if TYPE_CHECKING:
    from simulator.scenario import Scenario


def growth_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Keys of new items, and of lists in which they stand, that are right by themselves and wrong with others."""
    items, discovery, users = scenario.items, scenario.discovery, scenario.users
    if items.count == 0:
        if scenario.creators is None:
            yield problem("must be at least 1, or there must be `creators:` who publish items (got 0)", ("items", "count"))
        elif isinstance(discovery.awareness, int):
            yield problem("must be 'new', or 'all', when nothing is there yet: `items.count` is 0", ("discovery", "awareness"))
    if discovery.awareness == "new" and scenario.creators is None:
        message = "'new' is what is published in a round: add `creators:`, or write 'all' or a number"
        yield problem(message, ("discovery", "awareness"))
    if discovery.placing == "mingled":
        yield from _unplaced(scenario)
    for place, arm in scenario.each_arm():
        if scenario.creators is not None:
            continue
        if isinstance(arm.policy, Oracle) and arm.policy.ranks != "all":
            yield problem("is of a catalogue that grows: add `creators:`, or leave it out", (*place, "ranks"))
        if isinstance(arm.policy, Policy) and not arm.cold_start:
            yield problem("is of a catalogue that grows: add `creators:`, or leave it out", (*place, "cold_start"))
    for place, arm in scenario.each_arm():
        if isinstance(arm.policy, Policy) and arm.policy.reads_ties and scenario.network is None:
            yield problem(f"{arm.name!r} asks who follows whom, and nobody does: add `network:`", place)
    if users.repeats is not None and users.repeats.shown_after is not None and users.repeats.shown_after > users.repeats.after:
        message = f"must be at most `after`, {users.repeats.after} (got {users.repeats.shown_after})"
        yield problem(message, ("users", "repeats", "shown_after"))


def _unplaced(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Choice models to which it does not matter where in the list an own find stands."""
    users = scenario.users
    models = [(users.choice, ("users", "choice"))]
    models += [
        (cohort.choice, ("users", "cohorts", place, "choice"))      # type: ignore[misc]
        for place, cohort in enumerate(users.cohorts) if cohort.choice is not None
    ]
    for model, where in models:
        if not getattr(model, "reads_places", False):
            message = "does not ask where own finds stand, so `discovery.placing: mingled` has no effect: use 'best', "
            yield problem(message + "'partial_knowledge' or 'biased_acceptance', or leave it out", where)
