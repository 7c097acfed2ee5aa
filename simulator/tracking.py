"""Logs finished runs and sweeps to an experiment tracker, from what they left on disk. Nothing heavy is imported here.

In MLflow a run of ours is a run: its scenario as parameters, its measures at the end and its effects as metrics, the curves of
the measures that its report is about as metrics by round, seeds, hashes and versions as tags, tables and report as artifacts. A
sweep is a run with a nested run for each finished cell. What is logged once is not logged again: a tag holds what it is.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from simulator.faults import did_you_mean

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

TRACKERS = ("mlflow",)
EXPERIMENT = "filterbubble"
"""The experiment, unless MLFLOW_EXPERIMENT_NAME names another."""

INSTALL = "pip install 'filterbubble[track]'"
MOST_LETTERS_OF_A_NAME, MOST_LETTERS_OF_A_PARAMETER, MOST_LETTERS_OF_A_TAG = 250, 6000, 5000
MOST_METRICS, MOST_PARAMETERS = 1000, 100
"""MLflow's limits: https://mlflow.org/docs/latest/rest-api.html, "Log Batch", "Request limits"."""

_RUN_FILES = ("report.html", "scenario.yaml", "manifest.json", "topics.json", "*.parquet")
_SWEEP_FILES = ("report.html", "sweep.yaml", "manifest.json", "*.parquet", "*.csv")
_KEY = "filterbubble.key"
_INTERRUPTED = 130

T = TypeVar("T")


class CannotTrack(ValueError):
    """There is no such tracker, or it is not installed. The message says what to do."""


class NotTracked(RuntimeError):
    """The tracker would not take it. The message says why; the run itself is on disk."""


def check(tracker: str) -> None:
    """Raise `CannotTrack` unless this tracker can be used."""
    if tracker not in TRACKERS:
        raise CannotTrack(f"--track {tracker}: there is no such tracker{did_you_mean(tracker, TRACKERS)}")
    uri = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:")          # MLflow's default: mlflow.db in the current folder
    needed = ["mlflow", *(("sqlalchemy", "alembic") if re.match(r"(sqlite|mysql|postgresql|mssql)\b", uri) else ())]
    if missing := [name for name in needed if find_spec(name) is None]:
        raise CannotTrack(f"--track {tracker}: {' and '.join(missing)} not installed; {INSTALL}")


def track(folder: Path, tracker: str = "mlflow") -> None:
    """Log a run directory, or the folder of a sweep. Raises `NotTracked` if that does not work, for whatever reason."""
    check(tracker)
    # What is simulated here is nobody else's business, unless the user says otherwise.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    chatty = logging.getLogger("alembic")
    level = chatty.level
    chatty.setLevel(logging.WARNING)
    try:
        from mlflow.tracking import MlflowClient

        log = _Log(MlflowClient())
        if (folder / "sweep.yaml").is_file():
            _log_sweep(log, folder)
        else:
            _log_run(log, folder)
    except Exception as error:      # a store, a network, a disk: whatever it is, the run must not be lost over it
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise NotTracked(f"not logged to {tracker}: {words[0]}") from error
    finally:
        chatty.setLevel(level)


def tracked(folder: Path, tracker: str | None, code: int) -> int:
    """Log what a command has finished, say how that went, and return the command's exit code (`code`, or 1)."""
    if tracker is None or code == _INTERRUPTED or not _finished_enough(folder):
        return code
    from rich.console import Console

    err = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        track(folder, tracker)
    except NotTracked as error:
        again = f"python -c \"from simulator import load; load({str(folder)!r}).track({tracker!r})\""
        err.print(f"{error}\nThe results are safe in {folder}. To log them later: {again}", markup=False)
        return code or 1
    return code


def _finished_enough(folder: Path) -> bool:
    """Is there something to log: a whole run, or a sweep with a finished cell?"""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(manifest.get("cells_finished") or manifest["finished"])


# What is logged ----------------------------------------------------------------------------------------------


