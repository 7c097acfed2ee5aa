"""The keys of a scenario that say which items its users know of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval
from pydantic_core import InitErrorDetails

from simulator.parts import Section, problem
from simulator.ranges import UnitInterval

if TYPE_CHECKING:
    from simulator.scenario import Scenario


class AwarenessKeys(Section):
    """Users know of what is in the middle of the market and of what is near to themselves; what they are shown, they know then.

    Source: Fleder & Hosanagar 2009 (Management Science), "Blockbuster culture's next rise or fall".
    """

    central: UnitInterval = 0.75
    """λ: weight of being in the middle, where everybody knows an item; the rest is the weight of being near to the user."""

    reach: Annotated[float, Interval(ge=1e-6, le=1e12)] = 0.35
    """θ: squared distance from the middle at which the chance of being known there is 1/e; from the user, a third of that."""


def awareness_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Keys of awareness that are right by themselves and wrong with others."""
    if scenario.discovery.known is None:
        return
    where = ("discovery", "known")
    if scenario.items.space != "plane":
        yield problem(f"is by distance: needs `items.space: plane` (it is {scenario.items.space})", where)
    if scenario.discovery.awareness != "all":
        message = f"says which of all items are found: write `awareness: all` (it is {scenario.discovery.awareness})"
        yield problem(message, where)
    if scenario.creators is not None:
        yield problem("is of items that are there from the start: leave it out with `creators`", where)
