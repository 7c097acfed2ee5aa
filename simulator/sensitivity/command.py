"""What `filterbubble sensitivity` does: a file with ranges in; cells, indices of each key and a report out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from simulator.controls import CONTROLS
from simulator.datasets import DatasetError
from simulator.exit_codes import BAD_INPUT, FAILED
from simulator.faults import Fault, ScenarioError
from simulator.files import moved_into_place
from simulator.measures import DERIVED, select
from simulator.names import NoSuchName, chosen
from simulator.overrides import Override
from simulator.parts import kind_of
from simulator.plain import count
from simulator.runner import Resources, units
from simulator.sensitivity.analysis import METHODS, Design, analyse
from simulator.sensitivity.report import write_sensitivity_report
from simulator.sensitivity.study import FILE, INDICES, SPREADS
from simulator.store import InUse
from simulator.sweeping.command import show_plan
from simulator.sweeping.designs import SENSITIVITY
from simulator.sweeping.execution import NotThisSweep, Sweeping
from simulator.sweeping.loading import load_sweep
from simulator.sweeping.playing import play_cells
from simulator.sweeping.sweep import Sweep
from simulator.versions import installed
from simulator.yaml_source import read

DESIGNS = {method: design for design, method in METHODS.items()}
SAMPLES = {"morris": 10, "saltelli": 64}
"""Where neither file nor option says how many. Of Morris's trajectories 4 to 10 are usual (Campolongo et al. 2007)."""

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Asked:
    """What is asked for, as the options say it; None: what the file says, or the default."""

    method: str | None
    samples: int | None
    measures: Sequence[str]
    resamples: int


def run_sensitivity(
    file: Path, asked: Asked, overrides: Sequence[str], seed: int | None, replicates: int | None, data_path: str | None,
    out: Path | None, resources: Resources, quiet: bool, allow_code: bool, dry_run: bool,
) -> int:
    """Play what is left of a design, write its indices and the report; return the exit code."""
    try:
        defaults, changes = _changes(file, asked)
        sweep = load_sweep(file, overrides, seed, replicates, data_path, allow_code, defaults, changes)
        design = _design(sweep)
        measures = _measures(sweep, asked.measures)
        sweeping = Sweeping(sweep, out or Path("sensitivity") / f"{file.stem}-{METHODS[design.name]}")
        sweeping.check()
        if not quiet or dry_run:
            _out.print(_size(sweep, design), markup=False)
        if dry_run:
            show_plan(sweeping, resources)
            return 0
        code = play_cells(sweeping, resources, quiet)
        write_indices(sweeping, design, measures, asked.resamples)
        page = write_sensitivity_report(sweeping.folder)
    except (ScenarioError, DatasetError, NotThisSweep, InUse) as error:
        _err.print(str(error), markup=False)
        return BAD_INPUT
    except OSError as error:
        _err.print(f"{sweeping.folder}: cannot be written to: {error.strerror}", markup=False)
        return FAILED
    _out.print(f"{sweeping.progress}. Report: {page}", markup=False)
    return code


def write_indices(sweeping: Sweeping, design: Design, measures: Sequence[str], resamples: int) -> None:
    """Write the points (design.csv), the indices, the parts of the variance and what was asked beside the sweep's tables."""
    folder, sweep = sweeping.folder, sweeping.sweep
    baseline = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["baseline"]
    section = sweep.document["sweep"]
    results = pd.read_parquet(folder / "results.parquet")
    found = analyse(design, results, baseline, measures, resamples, section["seed"])
    tables = {"design.csv": design.table(), INDICES: found.indices, SPREADS: found.spread}
    for name, table in tables.items():
        with moved_into_place(folder / name) as part:
            table.to_csv(part, index=False, float_format="%.10g")
    about: dict[str, Any] = {
        "method": METHODS[design.name], "measures": list(measures), "samples": section["samples"], "resamples": resamples,
        "seed": section["seed"], "salib": installed("SALib"),
    }  # fmt: skip
    with moved_into_place(folder / FILE) as part:
        part.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _changes(file: Path, asked: Asked) -> tuple[list[Override], list[Override]]:
    """What a file's `sweep` is changed by: the design that it lacks, then the options that were given."""
    if asked.method is not None and asked.method not in DESIGNS:
        raise ScenarioError([Fault(f"--method {asked.method}", f"must be {' or '.join(DESIGNS)}")])
    values = read(file).values
    section = values.get("sweep") if isinstance(values, dict) else None
    if not isinstance(section, dict):
        return [], []       # which loading will complain of
    own = section.get("design")
    design = DESIGNS.get(asked.method or "", own if own in SENSITIVITY else "morris")
    defaults = []
    if design != own:
        option = f"--method {METHODS[design]}"
        defaults += [Override(option, ("sweep", "design"), design), Override(option, ("sweep", "samples"), SAMPLES[design])]
    elif "samples" not in section:
        defaults.append(Override("--samples", ("sweep", "samples"), SAMPLES[design]))
    given = asked.samples is not None
    return defaults, [Override(f"--samples {asked.samples}", ("sweep", "samples"), asked.samples)] if given else []


def _design(sweep: Sweep) -> Design:
    if sweep.sample is None:
        message = f"is {sweep.design!r} by an option; leave that out, or write --method {' or '.join(DESIGNS)}"
        raise ScenarioError([Fault("--set", message, "sweep.design")])
    return Design(sweep.design, tuple(axis.label for axis in sweep.axes), sweep.sample)


def _measures(sweep: Sweep, asked: Sequence[str]) -> list[str]:
    """The measures to analyse, of those that every cell has; by default those that the scenario's report is about."""
    scenario = sweep.cells[0].scenario
    known = list(select(scenario.measures.names))
    controls = {kind_of(CONTROLS, arm.policy) for arm in scenario.policies}
    known += [measure.name for measure in DERIVED.values() if measure.base in known and measure.control in controls]
    try:
        if asked:
            return chosen("measure", list(asked), known)
    except NoSuchName as error:
        raise ScenarioError([Fault("--measure", str(error))]) from None
    focus = dict.fromkeys(name for pattern in scenario.report.focus for name in known if fnmatchcase(name, pattern))
    return list(focus) or known


def _size(sweep: Sweep, design: Design) -> str:
    """How large it is, in words."""
    samples, each = design.cells.shape
    runs = sum(len(units(cell.scenario)) for cell in sweep.cells)
    keys = count(len(design.keys), "key")
    what = f"{samples} trajectories of {keys}" if design.name == "morris" else f"{samples} base samples of {keys}"
    return f"{what}, {each} points each: {count(len(sweep.cells), 'cell')}, {count(runs, 'run')}."
