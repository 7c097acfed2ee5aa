"""What a measure is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from simulator.measures.observation import Observation


@dataclass(frozen=True)
class Measure:
    """A number that a round has; `function` returns None where the round does not have it."""

    name: str
    label: str                              # for axes
    unit: str
    range: str                              # in words: "1 … T"
    lower: float | None                     # the ends of the range that are the same in every world
    upper: float | None
    bubble: Literal[-1, 0, 1]               # the way a bubble pushes it; 0: neither, or either
    description: str
    source: str
    function: Callable[[Observation], float | None]


PANEL = " On the panel: a fixed random sample of users (1000 unless set otherwise)."
COUNTED = " Mean over the users whose window is not empty."
SLATE = " Slates of this round."
THERE = " Where the catalogue changes: over the items that were there at some time in the window."
