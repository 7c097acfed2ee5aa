"""What creators need of the rest of a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from agents.creator import CREATORS
from simulator.keys.creators import MOST_PLANNED
from simulator.parts import kind_of, problem

if TYPE_CHECKING:
    from simulator.scenario import Scenario


def creator_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Creators of what they cannot make, or of more than there is room for."""
    creators, items = scenario.creators, scenario.items
    if creators is None:
        return
    planned = creators.rate * items.creators * (scenario.rounds + scenario.warmup)
    if scenario.data is not None:
        yield problem("are of generated worlds: with `data:`, nobody knows who made the items", ("creators",))
    elif items.mixture != "dirichlet":
        yield problem(f"make mixtures: not with `items.mixture: {items.mixture}`", ("creators",))
    elif items.space not in creators.behaviour.spaces:
        yield problem(
            f"{kind_of(CREATORS, creators.behaviour)!r} needs `items.space: {' or '.join(creators.behaviour.spaces)}` "
            f"(it is {items.space})", ("creators", "behaviour"),
        )
    for name, label in items.attributes:
        if label is not None and label.by == "topic":
            message = "is the topic's, and what creators will publish has no topic yet: 'item' or 'creator'"
            yield problem(message, ("items", "attributes", name, "by"))
    if planned > MOST_PLANNED:
        yield problem(
            f"makes about {planned:,.0f} items: {items.creators} creators for {scenario.rounds + scenario.warmup} rounds; "
            f"at most {MOST_PLANNED:,} fit", ("creators", "rate") if "rate" in creators.model_fields_set else ("creators",),
        )
