"""How much of the spread of results is the keys' doing, and how much is chance between replicates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Variance(NamedTuple):
    """Parts of the variance of an outcome over the cells of a design and their replicates. NaN: cannot be told."""

    sd: float  # over cells, of the mean over replicates
    within: float  # share, of the variance of single runs, that lies between the replicates of a cell
    noise: float  # share, of the variance over cells of the mean over replicates, that chance makes


def variance_parts(values: np.ndarray) -> Variance:
    """Two-way analysis of variance without repetition (Fisher 1925) of values (cells, replicates).

    within: Σ (y_cr − ȳ_c)² / Σ (y_cr − ȳ)². All cells share their draws, so a replicate shifts all of them alike, and such a
    shift is no difference between cells; what is left of chance in their means is the residual mean square. noise: residual
    mean square over that of the cells, 1 − ICC(3, n) of Shrout & Fleiss (1979), at most 1.
    """
    cells, n = values.shape
    means = values.mean(axis=1)
    sd = float(means.std(ddof=1)) if cells > 1 else np.nan
    total = float(((values - values.mean()) ** 2).sum())
    if cells < 2 or n < 2 or total == 0:
        return Variance(sd, np.nan, np.nan)
    inside = float(((values - means[:, None]) ** 2).sum())
    residual = values - means[:, None] - values.mean(axis=0) + values.mean()
    error = float((residual**2).sum()) / ((cells - 1) * (n - 1))
    between = n * float(means.var(ddof=1))
    return Variance(sd, inside / total, min(1.0, error / between) if between > 0 else 1.0)
