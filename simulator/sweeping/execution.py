"""Plays the cells of a sweep, each into a run directory of its own, and writes down what they come to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from simulator import runner
from simulator.controls import Oracle, Organic
from simulator.datasets import Dataset
from simulator.faults import ScenarioError
from simulator.files import moved_into_place
from simulator.plain import count
from simulator.rundir import versions, write_run
from simulator.scenario import Scenario, load_scenario
from simulator.statistics import end_values, paired_effects
from simulator.store import State
from simulator.sweeping.cells import Cell
from simulator.sweeping.sweep import Axis, Sweep
from simulator.world import load_data

DIGITS = 12     # of a scenario's digest that name its folder
REMEDIES = "remedies.json"      # what a sweep says of remedies; its report is then about them


class NotThisSweep(ValueError):
    """The folder holds something else. The message says what, and what to do."""


@dataclass
class Sweeping:
    """A sweep and the folder that it is played into: one run directory per cell, named by its scenario's digest.

    A cell that is finished is never played again, also when the file has got more cells since; one that was begun goes on.
    """

    sweep: Sweep
    folder: Path
    failures: dict[int, dict[str, str]] = field(default_factory=dict)       # of each cell's number: the runs that failed, how
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    called: str = ""                # the command that makes it again
    data: dict[str, Dataset | None] = field(default_factory=dict)           # by what cells ask for

    def cell_folder(self, cell: Cell) -> Path:
        return self.folder / "cells" / cell.scenario.digest[:DIGITS]

    def finished(self, cell: Cell) -> bool:
        """Is this cell's run directory whole?"""
        try:
            manifest = json.loads((self.cell_folder(cell) / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(manifest.get("finished")) and manifest["hashes"]["scenario"] == cell.scenario.digest

    def left(self) -> list[Cell]:
        """Return the cells that are not finished."""
        return [cell for cell in self.sweep.cells if not self.finished(cell)]

    def check(self) -> None:
        """Refuse a folder that holds other things, or a sweep of which no cell is left in the file; read the data."""
        self._check_folder()
        for cell in self.left():
            self._data_of(cell)

    def _check_folder(self) -> None:
        if not self.folder.exists() or all(each.name == "checkpoint" for each in self.folder.iterdir()):
            return                                              # that alone is left where nothing could be played
        there = self.folder / "cells"
        if not there.is_dir():
            raise NotThisSweep(f"--out {self.folder}: is there already and holds no sweep; name another folder")
        self._adopt()
        known = {folder.name for folder in there.iterdir()}
        if known and not known & {cell.scenario.digest[:DIGITS] for cell in self.sweep.cells}:
            raise NotThisSweep(
                f"--out {self.folder}: holds a sweep that has no cell in common with this one, so the base scenario was "
                "changed, or filterbubble was. Undo the change to go on with it, or name another folder."
            )

    def _adopt(self) -> None:
        """Take over what an earlier filterbubble has finished: there a cell has another digest, as keys have come since.

        Its scenario is written down with every key that there was. Read now, it has the defaults of those that there were not;
        if it then is one of the cells, it always was.
        """
        missing = {cell.scenario.digest: cell for cell in self.left()}
        ours = {self.cell_folder(cell).name for cell in self.sweep.cells}
        for folder in sorted((self.folder / "cells").iterdir()) if missing else ():
            if folder.name in ours or (cell := missing.get(_digest_by_now(folder) or "")) is None:
                continue
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            manifest["hashes"] |= {"scenario": cell.scenario.digest, "scenario_then": manifest["hashes"]["scenario"]}
            with moved_into_place(folder / "manifest.json") as part:
                part.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            shutil.rmtree(self.cell_folder(cell), ignore_errors=True)       # begun anew, and not finished
            folder.rename(self.cell_folder(cell))

    @property
    def progress(self) -> str:
        """How many cells are finished, in words."""
        return f"{sum(map(self.finished, self.sweep.cells))} of {count(len(self.sweep.cells), 'cell')} finished"

    def play(self, resources: runner.Resources, progress: Callable[[Cell, runner.Unit, int], None]) -> bool:
        """Play what is left, and write the tables; return whether it was interrupted."""
        cells = self.left()
        jobs = list(self._jobs(cells))

        def settled(job: int, results: runner.Results) -> None:
            cell, folder = cells[job], self.cell_folder(cells[job])
            write_run(folder, cell.scenario, jobs[job].data, results, self.started)
            if results.failures:
                self.failures[cell.number] = {
                    f"{cell.scenario.policies[arm].name}, replicate {replicate + 1}": story
                    for (arm, replicate), story in sorted(results.failures.items())
                }
            else:
                jobs[job].store.clear()

        results = runner.run(jobs, resources, lambda task, round: progress(cells[task.job], task.unit, round), settled)
        self.write()
        return any(each.interrupted for each in results)

    def _jobs(self, cells: Sequence[Cell]) -> Iterator[runner.Job]:
        for cell in cells:
            job = runner.Job(cell.scenario, self._data_of(cell), self.cell_folder(cell))
            state = State.of(cell.scenario, job.data)
            if job.store.state() != state:              # of other data or versions: what was begun cannot be gone on with
                job.store.clear()
                job.store.open(state)
            yield job

    def _data_of(self, cell: Cell) -> Dataset | None:
        """Return the data that a cell asks for, which cells share; may raise `DatasetError`."""
        asked = repr((cell.scenario.data, cell.scenario.users.count, cell.scenario.items.count))
        if asked not in self.data:
            self.data[asked] = load_data(cell.scenario)
        return self.data[asked]

    def write(self) -> None:
        """Write the tables of what is finished: cells.csv, results.parquet, effects.csv; then sweep.yaml and the manifest."""
        done = [cell for cell in self.sweep.cells if self.finished(cell)]
        ends = {cell.number: self._ends(cell) for cell in done}
        self.folder.mkdir(parents=True, exist_ok=True)
        with moved_into_place(self.folder / "cells.csv") as part:
            self._cells().to_csv(part, index=False)
        with moved_into_place(self.folder / "results.parquet") as part:
            self._labelled(done, ends, ["arm", "replicate", "measure", "value"]).to_parquet(part, index=False)
        baseline = _named(self.sweep.cells[0].scenario, Organic)
        columns = ["arm", "measure", "mean", "low", "high", "sd", "n", "p", "excludes_zero"]
        effects = {number: paired_effects(table, baseline)[columns] for number, table in ends.items()} if baseline else {}
        with moved_into_place(self.folder / "effects.csv") as part:
            self._labelled(done, effects, columns).to_csv(part, index=False)
        with moved_into_place(self.folder / "sweep.yaml") as part:
            part.write_text(self.sweep.resolved(), encoding="utf-8")
        if self.sweep.remedies is not None:
            with moved_into_place(self.folder / REMEDIES) as part:
                part.write_text(self.sweep.remedies.model_dump_json(indent=2) + "\n", encoding="utf-8")
        with moved_into_place(self.folder / "manifest.json") as part:
            part.write_text(json.dumps(self._manifest(len(done)), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def _ends(self, cell: Cell) -> pd.DataFrame:
        return end_values(pd.read_parquet(self.cell_folder(cell) / "trajectory.parquet"))

    def _values(self, cell: Cell) -> dict[str, Any]:
        return {axis.label: _plain(axis, cell.values[axis.label]) for axis in self.sweep.axes}

    def _labelled(self, cells: Sequence[Cell], tables: dict[int, pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
        """Put each cell's table below the other, the cell's number and values before its columns."""
        labels = [axis.label for axis in self.sweep.axes]
        parts = []
        for cell in cells:
            if cell.number in tables:
                part = tables[cell.number].loc[:, list(columns)].reset_index(drop=True)
                before = pd.DataFrame({"cell": cell.number, **self._values(cell)}, part.index)
                parts.append(pd.concat([before, part], axis=1))
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["cell", *labels, *columns])

    def _cells(self) -> pd.DataFrame:
        rows = []
        for cell in self.sweep.cells:
            failed = self.failures.get(cell.number, {})
            status = "finished" if self.finished(cell) else "failed" if failed else "unfinished"
            rows.append({
                "cell": cell.number, **self._values(cell), "folder": str(self.cell_folder(cell).relative_to(self.folder)),
                "status": status, "error": next(iter(failed.values()), ""),
            })
        return pd.DataFrame(rows)

    def _manifest(self, done: int) -> dict[str, Any]:
        sweep, first = self.sweep, self.sweep.cells[0].scenario
        everything = sum(len(runner.units(cell.scenario)) for cell in sweep.cells)
        return {
            "kind": "sweep",
            "finished": done == len(sweep.cells),
            "title": sweep.title,
            "question": sweep.question,
            "design": sweep.design,
            "seed": sweep.seed,
            "axes": [
                {
                    "label": axis.label, "keys": axis.keys, "values": [_plain(axis, value) for value in axis.values],
                    "numeric": axis.numeric,
                }
                for axis in sweep.axes
            ],
            "arms": list(sweep.arms),
            "baseline": _named(first, Organic),
            "reference": _named(first, Oracle),
            "cells": len(sweep.cells),
            "cells_finished": done,
            "runs": everything,
            "failures": [
                {"cell": number, "run": run, "error": story}
                for number, failed in sorted(self.failures.items()) for run, story in failed.items()
            ],
            "called": self.called,
            "versions": versions(),
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round((datetime.now(UTC) - self.started).total_seconds(), 2),
            "digest": sweep.digest,
        }


def _digest_by_now(folder: Path) -> str | None:
    """Return the digest that the scenario of a finished run has in this version; None of any other folder."""
    try:
        if not json.loads((folder / "manifest.json").read_text(encoding="utf-8")).get("finished"):
            return None
        return load_scenario(folder / "scenario.yaml").digest
    except (OSError, ValueError, ScenarioError):
        return None


def _named(scenario: Scenario, control: type) -> str | None:
    return next((arm.name for arm in scenario.policies if isinstance(arm.policy, control)), None)


def _plain(axis: Axis, value: Any) -> Any:
    """Return a value as it stands in tables: numbers of an axis of numbers, else text, or a column would hold both."""
    return value if axis.numeric or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
