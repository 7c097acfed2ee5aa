"""The interface for notebooks and scripts: a scenario in, tables, intervals and figures out.

    from simulator import run, compare
    trajectory = run("scenarios/quickstart.yaml", replicates=5)
    compare(trajectory, measures="consumption.*")

docs/tutorial.md walks through it.
"""

from __future__ import annotations

import json
import multiprocessing as mp
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from simulator import runner
from simulator.comparison import NotTheSameWorld, together
from simulator.datasets import Dataset, DatasetError
from simulator.faults import ScenarioError
from simulator.from_python import Changes, Given, scenario_from, sweep_from
from simulator.language import require_keys
from simulator.names import NoSuchName
from simulator.place import PlaceTaken, place
from simulator.plain import count
from simulator.report import NotARunDirectory
from simulator.rundir import versions, write_run
from simulator.scenario import Scenario
from simulator.store import State, Store
from simulator.sweeping.cells import Cell
from simulator.sweeping.execution import NotThisSweep, Sweeping
from simulator.sweeping.report import NotASweep
from simulator.sweeping.result import SweepResult
from simulator.trajectory import NoFolder, Trajectory
from simulator.world import load_data

__all__ = [
    "DatasetError",
    "NoFolder",
    "NoSuchName",
    "NotARunDirectory",
    "NotASweep",
    "NotTheSameWorld",
    "NotThisSweep",
    "PlaceTaken",
    "RunFailed",
    "ScenarioError",
    "SweepResult",
    "Trajectory",
    "compare",
    "load",
    "run",
    "sweep",
]

Told = Callable[[str, int, int], None]
"""Is told of each round: arm, replicate (from 0), round. In a sweep the arm's name comes after the cell's values."""

_NO_GUARD = (
    "this script starts processes, and each of them runs it again from the top. Put what it does under\n"
    '    if __name__ == "__main__":\nor play in one process, with workers=1.'
)


class RunFailed(RuntimeError):
    """Arms that broke down, each told in the message. `trajectory` holds what the others came to."""

    def __init__(self, message: str, trajectory: Trajectory) -> None:
        super().__init__(message)
        self.trajectory = trajectory


def run(
    scenario: Given,
    *,
    out: str | Path | None = None,
    workers: int | None = 1,
    seed: int | None = None,
    replicates: int | None = None,
    data: str | Path | None = None,
    set: Changes = (),
    allow_code: bool = False,
    progress: bool | Told | None = None,
    checkpoint: float = runner.CHECKPOINT,
) -> Trajectory:
    """Play every arm and replicate of a scenario and return what came of it.

    `scenario`: a path, a YAML text, a mapping with the keys of a scenario file, or a `Scenario`. `seed`, `replicates`, `data`,
    `set` (a list of `KEY=VALUE`, or a mapping) and `allow_code` are the options of the command `filterbubble run`.

    `out`: a run directory, as the command leaves it (`Trajectory.report` adds the report). If it holds an unfinished run of
    this scenario, by whatever it was ended, that is gone on with; a finished one is only read. None: in memory.

    `workers`: processes; None = one per core. The numbers are the same with any number. One process is the default because it
    needs no more; with several, a script (not a notebook) must stand under `if __name__ == "__main__":`, since each process
    imports it, and a class of your own must stand in a module, not in a notebook's cell.

    `progress`: True for a bar, False for none, None for one where the error output is a terminal; or a function that is told
    each (arm, replicate, round). `checkpoint`: seconds between two checkpoints of a run.

    Raises `ScenarioError` (all that is wrong with the scenario), `DatasetError`, `PlaceTaken` (of `out`), and, when everything
    else has been played, `RunFailed`. On Ctrl-C, what was played is in `out`, and `KeyboardInterrupt` goes on.
    """
    _refuse_to_start_twice()
    checked = scenario_from(scenario, set, seed, replicates, data, allow_code)
    require_keys(checked)
    dataset = load_data(checked)
    if out is not None and _is_finished(Path(out), checked, dataset):
        return Trajectory.read(out)
    resources = runner.Resources(workers, checkpoint)
    if out is not None:
        return _play(Path(out), checked, dataset, resources, progress)
    temporary = tempfile.TemporaryDirectory(prefix="filterbubble-")
    return _play(Path(temporary.name) / "run", checked, dataset, resources, progress, temporary)


