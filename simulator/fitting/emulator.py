"""What a simulation would give at any parameters, learnt from those that were made; and which parameters that leaves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement

import numpy as np
from scipy import linalg

PER_COEFFICIENT = 2
"""Simulations for each coefficient of the quadratic at least; with fewer it is linear."""

DISCREPANCIES = (0.0, *(0.1 * 2.0**step for step in range(18)))
"""Squared discrepancies that are tried, from small to large."""

CHAINS, STEPS, CANDIDATES = 300, 400, 20_000
"""Of the sampler: chains, their steps, of which only the last is a draw, and points of the prior that chains begin from."""


@dataclass(frozen=True)
class Emulator:
    """Summaries as a quadratic function of the parameters with Gaussian errors: s ~ Normal(B x(u), Σ).

    x(u) has a constant, the parameters in [−1, 1], and, where there are simulations enough, their squares and products. Σ is
    the covariance of the residuals, which holds the chance of one simulation and what the quadratic misses. The mean at u is
    itself known with an error of h(u) Σ, h = xᵀ (XᵀX)⁻¹ x the leverage: beyond the simulations little is known.

    Source: Wood 2010 (Nature), synthetic likelihood, with the mean emulated over all simulations instead of repeated at each
    point; response surfaces after Box & Wilson 1951 (JRSS B).
    """

    coefficients: np.ndarray        # (c, k)
    covariance: np.ndarray          # (k, k) of the residuals
    inverse: np.ndarray             # (c, c): (XᵀX)⁻¹
    quadratic: bool

    @classmethod
    def learnt(cls, points: np.ndarray, summaries: np.ndarray) -> Emulator:
        """Return the least-squares fit to points of the unit cube (n, p) and what they gave (n, k)."""
        p = points.shape[1]
        quadratic = len(points) >= PER_COEFFICIENT * (p + 1) * (p + 2) // 2
        design = terms(points, quadratic)
        coefficients = np.linalg.lstsq(design, summaries, rcond=None)[0]
        residuals = summaries - design @ coefficients
        freedom = max(len(points) - design.shape[1], 1)
        return cls(coefficients, residuals.T @ residuals / freedom, np.linalg.pinv(design.T @ design), quadratic)

    def mean(self, points: np.ndarray) -> np.ndarray:
        """Return the expected summaries (n, k) at points (n, p)."""
        return terms(points, self.quadratic) @ self.coefficients

    def leverage(self, points: np.ndarray) -> np.ndarray:
        """Return h (n,) at points (n, p)."""
        x = terms(points, self.quadratic)
        return ((x @ self.inverse) * x).sum(1)


def terms(points: np.ndarray, quadratic: bool) -> np.ndarray:
    """Return the terms (n, c) of a linear or quadratic function of points (n, p) of the unit cube."""
    v = 2 * points - 1
    columns = [np.ones(len(v)), *v.T]
    if quadratic:
        columns += [v[:, i] * v[:, j] for i, j in combinations_with_replacement(range(v.shape[1]), 2)]
    return np.column_stack(columns)


@dataclass(frozen=True)
class Likelihood:
    """How well parameters explain what was seen: s_obs ~ Normal(B x(u), (1 + h(u)) (Σ + τ² diag Σ)).

    τ is the discrepancy of the model: what it misses of each summary at its best parameters, in units of a simulation's
    chance. It is 0 where the best parameters miss by no more than chance, χ²_min ≤ k − p, and else as large as makes them do
    so. What a model cannot meet then widens its posterior, instead of narrowing it around the least bad.

    Source: Kennedy & O'Hagan 2001 (JRSS B), model discrepancy, independent over summaries; its size after Birge 1932 (Physical
    Review).
    """

    emulator: Emulator
    seen: np.ndarray                # (k,)
    discrepancy: float              # τ²

    @cached_property
    def _root(self) -> np.ndarray:
        """(k, k) lower triangular: of the inverse covariance."""
        variance = np.diag(self.emulator.covariance)
        least = 1e-6 * variance + 1e-18                 # so that summaries that are nearly the same can be told apart
        covariance = self.emulator.covariance + np.diag(self.discrepancy * variance + least)
        return linalg.cholesky(np.linalg.inv(covariance), lower=True)

    def chi_square(self, points: np.ndarray) -> np.ndarray:
        """Return the squared Mahalanobis distance χ² (n,) at points of the unit cube (n, p)."""
        squares = (((self.seen - self.emulator.mean(points)) @ self._root) ** 2).sum(1)
        return squares / (1 + self.emulator.leverage(points))

    def deviance(self, points: np.ndarray) -> np.ndarray:
        """Return −2 ln L (n,), but for a constant."""
        return self.chi_square(points) + len(self.seen) * np.log1p(self.emulator.leverage(points))


def posterior(emulator: Emulator, seen: np.ndarray, dimensions: int, rng: np.random.Generator) -> tuple[np.ndarray, Likelihood]:
    """Return draws (n, p) from the posterior under an even prior over the unit cube, and the likelihood that they are of.

    Differential evolution Markov chains (ter Braak 2006, Statistics and Computing): every chain proposes the difference of two
    others, so that steps take the posterior's own shape; sometimes a whole difference, to pass from mode to mode.
    """
    freedom = max(len(seen) - dimensions, 1)
    candidates = rng.random((CANDIDATES, dimensions))
    for discrepancy in DISCREPANCIES:
        likelihood = Likelihood(emulator, seen, discrepancy)
        points = candidates[np.argsort(likelihood.deviance(candidates), kind="stable")[:CHAINS]]
        points = _moved(likelihood, points, rng)
        if likelihood.chi_square(points).min() <= freedom:
            break
    return _moved(likelihood, points, rng), likelihood


def _moved(likelihood: Likelihood, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return where the chains are (n, p) after their steps."""
    count, dimensions = points.shape
    current = likelihood.deviance(points)
    for step in range(STEPS):
        one, other = rng.permutation(count), rng.permutation(count)
        gamma = 1.0 if step % 10 == 0 else 2.38 / np.sqrt(2 * dimensions)
        proposed = points + gamma * (points[one] - points[other]) + 1e-4 * rng.standard_normal(points.shape)
        inside = ((proposed > 0) & (proposed < 1)).all(1)
        there = np.where(inside, likelihood.deviance(np.clip(proposed, 0, 1)), np.inf)
        taken = np.log(rng.random(count)) < (current - there) / 2
        points, current = np.where(taken[:, None], proposed, points), np.where(taken, there, current)
    return points
