"""What an assumption-swap folder says, computed once from its tables for the page, its sentences and its figures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from simulator.assumptions.orders import levels, orders, pairs, rankings, worlds
from simulator.assumptions.swaps import LeftOut, Model, world_name
from simulator.report.vocabulary import Wording, wording
from simulator.sweeping.figures import Swept
from simulator.sweeping.report import NotASweep, load_swept

FILE = "assumptions.json"


class NotAssumptions(ValueError):
    """The folder does not hold what `filterbubble assumptions` leaves behind; the message says what is missing or wrong."""


@dataclass(frozen=True)
class Survey:
    """The worlds, and what is known of each."""

    swept: Swept
    base: int  # cell of the scenario as it stands
    measure: str
    models: tuple[Model, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def words(self) -> Wording:
        return wording(self.measure)

    @property
    def toward(self) -> int:
        """The direction of rank 1: towards a bubble; of a measure without direction, the highest value."""
        return self.words.bubble or 1

    @property
    def baseline(self) -> str:
        return str(self.swept.baseline)

    @property
    def assumptions(self) -> list[str]:
        return [axis.label for axis in self.swept.axes]

    @cached_property
    def assumed(self) -> pd.DataFrame:
        """Index cell; for each assumption the name of its level; all cells of the sweep."""
        at = self.swept.levels
        columns = {axis.label: [axis.named(level) for level in at[axis.label]] for axis in self.swept.axes}
        return pd.DataFrame(columns, index=at.index)

    @cached_property
    def played(self) -> pd.DataFrame:
        """`assumed`, of the cells that are finished."""
        return self.assumed.loc[self.swept.finished]

    @property
    def speaks(self) -> bool:
        """Is the base there, and another world to compare it with?"""
        return self.base in self.swept.finished and len(self.swept.finished) > 1

    @property
    def arms(self) -> list[str]:
        """The arms that are ranked, the baseline among them: all but a control that sees the truth."""
        return [arm for arm in self.swept.arms if arm != self.swept.reference]

    @cached_property
    def ranked(self) -> pd.DataFrame:
        results = self.swept.results
        return rankings(results[results["measure"] == self.measure], self.arms, self.baseline, self.toward)

    @cached_property
    def orders(self) -> pd.DataFrame:
        results = self.swept.results
        return orders(results[results["measure"] == self.measure], self.ranked, self.base)

    @cached_property
    def worlds(self) -> pd.DataFrame:
        return worlds(self.ranked, self.orders, self.played, self.base)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        return pairs(self.orders)

    @cached_property
    def levels(self) -> pd.DataFrame:
        return levels(self.orders, self.played, self.base)

    def world(self, cell: int) -> str:
        """logit × assimilation × 5"""
        return world_name(self.assumed.loc[cell])


def load_survey(folder: Path) -> Survey:
    """Read the folder; `NotAssumptions` says in one sentence what is missing or wrong."""
    try:
        swept = load_swept(folder)
        about = json.loads((folder / FILE).read_text(encoding="utf-8"))
        survey = Survey(
            swept, int(about["base"]), str(about["measure"]), tuple(Model(**each) for each in about["models"]),
            tuple(LeftOut(**each) for each in about["left_out"]),
        )  # fmt: skip
    except FileNotFoundError:
        raise NotAssumptions(f"{folder}: not the folder of swapped assumptions, {FILE} is missing") from None
    except NotASweep as error:
        raise NotAssumptions(str(error)) from None
    except (ValueError, KeyError, TypeError) as error:
        raise NotAssumptions(f"{folder / FILE}: is not what `filterbubble assumptions` writes: {error}") from None
    if swept.baseline is None:
        raise NotAssumptions(f"{folder}: has no organic arm, which the arms are ranked against")
    if survey.base not in swept.cells.index:
        raise NotAssumptions(f"{folder / FILE}: names the world {survey.base} as the base, and cells.csv has no such cell")
    results = swept.results
    if len(results) and not ((results["arm"] == swept.baseline) & (results["measure"] == survey.measure)).any():
        raise NotAssumptions(
            f"--measure {survey.measure}: has no value in the arm {swept.baseline!r}, which the arms are ranked against; "
            "name another"
        )
    return survey


def about(measure: str, base: int, models: tuple[Model, ...], left_out: tuple[LeftOut, ...]) -> dict[str, Any]:
    """What `load_survey` reads beside the tables of the sweep."""
    return {
        "measure": measure, "base": base, "models": [vars(each) for each in models],
        "left_out": [vars(each) for each in left_out],
    }  # fmt: skip
