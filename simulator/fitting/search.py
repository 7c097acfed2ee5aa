"""Which parameters to simulate next: where the posterior is, as far as it is known by then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import optimize

from simulator.fitting.emulator import Emulator, Likelihood, posterior, terms

FOCUS = 4
"""Simulations for each coefficient of the quadratic that the emulator rests on at least, the most plausible ones."""

MARGIN = 30.0
"""It rests on all whose deviance is not more than this above the posterior's draws: what is around them shows how it bends."""

EDGE = 1e-3
"""Of the unit interval: nearer to the ends the most likely parameters are not looked for."""

Draw = Callable[[], np.ndarray]
"""Gives points of the unit cube (p,), one after the other."""


@dataclass
class Search:
    """Simulates in generations: the first from the prior, each later one from the posterior as the ones before tell it.

    Between generations an emulator learns what the simulations gave. It rests on the most plausible of them by the emulator
    before (history matching, Craig, Goldstein, Seheult & Smith 1997; Vernon, Goldstein & Bower 2010, Bayesian Analysis): a
    quadratic that need not hold over the whole prior is better where it matters. What is plausible is judged by the emulator
    and not by what came of a simulation, which would choose those with luck. Asked and told the same in the same order, it asks
    the same again.
    """

    seen: np.ndarray                # (k,) summaries of what is fitted to
    dimensions: int
    seed: int
    points: np.ndarray = field(init=False)          # (n, p) of all simulations, in the unit cube
    summaries: np.ndarray = field(init=False)       # (n, k) NaN where a simulation failed

    def __post_init__(self) -> None:
        self.points, self.summaries = np.empty((0, self.dimensions)), np.empty((0, len(self.seen)))
        self.likelihood: Likelihood | None = None
        self.draws: np.ndarray | None = None        # (n, p) of the posterior
        self._generation = 0

    def proposals(self) -> Draw:
        """Return what draws the next points."""
        rng = np.random.default_rng((self.seed, self._generation))
        draws = self.draws
        if draws is None:
            return lambda: rng.random(self.dimensions)
        return lambda: draws[rng.integers(len(draws))]

    def tell(self, points: np.ndarray, summaries: np.ndarray) -> None:
        """Take up a generation: points (n, p) and what came of them (n, k)."""
        self.points, self.summaries = np.vstack([self.points, points]), np.vstack([self.summaries, summaries])
        self._generation += 1
        if len(self.told()) > self.dimensions + 1:
            self._learn()

    def told(self) -> np.ndarray:
        """Return the numbers of the simulations of which everything could be told."""
        return np.flatnonzero(np.isfinite(self.summaries).all(1))

    def focus(self) -> np.ndarray:
        """Return the numbers of the simulations that the emulator rests on."""
        told = self.told()
        if self.likelihood is None or self.draws is None:
            return told
        enough = FOCUS * terms(self.points[:1], quadratic=True).shape[1]
        deviance = self.likelihood.deviance(self.points[told])
        plausible = int((deviance <= self.likelihood.deviance(self.draws).max() + MARGIN).sum())
        return np.sort(told[np.argsort(deviance, kind="stable")[: max(enough, plausible)]])

    def _learn(self) -> None:
        rng = np.random.default_rng((self.seed, self._generation, 1))
        self.used = self.focus()
        emulator = Emulator.learnt(self.points[self.used], self.summaries[self.used])
        self.draws, self.likelihood = posterior(emulator, self.seen, self.dimensions, rng)

    @property
    def best(self) -> np.ndarray:
        """The most likely parameters (p,)."""
        likelihood = self.likelihood
        assert likelihood is not None
        assert self.draws is not None
        start = self.draws[likelihood.deviance(self.draws).argmin()]
        bounds = [(EDGE, 1 - EDGE)] * self.dimensions
        return optimize.minimize(lambda point: likelihood.deviance(point[None])[0], start, bounds=bounds).x
