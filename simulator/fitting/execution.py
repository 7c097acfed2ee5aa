"""A fit under way: worlds generation by generation as the search asks for them, the posterior, and the test on unseen users."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from simulator.datasets import Dataset
from simulator.faults import ScenarioError
from simulator.fitting.facts import FACTS, distances, facts_of, summarised
from simulator.fitting.halves import half_distances, is_within, limit
from simulator.fitting.keys import MOST
from simulator.fitting.loading import DRAWING, REAL, SIMULATED, Fitting
from simulator.fitting.log import Log, log_of
from simulator.fitting.search import Search
from simulator.fitting.simulating import Told, Worlds, facts_of_some
from simulator.runner import Resources
from simulator.scenario import Scenario

NEAREST, FINALISTS, RETRIALS = 6, 8, 6
"""So many of the best worlds, and, to make up the finalists, the posterior's best draw and its mean, are played again so many
times: the best of many is partly luck."""

REFUSALS = 200
"""Points that no world can be made of, for each that one can, after which the ranges are called hopeless."""

QUANTILES = (np.arange(200) + 0.5) / 200
"""Where a distribution is read for the report."""

FITTED, POSTERIOR, BEFORE = WORLDS = ("fitted", "posterior", "before")
"""The worlds that are compared with unseen users: fitted values; each replicate another draw; the values of the file."""

Progress = Callable[[str, int, int], None]
"""Is told (what is played, number of the world in it, round)."""


class NotThisFit(ValueError):
    """The folder holds something else. The message says what, and what to do."""


class CannotFit(RuntimeError):
    """There is no sense in going on. The message says why."""


@dataclass
class Fit:
    """A fit and what is known of it. Its search keeps no state on disk: asked again, it asks for worlds that are found."""

    fitting: Fitting
    data: Dataset
    folder: Path
    resources: Resources
    search: Search = field(init=False)
    halves: pd.DataFrame = field(init=False, default_factory=lambda: pd.DataFrame(columns=list(FACTS)))
    values: list[dict[str, float]] = field(default_factory=list)        # of each simulation of the search
    told: list[Told | None] = field(default_factory=list)               # what came of it; None: it failed
    failures: dict[str, str] = field(default_factory=dict)
    posterior: pd.DataFrame | None = None
    fitted: dict[str, float] | None = None
    tests: dict[str, list[Told]] = field(default_factory=dict)          # by FITTED, POSTERIOR, BEFORE
    unlikely: int = 0                                                   # draws of the posterior that no world can be made of
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        fitting = self.fitting
        self.log = log_of(self.data)
        self.target = self._real(fitting.fitted_to, 0)
        self.unseen = self._real(fitting.held_out, 1)

    @property
    def searched(self) -> bool:
        """Has the emulator learnt anything yet?"""
        return hasattr(self, "search") and self.search.draws is not None

    def check(self) -> None:
        """Refuse a folder that holds other things, or another fit."""
        if not self.folder.exists() or not any(self.folder.iterdir()):
            return
        try:
            before = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            before = {}
        if before.get("kind") != "fit":
            raise NotThisFit(f"--out {self.folder}: is there already and holds no fit; name another folder")
        if before.get("identity") != self.identity:
            raise NotThisFit(
                f"--out {self.folder}: holds a fit of another scenario, to other data, or with other settings. Undo the change "
                "to go on with it, or name another folder."
            )

    @property
    def identity(self) -> str:
        """What must be the same for a fit to be gone on with; more simulations are not another fit."""
        keys = self.fitting.keys.model_copy(update={"simulations": MOST})
        parts = (keys.model_dump_json(), self.fitting.scenario.digest, self.data.name, str(len(self.log)), self.fitting.arm)
        return hashlib.sha256("/".join(parts).encode()).hexdigest()

    def _real(self, users: np.ndarray, half: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng((self.fitting.seed, REAL, half))
        return facts_of(self.log.of_users(users), self.fitting.keys.depth, rng)

    def play(self, progress: Progress) -> bool:
        """Play what is left; return whether it was interrupted. Raises `CannotFit` where no simulation can be compared."""
        self._measure_halves()
        fitting = self.fitting
        self.search = Search(summarised(self.target), len(fitting.axes), fitting.seed)
        for generation, count in enumerate(fitting.keys.generations, 1):
            if self._generation(generation, count, progress):
                return True
        if self.search.draws is None:
            raise CannotFit(
                f"of {len(self.told)} simulated worlds, {len(self.search.told())} could be compared: give people more rounds, "
                f"more takes or more activity, so that they take {3 * fitting.keys.depth} items, or lower `fit.depth`"
            )
        self._learn(self.search.draws)
        return self._choose(progress) or self._test(progress)

    def _measure_halves(self) -> None:
        """Take up the yardstick, from the folder if it is there."""
        keys, file = self.fitting.keys, self.folder / "halves.csv"
        if file.exists():
            self.halves = pd.read_csv(file)
        if len(self.halves) != keys.halves:
            self.halves = half_distances(self.log, keys.depth, keys.halves, self.fitting.seed)

    def _generation(self, generation: int, count: int, progress: Progress) -> bool:
        draw, first, refused = self.search.proposals(), len(self.values), 0
        points: list[np.ndarray] = []
        scenarios: list[Scenario] = []
        while len(points) < count:
            point = draw()
            values = self.fitting.values(point)
            try:
                scenarios.append(self.fitting.world(values, 1 + first + len(points)))
            except ScenarioError as error:
                refused += 1
                if refused > REFUSALS * count:
                    message = error.faults[0].message
                    raise CannotFit(f"hardly any values within the ranges make a world: {message}") from None
                continue
            points.append(point)
            self.values.append(values)
        worlds = self._worlds("search", self._of_search)
        if worlds.play(scenarios, partial(progress, f"generation {generation}")):
            del self.values[first:]
            return True
        told = [worlds.told(scenario) for scenario in scenarios]
        self.told += told
        nothing = np.full(len(self.search.seen), np.nan)
        self.search.tell(np.array(points), np.array([_summaries(each, nothing) for each in told]))
        return False

    def _worlds(self, folder: str, tell: Callable[[dict[str, np.ndarray] | None], Told]) -> Worlds:
        keys, size = self.fitting.keys, len(self.fitting.fitted_to)

        def of_log(scenario: Scenario, log: Log) -> Told:
            rng = np.random.default_rng((scenario.seed, SIMULATED))
            return tell(facts_of_some(log, keys.depth, size, rng))

        return Worlds(self.folder / "worlds" / folder, self.resources, of_log, self.failures)

    def _of_search(self, facts: dict[str, np.ndarray] | None) -> Told:
        if facts is None:
            return {"distances": None}
        return {"distances": distances(facts, self.target), "summaries": summarised(facts).tolist()}

    def total(self, told: Told) -> float:
        """Return the mean over facts of the distance to the half that the search goes by, each in units of its limit.

        ∞ if some fact could not be told.
        """
        if told["distances"] is None:
            return np.inf
        return float(np.mean([told["distances"][name] / limit(self.halves[name].to_numpy()) for name in FACTS]))

    def missed(self, told: Told) -> int:
        """Return how many facts are beyond the spread of real halves; all of them if some fact could not be told."""
        if told["distances"] is None:
            return len(FACTS)
        return sum(not is_within(told["distances"][name], self.halves[name].to_numpy()) for name in FACTS)

    def _ranks(self, told: Sequence[Told | None], repeats: int = 1) -> np.ndarray:
        """Return the numbers of points, best first, from what came of each in so many worlds.

        First comes what misses the fewest facts, on average over the worlds; among equals, what is nearest: what no parameters
        can meet is not brought nearer at the price of what can be met.
        """
        missed = np.reshape([len(FACTS) if each is None else self.missed(each) for each in told], (-1, repeats)).mean(1)
        total = np.reshape([np.inf if each is None else self.total(each) for each in told], (-1, repeats)).mean(1)
        return np.lexsort((total, missed))

    def _learn(self, points: np.ndarray) -> None:
        """Take from the posterior's draws what makes a world."""
        possible = np.array([self._makes_a_world(point) for point in points])
        if not possible.any():
            raise CannotFit("no draw of the posterior makes a world: widen the ranges, or simulate more")
        self.unlikely = int((~possible).sum())
        self.points, draws = points[possible], self.fitting.keys.draws
        rng = np.random.default_rng((self.fitting.seed, DRAWING))
        chosen = rng.choice(len(self.points), draws, replace=draws > len(self.points))
        self.posterior = pd.DataFrame([self.fitting.values(self.points[place]) for place in chosen])

    def _makes_a_world(self, point: np.ndarray) -> bool:
        try:
            self.fitting.world(self.fitting.values(point), 0)
        except ScenarioError:
            return False
        return True

    def _choose(self, progress: Progress) -> bool:
        """Play the finalists again; the best has the fitted values. Return whether it was interrupted."""
        fitting = self.fitting
        finalists = [self.values[number] for number in self._ranks(self.told)[:NEAREST]]
        finalists += [fitting.values(point) for point in (self.search.best, self.points.mean(0)) if self._makes_a_world(point)]
        first = fitting.keys.simulations + 1
        scenarios = [fitting.world(values, first + retrial) for values in finalists for retrial in range(RETRIALS)]
        worlds = self._worlds("search", self._of_search)
        if worlds.play(scenarios, partial(progress, "finalists")):
            return True
        best = self._ranks([worlds.told(scenario) for scenario in scenarios], RETRIALS)[0]
        self.fitted = finalists[best]
        return False

    def _test(self, progress: Progress) -> bool:
        """Compare worlds of fresh chance with the users whom the search has not seen. Return whether it was interrupted."""
        assert self.posterior is not None
        assert self.fitted is not None
        fitting, replicates = self.fitting, self.fitting.keys.replicates
        draws = [self.posterior.iloc[place % len(self.posterior)].to_dict() for place in range(replicates)]
        plans = {FITTED: [self.fitted] * replicates, POSTERIOR: draws, BEFORE: [{}] * replicates}
        first = fitting.keys.simulations + RETRIALS + 1
        for name, plan in plans.items():
            scenarios = [fitting.world(values, first + replicate) for replicate, values in enumerate(plan)]
            worlds = self._worlds("tests", self._of_test)
            if worlds.play(scenarios, partial(progress, name)):
                return True
            self.tests[name] = [told for scenario in scenarios if (told := worlds.told(scenario)) is not None]
        return False

    def _of_test(self, facts: dict[str, np.ndarray] | None) -> Told:
        if facts is None:
            return {"distances": None}
        return {"distances": distances(facts, self.unseen), "facts": {name: read_at(name, facts[name]) for name in FACTS}}


def _summaries(told: Told | None, nothing: np.ndarray) -> np.ndarray:
    return nothing if told is None or told["distances"] is None else np.array(told["summaries"])


def read_at(name: str, values: np.ndarray) -> list[float]:
    """Return a fact as the report draws it: a curve as it is, a distribution at `QUANTILES`."""
    if FACTS[name].form == "distribution":
        values = np.quantile(values, QUANTILES) if len(values) else np.empty(0)
    return [float(value) for value in values]
