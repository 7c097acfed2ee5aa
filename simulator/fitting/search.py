"""Which parameters to simulate next, and what is known of them in the end: approximate Bayesian computation (ABC).

Parameters live in the unit cube, where the prior is uniform; inside the search they are logits, which have no ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import linalg
from scipy.special import expit, logit

POINTS_PER_COEFFICIENT = 2
"""Fewer points than this for each coefficient, and a regression on them is not to be trusted."""

EDGE = 1e-6
"""Nearer to the ends of the unit interval than this, nothing is drawn or returned: logits are finite."""


@dataclass
class Search:
    """Adaptive population Monte Carlo: a population moves towards small distances, in as many simulations as there may be.

    The first `population` points come from the prior. Then, again and again, the nearer half of the population is kept, and as
    many new points are drawn around it: one of the kept by its weight, moved by a Gaussian step with twice their covariance.
    A new point's weight is the prior's density over that of the proposal, w ∝ π(z) / Σ_j w_j N(z; z_j, 2Σ); kept points keep
    theirs. Asked and told the same in the same order, it asks the same again.

    Source: Lenormand, Jabot & Deffuant 2013 (Computational Statistics), APMC, with half the population kept; the step and the
    weights are those of Beaumont, Cornuet, Marin & Robert 2009 (Biometrika), with the full covariance.
    """

    dimensions: int
    population: int
    seed: int
    points: np.ndarray = field(init=False)          # (n, p) logits of the population
    weights: np.ndarray = field(init=False)         # (n,) not normalised
    distances: np.ndarray = field(init=False)       # (n,)
    numbers: np.ndarray = field(init=False)         # (n,) of the simulations, from 0 in the order of asking

    def __post_init__(self) -> None:
        self.points, self.weights = np.empty((0, self.dimensions)), np.empty(0)
        self.distances, self.numbers = np.empty(0), np.empty(0, np.int64)
        self._told = 0
        self._generation = 0

    def kept(self) -> np.ndarray:
        """Return the places in the population of its nearer half, nearest first."""
        finite = np.flatnonzero(np.isfinite(self.distances))
        order = finite[np.argsort(self.distances[finite], kind="stable")]
        return order[: max(len(self.distances) // 2, 1)]

    def proposals(self) -> Proposals:
        """Return what the next points are drawn from."""
        rng = np.random.default_rng((self.seed, self._generation))
        if not self._told:
            return Proposals(rng, None)
        kept = self.kept()
        centres, weights = self.points[kept], self.weights[kept] / self.weights[kept].sum()
        spread = np.atleast_2d(np.cov(centres.T, aweights=weights, ddof=0))
        return Proposals(rng, Mixture(centres, weights, 2 * spread + 1e-9 * np.eye(self.dimensions)))

    def tell(self, proposals: Proposals, points: np.ndarray, distances: np.ndarray) -> None:
        """Take up a generation: points in the unit cube (n, p) that `proposals` gave, and their distances (n,), ∞ if failed."""
        new = logit(points)
        if proposals.mixture is None:
            weights = np.ones(len(new))
        else:
            # What the scenario refuses is drawn again: that cuts the prior and the proposal alike, and leaves their ratio
            weights = np.exp(_log_prior(new) - proposals.mixture.log_density(new))
            kept = self.kept()
            self.points, self.weights = self.points[kept], self.weights[kept]
            self.distances, self.numbers = self.distances[kept], self.numbers[kept]
        numbers = self._told + np.arange(len(new))
        self.points, self.weights = np.vstack([self.points, new]), np.concatenate([self.weights, weights])
        self.distances = np.concatenate([self.distances, distances])
        self.numbers = np.concatenate([self.numbers, numbers])
        self._told += len(new)
        self._generation += 1


@dataclass(frozen=True)
class Mixture:
    """Gaussians of one covariance around weighted centres."""

    centres: np.ndarray             # (n, p)
    weights: np.ndarray             # (n,) sums to 1
    covariance: np.ndarray          # (p, p)

    @cached_property
    def root(self) -> np.ndarray:
        return linalg.cholesky(self.covariance, lower=True)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return a point (p,)."""
        centre = np.searchsorted(self.weights.cumsum(), rng.random()).clip(max=len(self.weights) - 1)
        return self.centres[centre] + self.root @ rng.standard_normal(len(self.root))

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Return the log density (n,) of points (n, p)."""
        steps = linalg.solve_triangular(self.root, (points[:, None] - self.centres).reshape(-1, points.shape[1]).T, lower=True)
        squares = (steps**2).sum(0).reshape(len(points), len(self.centres))
        norm = np.log(np.diag(self.root)).sum() + 0.5 * points.shape[1] * np.log(2 * np.pi)
        lowest = squares.min(1, keepdims=True)
        return np.log(np.exp(-0.5 * (squares - lowest)) @ self.weights) - 0.5 * lowest[:, 0] - norm


@dataclass(frozen=True)
class Proposals:
    """Draws points of one generation, one after the other."""

    rng: np.random.Generator
    mixture: Mixture | None         # None: the prior

    def draw(self, dimensions: int) -> np.ndarray:
        """Return a point of the unit cube (p,)."""
        if self.mixture is None:
            return np.clip(self.rng.random(dimensions), EDGE, 1 - EDGE)
        return np.clip(expit(self.mixture.draw(self.rng)), EDGE, 1 - EDGE)


def _log_prior(points: np.ndarray) -> np.ndarray:
    """Return the log density (n,) of logits whose values are uniform: the logistic distribution's, summed over parameters."""
    return (-np.logaddexp(0, points) - np.logaddexp(0, -points)).sum(1)


