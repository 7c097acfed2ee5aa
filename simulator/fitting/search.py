"""Which parameters to simulate next: approximate Bayesian computation (ABC) by population Monte Carlo.

Parameters live in the unit cube, where the prior is uniform; inside the search they are logits, which have no ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import linalg
from scipy.special import expit, logit, logsumexp

from simulator.fitting.regression import EDGE, Adjusted, adjusted


@dataclass
class Search:
    """Adaptive population Monte Carlo: a population moves towards small distances, in as many simulations as there may be.

    The first `population` points come from the prior. Then, again and again, the nearer half of the population is kept, and
    as many new points are drawn around it: one of the kept by its weight, moved by a Gaussian step with twice their
    covariance. One half of the new points is drawn, with a narrower kernel, around the kept as they are when `adjusted` to the
    target, which gets there sooner. A new point's weight is the prior's density over that of the proposal, w ∝ π(z) / q(z);
    kept points keep theirs, so that however a point was proposed, the weighted points are of the ABC posterior. Asked and told
    the same in the same order, it asks the same again.

    Source: Lenormand, Jabot & Deffuant 2013 (Computational Statistics), APMC, with half the population kept; the step and the
    weights are those of Beaumont, Cornuet, Marin & Robert 2009 (Biometrika), with the full covariance. A mixture of which one
    part does not rely on the regression bounds the weights (Hesterberg 1995, Technometrics, defensive mixtures).
    """

    target: np.ndarray              # (k,) summaries of what is fitted to
    dimensions: int
    population: int
    seed: int
    points: np.ndarray = field(init=False)          # (n, p) logits of the population
    weights: np.ndarray = field(init=False)         # (n,) not normalised
    distances: np.ndarray = field(init=False)       # (n,)
    summaries: np.ndarray = field(init=False)       # (n, k)
    numbers: np.ndarray = field(init=False)         # (n,) of the simulations, from 0 in the order of asking

    def __post_init__(self) -> None:
        self.points, self.summaries = np.empty((0, self.dimensions)), np.empty((0, len(self.target)))
        self.weights, self.distances, self.numbers = np.empty(0), np.empty(0), np.empty(0, np.int64)
        self._told = 0
        self._generation = 0

    def kept(self) -> np.ndarray:
        """Return the places in the population of its nearer half, nearest first."""
        finite = np.flatnonzero(np.isfinite(self.distances))
        order = finite[np.argsort(self.distances[finite], kind="stable")]
        return order[: max(len(self.distances) // 2, 1)]

    def adjusted(self, weighted: bool = True) -> Adjusted:
        """Return the kept points as they would be had their simulations met the target.

        What is only to be proposed needs no weights, and rests on more points without them.
        """
        kept = self.kept()
        weights = self.weights[kept] if weighted else np.ones(len(kept))
        return adjusted(self.points[kept], weights, self.distances[kept], self.summaries[kept], self.target)

    def proposals(self) -> Proposals:
        """Return what the next points are drawn from."""
        rng = np.random.default_rng((self.seed, self._generation))
        if not self._told:
            return Proposals(rng, ())
        kept = self.kept()
        parts = [Mixture.around(self.points[kept], self.weights[kept], 2.0)]
        there = self.adjusted(weighted=False)
        if there.summaries.any():
            parts.append(Mixture.around(there.points, there.weights, silverman(there.weights, self.dimensions)))
        return Proposals(rng, tuple(parts))

    def tell(self, proposals: Proposals, points: np.ndarray, distances: np.ndarray, summaries: np.ndarray) -> None:
        """Take up a generation: points in the unit cube (n, p) that `proposals` gave, and what came of them, (n,) and (n, k).

        The distance of a point is ∞ if its simulation failed. What the scenario refuses is drawn anew: that cuts the prior and
        the proposal alike, and leaves their ratio.
        """
        new, kept = logit(points), self.kept() if self._told else np.empty(0, np.int64)
        weights = np.exp(_log_prior(new) - proposals.log_density(new)) if proposals.parts else np.ones(len(new))
        numbers = self._told + np.arange(len(new))
        self.points, self.summaries = np.vstack([self.points[kept], new]), np.vstack([self.summaries[kept], summaries])
        self.weights = np.concatenate([self.weights[kept], weights])
        self.distances = np.concatenate([self.distances[kept], distances])
        self.numbers = np.concatenate([self.numbers[kept], numbers])
        self._told += len(new)
        self._generation += 1


@dataclass(frozen=True)
class Mixture:
    """Gaussians of one covariance around weighted centres."""

    centres: np.ndarray             # (n, p)
    weights: np.ndarray             # (n,) sums to 1
    covariance: np.ndarray          # (p, p)

    @classmethod
    def around(cls, points: np.ndarray, weights: np.ndarray, scale: float) -> Mixture:
        """Return Gaussians around some points, with `scale` times their covariance."""
        weights = weights / weights.sum()
        spread = np.atleast_2d(np.cov(points.T, aweights=weights, ddof=0))
        return cls(points, weights, scale * spread + 1e-9 * np.eye(points.shape[1]))

    @cached_property
    def root(self) -> np.ndarray:
        return linalg.cholesky(self.covariance, lower=True)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return a point (p,)."""
        centre = np.searchsorted(self.weights.cumsum(), rng.random()).clip(max=len(self.weights) - 1)
        return self.centres[centre] + self.root @ rng.standard_normal(len(self.root))

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Return the log density (n,) of points (n, p)."""
        steps = (points[:, None] - self.centres).reshape(-1, points.shape[1]).T
        squares = (linalg.solve_triangular(self.root, steps, lower=True) ** 2).sum(0).reshape(len(points), -1)
        norm = np.log(np.diag(self.root)).sum() + 0.5 * points.shape[1] * np.log(2 * np.pi)
        return logsumexp(-0.5 * squares, axis=1, b=self.weights) - norm


@dataclass(frozen=True)
class Proposals:
    """Draws points of one generation, one after the other: from each part alike, or, if there is none, from the prior."""

    rng: np.random.Generator
    parts: tuple[Mixture, ...]

    def draw(self, dimensions: int) -> np.ndarray:
        """Return a point of the unit cube (p,)."""
        if not self.parts:
            return np.clip(self.rng.random(dimensions), EDGE, 1 - EDGE)
        part = self.parts[self.rng.integers(len(self.parts))]
        return np.clip(expit(part.draw(self.rng)), EDGE, 1 - EDGE)

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Return the log density (n,) of logits (n, p)."""
        return logsumexp([part.log_density(points) for part in self.parts], axis=0) - np.log(len(self.parts))


def silverman(weights: np.ndarray, dimensions: int) -> float:
    """Return the share of the points' covariance that a kernel around each has: Silverman's rule (1986), squared bandwidth."""
    effective = weights.sum() ** 2 / (weights**2).sum()
    return float((4 / (effective * (dimensions + 2))) ** (2 / (dimensions + 4)))


def _log_prior(points: np.ndarray) -> np.ndarray:
    """Return the log density (n,) of logits whose values are uniform: the logistic distribution's, summed over parameters."""
    return (-np.logaddexp(0, points) - np.logaddexp(0, -points)).sum(1)
