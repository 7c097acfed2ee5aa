"""Numbers that a report rests on: end values, t intervals over replicates, paired differences, Lorenz curves.

A replicate is one independent repetition of the whole experiment, so every interval is taken over
replicates: mean ± t(0.975, n − 1) · s / √n. One replicate has no interval: its bounds are NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

CONFIDENCE = 0.95
ROUNDING = 1e-12  # relative: a difference smaller than this is the order of summation, not a difference


def horizon(trajectory: pd.DataFrame) -> int:
    """The last round that any arm in any replicate has reached."""
    return int(trajectory["round"].max()) if len(trajectory) else 0


def end_rounds(last: int) -> range:
    """The last tenth of rounds 1 … `last`, at least one round: what "at the end" means in a report."""
    return range(last - max(1, last // 10) + 1, last + 1)


def end_values(trajectory: pd.DataFrame) -> pd.DataFrame:
    """One value for each arm, replicate and measure: its mean over the end rounds.

    Replicates that did not come to the last round are left out, so that all values speak of the same rounds.
    """
    last = horizon(trajectory)
    reached = trajectory.groupby(["arm", "replicate"])["round"].transform("max") == last
    at_end = trajectory["round"] >= end_rounds(last).start
    return (
        trajectory[reached & at_end].groupby(["arm", "replicate", "measure"], as_index=False)["value"].mean()
    )


def longest_replicates(trajectory: pd.DataFrame) -> pd.DataFrame:
    """The rows of those replicates of each arm that came furthest: a curve rests on the same ones throughout.

    An arm that has not left the warm-up while others have is left out.
    """
    reached = trajectory.groupby(["arm", "replicate"])["round"].transform("max")
    furthest = trajectory.groupby("arm")["round"].transform("max")
    return trajectory[(reached == furthest) & (furthest >= min(1, horizon(trajectory)))]


def interval_table(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Mean of `value` in each group with its 95 % t interval: columns mean, low, high, sd, n.

    The rows of a group are the replicates.
    """
    table = frame.groupby(list(by), as_index=False)["value"].agg(["mean", "std", "count"])
    table = table.rename(columns={"std": "sd", "count": "n"})
    n = table["n"].to_numpy(dtype=float)
    several = n > 1
    half = np.full(len(table), np.nan)
    quantile = stats.t.ppf(0.5 + CONFIDENCE / 2, n[several] - 1)
    half[several] = quantile * table["sd"].to_numpy(dtype=float)[several] / np.sqrt(n[several])
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def paired_differences(frame: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """`frame` with the baseline's value of the same replicate (and round) taken off each arm's value.

    Rows without a partner in the baseline, such as exposure measures of an organic baseline, are left out.
    """
    keys = [column for column in frame.columns if column not in ("arm", "value")]
    base = frame[frame["arm"] == baseline].drop(columns="arm").rename(columns={"value": "base"})
    paired = frame[frame["arm"] != baseline].merge(base, on=keys, how="inner")
    difference = paired["value"] - paired["base"]
    scale = np.maximum(paired["value"].abs(), paired["base"].abs())
    return paired.assign(value=difference.mask(difference.abs() <= ROUNDING * scale, 0.0)).drop(
        columns="base"
    )


def paired_effects(ends: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Effect of each arm on each measure at the end, against the baseline, paired by replicate.

    Columns: arm, measure, mean, low, high, sd, n, size (mean / sd), p (two-sided paired t test) and
    excludes_zero (the 95 % interval lies on one side of zero).
    """
    table = interval_table(paired_differences(ends, baseline), ["arm", "measure"])
    mean, sd, n = (table[column].to_numpy(dtype=float) for column in ("mean", "sd", "n"))
    size, p = np.full(len(table), np.nan), np.full(len(table), np.nan)
    spread = (n > 1) & (sd > 0)
    size[spread] = mean[spread] / sd[spread]
    p[spread] = 2 * stats.t.sf(np.abs(size[spread]) * np.sqrt(n[spread]), n[spread] - 1)
    constant = (n > 1) & (sd == 0)  # every replicate gives the very same difference
    p[constant] = np.where(mean[constant] == 0, 1.0, 0.0)
    return table.assign(size=size, p=p, excludes_zero=(table["low"] > 0) | (table["high"] < 0))


def holm(p: ArrayLike) -> np.ndarray:
    """p values adjusted for being looked at together (Holm 1979): max_{j ≤ i} (m − j + 1) p_(j), up to 1.

    NaN (no test) stays NaN and does not count.
    """
    p = np.asarray(p, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps * p[order]))
    return adjusted


def lorenz(counts: ArrayLike) -> np.ndarray:
    """Lorenz curve of counts over the whole catalogue: (M + 1,), from 0 to 1, the least seen items first."""
    counts = np.sort(np.asarray(counts, dtype=float))
    if len(counts) == 0 or counts.sum() <= 0:
        raise ValueError("a Lorenz curve needs at least one count above zero")
    return np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])


def gini(counts: ArrayLike) -> float:
    """Gini coefficient over the whole catalogue, items without a count included: 0 … 1 − 1/M (Gini 1912).

    Twice the area between diagonal and Lorenz curve, = Σ_i (2i − M − 1) x_i / (M Σ x), x ascending.
    """
    curve = lorenz(counts)
    return float(1 - (curve[1:] + curve[:-1]).sum() / (len(curve) - 1))
