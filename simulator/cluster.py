"""Plays what waits on a stage on a Ray cluster, one process per CPU, and survives the death of any of them.

A finished unit travels back and the driver alone puts it into the store: on a file system that is shared over a network, one
machine may not see for a minute what another has written. Checkpoints go straight to the store from wherever it is seen.
"""

from __future__ import annotations

import math
import os
import pickle
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from simulator.allocator import keep_freed_memory
from simulator.cluster_connection import Versions, connected, inspector, mismatch
from simulator.datasets import Dataset
from simulator.own_code import make_importable
from simulator.plain import count
from simulator.play import play
from simulator.processes import ONE_THREAD, story
from simulator.store import Store, Unit, packed
from simulator.warmup import WarmStart

if TYPE_CHECKING:
    from simulator.runner import Stage, Task

_TRIES = 3          # a task whose worker dies so often fails: it may well be what kills them
_STILLBORN = 10     # workers in a row that die before their first task, until no more are hired
_EVERY = 0.1        # seconds between two tellings of what has been played
_LOOK = 2.0         # seconds between two looks at the size of the cluster
_PATIENCE = 120.0   # seconds for a cluster without any CPU to get one

Message = tuple[Any, ...]
"""("round", round, values), and at last ("played", the unit as bytes) or ("failed", story)."""


def play_on_ray(stage: Stage, address: str, most: int | None = None) -> None:
    """Play all that waits on the Ray cluster at `address`, as many tasks at a time as it has CPUs, or `most`.

    A task whose worker or node dies is tried again, `_TRIES` times in all, from its checkpoint where the store is seen from
    everywhere; one that breaks down by itself fails at once. Raises `ClusterError` before anything is played.
    """
    with connected(address) as ray:
        crew = _Crew(stage, ray, most)
        try:
            crew.play()
        finally:
            crew.dismiss()


class _Sent(NamedTuple):
    """A job as it travels: what is large goes to each node once."""

    scenario: Any       # reference to a pickled Scenario
    data: Any           # reference to a pickled Dataset, or None
    folder: Path        # of the run, where the driver is
    mark: tuple | None  # of its store


class Player:
    """A process of the cluster that plays one unit after the other."""

    def __init__(self, places: list[Path]) -> None:
        keep_freed_memory()
        make_importable(places)                     # a user's own classes, where the same folders are seen from here
        self._warm = WarmStart()
        self._data: tuple[Any, Dataset | None] = None, None

    def hello(self) -> tuple[str, Versions]:
        """Say on which node this is, and what is installed there."""
        import ray

        return ray.get_runtime_context().get_node_id(), inspector()()

    def play(self, sent: _Sent, unit: Unit, checkpoint: float) -> Iterator[list[Message]]:
        """Play a unit, and tell of it every now and then."""
        told: SimpleQueue[Message] = SimpleQueue()
        threading.Thread(target=self._play, args=(sent, unit, checkpoint, told.put), daemon=True).start()
        going_on = True
        while going_on:
            messages, until = [told.get()], time.monotonic() + _EVERY
            while (going_on := messages[-1][0] == "round") and (left := until - time.monotonic()) > 0:
                try:
                    messages.append(told.get(timeout=left))
                except Empty:
                    break
            yield messages

    def _play(self, sent: _Sent, unit: Unit, checkpoint: float, tell: Callable[[Message], None]) -> None:
        torch.set_num_threads(1)                    # of this very thread: another may have another number
        try:
            scenario, data = self._job(sent)
            with _store(sent, checkpoint) as (store, every):
                played = play(scenario, data, *unit, lambda *told: tell(("round", *told)), self._warm, store, every)
            tell(("played", bytes(packed(played))))
        except Exception as error:
            tell(("failed", story(error)))
        except SystemExit as end:                   # a user's class may do anything
            tell(("failed", f"its process ended with exit code {end.code}"))

    def _job(self, sent: _Sent) -> tuple[Any, Dataset | None]:
        import ray

        if sent.data != self._data[0]:
            self._data = sent.data, pickle.loads(ray.get(sent.data)) if sent.data else None
        return pickle.loads(ray.get(sent.scenario)), self._data[1]


@contextmanager
def _store(sent: _Sent, checkpoint: float) -> Iterator[tuple[Store, float]]:
    """Give where to keep checkpoints, and how often: never, if the run's own folder is not seen from here."""
    store = Store(sent.folder)
    if sent.mark is not None and store.mark() == sent.mark and os.access(store.folder, os.W_OK):
        yield store, checkpoint
    else:
        with tempfile.TemporaryDirectory(prefix="filterbubble-") as own:
            yield Store(Path(own)), math.inf


class _Member(NamedTuple):
    player: Any         # handle of a Player
    task: Task | None   # None: has not said yet that it is there


