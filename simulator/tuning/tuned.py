"""What a tune left behind, read into memory: the only thing its report may look at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from simulator.tuning.keys import TuneKeys
from simulator.tuning.outcome import Outcome, best, judge, nearest

NEEDED = ("title", "question", "tune", "arms", "axes", "seed", "replicates")


class NotATune(ValueError):
    """The folder does not hold what a tune leaves behind; the message says what is missing or wrong."""


@dataclass(frozen=True)
class Tuned:
    """A tune's folder. `trials` has a row for each setting that was tried, `results` the values at the end of each run."""

    folder: Path
    manifest: dict[str, Any]
    trials: pd.DataFrame
    results: pd.DataFrame  # run, arm, replicate, measure, value

    @cached_property
    def keys(self) -> TuneKeys:
        return TuneKeys.model_validate(self.manifest["tune"])

    @cached_property
    def outcomes(self) -> list[Outcome | None]:
        """Of each trial, on the replicates of the search."""
        others = self.run("others")
        return [judge(self.keys, self.run(f"trial {number}"), others) for number in self.trials["trial"]]

    @cached_property
    def best(self) -> int | None:
        """The place of the best setting that keeps the floor."""
        return best(self.outcomes, self.keys.sign)

    @property
    def nearest(self) -> int | None:
        return nearest(self.outcomes, self.keys.floor.sure)

    @cached_property
    def fresh(self) -> Outcome | None:
        """Of the best setting, in the replicates that the search has not seen."""
        return judge(self.keys, self.run("held-out"), self.run("held-out"))

    def run(self, name: str) -> pd.DataFrame:
        return self.results[self.results["run"] == name]

    def words(self, place: int) -> str:
        """`rerank.strength 0.42`"""
        return ", ".join(f"{axis['label']} {self.value(place, axis)}" for axis in self.manifest["axes"])

    def value(self, place: int, axis: dict[str, Any]) -> str:
        value = self.trials[axis["label"]].iloc[place]
        return f"{float(value):.4g}" if axis["numeric"] else str(value)


def load_tuned(folder: Path) -> Tuned:
    """Read the folder of a tune; `NotATune` says in one sentence what is missing or wrong."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if manifest.get("kind") != "tune" or any(key not in manifest for key in NEEDED):
            raise NotATune(f"{folder / 'manifest.json'}: is not the manifest of a tune (kind: tune)")
        trials = pd.read_csv(folder / "trials.csv", keep_default_na=False, na_values=[""])
        results = pd.read_parquet(folder / "results.parquet")
    except (OSError, ValueError) as error:
        if isinstance(error, NotATune):
            raise
        raise NotATune(f"{folder}: not the folder of a tune: {error}") from None
    return Tuned(folder, manifest, trials, results)
