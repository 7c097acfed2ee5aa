"""What events need of the rest of a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from simulator.arms import unknown_sides
from simulator.events import Burst, Escape, Switch
from simulator.faults import did_you_mean
from simulator.parts import problem

if TYPE_CHECKING:
    from simulator.scenario import Scenario


def event_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Events that cannot happen in this world, or to these arms."""
    items = scenario.items
    names, attempts = [arm.name for arm in scenario.policies], 0
    for place, scheduled in enumerate(scenario.events):
        attempts += isinstance(scheduled.event, Escape)
        if attempts > 1 and isinstance(scheduled.event, Escape):
            yield problem("is the second attempt to escape, and there can be one", ("events", place))
        if isinstance(scheduled.event, Burst):
            if scenario.creators is None:
                yield problem("'burst' is of new items: add `creators:`, who publish them", ("events", place, "kind"))
            elif items.space != "simplex":
                yield problem(f"'burst' needs `items.space: simplex` (it is {items.space})", ("events", place, "kind"))
            elif scheduled.event.topic > items.topics:
                yield problem(f"there are {items.topics} topics (got {scheduled.event.topic})", ("events", place, "topic"))
        if isinstance(scheduled.event, Switch):
            yield from unknown_sides(scheduled.event.to, scenario.policies, ("events", place, "to", "of"))
        if scheduled.at > scenario.rounds:
            yield problem(f"must be at most `rounds`, {scenario.rounds} (got {scheduled.at})", ("events", place, "at"))
        for number, name in enumerate(scheduled.arms or ()):
            if name not in names:
                yield problem(f"there is no arm {name!r}{did_you_mean(name, names)}", ("events", place, "arms", number))