class _Crew:
    """The players of one stage. Each has a line, from which it is heard: that of its first word, then that of its task."""

    def __init__(self, stage: Stage, ray: ModuleType, most: int | None):
        self.stage, self.ray, self.most = stage, ray, most
        self.versions = inspector()()
        self.hired: list[Any] = []                  # players, also those whom nobody listens to at the moment
        self.lines: dict[Any, _Member] = {}
        self.sent: dict[int, _Sent] = {}
        self.data: dict[int, Any] = {}              # by identity of the Dataset
        self.refused: Counter[str] = Counter()      # players by node with other software; idle there, they keep others out
        self.stillborn = 0
        self.looked = self.had_cpus = time.monotonic()
        self.seats = self._count_seats()
        self.shortage = "the cluster has no CPU left"
        for results in stage.results:
            results.workers, results.threads = 0, 1
            results.ray = {"version": ray.__version__, "nodes": sum(node["Alive"] for node in ray.nodes())}

    def play(self) -> None:
        while len(self.stage) or self._busy():
            self._hire()
            for line in self._ready():
                self._listen(line)

    def dismiss(self) -> None:
        """Let nothing go on."""
        for player in list(self.hired):
            self._dismiss(player)

    def _busy(self) -> int:
        return sum(member.task is not None for member in self.lines.values())

    def _count_seats(self) -> int:
        return sum(
            int(node["Resources"].get("CPU", 0)) - self.refused[node["NodeID"]] for node in self.ray.nodes() if node["Alive"]
        )

    def _hire(self) -> None:
        """Hire for every CPU that there is by now, but nobody without a task."""
        now = time.monotonic()
        if now - self.looked > _LOOK:
            self.looked, self.seats = now, self._count_seats()
        if self.seats > 0:
            self.had_cpus = now
        elif now - self.had_cpus > _PATIENCE:
            self._give_up(self.shortage)
        seats = min(self.seats, self.most or self.seats)
        while len(self.lines) < min(seats, len(self.stage) + self._busy()):
            player = self.ray.remote(Player).options(num_cpus=1, runtime_env={"env_vars": ONE_THREAD}).remote(
                [Path(place).resolve() for place in sys.path]
            )
            self.hired.append(player)
            self.lines[player.hello.remote()] = _Member(player, None)

    def _ready(self) -> list[Any]:
        if not self.lines:
            time.sleep(_EVERY)
            return []
        lines = list(self.lines)
        if not self.ray.wait(lines, timeout=_LOOK)[0]:
            return []
        return self.ray.wait(lines, num_returns=len(lines), timeout=0)[0]       # all that are ready, not only the first

    def _listen(self, line: Any) -> None:
        errors, member = self.ray.exceptions, self.lines.pop(line)
        try:
            said = self.ray.get(line if member.task is None else next(line))
        except (errors.RayError, StopIteration) as error:
            self._dismiss(member.player)
            self._lost(member.task, error)
            return
        if member.task is None:
            self._welcome(member.player, *said)
        elif self._heed(member.task, said):
            self.lines[line] = member
        else:
            if not self.stage.left[member.task.job]:
                self.sent.pop(member.task.job, None)
            self._employ(member.player, member.task)

    def _welcome(self, player: Any, node: str, versions: Versions) -> None:
        """Give a new player work, unless it is on a node that came later and has other software."""
        self.stillborn = 0
        if wrong := mismatch(self.versions, versions):
            self.refused[node] += 1
            self.seats = self._count_seats()
            self.shortage = f"no CPU is left on a node with the same software as here; one has {wrong}"
        else:
            self._employ(player, None)

    def _employ(self, player: Any, last: Task | None) -> None:
        task = self.stage.take(last)
        if task is None:
            self._dismiss(player)
            return
        line = player.play.options(num_returns="streaming").remote(self._send(task.job), task.unit, self.stage.checkpoint)
        self.lines[line] = _Member(player, task)
        for results in self.stage.results:
            results.workers = max(results.workers, self._busy())

    def _send(self, number: int) -> _Sent:
        if number not in self.sent:
            job = self.stage.jobs[number]
            if job.data is not None and id(job.data) not in self.data:
                self.data[id(job.data)] = self.ray.put(pickle.dumps(job.data))
            scenario, data = self.ray.put(pickle.dumps(job.scenario)), self.data.get(id(job.data))
            self.sent[number] = _Sent(scenario, data, job.folder.resolve(), job.store.mark())
        return self.sent[number]

    def _heed(self, task: Task, messages: list[Message]) -> bool:
        """Take up what a player says; return whether it goes on with this task."""
        for what, *content in messages:
            if what == "round":
                self.stage.hear(task, *content)
            elif what == "failed":
                self.stage.fail(task, content[0])
            else:
                try:
                    self.stage.jobs[task.job].store.receive(task.unit, content[0])
                except OSError as error:
                    self.stage.fail(task, story(error))
                else:
                    self.stage.finish(task)
        return messages[-1][0] == "round"

    def _lost(self, task: Task | None, error: Exception) -> None:
        words = [line for line in str(error).splitlines() if line.strip() and not line.startswith("\t")]
        reason = words[-1][:300] if words else type(error).__name__
        if task is None:
            self.stillborn += 1
            if self.stillborn >= _STILLBORN:
                self._give_up(f"no worker of the cluster lives to its first task: {reason}")
        elif not self.stage.again(task, _TRIES):
            self.stage.fail(task, f"its worker died {count(_TRIES, 'time')}; the last time: {reason}")

    def _give_up(self, reason: str) -> None:
        """Play nothing more than what is under way."""
        while (task := self.stage.take()) is not None:
            self.stage.fail(task, reason)

    def _dismiss(self, player: Any) -> None:
        self.hired.remove(player)
        self.ray.kill(player)
