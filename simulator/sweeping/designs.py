"""Designs: which combinations of the axes' values are played."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from scipy.stats import qmc

Design = Literal["grid", "fraction", "cases", "latin_hypercube", "sobol", "morris", "saltelli"]
SAMPLED = ("latin_hypercube", "sobol", "morris", "saltelli")
SENSITIVITY = ("morris", "saltelli")
"""Designs whose points belong together in blocks of one point for each axis and one or two more: see `block_size`."""

POWERS_OF_TWO = ("sobol", "saltelli")
LEVELS = 4
"""Places on each axis that the design of Morris steps between: 0, 1/3, 2/3, 1; as he and Campolongo et al. (2007) recommend."""


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, evenly spread, or evenly spread in their logarithm."""

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"
    integer: bool = False  # whole numbers only, `low` and `high` among them

    def at(self, share: float) -> float | int:
        """The number below which a `share` in [0, 1] of the range lies.

        Whole numbers: each has the share of the interval from itself to the next, so on a linear scale all have the same.
        """
        end = self.high + 1 if self.integer else self.high
        if self.scale == "log":
            number = math.exp(math.log(self.low) + share * (math.log(end) - math.log(self.low)))
        else:
            number = self.low + share * (end - self.low)
        return min(max(math.floor(number) if self.integer else number, self.low), self.high)  # rounding may step over


def fraction(sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield a fraction of a grid as places on its axes: those of all axes but the last, each with each, and the last in turn.

    The place on the last axis is the sum of the others modulo its size: a Latin square (Fisher 1926, "The arrangement of field
    experiments"). Where another axis has as many values as the last, each value of either meets each of any third axis equally
    often, so that a mean along a third axis differs from that over the grid by interactions of these two alone.
    """
    *others, last = sizes
    for places in product(*map(range, others)):
        yield *places, sum(places) % last


class NeedsSALib(ImportError):
    """The designs of sensitivity analysis are SALib's; the message says how to install it."""


def block_size(design: str, dimensions: int) -> int:
    """Points per sample: those of a trajectory of Morris, or of a base sample of Saltelli's (A, B and one of A_B per axis)."""
    return {"morris": dimensions + 1, "saltelli": dimensions + 2}.get(design, 1)


def points(design: Design, dimensions: int, samples: int, seed: int) -> np.ndarray:
    """The points of a design in the unit cube, (samples · block_size, dimensions), each in [0, 1]; the same for the same seed.

    latin_hypercube: on every axis each of `samples` strata of equal width holds one point (McKay, Beckman & Conover 1979).
    sobol: Sobol' points (1967) in the order of the sequence, scrambled (Matoušek 1998); balanced, and faster to converge than
    chance, only if `samples` is a power of two, which is therefore required (Owen 2020, "On dropping the first Sobol' point").
    Both are scipy.stats.qmc's.
    morris: `samples` trajectories on a grid of `LEVELS` places per axis; each moves every axis once, by 2/3 (Morris 1991).
    saltelli: `samples` rows of A, B and, for each axis, A with that axis from B (Saltelli et al. 2010; A and B scrambled Sobol'
    points), in the order A, A_B, B. Both are SALib's (without it: `NeedsSALib`), and more samples begin with the same points.
    """
    if design == "morris" or design == "saltelli":
        return _salib_points(design, dimensions, samples, seed)
    rng = np.random.default_rng(seed)
    if design == "latin_hypercube":
        return qmc.LatinHypercube(dimensions, rng=rng).random(samples)
    if design == "sobol":
        _check_power_of_two(samples)
        return qmc.Sobol(dimensions, rng=rng).random_base2(samples.bit_length() - 1)
    raise ValueError(f"{design!r} lists its cells and samples no points")


def _salib_points(design: Literal["morris", "saltelli"], dimensions: int, samples: int, seed: int) -> np.ndarray:
    try:
        from SALib.sample import morris, sobol
    except ImportError:
        raise NeedsSALib(f"{design!r} needs SALib: pip install 'filterbubble[sensitivity]'") from None
    problem = unit_problem(dimensions)
    if design == "saltelli":
        _check_power_of_two(samples)
        return sobol.sample(problem, samples, calc_second_order=False, seed=seed)
    shares = morris.sample(problem, samples, num_levels=LEVELS, seed=seed)
    return np.round(shares * (LEVELS - 1)) / (LEVELS - 1)       # else one place has several roundings, and so several cells


def unit_problem(dimensions: int) -> dict[str, Any]:
    """The unit cube in the words of SALib."""
    return {"num_vars": dimensions, "names": [f"x{j}" for j in range(dimensions)], "bounds": [[0.0, 1.0]] * dimensions}


def _check_power_of_two(samples: int) -> None:
    if samples & (samples - 1):
        raise ValueError(f"Sobol' points come in powers of two (got {samples})")


def pick(values: tuple[Any, ...], share: float) -> Any:
    """The one of some values that a share in [0, 1] falls on; each has the same chance."""
    return values[min(int(share * len(values)), len(values) - 1)]