def adjusted(
    points: np.ndarray, weights: np.ndarray, distances: np.ndarray, summaries: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return points of the unit cube (n, p) as they would be had their simulations met the target, their weights, and whether
    that could be said.

    In logits, z* = α̂ + ε̂ with ẑ = α + (s − s_obs) β the local-linear regression on the summaries (n, k), weighted by the
    Epanechnikov kernel 1 − (d / d_max)² times the weights of the search. Residuals are scaled by √(n / (n − k − 1)), n the
    effective number of points, (Σ w)² / Σ w²: a regression that takes up chance would else leave too narrow a posterior.
    With fewer than `POINTS_PER_COEFFICIENT` for each coefficient the points are returned as they are: rejection alone.

    Source: Beaumont, Zhang & Balding 2002 (Genetics); the logit keeps adjusted values within their ranges, after Hamilton,
    Currat, Ray, Heckel, Beaumont & Excoffier 2005 (Genetics).
    """
    weights = weights * (1 - (distances / (distances.max() * (1 + 1e-9))) ** 2)
    weights = weights / weights.sum()
    centred = summaries - target
    scale = np.median(np.abs(summaries - np.median(summaries, 0)), 0)
    centred = centred / np.where(scale > 0, scale, 1)
    design = np.column_stack([np.ones(len(points)), centred])
    effective, coefficients = 1 / (weights**2).sum(), design.shape[1]
    if effective < POINTS_PER_COEFFICIENT * coefficients:
        return points, weights, False
    root = np.sqrt(weights)[:, None]
    z = logit(points)
    found = np.linalg.lstsq(design * root, z * root, rcond=None)[0]
    residuals = (z - design @ found) * np.sqrt(effective / (effective - coefficients))
    return np.clip(expit(found[0] + residuals), EDGE, 1 - EDGE), weights, True


def resampled(weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return `count` places drawn by weight, as evenly as they can be: systematic resampling (Kitagawa 1996), shuffled."""
    marks = (rng.random() + np.arange(count)) / count
    places = np.searchsorted(np.cumsum(weights / weights.sum()), marks).clip(max=len(weights) - 1)
    return rng.permutation(places)
