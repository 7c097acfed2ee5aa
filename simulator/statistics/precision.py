"""How exact the mean of so many replicates is, and how many it takes for an interval of ± x."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from simulator.statistics.intervals import CONFIDENCE

FIRST_LOOK = 5
"""Replicates before an interval may be called narrow enough: the spread of fewer is too often small by luck."""


def standard_error(values: ArrayLike) -> float:
    """Monte-Carlo standard error of the mean of values (n,): s / √n; NaN for one value. Koehler, Brown & Haneuse 2009."""
    values = np.asarray(values, dtype=float)
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def replicates_needed(sd: float, half_width: float, confidence: float = CONFIDENCE) -> int:
    """The fewest replicates n ≥ 2 with t(1/2 + confidence/2, n − 1) · sd / √n ≤ half_width.

    `sd` is the standard deviation over replicates, of a paired difference or of a level. Taken from a pilot run it is itself
    uncertain, and so is the answer. Source: the sample size of a t interval, e.g. Law 2015, Simulation Modeling and Analysis,
    § 9.4.1.
    """
    if not (math.isfinite(sd) and sd >= 0):
        raise ValueError(f"sd: must be a number from 0 on (got {sd})")
    if not (math.isfinite(half_width) and half_width > 0):
        raise ValueError(f"half_width: must be greater than 0 (got {half_width})")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: must be between 0 and 1 (got {confidence})")

    def fits(n: int) -> bool:
        return _half_width(sd, n, confidence) <= half_width

    high = 2
    while not fits(high):  # the half width falls with n, so doubling brackets the answer and bisection finds it
        high *= 2
    low = high // 2 if high > 2 else 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def enough(values: ArrayLike, half_width: float, confidence: float = CONFIDENCE, at_least: int = FIRST_LOOK) -> bool:
    """Whether the t interval of the mean of values (n,) is within ± half_width, from `at_least` (2 or more) values on.

    A rule to stop by. Looking after every replicate stops a little too often when the spread happens to be small, so the
    interval at which it stops covers somewhat less than it says: 92 to 94 % of normal numbers when it begins at 5, under 90 %
    when it begins at 2. The loss vanishes for narrow intervals (Chow & Robbins 1965).
    """
    values = np.asarray(values, dtype=float)
    if not np.isfinite(values).all():
        raise ValueError("values: must be finite numbers")
    if not (math.isfinite(half_width) and half_width > 0):
        raise ValueError(f"half_width: must be greater than 0 (got {half_width})")
    n = len(values)
    return n >= max(2, at_least) and _half_width(float(values.std(ddof=1)), n, confidence) <= half_width


def _half_width(sd: float, n: int, confidence: float) -> float:
    return float(special.stdtrit(n - 1, 0.5 + confidence / 2)) * sd / math.sqrt(n)
