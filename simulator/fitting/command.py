"""What `filterbubble fit` does: a scenario and a real log in; fitted values, a posterior and a page of validation out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from simulator.datasets import Dataset, DatasetError, load
from simulator.exit_codes import BAD_INPUT, FAILED, INTERRUPTED
from simulator.faults import ScenarioError
from simulator.fitting.execution import FINALISTS, RETRIALS, WORLDS, CannotFit, Fit, NotThisFit
from simulator.fitting.loading import Fitting, fitting, read_fit
from simulator.fitting.report import answer_line, write_fit_report
from simulator.fitting.writing import write_fit
from simulator.plain import count
from simulator.runner import Resources
from simulator.store import InUse, Store
from simulator.sweeping.plan import unit_seconds

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def run_fit(
    file: Path, data_path: str, simulations: int | None, overrides: Sequence[str], seed: int | None, out: Path | None,
    resources: Resources, quiet: bool, allow_code: bool, dry_run: bool,
) -> int:
    """Play what is left of a fit and write its tables, the fitted scenario and its page; return the exit code."""
    folder = out or Path("fits") / file.stem
    try:
        read = read_fit(file, overrides, simulations, seed, allow_code)
        data = load(data_path, min_rating=read.keys.min_rating)
        asked = fitting(read, data)
        if dry_run:
            _show_plan(asked, data, resources)
            return 0
        fit = Fit(asked, data, folder, resources)
        fit.check()
        if not quiet:
            _out.print(f"{data.name}: {data.citation}\n{data.licence}", markup=False)
        lock = Store(folder)
        with lock.locked():
            write_fit(fit)                  # says whose folder this is
            interrupted = _play(fit, quiet)
            write_fit(fit)
            page = write_fit_report(folder)
        lock.clear()
    except (ScenarioError, DatasetError, NotThisFit, InUse) as error:
        _err.print(str(error), markup=False)
        return BAD_INPUT
    except CannotFit as error:
        _err.print(str(error), markup=False)
        return FAILED
    except OSError as error:
        _err.print(f"{folder}: cannot be written to: {error.strerror}", markup=False)
        return FAILED
    return _conclude(fit, page, interrupted)


def _conclude(fit: Fit, page: Path, interrupted: bool) -> int:
    for story in dict.fromkeys(fit.failures.values()):
        _err.print(story, markup=False)
    if interrupted:
        _out.print(f"Report of what there is: {page}", markup=False)
        _err.print("Interrupted. The same command goes on from there.", markup=False)
        return INTERRUPTED
    _out.print(f"{answer_line(fit.folder)} {fit.folder / 'fitted.yaml'} has the values. Report: {page}", markup=False)
    return 0


def _play(fit: Fit, quiet: bool) -> bool:
    keys = fit.fitting.keys
    steps = {f"generation {number}": worlds for number, worlds in enumerate(keys.generations, 1)}
    steps |= {"finalists": FINALISTS * RETRIALS} | dict.fromkeys(WORLDS, keys.replicates)
    last = fit.fitting.scenario.rounds
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("worlds"), TimeRemainingColumn())
    with Progress(*columns, console=_err, disable=quiet) as bar:
        task = bar.add_task("halves of the real log", total=sum(steps.values()))
        done: set[tuple[str, int]] = set()

        def progress(step: str, number: int, round: int) -> None:
            if round < last or (step, number) in done:
                return
            done.add((step, number))
            of_step = sum(name == step for name, _ in done)
            bar.update(task, completed=len(done), description=f"{step}: {of_step} of {steps[step]}")

        return fit.play(progress)


def _show_plan(asked: Fitting, data: Dataset, resources: Resources) -> None:
    """Print what is fitted to what, and about how long it takes."""
    keys, scenario = asked.keys, asked.scenario
    _out.print(
        f"{data.name}: {count(len(asked.fitted_to), 'user')} to fit to, {len(asked.held_out):,} to test on, each with "
        f"{keys.depth} takes or more. Simulated: {scenario.users.count:,} users and {scenario.items.count:,} items under "
        f"{asked.arm}, {scenario.rounds + scenario.warmup} rounds.", markup=False
    )  # fmt: skip
    for axis in asked.axes:
        assert axis.range is not None
        _out.print(f"  {axis.keys[0]}: {axis.range.low:g} to {axis.range.high:g}, {axis.range.scale}", markup=False)
    with _err.status("Playing a few rounds to see how long they take …"):
        world = asked.world(asked.values(np.full(len(asked.axes), 0.5)), 0)
        seconds = unit_seconds(world, None, world.policies[0])
    worlds = keys.simulations + FINALISTS * RETRIALS + len(WORLDS) * keys.replicates
    processes = resources.workers or os.cpu_count() or 1
    minutes = worlds * seconds / processes / 60
    _out.print(f"{count(worlds, 'world')}, with {count(processes, 'worker')}: about {minutes:.1f} min.", markup=False)
