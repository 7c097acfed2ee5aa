"""What `filterbubble sweep` does: a sweep file in, run directories, tables and a report out."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from simulator.datasets import DatasetError
from simulator.exit_codes import BAD_INPUT, FAILED
from simulator.faults import ScenarioError
from simulator.plain import count
from simulator.report.pages import write_docs
from simulator.runner import Resources, units
from simulator.store import InUse
from simulator.sweeping.execution import NotThisSweep, Sweeping
from simulator.sweeping.labels import in_words
from simulator.sweeping.loading import load_sweep
from simulator.sweeping.plan import plan
from simulator.sweeping.playing import play_cells
from simulator.sweeping.report import write_sweep_report
from simulator.tracking import tracked

_LISTED = 40        # cells of a plan that are shown

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def run_sweep(
    file: Path, overrides: Sequence[str], seed: int | None, replicates: int | None, data_path: str | None, out: Path | None,
    resources: Resources, quiet: bool, allow_code: bool, dry_run: bool, track: str | None = None,
    quick: bool = False, docs: Path | None = None,
) -> int:
    """Play what is left of a sweep and write its tables and its report; return the exit code."""
    try:
        sweep = load_sweep(file, overrides, seed, replicates, data_path, allow_code, quick=quick)
        called = _called(file, overrides, seed, replicates, data_path, allow_code, quick)
        sweeping = Sweeping(sweep, out or Path("sweeps") / (f"{file.stem}-quick" if quick else file.stem), called=called)
        sweeping.check()
        if dry_run:
            show_plan(sweeping, resources)
            return 0
        code = play_cells(sweeping, resources, quiet)
        page = write_sweep_report(sweeping.folder)
        if docs is not None:
            write_docs(page, docs)
    except (ScenarioError, DatasetError, NotThisSweep, InUse) as error:
        _err.print(str(error), markup=False)
        return BAD_INPUT
    except OSError as error:
        _err.print(f"{error.filename or sweeping.folder}: cannot be written to: {error.strerror}", markup=False)
        return FAILED
    _out.print(f"{sweeping.progress}. Report: {page}", markup=False)
    return tracked(sweeping.folder, track, code)


def _called(
    file: Path, overrides: Sequence[str], seed: int | None, replicates: int | None, data: str | None, allow_code: bool,
    quick: bool,
) -> str:
    """The command with the options that decide what is played."""
    given: list[str] = ["--quick"] if quick else []
    for option, value in (("--seed", seed), ("--replicates", replicates), ("--data", data)):
        given += [] if value is None else [option, str(value)]
    for change in overrides:
        given += ["--set", change]
    return shlex.join(["filterbubble", "sweep", str(file), *given, *(["--allow-code"] if allow_code else [])])


def show_plan(sweeping: Sweeping, resources: Resources) -> None:
    """Print the cells of a sweep, and about how long those take that are left."""
    sweep = sweeping.sweep
    left = sweeping.left()
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
    processes = min(resources.workers or os.cpu_count() or 1, found.runs)
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
