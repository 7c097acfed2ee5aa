"""What `filterbubble assumptions` does: a scenario in, every world that swapped assumptions make of it and a report out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from simulator.assumptions.report import write_assumptions_report
from simulator.assumptions.sentences import NAMES
from simulator.assumptions.survey import FILE, NotAssumptions, about
from simulator.assumptions.swaps import Swapped, swap
from simulator.datasets import DatasetError
from simulator.exit_codes import BAD_INPUT, FAILED
from simulator.faults import ScenarioError
from simulator.files import moved_into_place
from simulator.plain import count
from simulator.runner import Resources
from simulator.scenario import load_scenario
from simulator.store import InUse
from simulator.sweeping.command import show_plan
from simulator.sweeping.execution import NotThisSweep, Sweeping
from simulator.sweeping.playing import play_cells

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Asked:
    """What is swapped for what, as the options say it; None: all that there is."""

    choices: str | None
    drifts: str | None
    intervals: str | None
    measure: str


def run_assumptions(
    file: Path, asked: Asked, overrides: Sequence[str], seed: int | None, replicates: int | None, data_path: str | None,
    out: Path | None, resources: Resources, quiet: bool, allow_code: bool, dry_run: bool,
) -> int:
    """Play what is left of the worlds and write tables and report; return the exit code."""
    try:
        scenario = load_scenario(file, overrides, seed, replicates, data_path, allow_code)
        swapped = swap(scenario, str(file), asked.measure, asked.choices, asked.drifts, asked.intervals, allow_code)
        sweeping = Sweeping(swapped.sweep, out or Path("assumptions") / file.stem)
        sweeping.check()
        if not quiet or dry_run:
            _tell(swapped)
        if dry_run:
            show_plan(sweeping, resources)
            return 0
        code = play_cells(sweeping, resources, quiet)
        _note(sweeping.folder, swapped)
        page = write_assumptions_report(sweeping.folder)
    except (ScenarioError, DatasetError, NotThisSweep, InUse, NotAssumptions) as error:
        _err.print(str(error), markup=False)
        return BAD_INPUT
    except OSError as error:
        _err.print(f"{sweeping.folder}: cannot be written to: {error.strerror}", markup=False)
        return FAILED
    _out.print(f"{sweeping.progress}. Report: {page}", markup=False)
    return code


def _tell(swapped: Swapped) -> None:
    """Say which worlds there are, and what is left out."""
    axes = " × ".join(count(len(axis.values), NAMES[axis.label]) for axis in swapped.sweep.axes)
    _out.print(f"{count(len(swapped.sweep.cells), 'world')} ({axes}); the base is {swapped.base.in_words}.", markup=False)
    for each in swapped.left_out:
        _out.print(f"Left out: {each.world}: {each.reason}", markup=False)


def _note(folder: Path, swapped: Swapped) -> None:
    """Write down what the report needs beside the tables of the sweep."""
    facts = about(swapped.measure, swapped.base.number, swapped.models, swapped.left_out)
    with moved_into_place(folder / FILE) as part:
        part.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
