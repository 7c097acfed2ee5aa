"""Designs: which combinations of the axes' values are played."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.stats import qmc

Design = Literal["grid", "cases", "latin_hypercube", "sobol"]
SAMPLED = ("latin_hypercube", "sobol")


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, evenly spread, or evenly spread in their logarithm."""

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"
    integer: bool = False  # whole numbers only, `low` and `high` among them

    def at(self, share: float) -> float | int:
        """The number below which a `share` in [0, 1) of the range lies.

        Whole numbers: each has the share of the interval from itself to the next, so on a linear scale all have the same.
        """
        end = self.high + 1 if self.integer else self.high
        if self.scale == "log":
            number = math.exp(math.log(self.low) + share * (math.log(end) - math.log(self.low)))
        else:
            number = self.low + share * (end - self.low)
        return min(max(math.floor(number) if self.integer else number, self.low), self.high)  # rounding may step over


def points(design: Literal["latin_hypercube", "sobol"], dimensions: int, samples: int, seed: int) -> np.ndarray:
    """The points of a design in the unit cube, (samples, dimensions), each in [0, 1); the same for the same seed.

    latin_hypercube: on every axis each of `samples` strata of equal width holds one point (McKay, Beckman & Conover 1979).
    sobol: Sobol' points (1967) in the order of the sequence, scrambled (Matoušek 1998); balanced, and faster to converge than
    chance, only if `samples` is a power of two, which is therefore required (Owen 2020, "On dropping the first Sobol' point").
    Both are scipy.stats.qmc's.
    """
    rng = np.random.default_rng(seed)
    if design == "latin_hypercube":
        return qmc.LatinHypercube(dimensions, rng=rng).random(samples)
    if samples & (samples - 1):
        raise ValueError(f"Sobol' points come in powers of two (got {samples})")
    return qmc.Sobol(dimensions, rng=rng).random_base2(samples.bit_length() - 1)


def pick(values: tuple[Any, ...], share: float) -> Any:
    """The one of some values that a share in [0, 1) falls on; each has the same chance."""
    return values[min(int(share * len(values)), len(values) - 1)]
