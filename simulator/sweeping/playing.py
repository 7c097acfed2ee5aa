"""Plays cells as a command does: nobody else in the folder, progress on the way, and words for what went wrong."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from simulator.exit_codes import FAILED, INTERRUPTED
from simulator.plain import count
from simulator.runner import Resources, Unit, units
from simulator.store import Store
from simulator.sweeping.cells import Cell
from simulator.sweeping.execution import Sweeping

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def play_cells(sweeping: Sweeping, resources: Resources, quiet: bool) -> int:
    """Play what is left of a sweep and write its tables; return the exit code.

    Raises `InUse` where another process plays into the folder, and `OSError` where it cannot be written to.
    """
    lock = Store(sweeping.folder)
    with lock.locked():
        interrupted = _play(sweeping, resources, quiet)
    lock.clear()
    for number, failed in sorted(sweeping.failures.items()):
        for run, story in failed.items():
            _err.print(f"cell {number}, {run}: {story}", markup=False)
    if interrupted:
        _err.print("Interrupted. The same command goes on from there.", markup=False)
        return INTERRUPTED
    if sweeping.failures:
        _err.print(f"{count(len(sweeping.failures), 'cell')} failed. The same command tries again.", markup=False)
        return FAILED
    return 0


def _play(sweeping: Sweeping, resources: Resources, quiet: bool) -> bool:
    left = sweeping.left()
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

        return sweeping.play(resources, progress)
