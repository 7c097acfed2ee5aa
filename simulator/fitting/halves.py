"""The yardstick: how far apart two halves of the same real log are, by chance alone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from simulator.fitting.facts import distances, facts_of
from simulator.fitting.log import Log

WITHIN = 0.95
"""A simulated log is within the spread of real halves if it is no farther from a real half than this share of them are."""


def half_distances(log: Log, depth: int, count: int, seed: int) -> pd.DataFrame:
    """Return the distance in every fact (a column each) between the halves of `count` random cuts of the users in two.

    Every cut is disjoint and complete: a user who stood in both halves, as resampling with replacement has it, would overlap
    with herself. What is within the spread is thus what cannot be told from another sample of the same users' population, of
    that size. Split-half resampling, after Politis & Romano 1994 (Annals of Statistics), subsampling without replacement.
    """
    log = log.with_at_least(depth)
    rows = []
    for cut in range(count):
        rng = np.random.default_rng((seed, cut))
        order = rng.permutation(log.n_users)
        middle = log.n_users // 2
        one, other = (facts_of(log.of_users(part), depth, rng) for part in (order[:middle], order[middle:]))
        rows.append(distances(one, other))
    return pd.DataFrame(rows)


def place(distance: float, halves: np.ndarray) -> float:
    """Return the share of the halves' distances that are smaller than this one: 0 … 1, 0.5 = as far as halves usually are."""
    return float((halves < distance).mean())


def limit(halves: np.ndarray) -> float:
    """Return the distance up to which a log is within the spread of real halves."""
    return float(np.quantile(halves, WITHIN))


def is_within(distance: float, halves: np.ndarray) -> bool:
    return bool(distance <= limit(halves))
