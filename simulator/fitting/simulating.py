"""Plays worlds and keeps, of each, what its log is like: a small file, so that what is played once is never played again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simulator import runner
from simulator.draws import Draws
from simulator.files import moved_into_place
from simulator.fitting.facts import facts_of
from simulator.fitting.log import Log
from simulator.play import Played
from simulator.scenario import Scenario
from simulator.store import State
from simulator.sweeping.execution import DIGITS
from simulator.world import begin

Progress = Callable[[int, int], None]
"""Is told (number of the world, round) when a round has been played."""

Told = Mapping[str, Any]
"""What is kept of a world: plain numbers and lists."""


def simulated_log(scenario: Scenario, played: Played) -> Log:
    """Return what the users of a world took in its rounds, the warm-up among them, but not what they took before it."""
    assert played.log is not None
    taken = played.log.interactions()
    own = (taken.rounds > -scenario.warmup).numpy()
    topics = begin(scenario, Draws(scenario.seed, played.replicate), None).catalog.topics
    return Log(taken.users.numpy()[own], taken.items.numpy()[own], topics.numpy().astype(np.float64), played.log.n_users)


def facts_of_some(log: Log, depth: int, users: int, rng: np.random.Generator) -> dict[str, np.ndarray] | None:
    """Return the facts of so many users, by chance, who took `depth` items or more; of all of them if there are fewer.

    None if there are not two: nobody to compare.
    """
    enough = np.flatnonzero(log.counts() >= depth)
    if len(enough) < 2:
        return None
    return facts_of(log.of_users(np.sort(rng.permutation(enough)[:users])), depth, rng)


@dataclass
class Worlds:
    """The worlds of a fit, each known by its scenario's digest."""

    folder: Path
    resources: runner.Resources
    tell: Callable[[Scenario, Log], Told]       # what to keep of a world
    failures: dict[str, str]

    def told(self, scenario: Scenario) -> Told | None:
        """Return what is kept of a world that has been played."""
        try:
            return json.loads(self._file(scenario).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def play(self, scenarios: Sequence[Scenario], progress: Progress) -> bool:
        """Play what is left of these, side by side; return whether it was interrupted."""
        left = [number for number, scenario in enumerate(scenarios) if self.told(scenario) is None]
        for number, scenario in enumerate(scenarios):
            if number not in left:
                progress(number, scenario.rounds)
        if not left:
            return False
        jobs = [self._job(scenarios[number]) for number in left]

        def settled(place: int, results: runner.Results) -> None:
            scenario = scenarios[left[place]]
            if results.failures:
                self.failures[scenario.digest] = next(iter(results.failures.values()))
            else:
                (played,) = results.played.values()
                with moved_into_place(self._file(scenario)) as part:
                    part.write_text(json.dumps(self.tell(scenario, simulated_log(scenario, played))) + "\n", encoding="utf-8")
            jobs[place].store.clear()
            jobs[place].folder.rmdir()

        results = runner.run(jobs, self.resources, lambda task, round: progress(left[task.job], round), settled)
        return any(each.interrupted for each in results)

    def _file(self, scenario: Scenario) -> Path:
        return self.folder / f"{scenario.digest[:DIGITS]}.json"

    def _job(self, scenario: Scenario) -> runner.Job:
        job = runner.Job(scenario, None, self.folder / scenario.digest[:DIGITS])
        state = State.of(scenario, None)
        if job.store.state() != state:  # of another version: what was begun cannot be gone on with
            job.store.clear()
            job.store.open(state)
        return job
