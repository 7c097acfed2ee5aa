"""What users who know of some items alone need of the rest of a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from simulator.parts import problem

if TYPE_CHECKING:
    from simulator.scenario import Scenario


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
