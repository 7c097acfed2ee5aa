"""95 % intervals of a mean over replicates: Student's t, and the bias-corrected and accelerated bootstrap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 9999
ENOUGH_TO_RESAMPLE = 5
"""Replicates from which on a bootstrap interval is shown. With n values the smallest resampled mean has probability n⁻ⁿ, which
passes 2.5 % for n = 3; and a bootstrap interval of a mean is too short by about √((n − 1)/n) (Hesterberg 2015)."""

_BLOCK = 4_000_000  # resampled numbers held at once


@dataclass(frozen=True)
class Interval:
    """A mean over n replicates and its 95 % interval; the bounds are NaN when n = 1."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def t_interval(values: ArrayLike) -> Interval:
    """Mean ± t(0.975, n − 1) · s / √n of values (n ≥ 1,). Student 1908."""
    frame = pd.DataFrame({"value": _replicates(values), "all": 0})
    row = interval_table(frame, ["all"]).iloc[0]
    return Interval(float(row["mean"]), float(row["low"]), float(row["high"]), int(row["n"]))


def bca_interval(values: ArrayLike, seed: int = 0) -> Interval:
    """Mean of values (n ≥ 1,) with its BCa bootstrap interval (see `bca_bounds`)."""
    values = _replicates(values)
    low, high = bca_bounds(values[None, :], seed)
    return Interval(float(values.mean()), float(low[0]), float(high[0]), len(values))


def bca_bounds(values: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the 95 % BCa bootstrap interval of the mean of each row. (g, n) → (g,), (g,).

    It assumes no normal distribution and may lie askew around the mean (Efron 1987; `scipy.stats.bootstrap`, 9999 resamples).
    Every row is resampled by the same draws, so a row's bounds depend on nothing but the row and the seed. One value has no
    interval (NaN); equal values have one of no width.
    """
    values = np.asarray(values, dtype=float)
    groups, n = values.shape
    if n < 2:
        return np.full(groups, np.nan), np.full(groups, np.nan)
    mean, spread = values.mean(axis=1), np.ptp(values, axis=1)
    low, high = mean.copy(), mean.copy()
    varied = np.flatnonzero(spread > 0)
    size = max(1, _BLOCK // (RESAMPLES * n))
    for rows in np.split(varied, range(size, len(varied), size)):
        if len(rows) == 0:
            continue
        # The interval moves and stretches with the values; in units of their spread nothing in it under- or overflows.
        unit = (values[rows] - mean[rows, None]) / spread[rows, None]
        found = stats.bootstrap(
            (unit,), np.mean, axis=-1, vectorized=True, n_resamples=RESAMPLES, confidence_level=CONFIDENCE, method="BCa",
            rng=np.random.default_rng(seed),
        ).confidence_interval  # fmt: skip
        low[rows] = mean[rows] + spread[rows] * found.low
        high[rows] = mean[rows] + spread[rows] * found.high
    return low, high


def interval_table(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Mean of `value` in each group with its 95 % t interval: columns mean, sd, n, low, high.

    The rows of a group are the replicates. One replicate has no interval: its sd and bounds are NaN.
    """
    table = frame.groupby(list(by), as_index=False)["value"].agg(["mean", "std", "count", "min", "max"])
    table = table.rename(columns={"std": "sd", "count": "n"})
    constant = (table["n"] > 1) & (table["min"] == table["max"])
    # A mean of equal numbers may be off by a rounding, and so their deviation from it.
    table = table.assign(
        mean=table["mean"].mask(constant, table["min"]), sd=table["sd"].mask(constant, 0.0)
    ).drop(columns=["min", "max"])
    n = table["n"].to_numpy(dtype=float)
    several = n > 1
    half = np.full(len(table), np.nan)
    quantile = stats.t.ppf(0.5 + CONFIDENCE / 2, n[several] - 1)
    half[several] = quantile * table["sd"].to_numpy(dtype=float)[several] / np.sqrt(n[several])
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def bca_table(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """BCa bounds of the mean of `value` in each group: columns bca_low, bca_high; NaN under `ENOUGH_TO_RESAMPLE` rows."""
    groups = [(key, rows.to_numpy(dtype=float)) for key, rows in frame.groupby(list(by))["value"]]
    bounds = np.full((len(groups), 2), np.nan)
    sizes = np.array([len(values) for _, values in groups], dtype=int)
    for n in np.unique(sizes[sizes >= ENOUGH_TO_RESAMPLE]):
        alike = np.flatnonzero(sizes == n)
        bounds[alike] = np.column_stack(bca_bounds(np.stack([groups[i][1] for i in alike])))
    table = pd.DataFrame([key for key, _ in groups], columns=list(by))
    return table.assign(bca_low=bounds[:, 0], bca_high=bounds[:, 1])


def _replicates(values: ArrayLike) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise ValueError(f"values: must be a row of at least one finite number (got shape {values.shape})")
    return values
