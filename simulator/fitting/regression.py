"""From simulated points to draws of a posterior: regression on what came of them, and resampling by weight."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import logit

EDGE = 1e-6
"""Nearer to the ends of the unit interval than this, nothing is drawn or returned: logits are finite."""

POINTS_PER_COEFFICIENT = 2
"""Fewer points than this for each coefficient, and a regression on them is not to be trusted."""


class Adjusted(NamedTuple):
    """Points after the regression."""

    points: np.ndarray              # (n, p) logits
    weights: np.ndarray             # (n,) sums to 1
    summaries: np.ndarray           # (k,) bool: which the regression went by; none: it was not made


def adjusted(
    points: np.ndarray, weights: np.ndarray, distances: np.ndarray, summaries: np.ndarray, target: np.ndarray
) -> Adjusted:
    """Return logits (n, p) as they would be had their simulations met the target.

    z* = α̂ + ε̂, with z = α + (s − s_obs) β + ε the local-linear regression on the summaries (n, k), weighted by the
    Epanechnikov kernel 1 − (d / d_max)² times the weights of the search. Residuals are scaled by √(n / (n − k − 1)), n the
    effective number of points, (Σ w)² / Σ w²: a regression that takes up chance would else leave too narrow a posterior.
    Summaries that lie beyond all simulations are left out: a model that cannot meet them has no values at which it would, and a
    line drawn to there leads astray (Frazier, Robert & Rousseau 2020, JRSS B). With fewer than `POINTS_PER_COEFFICIENT` points
    for each coefficient they are returned as they are: rejection alone.

    Source: Beaumont, Zhang & Balding 2002 (Genetics); the logit keeps adjusted values within their ranges, after Hamilton,
    Currat, Ray, Heckel, Beaumont & Excoffier 2005 (Genetics).
    """
    weights = weights * (1 - (distances / (distances.max() * (1 + 1e-9))) ** 2)
    weights = weights / weights.sum()
    used = (summaries.min(0) < target) & (target < summaries.max(0))
    effective, coefficients = 1 / (weights**2).sum(), 1 + used.sum()
    if effective < POINTS_PER_COEFFICIENT * coefficients:
        return Adjusted(points, weights, np.zeros(len(target), bool))
    centred = (summaries - target)[:, used]
    design = np.column_stack([np.ones(len(points)), centred / np.median(np.abs(centred), 0)])
    root = np.sqrt(weights)[:, None]
    found = np.linalg.lstsq(design * root, points * root, rcond=None)[0]
    residuals = (points - design @ found) * np.sqrt(effective / (effective - coefficients))
    furthest = logit(1 - EDGE)
    return Adjusted(np.clip(found[0] + residuals, -furthest, furthest), weights, used)


def resampled(weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return `count` places drawn by weight, as evenly as they can be: systematic resampling (Kitagawa 1996), shuffled."""
    marks = (rng.random() + np.arange(count)) / count
    places = np.searchsorted(np.cumsum(weights / weights.sum()), marks).clip(max=len(weights) - 1)
    return rng.permutation(places)
