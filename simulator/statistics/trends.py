"""How an outcome goes with size: least squares slopes over arms, one for each replicate; and whether a line says it."""

from __future__ import annotations

import numpy as np
from scipy import stats


def slopes(x: np.ndarray, y: np.ndarray, given: np.ndarray | None = None) -> np.ndarray:
    """Return the least squares slope of y over x in each replicate, over arms: (A, R), (A, R) → (R,).

    `given` (A, R): the slope of x in the regression on both, so of what of x does not go with it (Frisch & Waugh 1933). NaN in
    a replicate in which x does not vary, or not beyond what goes with `given`.
    """
    x, y = (values - values.mean(0) for values in (x, y))
    if given is not None:
        z = given - given.mean(0)
        square = (z * z).sum(0)
        share = np.divide((x * z).sum(0), square, out=np.zeros_like(square), where=square > 0)
        spread = (x * x).sum(0)
        x = x - share * z
        x = np.where((x * x).sum(0) > 1e-12 * spread, x, 0.0)       # what is left of x is rounding
    square = (x * x).sum(0)
    return np.divide((x * y).sum(0), square, out=np.full_like(square, np.nan), where=square > 0)


def turn(x: np.ndarray, y: np.ndarray, level: float = 0.05) -> int:
    """Return 1 where y over x (A, R) is shown to fall and then to rise (a U), −1 where to rise and then to fall, else 0.

    Of a U some arm between has to lie below the one with the smallest x and below the one with the largest: two one-sided
    paired t tests over replicates, an intersection–union test (Berger 1982), with Bonferroni's adjustment for trying all arms
    between. No shape is assumed: a parabola may turn within data that only level off (Simonsohn 2018, Two lines).
    """
    y = y[np.argsort(x.mean(1), kind="stable")]
    if len(y) < 3 or y.shape[1] < 2:
        return 0
    for sign in (1, -1):
        above = sign * np.stack([y[:1] - y[1:-1], y[-1:] - y[1:-1]])           # (2, A − 2, R)
        error = above.std(2, ddof=1) / y.shape[1] ** 0.5
        t = np.divide(above.mean(2), error, out=np.copysign(np.inf, above.mean(2) - 1e-300), where=error > 0)
        p = stats.t.sf(t, y.shape[1] - 1)                                       # (2, A − 2)
        if p.max(0).min() * (len(y) - 2) < level:
            return sign
    return 0
