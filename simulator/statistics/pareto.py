"""Trade-offs: what is not beaten in both of two measures, how sure that is, and where the best bargain lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from simulator.statistics.intervals import CONFIDENCE, ENOUGH_TO_RESAMPLE, RESAMPLES, Interval, t_interval
from simulator.statistics.paired import ROUNDING

FEWEST_FOR_A_KNEE = 3
"""Points on a front from which on it can have a knee: two ends and something between them."""

_BLOCK = 2_000_000  # resampled numbers held at once


def dominance(points: ArrayLike) -> np.ndarray:
    """Which point dominates which: (g, 2) → (g, g), [i, j] where i dominates j. More is better in both measures.

    i dominates j if it is at least as good in every measure and better in one (Pareto; Miettinen 1999, Nonlinear Multiobjective
    Optimization, def. 2.2.1). Differences of a rounding count as none.
    """
    points = _rounded(np.asarray(points, dtype=float))
    ahead = points[:, None, :] - points[None, :, :]
    return np.logical_and((ahead >= 0).all(axis=-1), (ahead > 0).any(axis=-1))


def non_dominated(points: ArrayLike) -> np.ndarray:
    """The Pareto front: the points that nothing dominates. (…, g, 2) → (…, g); at least one, and equal points stay together.

    By sorting (Kung, Luccio & Preparata 1975): from the best in the first measure on, a point is on the front if it is better
    in the second than all before it, or equal to one that is.
    """
    points = _rounded(np.asarray(points, dtype=float))
    order = np.lexsort((-points[..., 1], -points[..., 0]), axis=-1)
    first, second = (np.take_along_axis(points[..., measure], order, axis=-1) for measure in (0, 1))
    best = np.maximum.accumulate(second, axis=-1)
    better = np.ones(second.shape, dtype=bool)
    better[..., 1:] = second[..., 1:] > best[..., :-1]
    newest = np.maximum.accumulate(np.where(better, np.arange(second.shape[-1]), 0), axis=-1)
    equal = [values == np.take_along_axis(values, newest, axis=-1) for values in (first, second)]
    there = np.empty(second.shape, dtype=bool)
    np.put_along_axis(there, order, np.logical_and(*equal), axis=-1)
    return there


def _rounded(points: np.ndarray) -> np.ndarray:
    """Points in whole numbers of a rounding of their measure, so that the order of a summation makes no difference."""
    step = ROUNDING * np.abs(points).max(axis=-2, keepdims=True)
    return np.round(points / np.where(step > 0, step, 1.0))


def knee(points: ArrayLike, on_front: ArrayLike) -> np.ndarray:
    """The knee of a front of two measures: (…, g, 2), (…, g) → (…, g), at most one point marked.

    The front's point that lies farthest beyond the straight line between its two ends, when each measure is scaled to run from
    0 to 1 over the front. Beyond that line a step along the front costs more than it brings, by the scale of the whole front
    (Das 1999, Structural Optimization 18: 107–115; for two measures his normal-boundary bulge. Branke et al. 2004, PPSN VIII,
    find the same point as the best for equal weights). None with fewer than three points, or if none lies beyond the line.
    """
    points, on_front = np.asarray(points, dtype=float), np.asarray(on_front, dtype=bool)
    low = np.where(on_front[..., None], points, np.inf).min(axis=-2, keepdims=True)
    high = np.where(on_front[..., None], points, -np.inf).max(axis=-2, keepdims=True)
    span = np.where(high > low, high - low, 1.0)
    beyond = np.where(on_front, ((points - low) / span).sum(axis=-1) - 1, -np.inf)  # √2 times the distance
    first = beyond.argmax(axis=-1)
    there = (beyond.max(axis=-1) > ROUNDING) & (on_front.sum(axis=-1) >= FEWEST_FOR_A_KNEE)
    return there[..., None] & (np.arange(points.shape[-2]) == first[..., None])


@dataclass(frozen=True)
class Front:
    """A Pareto front over replicates. Arrays have one entry for each of g points."""

    values: np.ndarray
    """What it was made of, (g, n, 2); more is better."""

    worlds: np.ndarray
    """Points of one world share their replicates, (g,)."""

    on_front: np.ndarray
    """By the means over replicates, (g,) bool."""

    share: np.ndarray
    """Share of bootstrap resamples in which a point is on the front, (g,); NaN under `ENOUGH_TO_RESAMPLE` replicates."""

    knee: int | None
    """The place of the knee, by the means."""

    knee_share: np.ndarray
    """Share of the resamples in which a point is the knee, (g,); what is lacking to 1 had none. NaN as above."""

    @property
    def means(self) -> np.ndarray:
        """(g, 2)"""
        return self.values.mean(axis=1)

    @property
    def replicates(self) -> int:
        return self.values.shape[1]

    @property
    def paired(self) -> bool:
        return len(np.unique(self.worlds)) == 1

    @property
    def members(self) -> list[int]:
        """The points on the front, from the highest in the first measure to the lowest."""
        return sorted(np.flatnonzero(self.on_front).tolist(), key=lambda point: -self.means[point, 0])


def pareto_front(values: ArrayLike, worlds: ArrayLike | None = None, seed: int = 0) -> Front:
    """The front of g points, each with two measures in n replicates: (g, n, 2), more is better.

    How sure a place on it is: the share of 9999 nonparametric bootstrap resamples (Efron 1979) of the replicates in which the
    point has it. Points of one world are resampled jointly, so what a replicate has in common for all of them does not count;
    `worlds` (g,) names each point's, by default one for all. Such shares are no tests; from few replicates they are a little
    too sure, as a resampled mean varies √((n − 1)/n) times as much as the mean.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 3 or values.shape[2] != 2 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"values: must be points × replicates × 2 finite numbers (got shape {values.shape})")
    size, n, _ = values.shape
    worlds = np.zeros(size, dtype=int) if worlds is None else np.asarray(worlds)
    means = values.mean(axis=1)
    on_front = non_dominated(means)
    at_knee = knee(means, on_front)
    share = knee_share = np.full(size, np.nan)
    if n >= ENOUGH_TO_RESAMPLE:
        share, knee_share = _shares(values, np.unique(worlds, return_inverse=True)[1], seed)
    return Front(values, worlds, on_front, share, int(at_knee.argmax()) if at_knee.any() else None, knee_share)


