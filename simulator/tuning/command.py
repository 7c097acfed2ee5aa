"""What `filterbubble tune` does: a tune file in; trials, the best scenario, tables and a report out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from simulator.datasets import DatasetError
from simulator.exit_codes import BAD_INPUT, FAILED, INTERRUPTED
from simulator.faults import ScenarioError
from simulator.plain import count
from simulator.report import write_report
from simulator.runner import Resources, Unit, units
from simulator.scenario import Scenario
from simulator.store import InUse, Store
from simulator.sweeping.cells import Cell
from simulator.sweeping.labels import in_words
from simulator.sweeping.plan import plan
from simulator.tuning.execution import NotThisTune, Tune
from simulator.tuning.loading import Tuning, load_tune
from simulator.tuning.outcome import CannotTune
from simulator.tuning.report import write_tune_report
from simulator.tuning.runs import Runs
from simulator.tuning.search import NeedsOptuna, Search
from simulator.world import load_data

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def run_tune(
    file: Path, trials: int | None, overrides: Sequence[str], seed: int | None, replicates: int | None, data_path: str | None,
    out: Path | None, resources: Resources, quiet: bool, allow_code: bool, dry_run: bool,
) -> int:
    """Play what is left of a tune and write its tables, its best scenario and its report; return the exit code."""
    folder = out or Path("tunes") / file.stem
    try:
        tuning = load_tune(file, overrides, trials, seed, replicates, data_path, allow_code)
        Search(tuning.knobs, tuning.seed, tuning.keys.trials, tuning.keys.sign)  # is Optuna there?
        tune = Tune(tuning, Runs(folder, load_data(tuning.scenario), resources))
        tune.check()
        if dry_run:
            _show_plan(tuning, resources)
            return 0
        lock = Store(folder)
        with lock.locked():
            interrupted = _play(tune, quiet)
            tune.write()
            page = write_tune_report(folder)
            if tune.best is not None and tune.fresh is not None:
                write_report(tune.runs.place(tuning.held_out(tune.best.setting)))
        lock.clear()
    except (ScenarioError, DatasetError, NotThisTune, InUse, NeedsOptuna) as error:
        _err.print(str(error), markup=False)
        return BAD_INPUT
    except CannotTune as error:
        _err.print(str(error), markup=False)
        return FAILED
    except OSError as error:
        _err.print(f"{folder}: cannot be written to: {error.strerror}", markup=False)
        return FAILED
    return _conclude(tune, page, interrupted)


def _conclude(tune: Tune, page: Path, interrupted: bool) -> int:
    for trial in tune.trials:
        if story := tune.runs.failures.get(trial.scenario.digest):
            _err.print(f"trial {trial.number} ({trial.in_words}): {story}", markup=False)
    keys, winner = tune.tuning.keys, tune.best
    done = f"{len(tune.trials)} of {count(keys.trials, 'trial')}"
    if winner is None:
        _out.print(f"{done}: no setting keeps the floor. Report: {page}", markup=False)
    else:
        best = tune.runs.folder / "best.yaml"
        _out.print(f"{done}, best: {winner.in_words} ({best}). Report: {page}", markup=False)
    if interrupted:
        _err.print("Interrupted. The same command goes on from there.", markup=False)
        return INTERRUPTED
    return FAILED if winner is None or tune.fresh is None else 0


def _play(tune: Tune, quiet: bool) -> bool:
    tuning = tune.tuning
    keys, rounds = tuning.keys, tuning.scenario.rounds + tuning.scenario.warmup
    search = keys.trials * tuning.scenario.replicates + len(units(tuning.others))
    total = rounds * (search + len(tuning.scenario.policies) * keys.held_out)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("rounds"), TimeRemainingColumn())
    with Progress(*columns, console=_err, disable=quiet) as bar:
        task = bar.add_task("", total=total)
        reached: dict[tuple[str, Unit], int] = {}

        def progress(scenario: Scenario, unit: Unit, round: int) -> None:
            arm, replicate = unit
            known = scenario.digest, unit
            name = scenario.policies[arm].name
            label = f"after {count(len(tune.trials), 'trial')}: {name}, replicate {replicate + 1}, round {round}"
            bar.update(task, advance=round - reached.get(known, -scenario.warmup), description=label)
            reached[known] = round

        return tune.play(progress)


def _show_plan(tuning: Tuning, resources: Resources) -> None:
    """Print what is searched, and about how long it takes."""
    keys = tuning.keys
    goal = f"{'maximise' if keys.sign > 0 else 'minimise'} {keys.goal}"
    _out.print(f"{goal}, {keys.floor.measure} at least {100 * keys.floor.share:g} % of {keys.floor.of}'s", markup=False)
    for knob in tuning.knobs:
        if knob.range is None:
            words = ", ".join(in_words(level.value) for level in knob.levels)
        else:
            words = f"{knob.range.low:g} to {knob.range.high:g}, {knob.range.scale}"
        _out.print(f"  {knob.label}: {words}", markup=False)
    first = {knob.label: knob.at(0.0) for knob in tuning.knobs}
    with _err.status("Playing a few rounds to see how long they take …"):
        trial, others = (plan([Cell(1, {}, scenario)]).seconds for scenario in (tuning.trial(first), tuning.others))
    replicates = tuning.scenario.replicates
    seconds = keys.trials * trial + others + (trial + others) * keys.held_out / replicates
    runs = keys.trials * replicates + len(units(tuning.others)) + len(tuning.scenario.policies) * keys.held_out
    processes = resources.workers or os.cpu_count() or 1
    _out.print(
        f"{count(keys.trials, 'trial')}, {count(runs, 'run')} in all, with {count(processes, 'worker')}: about "
        f"{seconds / processes / 60:.1f} min.", markup=False
    )  # fmt: skip