def _log_sweep(log: _Log, folder: Path) -> None:
    from simulator.sweeping.result import SweepResult

    sweep, manifest = SweepResult.read(folder), _manifest(folder)
    tags = {
        "filterbubble.kind": "sweep", "filterbubble.folder": str(folder.resolve()), "filterbubble.digest": manifest["digest"],
        "filterbubble.design": manifest["design"], "filterbubble.cells": f"{manifest['cells_finished']}/{manifest['cells']}",
        **{f"filterbubble.axis.{label}": json.dumps(values, ensure_ascii=False) for label, values in sweep.axes.items()},
        **_common_tags(manifest),
    }
    # The folder, not the cells: a sweep that gets another value on an axis is the same sweep.
    key = _digest("sweep", str(folder.resolve()))
    parent = log.known(key) or log.begin(key, manifest["title"], _milliseconds(manifest), {})
    log.tag(parent, tags)
    cells = sweep.cells
    for cell in cells[cells["status"] == "finished"].to_dict("records"):
        name = ", ".join(f"{label} {cell[label]}" for label in sweep.axes)
        _log_run(log, folder / cell["folder"], parent, name, {"filterbubble.cell": str(cell["cell"])})
    log.artifacts(parent, _files(folder, _SWEEP_FILES))
    log.end(parent, manifest, "FINISHED" if manifest["finished"] else "FAILED")


def _log_run(log: _Log, folder: Path, parent: str = "", name: str = "", more: Mapping[str, str] | None = None) -> None:
    from simulator.trajectory import Trajectory

    manifest = _manifest(folder)
    place = parent or str(folder.resolve())
    key = _digest("run", place, manifest["hashes"]["scenario"], manifest["hashes"]["trajectory"])
    if run := log.known(key):
        if log.is_whole(run):
            return
        log.forget(run)             # its process was killed while it logged
    trajectory = Trajectory.read(folder)
    tags = {
        "filterbubble.kind": "cell" if parent else "run", "filterbubble.folder": str(folder.resolve()),
        "filterbubble.digest": manifest["hashes"]["scenario"], "filterbubble.trajectory": manifest["hashes"]["trajectory"],
        "filterbubble.arms": ", ".join(trajectory.arms), **_common_tags(manifest), **(more or {}),
        **({"mlflow.parentRunId": parent} if parent else {}),
    }
    run = log.begin(key, name or f"{manifest['title']}, {folder.name}", _milliseconds(manifest), tags)
    log.parameters(run, dict(flat(trajectory.scenario)))
    log.metrics(run, metrics(trajectory))
    log.artifacts(run, _files(folder, _RUN_FILES))
    log.end(run, manifest)


