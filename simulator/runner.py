"""Plays all arms and replicates of a scenario, in processes side by side, and hears of every round."""

from __future__ import annotations

import multiprocessing as mp
import os
import pickle
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from policies.failure import PolicyFailed
from simulator.allocator import keep_freed_memory
from simulator.datasets import Dataset
from simulator.play import Played, play
from simulator.scenario import Scenario

Unit = tuple[int, int]
"""(place of the arm in the scenario, replicate): what one process plays at a time."""

Progress = Callable[[Unit, int], None]
"""Is told that a unit has played a round."""

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Two runs side by side with one thread each are three times faster than with two each."""


class RunFailed(RuntimeError):
    """A unit broke down. The message says how."""


@dataclass
class Results:
    """All that has been heard so far; whole when `interrupted` is False."""

    trajectories: dict[Unit, list[tuple[int, dict[str, float]]]] = field(default_factory=dict)
    rounds: dict[Unit, int] = field(default_factory=dict)           # newest round played
    played: dict[Unit, Played] = field(default_factory=dict)
    workers: int = 1
    threads: int = 1
    interrupted: bool = False
    failure: str | None = None

    def hear(self, unit: Unit, round: int, values: dict[str, float] | None) -> None:
        self.rounds[unit] = round
        if values is not None:
            self.trajectories.setdefault(unit, []).append((round, values))


def units(scenario: Scenario) -> list[Unit]:
    """All arms of a replicate before the next replicate, so that a partial run compares like with like."""
    return [(arm, replicate) for replicate in range(scenario.replicates) for arm in range(len(scenario.policies))]


def run(scenario: Scenario, data: Dataset | None, workers: int | None, progress: Progress) -> Results:
    """Play every unit. On Ctrl-C or a failure, return what there is, and say so.

    Which process plays a unit changes nothing in it: draws are keyed, and whatever depends on the number of threads runs on
    one. `workers`: processes; None = one per core, but not more than units.
    """
    keep_freed_memory()
    todo = units(scenario)
    workers = min(workers or os.cpu_count() or 1, len(todo))
    results = Results(workers=workers, threads=1 if workers > 1 else torch.get_num_threads())
    try:
        if workers == 1:
            _play_here(scenario, data, todo, results, progress)
        else:
            _play_in_processes(scenario, data, todo, results, progress)
    except KeyboardInterrupt:
        results.interrupted = True
    except RunFailed as failure:
        results.failure = str(failure)
    return results


def _play_here(
    scenario: Scenario, data: Dataset | None, todo: list[Unit], results: Results, progress: Progress
) -> None:
    for unit in todo:

        def tell(round: int, values: dict[str, float] | None, unit: Unit = unit) -> None:
            results.hear(unit, round, values)
            progress(unit, round)

        try:
            results.played[unit] = play(scenario, data, *unit, tell)
        except Exception as error:
            raise RunFailed(_story(scenario, unit, error)) from error


def _play_in_processes(
    scenario: Scenario, data: Dataset | None, todo: list[Unit], results: Results, progress: Progress
) -> None:
    context = mp.get_context("spawn")
    tasks, messages = context.Queue(), context.Queue()
    for unit in todo:
        tasks.put(unit)
    for _ in range(results.workers):
        tasks.put(None)
    with _environment(_ONE_THREAD):
        processes = [
            context.Process(target=_work, args=(scenario, data, tasks, messages), daemon=True)
            for _ in range(results.workers)
        ]
        with _ctrl_c_is_ours():
            for process in processes:
                process.start()
    try:
        while len(results.played) < len(todo):
            try:
                what, unit, *content = messages.get(timeout=0.5)
            except queue.Empty:
                dead = [process for process in processes if process.exitcode not in (None, 0)]
                if dead:
                    raise RunFailed(f"a worker process died with exit code {dead[0].exitcode}") from None
                continue
            if what == "round":
                results.hear(unit, *content)
                progress(unit, content[0])
            elif what == "played":
                results.played[unit] = pickle.loads(content[0])
            else:
                raise RunFailed(content[0])
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _work(scenario: Scenario, data: Dataset | None, tasks: Any, messages: Any) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    while (unit := tasks.get()) is not None:
        try:
            arm, replicate = unit
            played = play(scenario, data, arm, replicate, lambda *told, unit=unit: messages.put(("round", unit, *told)))
            # A queue would hand tensors over as shared memory, which is gone when this process ends first; bytes stay.
            messages.put(("played", unit, pickle.dumps(played)))
        except Exception as error:
            messages.put(("failed", unit, _story(scenario, unit, error)))
            return


def _story(scenario: Scenario, unit: Unit, error: Exception) -> str:
    """Say what broke where; of somebody else's program what it said, of our code the traceback."""
    arm, replicate = unit
    what = str(error) if isinstance(error, PolicyFailed) else traceback.format_exc()
    return f"arm {scenario.policies[arm].name!r}, replicate {replicate}:\n{what}"


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
