"""All numbers of a report, computed once from the run directory."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

import numpy as np
import pandas as pd

from simulator.report.load import Arm, Run
from simulator.report.vocabulary import table_order
from simulator.statistics import (
    Interval,
    areas_between,
    band_table,
    end_rounds,
    end_values,
    holm,
    horizon,
    interval_table,
    longest_replicates,
    paired_differences,
    paired_effects,
)

ALPHA, BETA, GAMMA = "consumption.alpha", "consumption.beta", "consumption.gamma"
GINI, DRIFT, UTILITY = "consumption.gini", "interests.drift", "utility.per_user"
VERDICT = (ALPHA, BETA, GAMMA, GINI, DRIFT, UTILITY)


@dataclass(frozen=True)
class Evidence:
    """What the run says, in numbers. Tables have one row per group and the columns of `interval_table`."""

    run: Run
    last: int  # the last round any arm reached
    ends: pd.DataFrame  # arm, replicate, measure, value
    levels: pd.DataFrame  # arm, measure: values at the end
    effects: pd.DataFrame  # arm, measure: paired differences to the organic arm at the end
    curves: pd.DataFrame  # arm, measure, round: values
    difference_curves: pd.DataFrame  # arm, measure, round: bands of the paired differences, focus measures alone
    areas: pd.DataFrame  # arm, measure, rounds: area between the curve and the organic arm's, focus measures alone

    @property
    def window(self) -> range:
        return end_rounds(self.last)

    @property
    def end(self) -> str:
        """The end rounds in words."""
        window = self.window
        return f"round {window[0]}" if len(window) == 1 else f"rounds {window[0]} to {window[-1]}"

    @property
    def measures(self) -> list[str]:
        """The measures of this run, in the order of the table of measures."""
        return table_order(self.run.trajectory["measure"])

    @property
    def focus(self) -> list[str]:
        """The measures to draw large: those the scenario asks for, else those of the verdict."""
        return _focus(self.run)

    @property
    def compared(self) -> list[Arm]:
        """The arms that a verdict is about: neither the organic arm nor a control that sees the truth."""
        return [arm for arm in self.run.arms if arm.name != self.run.baseline and not arm.control]

    @property
    def replicates(self) -> int:
        """The most replicates any end value rests on."""
        return int(self.levels["n"].max()) if len(self.levels) else 0

    @property
    def pairs(self) -> str:
        """How many paired replicates the effects rest on, "5", or "2 to 5" in a run that stopped early."""
        least, most = int(self.effects["n"].min()), int(self.effects["n"].max())
        return str(most) if least == most else f"{least} to {most}"

    def arms_with(self, *measures: str) -> list[str]:
        """The arms, in the order of the scenario, that have a value at the end for each of the measures."""
        return [
            arm.name for arm in self.run.arms if all(self.level(arm.name, m) is not None for m in measures)
        ]

    def level(self, arm: str, measure: str) -> Interval | None:
        return _pick(self.levels, arm, measure)

    def mean_at_end(self, arm: str, measure: str) -> float:
        """The mean at the end, -inf where the arm has none: to look for the largest."""
        level = self.level(arm, measure)
        return -np.inf if level is None else level.mean

    def effect(self, arm: str, measure: str) -> Interval | None:
        return _pick(self.effects, arm, measure)

    def policy_effects(self, measure: str) -> dict[str, Interval]:
        """The effect on a measure by each policy that has one."""
        return {arm.name: e for arm in self.compared if (e := self.effect(arm.name, measure)) is not None}

    def between(self, arm: str, other: str, measure: str) -> Interval | None:
        """`arm` minus `other` at the end, paired by replicate; None where no replicate has both."""
        both = self.ends[(self.ends["measure"] == measure) & self.ends["arm"].isin((arm, other))]
        return _pick(interval_table(paired_differences(both, other), ["arm", "measure"]), arm, measure)

    @cached_property
    def holding(self) -> frozenset[tuple[str, str]]:
        """The (arm, measure) of the verdict's effects of policies that are below 0.05 when all are tested together (Holm)."""
        compared = {arm.name for arm in self.compared}
        family = self.effects[self.effects["measure"].isin(VERDICT) & self.effects["arm"].isin(compared)]
        if family.empty:
            return frozenset()
        held = family[holm(family["p"]) < 0.05]
        return frozenset(zip(held["arm"], held["measure"], strict=True))


def weigh(run: Run) -> Evidence:
    """Compute end values, intervals, paired effects and curves of a run."""
    baseline = run.baseline
    steady = longest_replicates(run.trajectory)
    ends = end_values(run.trajectory)
    shown = steady[steady["measure"].isin(_focus(run))]
    apart = paired_differences(shown, baseline) if baseline else shown.iloc[:0]
    return Evidence(
        run=run,
        last=horizon(run.trajectory),
        ends=ends,
        levels=interval_table(ends, ["arm", "measure"]),
        effects=paired_effects(ends, baseline) if baseline else ends.iloc[:0],
        curves=interval_table(steady, ["arm", "measure", "round"]),
        difference_curves=band_table(apart),
        areas=interval_table(areas_between(apart), ["arm", "measure", "rounds"]),
    )


def _focus(run: Run) -> list[str]:
    asked = (run.scenario.get("report") or {}).get("focus") or VERDICT
    measures = table_order(run.trajectory["measure"])
    chosen = [measure for name in asked for measure in measures if fnmatchcase(measure, name)]
    return list(dict.fromkeys(chosen))


def _pick(table: pd.DataFrame, arm: str, measure: str) -> Interval | None:
    row = table[(table["arm"] == arm) & (table["measure"] == measure)]
    if row.empty:
        return None
    mean, low, high = (float(row[column].iloc[0]) for column in ("mean", "low", "high"))
    return None if np.isnan(mean) else Interval(mean, low, high, int(row["n"].iloc[0]))
