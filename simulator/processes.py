"""Plays what waits on a stage, in this process or in several side by side."""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, NamedTuple

import torch

from agents.failure import UserFailed
from agents.graphs import GraphError
from policies.failure import PolicyFailed
from simulator.allocator import keep_freed_memory
from simulator.play import Tell, play
from simulator.store import Unit
from simulator.warmup import WarmStart

if TYPE_CHECKING:
    from simulator.runner import Job, Stage, Task

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Two runs side by side with one thread each are three times faster than with two each."""


def play_here(stage: Stage) -> None:
    """Play all that waits, one task after the other."""
    warm, task = WarmStart(), stage.take()
    while task is not None:
        try:
            play_unit(stage.jobs[task.job], task.unit, warm, stage.checkpoint, lambda *told, task=task: stage.hear(task, *told))
        except Exception as error:
            stage.fail(task, story(error))
        else:
            stage.finish(task)
        task = stage.take(task)


def play_unit(job: Job, unit: Unit, warm: WarmStart, checkpoint: float, tell: Tell) -> None:
    """Play a unit into its job's store."""
    job.store.finish(unit, play(job.scenario, job.data, *unit, tell, warm, job.store, checkpoint))


class _Worker(NamedTuple):
    process: BaseProcess
    line: Connection
    task: Task


def play_in_processes(stage: Stage, workers: int) -> None:
    """Play all that waits, so many tasks at a time.

    Each worker has its own line, so that one that dies takes only its own task with it. A task whose process was killed is
    gone on with once more, beside one process less.
    """
    at_work: dict[Connection, _Worker] = {}
    try:
        while True:
            while len(at_work) < workers and (task := stage.take()) is not None:
                worker = _hire(stage, task)
                at_work[worker.line] = worker
            if not at_work:
                return
            for line in wait(list(at_work)):
                worker = at_work.pop(line)              # type: ignore[call-overload]
                try:
                    what, *content = worker.line.recv()
                except (EOFError, ConnectionError):
                    worker.process.join()
                    killed = worker.process.exitcode == -signal.SIGKILL     # as a machine does that runs out of memory
                    if killed and stage.again(worker.task):
                        workers = max(workers - 1, 1)
                    else:
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
                if (next_task := stage.take(worker.task)) is not None:
                    worker.line.send((stage.jobs[next_task.job], next_task.unit))
                    at_work[worker.line] = worker._replace(task=next_task)
                else:
                    _dismiss(worker)
    finally:
        for worker in at_work.values():
            _dismiss(worker)


def _hire(stage: Stage, task: Task) -> _Worker:
    context = mp.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(stage.checkpoint, theirs), daemon=True)
    with _environment(ONE_THREAD), _ctrl_c_is_ours():
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
    warm = WarmStart()
    try:
        while True:
            job, unit = line.recv()
            try:
                play_unit(job, unit, warm, checkpoint, lambda *told: line.send(("round", *told)))
            except ConnectionError:
                return
            except Exception as error:
                line.send(("failed", story(error)))
            else:
                line.send(("played",))
    except (EOFError, ConnectionError):
        return


def story(error: Exception) -> str:
    """Say what broke: of somebody else's program what it said, of the machine what it said, of our code the traceback."""
    if isinstance(error, PolicyFailed | UserFailed | GraphError | OSError | MemoryError):
        return str(error) or type(error).__name__
    return "\n" + traceback.format_exc()


def _end(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = " twice; it may have run out of memory: try fewer --workers" if name == "SIGKILL" else ""
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