def flat(values: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield the keys and values of a scenario as `--set` names them: users.drift.rate, policies.mf.factors.

    Lists without named entries are one value, as JSON.
    """
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            yield from flat(value, f"{before}.{key}" if before else str(key))
    elif isinstance(values, list) and values and all(isinstance(value, Mapping) and "name" in value for value in values):
        for value in values:
            yield from flat({key: held for key, held in value.items() if key != "name"}, f"{before}.{value['name']}")
    else:
        yield before, values if isinstance(values, str) else json.dumps(values, ensure_ascii=False)


def metrics(trajectory: Any) -> Iterator[tuple[str, float, int]]:
    """Yield name, value and step of each metric of a run, values that are no numbers left out.

    `mf/consumption.alpha`: mean over replicates in each round, of the measures that the report is about; `mf/end/…`: mean over
    replicates of all measures at the end; `mf/effect/…`: paired difference to the organic arm at the end, if there is one.
    """
    tables = [("", trajectory.curves(trajectory.focus)), ("end/", trajectory.levels())]
    if trajectory.baseline is not None:
        tables.append(("effect/", trajectory.effects()))
    called = names(trajectory.arms, kept=r"\w. -")
    for kind, table in tables:
        for row in table.to_dict("records"):
            if math.isfinite(row["mean"]):
                yield f"{called[row['arm']]}/{kind}{row['measure']}", float(row["mean"]), int(row.get("round", 0))


def names(texts: Iterable[str], kept: str = r"\w./ -") -> dict[str, str]:
    """Give each text a name that MLflow takes: characters other than `kept` become `_`, and no two are alike.

    A name is a path without empty steps or dots for steps, at most 250 letters long.
    """
    found: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        steps = [step for step in re.sub(f"[^{kept}]", "_", text).split("/") if step]
        name = "/".join("_" if step in (".", "..") else step for step in steps)[:MOST_LETTERS_OF_A_NAME].rstrip("/") or "_"
        number, free = 1, name
        while free in found.values():
            number += 1
            free = f"{name[: MOST_LETTERS_OF_A_NAME - len(str(number)) - 1]}_{number}"
        found[text] = free
    return found


def _common_tags(manifest: Mapping[str, Any]) -> dict[str, str]:
    return {
        "mlflow.source.name": "filterbubble",
        "mlflow.note.content": manifest["question"],
        "filterbubble.seed": str(manifest["seed"]),
        **{f"filterbubble.version.{name}": str(version) for name, version in manifest["versions"].items()},
    }


def _manifest(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def _milliseconds(manifest: Mapping[str, Any]) -> int:
    return int(datetime.fromisoformat(manifest["started"]).timestamp() * 1000)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    return [file for pattern in patterns for file in sorted(folder.glob(pattern))]


# The tracker -------------------------------------------------------------------------------------------------


class _Log:
    """An experiment in MLflow's store, which MLFLOW_TRACKING_URI names."""

    def __init__(self, client: MlflowClient) -> None:
        self.client = client
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        there = client.get_experiment_by_name(name)
        self.experiment = there.experiment_id if there else client.create_experiment(name)

    def known(self, key: str) -> str | None:
        """The run that was logged under a key, if there is one."""
        found = self.client.search_runs([self.experiment], f"tags.`{_KEY}` = '{key}'", max_results=1)
        return found[0].info.run_id if found else None

    def is_whole(self, run: str) -> bool:
        return self.client.get_run(run).info.status == "FINISHED"

    def forget(self, run: str) -> None:
        self.client.delete_run(run)

    def begin(self, key: str, name: str, started: int, tags: Mapping[str, str]) -> str:
        tags = {_KEY: key, **_cut(tags)}
        return self.client.create_run(self.experiment, start_time=started, tags=tags, run_name=name[:250]).info.run_id

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        for name, value in _cut(tags).items():
            self.client.set_tag(run, name, value)

    def parameters(self, run: str, values: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        called = names(values)
        params = [Param(called[key], value[:MOST_LETTERS_OF_A_PARAMETER]) for key, value in values.items()]
        for some in _batches(params, MOST_PARAMETERS):
            self.client.log_batch(run, params=some)

    def metrics(self, run: str, values: Iterable[tuple[str, float, int]]) -> None:
        from mlflow.entities import Metric

        rows = list(values)
        called = names(name for name, _, _ in rows)
        ended = self.client.get_run(run).info.start_time
        entries: list[Metric] = [Metric(called[name], value, ended, step) for name, value, step in rows]
        for some in _batches(entries, MOST_METRICS):
            self.client.log_batch(run, metrics=some)

    def artifacts(self, run: str, files: Iterable[Path]) -> None:
        for file in files:
            self.client.log_artifact(run, str(file))

    def end(self, run: str, manifest: Mapping[str, Any], status: str = "FINISHED") -> None:
        self.client.set_terminated(run, status, _milliseconds(manifest) + int(1000 * manifest["seconds"]))


def _cut(tags: Mapping[str, str]) -> dict[str, str]:
    called = names(tags)
    return {called[name]: value[:MOST_LETTERS_OF_A_TAG] for name, value in tags.items()}


def _batches(entries: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (entries[start : start + size] for start in range(0, len(entries), size))
