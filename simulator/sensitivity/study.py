"""What a sensitivity analysis left behind, read from its folder alone."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from simulator.sensitivity.analysis import COLUMNS, DIFFERENCE, LEVEL, SPREAD
from simulator.sweeping.figures import Swept, SweptAxis
from simulator.sweeping.report import NotASweep, load_swept

FILE = "sensitivity.json"
INDICES, SPREADS = "sensitivity.csv", "variance.csv"
ABOUT = ("method", "measures", "samples", "resamples", "seed", "salib")
MAIN = {"morris": "mu_star", "sobol": "ST"}
"""The index that says how much a key matters."""


class NotASensitivity(NotASweep):
    """The folder does not hold what a sensitivity analysis leaves behind; the message says what is missing or wrong."""


@dataclass(frozen=True)
class Estimate:
    """An index with its 95 % interval; bounds are NaN where it has none."""

    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Key:
    """What one key does to one outcome."""

    axis: SweptAxis
    found: dict[str, Estimate]
    main: str  # the index that says how much it matters

    @property
    def label(self) -> str:
        return self.axis.label

    @property
    def size(self) -> Estimate:
        return self.found[self.main]

    @property
    def noise(self) -> float:
        """What the main index would be by chance between replicates alone; NaN with one replicate."""
        return self.found[f"{self.main}_noise"].value

    @property
    def shown(self) -> bool:
        """Does its interval lie above zero, and above what chance between replicates alone would give?"""
        return self.size.low > (0.0 if math.isnan(self.noise) else self.noise)

    @property
    def direction(self) -> int:
        """Morris: +1 the outcome rises with the key, −1 it falls, 0 neither is shown, or the key has no order."""
        mean = self.found.get("mu")
        if mean is None or not self.axis.numeric:
            return 0
        return 1 if mean.low > 0 else -1 if mean.high < 0 else 0

    @property
    def bend(self) -> float:
        """Morris: σ/µ*, near 0 for a key that acts in a straight line and by itself; NaN where µ* is 0."""
        star = self.found["mu_star"].value
        return self.found["sigma"].value / star if star > 0 else math.nan


@dataclass(frozen=True)
class Study:
    """A sweep with the indices of its keys."""

    swept: Swept
    about: dict[str, Any]
    indices: pd.DataFrame  # as in sensitivity.csv
    spread: pd.DataFrame  # as in variance.csv

    @property
    def method(self) -> str:
        return str(self.about["method"])

    @cached_property
    def measures(self) -> list[str]:
        """Those asked for of which there are indices."""
        there = set(self.indices["measure"])
        return [measure for measure in self.about["measures"] if measure in there]

    def outcome(self, measure: str) -> str:
        """What the page tells of a measure: the difference to the baseline, or, where there is none, the level."""
        of_measure = self.indices[self.indices["measure"] == measure]
        return DIFFERENCE if (of_measure["outcome"] == DIFFERENCE).any() else LEVEL

    def arms(self, measure: str) -> list[str]:
        """The arms that the page tells of: the policies, or all arms if there is none."""
        rows = self.indices[(self.indices["measure"] == measure) & (self.indices["outcome"] == self.outcome(measure))]
        there = set(rows["arm"])
        return [arm for arm in self.swept.policies if arm in there] or [arm for arm in self.swept.arms if arm in there]

    def keys(self, arm: str, measure: str) -> list[Key]:
        """The keys of an arm's outcome, the one that matters most first. Empty: it does not vary, or too little is there."""
        rows = self.indices
        rows = rows[(rows["arm"] == arm) & (rows["measure"] == measure) & (rows["outcome"] == self.outcome(measure))]
        main = MAIN[self.method]
        found = [
            Key(
                axis,
                {
                    str(row["index"]): Estimate(row["value"], row["low"], row["high"])
                    for row in rows[rows["key"] == axis.label].to_dict("records")
                },
                main,
            )
            for axis in self.swept.axes
            if axis.label in set(rows["key"])
        ]
        return sorted((key for key in found if not math.isnan(key.size.value)), key=lambda key: -key.size.value)

    def ranking(self, measure: str) -> list[str]:
        """All keys, that first which matters most on average over the arms of the page."""
        sizes = {axis.label: 0.0 for axis in self.swept.axes}
        for arm in self.arms(measure):
            for key in self.keys(arm, measure):
                sizes[key.label] += key.size.value
        return sorted(sizes, key=lambda label: -sizes[label])

    def samples(self, measure: str) -> tuple[int, int]:
        """The fewest and the most whole trajectories or base samples that an arm's indices of a measure rest on."""
        used = self.indices[self.indices["measure"] == measure]["samples"]
        return int(used.min()), int(used.max())

    @property
    def lost(self) -> int:
        """Trajectories or base samples that are missing from some index."""
        fewest = [self.samples(measure)[0] for measure in self.measures]
        return int(self.about["samples"]) - min(fewest, default=0)

    def spread_of(self, arm: str, measure: str) -> dict[str, Any]:
        rows = self.spread
        rows = rows[(rows["arm"] == arm) & (rows["measure"] == measure) & (rows["outcome"] == self.outcome(measure))]
        return rows.iloc[0].to_dict()


def load_study(folder: Path) -> Study:
    """Read the folder of a sensitivity analysis; `NotASensitivity` says in one sentence what is missing or wrong."""
    swept = load_swept(folder)
    if missing := [name for name in (FILE, INDICES, SPREADS) if not (folder / name).is_file()]:
        raise NotASensitivity(f"{folder}: holds no sensitivity analysis, {', '.join(missing)} missing")
    try:
        about = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except ValueError as error:
        raise NotASensitivity(f"{folder / FILE}: is not JSON: {error}") from None
    lacking = [name for name in ABOUT if not isinstance(about, dict) or name not in about]
    if lacking or about["method"] not in MAIN:
        raise NotASensitivity(f"{folder / FILE}: {f'{lacking[0]} missing' if lacking else 'no such method'}")
    return Study(swept, about, _table(folder / INDICES, COLUMNS), _table(folder / SPREADS, SPREAD))


def _table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    words = {"arm": str, "key": str}  # an arm, or a key, may well be called none
    try:
        table = pd.read_csv(path, dtype=words, keep_default_na=False, na_values={
            column: [""] for column in columns if column not in ("arm", "measure", "outcome", "key", "method", "index")
        })  # fmt: skip
    except (ValueError, OSError) as error:
        raise NotASensitivity(f"{path}: cannot be read: {error}") from None
    if missing := [column for column in columns if column not in table]:
        raise NotASensitivity(f"{path}: has no column {missing[0]}")
    return table
