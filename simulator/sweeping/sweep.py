"""A sweep: many scenarios that differ in the values of some keys."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from simulator.sweeping.axes import content
from simulator.sweeping.cells import Cell
from simulator.sweeping.designs import Design, Range
from simulator.sweeping.remedy_keys import RemedyKeys
from simulator.yaml_source import write


@dataclass(frozen=True)
class Axis:
    """Something that varies between cells."""

    label: str
    keys: tuple[str, ...]  # the keys of the scenario that it moves
    values: tuple[Any, ...]  # those of the cells, each once, in the order of the file; of a range, from low to high
    range: Range | None = None

    @property
    def numeric(self) -> bool:
        """Are all its values numbers?"""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)


@dataclass(frozen=True)
class Sample:
    """The points of a design for sensitivity analysis, in its order; a point that is hit twice is one cell."""

    shares: np.ndarray      # (points, axes), each in [0, 1]: how far along its axis a point lies
    cells: np.ndarray       # (points,), the number of each one's cell


@dataclass(frozen=True)
class Sweep:
    """Many scenarios that differ in the values of some keys.

    All cells keep the scenario's seed (unless `seed` is itself an axis, or draws are to be each cell's own). Draws are keyed by
    who, what and when, so cells share their random numbers: where two cells have the same users and items, their replicates are
    paired, and a difference between cells within a replicate is due to what varies. A condition in `where` leaves points of a
    sampled design out; they are not replaced. A point that a sampled design hits twice (whole numbers, lists) is one cell.
    """

    title: str
    question: str
    design: Design
    axes: tuple[Axis, ...]
    cells: tuple[Cell, ...]
    document: dict[str, Any] = field(repr=False, compare=False)  # the sweep file with its options and base written in
    sample: Sample | None = field(default=None, repr=False, compare=False)  # of a design for sensitivity analysis
    remedies: RemedyKeys | None = None      # what the report is about, if anything in particular

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the cells: equal for equal values and scenarios, however the file is written."""
        cells = [[cell.values, cell.scenario.digest] for cell in self.cells]
        return hashlib.sha256(content(cells).encode()).hexdigest()

    @property
    def seed(self) -> int | str:
        """The seed of all cells, or what to say of several."""
        seeds = list(dict.fromkeys(cell.scenario.seed for cell in self.cells))
        if self.document.get("sweep", {}).get("draws") == "own":
            return "of each cell its own"
        return seeds[0] if len(seeds) == 1 else ", ".join(map(str, seeds))

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the arms that every cell has, in the order of the first."""
        names = [[arm.name for arm in cell.scenario.policies] for cell in self.cells]
        return tuple(name for name in names[0] if all(name in others for others in names))

    def resolved(self) -> str:
        """The sweep as one YAML text, its scenario, options and labels written in. Loads back to an equal sweep."""
        return write(self.document)
