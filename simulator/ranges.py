"""Ranges that many keys of a scenario have."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Interval, MinLen

from simulator.docs import MOST
from simulator.parts import problem, wrong

UnitInterval = Annotated[float, Interval(ge=0, le=1)]
NonNegative = Annotated[float, Interval(ge=0)]
Count = Annotated[int, Interval(ge=1, le=MOST)]
Text = Annotated[str, MinLen(1)]


def at_least_one(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    if not entries:
        raise wrong(problem("must have at least one entry"))
    return entries
