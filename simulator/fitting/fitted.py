"""What a fit left behind, read into memory and judged: the only thing its report may look at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from simulator.fitting.facts import FACTS, Fact
from simulator.fitting.halves import is_within, limit, place

NEEDED = ("title", "question", "fit", "axes", "users", "data", "world", "arm")


class NotAFit(ValueError):
    """The folder does not hold what a fit leaves behind; the message says what is missing or wrong."""


@dataclass(frozen=True)
class Verdict:
    """How one fact of a world compares with the half of the real users that the search has not seen."""

    fact: Fact
    distances: np.ndarray           # of each replicate
    halves: np.ndarray              # between halves of the real log

    @property
    def distance(self) -> float:
        """The median over replicates; ∞ where most replicates have nobody to tell the fact of."""
        return float(np.median(self.distances))

    @property
    def limit(self) -> float:
        return limit(self.halves)

    @property
    def place(self) -> float:
        """The share of the halves that are nearer to each other."""
        return place(self.distance, self.halves)

    @property
    def met(self) -> bool:
        return is_within(self.distance, self.halves)


@dataclass(frozen=True)
class Fitted:
    """A fit's folder."""

    folder: Path
    manifest: dict[str, Any]
    simulations: pd.DataFrame
    halves: pd.DataFrame            # a column for each fact, a row for each cut
    distances: pd.DataFrame         # world, replicate, fact, distance
    facts: pd.DataFrame             # world, replicate, fact, place, value
    posterior: pd.DataFrame | None

    @cached_property
    def worlds(self) -> list[str]:
        return [name for name in dict.fromkeys(self.distances["world"]) if name != "real"]

    @property
    def keys(self) -> list[str]:
        return [axis["key"] for axis in self.manifest["axes"]]

    def verdict(self, world: str, fact: str) -> Verdict:
        rows = self.distances[(self.distances["world"] == world) & (self.distances["fact"] == fact)]
        return Verdict(FACTS[fact], rows["distance"].to_numpy(float), self.halves[fact].to_numpy(float))

    def verdicts(self, world: str) -> list[Verdict]:
        """Return the verdict on every fact of a world; none if it has not been played."""
        return [self.verdict(world, name) for name in FACTS] if world in [*self.worlds, "real"] else []

    def values(self, world: str, fact: str) -> list[np.ndarray]:
        """Return a fact of each replicate of a world, as it is drawn."""
        rows = self.facts[(self.facts["world"] == world) & (self.facts["fact"] == fact)]
        return [group.sort_values("place")["value"].to_numpy(float) for _, group in rows.groupby("replicate")]


def load_fitted(folder: Path) -> Fitted:
    """Read the folder of a fit; `NotAFit` says in one sentence what is missing or wrong."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if manifest.get("kind") != "fit" or any(key not in manifest for key in NEEDED):
            raise NotAFit(f"{folder / 'manifest.json'}: is not the manifest of a fit (kind: fit)")
        posterior = folder / "posterior.csv"
        return Fitted(
            folder, manifest, _table(folder / "simulations.csv", ()), _table(folder / "halves.csv", tuple(FACTS)),
            _table(folder / "distances.csv", ("world", "replicate", "fact", "distance")),
            pd.read_parquet(folder / "facts.parquet"), pd.read_csv(posterior) if posterior.exists() else None,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        if isinstance(error, NotAFit):
            raise
        raise NotAFit(f"{folder}: not the folder of a fit: {error}") from None


def _table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except pd.errors.EmptyDataError:
        table = pd.DataFrame(columns=list(columns))
    if missing := [column for column in columns if column not in table]:
        if len(table) or len(table.columns):
            raise NotAFit(f"{path}: has no column {missing[0]}")
        table = pd.DataFrame(columns=list(columns), dtype=float)
    return table
