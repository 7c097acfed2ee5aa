"""What has been played of a run, kept on disk unit by unit, so that no work is lost and none is done twice.

    checkpoint/
        state.json                  of which scenario, data and versions this is
        <arm>-<replicate>.model     a unit under way: the whole model after a round
        <arm>-<replicate>.played    a unit that is finished

Files are written beside and moved into place, so whatever ends a process, each is whole or not there.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch

from simulator.datasets import Dataset
from simulator.files import moved_into_place
from simulator.model import FilterBubbleModel
from simulator.play import Played
from simulator.scenario import Scenario
from simulator.versions import installed

Unit = tuple[int, int]
"""(place of the arm in the scenario, replicate)."""


class InUse(RuntimeError):
    """Another process is playing into this folder."""


@dataclass(frozen=True)
class State:
    """Whatever two processes must agree on to make one run."""

    scenario: str
    data: str
    filterbubble: str | None
    torch: str

    @classmethod
    def of(cls, scenario: Scenario, data: Dataset | None) -> State:
        return cls(scenario.digest, _fingerprint(data), installed("filterbubble"), torch.__version__)


class Store:
    """The checkpoint folder of one run."""

    def __init__(self, run: Path):
        self.folder = run / "checkpoint"

    def state(self) -> State | None:
        """Return what the units in here belong to; None if there is no such thing."""
        try:
            return State(**json.loads((self.folder / "state.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def open(self, state: State) -> None:
        """Say what the units that will come belong to."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with moved_into_place(self.folder / "state.json") as part:
            part.write_text(json.dumps(asdict(state), indent=1) + "\n", encoding="utf-8")

    def mark(self) -> tuple[bytes, int, int] | None:
        """Return what only those know who see this very folder, perhaps over a network; None if it is not open.

        The file's words alone would be the same in a copy of the folder on another machine.
        """
        file = self.folder / "state.json"
        try:
            return file.read_bytes(), file.stat().st_ino, file.stat().st_mtime_ns
        except OSError:
            return None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out; the lock goes with the process that holds it, however that ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.folder / "lock", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise InUse(f"{self.folder.parent}: another process is playing this run") from None
        try:
            yield
        finally:
            lock.release()

    def played(self, unit: Unit) -> Played | None:
        """Return a finished unit, if it is finished."""
        return self._read(unit, "played")

    @property
    def count(self) -> int:
        """Number of finished units."""
        return sum(1 for _ in self.folder.glob("*.played"))

    def finish(self, unit: Unit, played: Played) -> None:
        """Keep a finished unit; its model is no longer needed."""
        self.receive(unit, packed(played))

    def receive(self, unit: Unit, content: bytes | memoryview) -> None:
        """Keep a finished unit that comes `packed` from elsewhere."""
        self._write(unit, "played", content)
        self._path(unit, "model").unlink(missing_ok=True)

    def model(self, unit: Unit) -> tuple[FilterBubbleModel, float] | None:
        """Return the model of a unit under way and the seconds that went into it."""
        return self._read(unit, "model")

    def keep(self, unit: Unit, model: FilterBubbleModel, seconds: float) -> None:
        self._write(unit, "model", packed((model, seconds)))

    def clear(self) -> None:
        """Delete everything: the run is written down elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, unit: Unit, suffix: str) -> Path:
        arm, replicate = unit
        return self.folder / f"{arm}-{replicate}.{suffix}"

    def _write(self, unit: Unit, suffix: str, content: bytes | memoryview) -> None:
        with moved_into_place(self._path(unit, suffix)) as part:
            part.write_bytes(content)

    def _read(self, unit: Unit, suffix: str) -> Any:
        """Return what a file holds; None if there is none, or it holds nothing of use: then it is played once more.

        A file that may not be opened is another matter, and so is too little memory: those are raised.
        """
        try:
            file = self._path(unit, suffix).open("rb")
        except FileNotFoundError:
            return None
        with file:
            try:
                return torch.load(file, weights_only=False)
            except MemoryError:
                raise
            except Exception:       # half a file raises RuntimeError, OSError or EOFError, one of other classes AttributeError
                return None


def packed(content: Any) -> memoryview:
    """Return the bytes of a unit, finished or under way."""
    # torch.save and not pickle: cohorts are views into the population's tensors, and must be so afterwards.
    buffer = io.BytesIO()
    torch.save(content, buffer)                  # in memory first: on a full disk it would not raise OSError
    return buffer.getbuffer()


def _fingerprint(data: Dataset | None) -> str:
    """SHA-256 of a data set's interactions and items."""
    digest = hashlib.sha256()
    for name, value in [] if data is None else sorted(vars(data).items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value).tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return digest.hexdigest()
