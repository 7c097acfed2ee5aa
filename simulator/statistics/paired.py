"""Differences between arms, paired by replicate: the same users, items and chance, so what differs is the policy's doing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from simulator.statistics.intervals import bca_table, interval_table
from simulator.statistics.multiplicity import holm

ROUNDING = 1e-12  # relative: a difference smaller than this is the order of summation, not a difference


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
    """Effect of each arm on each measure against the baseline, paired by replicate.

    `ends` has the columns arm, replicate, measure, value. Columns of the result: arm, measure, mean, low, high, sd, n, size
    (mean / sd), p (two-sided paired t test), p_holm (all rows tested together), excludes_zero (the 95 % t interval lies on
    one side of zero), bca_low, bca_high (BCa bootstrap interval; NaN under 5 replicates).
    """
    differences = paired_differences(ends, baseline)
    table = tested_differences(differences, ["arm", "measure"])
    table = table.assign(p_holm=holm(table["p"].to_numpy()), excludes_zero=(table["low"] > 0) | (table["high"] < 0))
    return table.merge(bca_table(differences, ["arm", "measure"]), on=["arm", "measure"], how="left")


def tested_differences(differences: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Mean of the differences `value` in each group: `by`, mean, sd, n, low, high, size (mean / sd), p.

    low, high: 95 % t interval; p: two-sided paired t test (Student 1908). One difference has neither: NaN.
    """
    table = interval_table(differences, by)
    mean, sd, n = (table[column].to_numpy(dtype=float) for column in ("mean", "sd", "n"))
    size, p = np.full(len(table), np.nan), np.full(len(table), np.nan)
    spread = (n > 1) & (sd > 0)
    size[spread] = mean[spread] / sd[spread]
    p[spread] = 2 * stats.t.sf(np.abs(size[spread]) * np.sqrt(n[spread]), n[spread] - 1)
    constant = (n > 1) & (sd == 0)  # every replicate gives the very same difference
    p[constant] = np.where(mean[constant] == 0, 1.0, 0.0)
    return table.assign(size=size, p=p)