def _shares(values: np.ndarray, worlds: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    size, n, _ = values.shape
    rng = np.random.default_rng(seed)
    on_front, at_knee = np.zeros(size), np.zeros(size)
    block = max(1, _BLOCK // (size * n))
    for start in range(0, RESAMPLES, block):
        resamples = min(block, RESAMPLES - start)
        weights = rng.multinomial(n, np.full(n, 1 / n), (resamples, worlds.max() + 1))[:, worlds] / n
        points = np.einsum("bgn,gnd->bgd", weights, values)
        there = non_dominated(points)
        on_front += there.sum(axis=0)
        at_knee += knee(points, there).sum(axis=0)
    return on_front / RESAMPLES, at_knee / RESAMPLES


@dataclass(frozen=True)
class Dominated:
    """A point off the front, the point on it that is farthest ahead of it, and how far: the latter minus the former."""

    point: int
    by: int
    ahead: tuple[Interval, Interval]

    @property
    def shown(self) -> bool:
        """Does the 95 % interval lie above zero in both measures? Then the point is off the front with at least that confidence
        (an intersection–union test: Berger 1982)."""
        return all(interval.low > 0 for interval in self.ahead)


def dominated(front: Front) -> list[Dominated]:
    """What each point off the front is dominated by.

    Of several on the front, the one to which the point would have to add most before it were not dominated: the largest
    smaller lead, in units of the spread of all points (additive ε-indicator: Zitzler et al. 2003). Differences are paired by
    replicate within a world (t), else those of two samples (Welch 1947).
    """
    means = front.means
    spread = np.ptp(means, axis=0)
    over = dominance(means) & front.on_front[:, None]
    found = []
    for point in np.flatnonzero(~front.on_front).tolist():
        rivals = np.flatnonzero(over[:, point])
        lead = ((means[rivals] - means[point]) / np.where(spread > 0, spread, 1.0)).min(axis=1)
        by = int(rivals[lead.argmax()])
        found.append(Dominated(point, by, (_ahead(front, by, point, 0), _ahead(front, by, point, 1))))
    return found


def _ahead(front: Front, first: int, second: int, measure: int) -> Interval:
    a, b = front.values[first, :, measure], front.values[second, :, measure]
    if front.worlds[first] == front.worlds[second]:
        return t_interval(a - b)
    mean = float(a.mean() - b.mean())
    if len(a) < 2:
        return Interval(mean, np.nan, np.nan, 1)
    if np.ptp(a) == 0 and np.ptp(b) == 0:
        return Interval(mean, mean, mean, len(a))
    bounds = stats.ttest_ind(a, b, equal_var=False).confidence_interval(CONFIDENCE)
    return Interval(mean, float(bounds.low), float(bounds.high), len(a))
