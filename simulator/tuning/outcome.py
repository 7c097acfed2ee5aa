"""What a setting comes to: its gain over the floor's arm in the same replicates, and what it keeps of the floor's measure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from simulator.statistics import CONFIDENCE, Interval, t_interval
from simulator.tuning.keys import TuneKeys


class CannotTune(ValueError):
    """The tune has no answer that a search could find. The message says why, and what to do."""


@dataclass(frozen=True)
class Outcome:
    """A setting against the floor's arm, over replicates that both have."""

    goal: Interval  # the measure to tune for
    gain: Interval  # that minus the other arm's
    kept: Interval  # the floor's measure, as a share of the other arm's
    over: Interval  # the floor's measure minus the floor
    met: bool  # by the rule of the tune

    @property
    def surely_met(self) -> bool:
        """Does even the lower end of the interval reach the floor?"""
        return self.over.low >= 0

    @property
    def surely_missed(self) -> bool:
        return self.over.high < 0


def judge(keys: TuneKeys, own: pd.DataFrame, others: pd.DataFrame) -> Outcome | None:
    """Compare a setting with the floor's arm; None where it has no value of a measure in a replicate.

    `own` and `others`: arm, replicate, measure, value at the end, of the setting and of (among others) the floor's arm.
    """
    arms = ((own, keys.arm), (others, keys.floor.of))
    measures = (keys.goal, keys.floor.measure)
    wide = pd.concat({
        (place, measure): table[(table["arm"] == arm) & (table["measure"] == measure)].set_index("replicate")["value"]
        for place, (table, arm) in enumerate(arms) for measure in measures
    }, axis=1)  # fmt: skip
    if wide.empty or not np.isfinite(wide.to_numpy(dtype=float)).all():
        return None
    goal, level, goal_there, level_there = (
        wide[place, measure].to_numpy(dtype=float) for place in (0, 1) for measure in measures
    )
    if level_there.mean() <= 0:
        raise CannotTune(
            f"{keys.floor.measure} is {level_there.mean():.3g} under {keys.floor.of}, and a floor is a share of something "
            "greater than 0: take the floor from another arm or measure"
        )
    over = t_interval(level - keys.floor.share * level_there)
    met = (over.low if keys.floor.sure else over.mean) >= 0
    return Outcome(t_interval(goal), t_interval(goal - goal_there), ratio(level, level_there), over, met)


def ratio(above: ArrayLike, below: ArrayLike) -> Interval:
    """Ratio of the means of paired values (n,), (n,) with its 95 % interval after Fieller (1954).

    The interval holds the shares s for which the t interval of mean(above − s · below) includes zero, so it reaches a share
    exactly when that difference is not shown to be under zero. NaN with one replicate, and where `below` is not told from 0.
    """
    a, b = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    n, share = len(a), float(a.mean() / b.mean())
    if n < 2:
        return Interval(share, math.nan, math.nan, n)
    (var_a, cov), (_, var_b) = np.cov(a, b) * float(stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1)) ** 2 / n
    square, middle, end = b.mean() ** 2 - var_b, a.mean() * b.mean() - cov, a.mean() ** 2 - var_a
    if square <= 0:
        return Interval(share, math.nan, math.nan, n)
    half = math.sqrt(max(middle**2 - square * end, 0.0)) / square
    return Interval(share, middle / square - half, middle / square + half, n)


def best(outcomes: list[Outcome | None], sign: int) -> int | None:
    """The place of the best setting that keeps the floor; the first of equals. None: there is none."""
    there = [place for place, outcome in enumerate(outcomes) if outcome is not None and outcome.met]
    return max(there, key=lambda place: sign * outcomes[place].goal.mean, default=None)  # type: ignore[union-attr]


def nearest(outcomes: list[Outcome | None], sure: bool) -> int | None:
    """The place of the setting that comes nearest to the floor."""
    there = {place: outcome.over for place, outcome in enumerate(outcomes) if outcome is not None}
    return max(there, key=lambda place: there[place].low if sure else there[place].mean, default=None)