def compare(
    runs: Trajectory | str | Path | Sequence[Trajectory | str | Path] | Mapping[str, Trajectory | str | Path],
    baseline: str | None = None,
    measures: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """Effect of each arm on each measure against a baseline, at the end, paired by replicate.

    `runs`: a trajectory or a run directory; or several whose world is the same and whose arms are not, in a list or by a label.
    Two arms of one name that differ are called `label: name` (in a list `run 1: name`). `baseline`: an arm; None: the organic
    one. `measures`: names, which may hold `*`; Holm's adjustment is over all rows of the table, so ask for what the question
    is about.

    Columns: arm, measure, mean, sd, n (pairs), low and high (95 % t interval), size (mean / sd), p (paired t test), p_holm,
    excludes_zero, bca_low, bca_high (bootstrap interval; NaN under five replicates).

    Raises `NotTheSameWorld` if runs differ by more than their arms, `KeyError` for a name that is not there.
    """
    if isinstance(runs, Trajectory | str | Path):
        return _trajectory(runs).effects(baseline, measures)
    named = runs.items() if isinstance(runs, Mapping) else ((f"run {place}", each) for place, each in enumerate(runs, 1))
    found = {str(label): _trajectory(each)._run for label, each in named}
    if not found:
        raise ValueError("runs: there is nothing to compare")
    return Trajectory(together(found)).effects(baseline, measures)


def sweep(
    scenario: Given,
    axes: Mapping[str, Any] | None = None,
    *,
    out: str | Path | None = None,
    workers: int | None = 1,
    seed: int | None = None,
    replicates: int | None = None,
    data: str | Path | None = None,
    set: Changes = (),
    allow_code: bool = False,
    progress: bool | Told | None = None,
    checkpoint: float = runner.CHECKPOINT,
) -> SweepResult:
    """Play a scenario for every combination of some keys' values.

    `axes`: values by key, `{"users.drift.rate": [0.01, 0.1]}`: a grid. None: `scenario` has a section `sweep` itself, which may
    ask for other designs. `out`: a folder, as `filterbubble sweep` leaves it; in one that is there, only cells are played
    that are not finished. None: in memory. The others as in `run`.

    A cell that fails is a row of `cells` with its error; the others go on, and there is a warning.
    Raises `ScenarioError`, `DatasetError`, `NotThisSweep` (of `out`).
    """
    _refuse_to_start_twice()
    checked = sweep_from(scenario, axes, set, seed, replicates, data, allow_code)
    temporary = None if out is not None else tempfile.TemporaryDirectory(prefix="filterbubble-")
    folder = Path(temporary.name) / "sweep" if temporary else Path(out)            # type: ignore[arg-type]
    sweeping = Sweeping(checked, folder)
    with _without_dashes(NotThisSweep):
        sweeping.check()
    total = sum((cell.scenario.rounds + cell.scenario.warmup) * len(runner.units(cell.scenario)) for cell in sweeping.left())
    lock = Store(folder)
    with lock.locked(), _bar(progress, total) as tell:

        def told(cell: Cell, unit: runner.Unit, round: int) -> None:
            arm, replicate = unit
            tell(f"{cell.in_words}: {cell.scenario.policies[arm].name}", replicate, round, cell.scenario.warmup)

        interrupted = sweeping.play(runner.Resources(workers, checkpoint), told)
    lock.clear()
    if interrupted:
        raise KeyboardInterrupt
    if sweeping.failures:
        warnings.warn(f"{count(len(sweeping.failures), 'cell')} of {len(checked.cells)} failed: see `cells`", stacklevel=2)
    return SweepResult(folder, temporary)


def load(folder: str | Path) -> Trajectory | SweepResult:
    """Read what `filterbubble run` or `filterbubble sweep`, or `out=` here, has left. `NotARunDirectory` if it is neither."""
    return SweepResult.read(folder) if (Path(folder) / "sweep.yaml").is_file() else Trajectory.read(folder)


def _play(
    folder: Path, scenario: Scenario, data: Dataset | None, resources: runner.Resources, progress: bool | Told | None,
    temporary: tempfile.TemporaryDirectory | None = None,
) -> Trajectory:
    """Play a run, or what is left of it, into a folder, in the steps of the command."""
    started, state, units = datetime.now(UTC), State.of(scenario, data), runner.units(scenario)
    with _without_dashes(PlaceTaken):
        _, unfinished = place(folder, folder.parent, scenario, state, False, started)
    job = runner.Job(scenario, data, folder)
    with job.store.locked():
        if not unfinished:
            job.store.open(state)
        if not (folder / "manifest.json").exists():
            write_run(folder, scenario, data, runner.Results(), started)
        with _bar(progress, (scenario.rounds + scenario.warmup) * len(units)) as tell:

            def told(task: runner.Task, round: int) -> None:
                arm, replicate = task.unit
                tell(scenario.policies[arm].name, replicate, round, scenario.warmup)

            (results,) = runner.run([job], resources, told)
        write_run(folder, scenario, data, results, started)
        if len(results.played) == len(units):
            job.store.clear()
    if results.interrupted:
        raise KeyboardInterrupt
    read = Trajectory.read(folder)
    trajectory = Trajectory(read._run, None, temporary) if temporary else read
    if results.failures:
        stories = [results.failures[unit] for unit in sorted(results.failures)]
        if results.workers > 1 and all(story.endswith("exit code 1") for story in stories):
            stories.append(f"If it is that {_NO_GUARD}")
        raise RunFailed("\n".join(stories), trajectory)
    return trajectory


def _is_finished(folder: Path, scenario: Scenario, data: Dataset | None) -> bool:
    """Does the folder hold this very run, whole, made with what is installed now?"""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        made, now = manifest["versions"], versions()
        log = manifest["data"] and (manifest["data"]["name"], manifest["data"]["interactions"])
        return (
            bool(manifest["finished"])
            and manifest["hashes"]["scenario"] == scenario.digest
            and all(made[name] == now[name] for name in ("filterbubble", "torch"))
            and log == (data and (data.name, len(data.users)))
        )
    except (OSError, ValueError, KeyError):
        return False


def _trajectory(given: Trajectory | str | Path) -> Trajectory:
    return given if isinstance(given, Trajectory) else Trajectory.read(given)


def _refuse_to_start_twice() -> None:
    """A new process of `spawn` imports the script; were it to play the run again, so would the processes that it starts."""
    if getattr(mp.current_process(), "_inheriting", False):
        raise RuntimeError(_NO_GUARD)


@contextmanager
def _without_dashes(error: type[Exception]) -> Iterator[None]:
    """Say `out` where the command says `--out`."""
    try:
        yield
    except error as said:
        raise error(str(said).removeprefix("--")) from None


@contextmanager
def _bar(progress: bool | Told | None, total: int) -> Iterator[Callable[[str, int, int, int], None]]:
    """Give a function to tell of rounds: arm, replicate, round, and in how many rounds before 0 it began."""
    if callable(progress):
        yield lambda arm, replicate, round, _: progress(arm, replicate, round)
        return
    shown = sys.stderr.isatty() if progress is None else progress
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("rounds"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as bar:
        task = bar.add_task("", total=total)
        reached: dict[tuple[str, int], int] = {}

        def tell(arm: str, replicate: int, round: int, warmup: int) -> None:
            before = reached.get((arm, replicate), -warmup)
            bar.update(task, advance=round - before, description=f"{arm}, replicate {replicate + 1}, round {round}")
            reached[arm, replicate] = round

        yield tell
