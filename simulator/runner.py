"""Plays all arms and replicates of scenarios, in processes side by side, and hears of every round."""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import torch

from policies.failure import PolicyFailed
from simulator.allocator import keep_freed_memory
from simulator.datasets import Dataset
from simulator.play import Played, Tell, play
from simulator.scenario import Scenario
from simulator.store import Store, Unit

CHECKPOINT = 30.0
"""Seconds between two checkpoints of a unit, and so the most that is lost when a process is killed."""

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Two runs side by side with one thread each are three times faster than with two each."""


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
    interrupted: bool = False

    def hear(self, unit: Unit, round: int, values: dict[str, float] | None) -> None:
        self.rounds[unit] = round
        if values is not None:
            self.trajectories.setdefault(unit, []).append((round, values))

    def finish(self, unit: Unit, played: Played, rounds: int) -> None:
        self.played[unit], self.rounds[unit], self.trajectories[unit] = played, rounds, played.trajectory


def units(scenario: Scenario) -> list[Unit]:
    """All arms of a replicate before the next replicate, so that a partial run compares like with like."""
    return [(arm, replicate) for replicate in range(scenario.replicates) for arm in range(len(scenario.policies))]


def run(
    jobs: Sequence[Job], workers: int | None, progress: Progress, checkpoint: float = CHECKPOINT, settled: Settled | None = None
) -> list[Results]:
    """Play every unit of every job that its store does not hold yet, and return what there is of each job.

    A unit that breaks down is noted and the others go on. On Ctrl-C, return what there is. Which process plays a unit changes
    nothing in it: draws are keyed, and whatever depends on the number of threads runs on one. `workers`: processes; None = one
    per core, but not more than units. `checkpoint`: seconds between two checkpoints of a unit. A job that was given to
    `settled` is forgotten but for its failures: thousands of them may not fit in memory.
    """
    keep_freed_memory()
    stage = _Stage(jobs, progress, checkpoint, settled)
    todo = stage.recall()
    workers = min(workers or os.cpu_count() or 1, max(len(todo), 1))
    for results in stage.results:
        results.workers, results.threads = workers, 1 if workers > 1 else torch.get_num_threads()
    try:
        if workers == 1:
            _play_here(stage, todo)
        else:
            _play_in_processes(stage, deque(todo), workers)
    except KeyboardInterrupt:
        for results in stage.results:
            results.interrupted = True
    return stage.results


class _Stage:
    """The jobs, and what is known of each."""

    def __init__(self, jobs: Sequence[Job], progress: Progress, checkpoint: float, settled: Settled | None):
        self.jobs, self.progress, self.checkpoint, self.settled = jobs, progress, checkpoint, settled
        self.results = [Results() for _ in jobs]
        self.left = [len(units(job.scenario)) for job in jobs]

    def recall(self) -> list[Task]:
        """Take up what is finished already; return what is left."""
        left = []
        for number, job in enumerate(self.jobs):
            for unit in units(job.scenario):
                task = Task(number, unit)
                if job.store.is_played(unit):
                    self.finish(task)
                else:
                    left.append(task)
        return left

    def hear(self, task: Task, round: int, values: dict[str, float] | None) -> None:
        self.results[task.job].hear(task.unit, round, values)
        self.progress(task, round)

    def finish(self, task: Task) -> None:
        job = self.jobs[task.job]
        played = job.store.played(task.unit)
        assert played is not None
        self.results[task.job].finish(task.unit, played, job.scenario.rounds)
        self.progress(task, job.scenario.rounds)
        self._settle(task)

    def fail(self, task: Task, story: str) -> None:
        arm, replicate = task.unit
        where = f"arm {self.jobs[task.job].scenario.policies[arm].name!r}, replicate {replicate + 1}"
        self.results[task.job].failures[task.unit] = f"{where}: {story}"
        self._settle(task)

    def _settle(self, task: Task) -> None:
        self.left[task.job] -= 1
        if self.settled is not None and not self.left[task.job]:
            whole = self.results[task.job]
            self.settled(task.job, whole)
            self.results[task.job] = Results(failures=whole.failures, workers=whole.workers, threads=whole.threads)


def _play_here(stage: _Stage, todo: Sequence[Task]) -> None:
    for task in todo:
        try:
            _play(stage.jobs[task.job], task.unit, stage.checkpoint, lambda *told, task=task: stage.hear(task, *told))
        except Exception as error:
            stage.fail(task, _story(error))
        else:
            stage.finish(task)


def _play(job: Job, unit: Unit, checkpoint: float, tell: Tell) -> None:
    job.store.finish(unit, play(job.scenario, job.data, *unit, tell, job.store, checkpoint))


class _Worker(NamedTuple):
    process: BaseProcess
    line: Connection
    task: Task


def _play_in_processes(stage: _Stage, todo: deque[Task], workers: int) -> None:
    """Each worker has its own line, so that one that dies takes only its own task with it; another takes its place."""
    at_work: dict[Connection, _Worker] = {}
    try:
        while todo or at_work:
            while todo and len(at_work) < workers:
                worker = _hire(stage, todo.popleft())
                at_work[worker.line] = worker
            for line in wait(list(at_work)):
                worker = at_work.pop(line)              # type: ignore[call-overload]
                try:
                    what, *content = worker.line.recv()
                except (EOFError, ConnectionError):
                    worker.process.join()
                    stage.fail(worker.task, _end(worker.process.exitcode))
                    continue
                if what == "round":
                    stage.hear(worker.task, *content)
                    at_work[worker.line] = worker
                    continue
                if what == "played":
                    stage.finish(worker.task)
                else:
                    stage.fail(worker.task, content[0])
                if todo:
                    task = todo.popleft()
                    worker.line.send((stage.jobs[task.job], task.unit))
                    at_work[worker.line] = worker._replace(task=task)
                else:
                    _dismiss(worker)
    finally:
        for worker in at_work.values():
            _dismiss(worker)


def _hire(stage: _Stage, task: Task) -> _Worker:
    context = mp.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(stage.checkpoint, theirs), daemon=True)
    with _environment(_ONE_THREAD), _ctrl_c_is_ours():
        process.start()
    theirs.close()                                      # or the end of the process would not end the line
    ours.send((stage.jobs[task.job], task.unit))
    return _Worker(process, ours, task)


def _dismiss(worker: _Worker) -> None:
    worker.process.terminate()
    worker.process.join()
    worker.line.close()


def _work(checkpoint: float, line: Connection) -> None:
    """Play one unit after the other. When whoever asked is gone, so is the line, and the process ends."""
    torch.set_num_threads(1)
    keep_freed_memory()
    try:
        while True:
            job, unit = line.recv()
            try:
                _play(job, unit, checkpoint, lambda *told: line.send(("round", *told)))
            except ConnectionError:
                return
            except Exception as error:
                line.send(("failed", _story(error)))
            else:
                line.send(("played",))
    except (EOFError, ConnectionError):
        return


def _story(error: Exception) -> str:
    """Say what broke: of somebody else's program what it said, of the machine what it said, of our code the traceback."""
    if isinstance(error, PolicyFailed | OSError | MemoryError):
        return str(error) or type(error).__name__
    return "\n" + traceback.format_exc()


def _end(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = "; it may have run out of memory: try fewer --workers" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}"
    return f"its process ended with exit code {exit_code}"


@contextmanager
def _ctrl_c_is_ours() -> Iterator[None]:
    """Processes started inside ignore Ctrl-C from their first moment on: what is ignored stays so in a new process."""
    if threading.current_thread() is not threading.main_thread():
        yield                                           # only the main thread may say what signals do
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
