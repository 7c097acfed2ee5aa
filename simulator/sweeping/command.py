"""What `filterbubble sweep` does: a sweep file in, run directories, tables and a report out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from simulator.datasets import DatasetError
from simulator.faults import ScenarioError
from simulator.plain import count
from simulator.runner import Unit, units
from simulator.session import BAD_INPUT, FAILED, INTERRUPTED
from simulator.store import InUse, Store
from simulator.sweeping.cells import Cell
from simulator.sweeping.execution import NotThisSweep, Sweeping
from simulator.sweeping.labels import in_words
from simulator.sweeping.loading import load_sweep
from simulator.sweeping.plan import plan
from simulator.sweeping.report import write_sweep_report

_LISTED = 40        # cells of a plan that are shown

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def run_sweep(
    file: Path, overrides: Sequence[str], seed: int | None, replicates: int | None, data_path: str | None, out: Path | None,
    workers: int | None, quiet: bool, allow_code: bool, checkpoint: float, dry_run: bool,
) -> int:
    """Play what is left of a sweep and write its tables; return the exit code."""
    try:
        sweep = load_sweep(file, overrides, seed, replicates, data_path, allow_code)
        sweeping = Sweeping(sweep, out or Path("sweeps") / file.stem)
        sweeping.check()
        left = [cell for cell in sweep.cells if not sweeping.finished(cell)]
        if dry_run:
            _show_plan(sweeping, left, workers)
            return 0
        lock = Store(sweeping.folder)
        with lock.locked():
            interrupted = _play(sweeping, left, workers, quiet, checkpoint)
    except (ScenarioError, DatasetError, NotThisSweep, InUse) as error:
        _err.print(str(error), markup=False)
        return BAD_INPUT
    except OSError as error:
        _err.print(f"{sweeping.folder}: cannot be written to: {error.strerror}", markup=False)
        return FAILED
    lock.clear()
    return _conclude(sweeping, interrupted)


def _play(sweeping: Sweeping, left: Sequence[Cell], workers: int | None, quiet: bool, checkpoint: float) -> bool:
    cells = len(sweeping.sweep.cells)
    if len(left) < cells and not quiet:
        _out.print(f"{sweeping.folder}: {cells - len(left)} of {cells} cells are there already.", markup=False)
    total = sum((cell.scenario.rounds + cell.scenario.warmup) * len(units(cell.scenario)) for cell in left)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("rounds"), TimeRemainingColumn())
    with Progress(*columns, console=_err, disable=quiet or not left) as bar:
        task = bar.add_task("", total=total)
        reached: dict[tuple[int, Unit], int] = {}

        def progress(cell: Cell, unit: Unit, round: int) -> None:
            arm, replicate = unit
            name = cell.scenario.policies[arm].name
            label = f"cell {cell.number}/{cells} ({cell.in_words}): {name}, replicate {replicate + 1}, round {round}"
            before = reached.get((cell.number, unit), -cell.scenario.warmup)
            bar.update(task, advance=round - before, description=label)
            reached[cell.number, unit] = round

        return sweeping.play(workers, progress, checkpoint)


def _conclude(sweeping: Sweeping, interrupted: bool) -> int:
    for number, failed in sorted(sweeping.failures.items()):
        for run, story in failed.items():
            _err.print(f"cell {number}, {run}: {story}", markup=False)
    done, cells = sum(map(sweeping.finished, sweeping.sweep.cells)), len(sweeping.sweep.cells)
    page = write_sweep_report(sweeping.folder)
    _out.print(f"{done} of {count(cells, 'cell')} finished. Report: {page}", markup=False)
    if interrupted:
        _err.print("Interrupted. The same command goes on from there.", markup=False)
        return INTERRUPTED
    if sweeping.failures:
        _err.print(f"{count(len(sweeping.failures), 'cell')} failed. The same command tries again.", markup=False)
        return FAILED
    return 0


def _show_plan(sweeping: Sweeping, left: Sequence[Cell], workers: int | None) -> None:
    sweep = sweeping.sweep
    table = Table("cell", *(axis.label for axis in sweep.axes), "arms", "replicates", "rounds", "runs", "", box=None)
    for cell in sweep.cells[:_LISTED]:
        scenario = cell.scenario
        table.add_row(
            str(cell.number), *(in_words(cell.values[axis.label]) for axis in sweep.axes), str(len(scenario.policies)),
            str(scenario.replicates), str(scenario.rounds), str(len(units(scenario))),
            "" if cell in left else "finished",
        )
    _out.print(table)
    if len(sweep.cells) > _LISTED:
        _out.print(f"… and {len(sweep.cells) - _LISTED} more")
    if not left:
        _out.print("Everything is finished.")
        return
    with _err.status("Playing a few rounds to see how long they take …"):
        found = plan(left)
    processes = min(workers or os.cpu_count() or 1, found.runs)
    _out.print(
        f"{count(found.runs, 'run')} to play in {count(len(left), 'cell')}, with {count(processes, 'worker')}: "
        f"about {_duration(found.seconds / processes)}, {_size(found.bytes)} (from {count(found.probed, 'cell')} probed)."
    )


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 1):.0f} s"


def _size(size: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size / 1e3:.0f} kB"
