"""What is drawn out of all items, and may not be more than there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from simulator.faults import dotted
from simulator.parts import problem

if TYPE_CHECKING:
    from simulator.scenario import Scenario


def size_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Slates and finds that are longer than the catalogue."""
    items, discovery = scenario.items, scenario.discovery
    sizes = (
        ("slate_size", ("slate_size",), scenario.slate_size, scenario),
        ("awareness", ("discovery", "awareness"), discovery.awareness, discovery),
    )
    for key, loc, size, section in sizes:
        if items.count is None or isinstance(size, str) or size <= items.count:
            continue
        if scenario.creators is not None and key == "slate_size":      # there will be more
            continue
        if key in section.model_fields_set:
            yield problem(f"must be at most the number of items, {items.count} (got {size})", loc)
        else:
            message = f"must be at least `{dotted(loc)}`, {size} (got {items.count})"
            yield problem(message, ("items", "count"))
