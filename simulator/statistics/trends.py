"""How an outcome goes with size: least squares slopes over arms, one for each replicate."""

from __future__ import annotations

import numpy as np


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
