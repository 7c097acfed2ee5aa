"""What measures, precision and the report need of the rest of a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from simulator.measures import select
from simulator.parts import problem

if TYPE_CHECKING:
    from simulator.scenario import Scenario


def precision_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """An interval that could not be narrowed down to what is asked."""
    precision = scenario.precision
    if precision is None:
        return
    if scenario.replicates < 2:
        message = f"must be at least 2 with `precision`: one replicate has no spread (got {scenario.replicates})"
        yield problem(message, ("replicates",) if "replicates" in scenario.model_fields_set else ("precision",))
    if precision.most < scenario.replicates:
        message = f"must be at least `replicates`, {scenario.replicates} (got {precision.most})"
        yield problem(message, ("precision", "most"))
    if precision.measure not in select(scenario.measures.names):
        where = ("precision", "measure") if "measure" in precision.model_fields_set else ("precision",)
        yield problem(f"{precision.measure!r} is not one of `measures.names`", where)


def pair_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Pairs of users, where there is one."""
    if scenario.users.count == 1 and scenario.measures.pairs in ("nearest", "policy"):
        message = f"{scenario.measures.pairs!r} compares each user with another, and there is one"
        yield problem(message, ("measures", "pairs"))


def topic_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """A topic to watch that there is not."""
    if scenario.measures.topic is not None and scenario.data is None and scenario.measures.topic > scenario.items.topics:
        yield problem(f"there are {scenario.items.topics} topics (got {scenario.measures.topic})", ("measures", "topic"))


def snapshot_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Snapshots of rounds that nobody plays."""
    for place, round in enumerate(scenario.report.snapshots):
        if round > scenario.rounds:
            message = f"must be at most `rounds`, {scenario.rounds} (got {round})"
            yield problem(message, ("report", "snapshots", place))
