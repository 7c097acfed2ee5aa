"""Plays all arms and replicates of scenarios, on this machine or on a cluster, and hears of every round."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from simulator import memory
from simulator.allocator import keep_freed_memory
from simulator.cluster import play_on_ray
from simulator.datasets import Dataset
from simulator.play import Played
from simulator.processes import play_here, play_in_processes
from simulator.replication import replicates_wanted
from simulator.scenario import Scenario
from simulator.store import Store, Unit

CHECKPOINT = 30.0
"""Seconds between two checkpoints of a unit, and so the most that is lost when a process is killed."""


@dataclass(frozen=True)
class Resources:
    """What a run may use."""

    workers: int | None = None      # processes, not more than units; None: one per core that there is memory for
    checkpoint: float = CHECKPOINT  # seconds
    ray: str | None = None          # address of a Ray cluster to play on: see `cluster_connection.connected`


@dataclass(frozen=True)
class Job:
    """A scenario to be played, and the run directory whose store keeps what has been."""

    scenario: Scenario
    data: Dataset | None
    folder: Path

    @property
    def store(self) -> Store:
        return Store(self.folder)


class Task(NamedTuple):
    """What one process plays at a time: a unit of a job."""

    job: int
    unit: Unit

    @property
    def world(self) -> World:
        return self.job, self.unit[1]


World = tuple[int, int]
"""(number of the job, replicate): all arms live through the same warm-up in it."""

Progress = Callable[[Task, int], None]
"""Is told up to which round a task has been played."""

Settled = Callable[[int, "Results"], None]
"""Is given the results of a job, by its number, when all its units are played or have failed."""


@dataclass
class Results:
    """All that has been heard of one job so far; whole when all its units are played."""

    trajectories: dict[Unit, list[tuple[int, dict[str, float]]]] = field(default_factory=dict)
    rounds: dict[Unit, int] = field(default_factory=dict)           # newest round played
    played: dict[Unit, Played] = field(default_factory=dict)
    failures: dict[Unit, str] = field(default_factory=dict)         # of units that broke down: how
    workers: int = 1
    threads: int = 1
    ray: dict[str, Any] | None = None                               # on a cluster: Ray's version and the number of nodes
    interrupted: bool = False
    arms: int = 0
    replicates: int = 0                                             # that there are to be, as far as is known by now

    @property
    def whole(self) -> bool:
        """Is every unit played that there is to be?"""
        return bool(self.played) and len(self.played) == self.arms * self.replicates

    def hear(self, unit: Unit, round: int, values: dict[str, float] | None) -> None:
        self.rounds[unit] = round
        if values is not None:
            self.trajectories.setdefault(unit, []).append((round, values))

    def finish(self, unit: Unit, played: Played, rounds: int) -> None:
        self.played[unit], self.rounds[unit], self.trajectories[unit] = played, rounds, played.trajectory


def units(scenario: Scenario, replicates: int | None = None) -> list[Unit]:
    """All arms of a replicate before the next replicate, so that a partial run compares like with like.

    `replicates`: None = as many as the scenario begins with; one that asks for a precision may go on to more.
    """
    return [
        (arm, replicate) for replicate in range(replicates or scenario.replicates) for arm in range(len(scenario.policies))
    ]


def run(
    jobs: Sequence[Job], resources: Resources, progress: Progress, settled: Settled | None = None
) -> list[Results]:
    """Play every unit of every job that its store does not hold yet, and return what there is of each job.

    A unit that breaks down is noted and the others go on. On Ctrl-C, return what there is. Which process plays a unit changes
    nothing in it: draws are keyed, and whatever depends on the number of threads runs on one. A job that was given to
    `settled` is forgotten but for its failures: thousands of them may not fit in memory.
    """
    keep_freed_memory()
    stage = Stage(jobs, progress, resources.checkpoint, settled)
    stage.recall()
    workers = min(resources.workers or default_workers(jobs), max(len(stage), 1))
    for results in stage.results:
        results.workers, results.threads = workers, 1 if workers > 1 else torch.get_num_threads()
    try:
        if resources.ray is not None:
            play_on_ray(stage, resources.ray, resources.workers)
        elif workers == 1:
            play_here(stage)
        else:
            play_in_processes(stage, workers)
    except KeyboardInterrupt:
        for results in stage.results:
            results.interrupted = True
    return stage.results


def default_workers(jobs: Sequence[Job]) -> int:
    """Return how many processes to play in: one per core, but not more than there is memory for."""
    needs = (memory.bytes_of(job.scenario, job.data) for job in jobs)
    return min(os.cpu_count() or 1, memory.affordable(needs, memory.available()))


class Stage:
    """The jobs, what is left to play of them, and what is known of each."""

    def __init__(self, jobs: Sequence[Job], progress: Progress, checkpoint: float, settled: Settled | None):
        self.jobs, self.progress, self.checkpoint, self.settled = jobs, progress, checkpoint, settled
        self.results = [Results(arms=len(job.scenario.policies), replicates=job.scenario.replicates) for job in jobs]
        self.left = [len(units(job.scenario)) for job in jobs]
        self.waiting: dict[World, deque[Task]] = {}     # in the order in which they are to be begun
        self.at_work: Counter[World] = Counter()
        self.tried: Counter[Task] = Counter()           # how often, and killed

    def __len__(self) -> int:
        """Number of tasks that wait."""
        return sum(map(len, self.waiting.values()))

    def recall(self) -> None:
        """Take up what is finished already; what is left waits."""
        for number, job in enumerate(self.jobs):
            self._add(Task(number, unit) for unit in units(job.scenario))

    def _add(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            if played := self.jobs[task.job].store.played(task.unit):
                self._take_up(task, played)
            else:
                self.waiting.setdefault(task.world, deque()).append(task)

    def take(self, last: Task | None = None) -> Task | None:
        """Return a task that waits, or None. Whoever played `last` knows its world, and goes on in it if there is more.

        Else the first world that nobody is at work in, so that each is warmed up once.
        """
        if not self.waiting:
            return None
        if last is not None and last.world in self.waiting:
            world = last.world
        else:
            world = next((world for world in self.waiting if not self.at_work[world]), next(iter(self.waiting)))
        task = self.waiting[world].popleft()
        if not self.waiting[world]:
            del self.waiting[world]
        self.at_work[world] += 1
        return task

    def hear(self, task: Task, round: int, values: dict[str, float] | None) -> None:
        self.results[task.job].hear(task.unit, round, values)
        self.progress(task, round)

    def finish(self, task: Task) -> None:
        """Take up a task whose outcome is in the store."""
        played = self.jobs[task.job].store.played(task.unit)
        assert played is not None
        self._take_up(task, played)

    def _take_up(self, task: Task, played: Played) -> None:
        rounds = self.jobs[task.job].scenario.rounds
        self.results[task.job].finish(task.unit, played, rounds)
        self.progress(task, rounds)
        self._settle(task)

    def again(self, task: Task, most: int = 2) -> bool:
        """Let a task whose process was killed wait once more, before all others; return False if it was tried `most` times."""
        self.tried[task] += 1
        if self.tried[task] >= most:
            return False
        self.results[task.job].trajectories.pop(task.unit, None)        # it is told again from the start
        self.at_work[task.world] -= 1
        self.waiting = {task.world: deque([task, *self.waiting.pop(task.world, ())]), **self.waiting}
        return True

    def fail(self, task: Task, story: str) -> None:
        arm, replicate = task.unit
        where = f"arm {self.jobs[task.job].scenario.policies[arm].name!r}, replicate {replicate + 1}"
        self.results[task.job].failures[task.unit] = f"{where}: {story}"
        self._settle(task)

    def _settle(self, task: Task) -> None:
        self.at_work[task.world] -= 1
        self.left[task.job] -= 1
        if not self.left[task.job] and not self._goes_on(task.job) and self.settled is not None:
            whole = self.results[task.job]
            self.settled(task.job, whole)
            self.results[task.job] = Results(failures=whole.failures, workers=whole.workers, threads=whole.threads)

    def _goes_on(self, job: int) -> bool:
        """Let a job that does not have the precision that it asks for go on with more replicates; is it such a one?"""
        results, scenario = self.results[job], self.jobs[job].scenario
        before = results.replicates
        if not results.failures:
            results.replicates = replicates_wanted(scenario, results.trajectories)
        more = [Task(job, unit) for unit in units(scenario, results.replicates) if unit[1] >= before]
        self.left[job] += len(more)
        self._add(more)
        return bool(more)
