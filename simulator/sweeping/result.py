"""The outcome of a sweep, to be looked at in a notebook."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Self

import pandas as pd

from simulator.faults import shown
from simulator.names import NoSuchName
from simulator.plain import count
from simulator.sweeping.report import load_swept, write_sweep_report
from simulator.trajectory import NoFolder, Trajectory


class SweepResult:
    """The tables of a sweep, and the trajectory of each of its cells. docs/tables.md says what every column means."""

    def __init__(self, folder: Path, keeps: object = None) -> None:
        """`keeps`: what must live as long, if the folder is a temporary one."""
        load_swept(folder)
        self._folder, self._keeps = folder, keeps
        self._manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read the folder of a sweep, finished or not. `NotASweep` says what is missing or broken."""
        return cls(Path(folder))

    @property
    def folder(self) -> Path | None:
        """The folder of the sweep; None while it is in memory alone."""
        return None if self._keeps else self._folder

    @property
    def title(self) -> str:
        return str(self._manifest["title"])

    @property
    def arms(self) -> list[str]:
        return list(self._manifest["arms"])

    @property
    def axes(self) -> dict[str, list]:
        """The values of each axis, by the label under which it is a column of the tables."""
        return {axis["label"]: list(axis["values"]) for axis in self._manifest["axes"]}

    @property
    def finished(self) -> bool:
        return bool(self._manifest["finished"])

    @property
    def cells(self) -> pd.DataFrame:
        """One row for each cell: its number, the value of each axis, folder, status, and what went wrong if something did."""
        return self._csv("cells.csv", words={"folder", "status", "error"})

    @property
    def results(self) -> pd.DataFrame:
        """Every value at the end: cell, the axes, arm, replicate, measure, value."""
        return pd.read_parquet(self._folder / "results.parquet")

    @property
    def effects(self) -> pd.DataFrame:
        """Paired differences to the organic arm at the end, with 95 % t intervals: cell, the axes, arm, measure, mean, …"""
        return self._csv("effects.csv", words={"arm", "measure"})

    def trajectory(self, cell: int) -> Trajectory:
        """The run of a finished cell, by its number (from 1). `KeyError` if there is no such cell."""
        cells = self.cells.set_index("cell")
        if cell not in cells.index:
            raise NoSuchName(f"there is no cell {shown(cell)}; they are numbered from 1 to {len(cells)}")
        if cells.loc[cell, "status"] != "finished":
            raise NoSuchName(f"cell {cell} is {cells.loc[cell, 'status']}; see `cells`")
        read = Trajectory.read(self._folder / str(cells.loc[cell, "folder"]))
        return Trajectory(read._run, None, self._keeps) if self._keeps else read

    def report(self) -> Path:
        """Write the report of the sweep again, and return the path of the page."""
        if self._keeps:
            raise NoFolder("this sweep is in memory alone: give sweep(…, out='sweeps/mine') a folder")
        return write_sweep_report(self._folder)

    def __repr__(self) -> str:
        axes = ", ".join(f"{label} {len(values)}" for label, values in self.axes.items())
        return f"<SweepResult {self.title!r}: {count(len(self.cells), 'cell')} ({axes}); {', '.join(self.arms)}>"

    def _repr_html_(self) -> str:
        table = self.cells.drop(columns="folder").to_html(index=False, max_rows=20)
        return f"<div><b>{html.escape(self.title)}</b>{table}<small>{html.escape(', '.join(self.arms))}</small></div>"

    def _csv(self, name: str, words: set[str]) -> pd.DataFrame:
        """A CSV file, its words as words: an axis may well have the value none, or 007."""
        path = self._folder / name
        if path.stat().st_size <= 1:
            return pd.DataFrame()
        columns = pd.read_csv(path, nrows=0).columns
        words = words | {axis["label"] for axis in self._manifest["axes"] if not axis["numeric"]}
        numbers = [column for column in columns if column not in words]
        return pd.read_csv(
            path, dtype={column: str for column in columns if column in words}, keep_default_na=False,
            na_values={column: ["", "nan"] for column in numbers},
        )
