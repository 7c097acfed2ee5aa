"""What `filterbubble replicate` does: published results in; a table, figures and a page for each out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from simulator.datasets import DatasetError, load
from simulator.exit_codes import BAD_INPUT, FAILED
from simulator.faults import ScenarioError
from simulator.plain import count
from simulator.replicating.claims import rows
from simulator.replicating.execution import play
from simulator.replicating.loading import asks_for_data, find, load_replication
from simulator.replicating.outcome import Outcome, load_outcome
from simulator.replicating.playing import Stopped, document, in_short, made_by, play_each
from simulator.replicating.report import NEEDS_DATA, write_overview, write_replication_report
from simulator.report.pages import pictures_of
from simulator.runner import Resources

_WIDEST = 32        # of a column but the claim's: orders of many terms are shortened, and whole on the page
_WIDE = 150         # columns where nobody says how many there are
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def run_replications(
    names: Sequence[str], quick: bool, overrides: Sequence[str], seed: int | None, replicates: int | None, data: str | None,
    out: Path | None, resources: Resources, quiet: bool, dry_run: bool, docs: Path | None,
) -> int:
    """Play replications, print and write what their claims came to; return the exit code: 1 if a claim is not met."""
    replications, unplayed = [], []
    try:
        files = list(dict.fromkeys(file for name in names for file in find(name)))
        asking = [file for file in files if asks_for_data(file)]
        if asking and data is not None:
            load(data)                                              # or what is wrong with it is said after hours of others
        for file in files:
            asks = file in asking
            if asks and data is None and "all" in names:
                unplayed.append(file)
                continue
            given = data if asks or len(files) == 1 else None       # else it is for the others
            replications.append(load_replication(file, quick, overrides, seed, replicates, given))
    except (ScenarioError, DatasetError) as error:
        _err.print(str(error), markup=False)
        return BAD_INPUT
    if dry_run:
        for each in replications:
            _out.print(f"{each.name}: {in_short(each.sweep)}, {count(len(rows(each.keys)), 'claim')}", markup=False)
        return 0
    root = out or Path("runs") / "replications"
    try:
        code, outcomes = play_each(
            [(each, root / (f"{each.name}-quick" if quick else each.name)) for each in replications], resources, quiet,
            play=play, write_report=write_replication_report, load=load_outcome, tell=_tell,
        )
    except Stopped as stopped:
        return stopped.code
    for file in unplayed:
        _out.print(f"\n{file.stem}: {NEEDS_DATA}", markup=False)
    if docs is not None:
        words = ["replicate", *names, *(["--quick"] if quick else [])]
        command = made_by(words, {"--seed": seed, "--replicates": replicates}, overrides, data, docs)
        lacking = [file.stem for file in unplayed]
        page = write_overview(outcomes, command, quick, pictures_of(docs).name, lacking)
        code = max(code, document(docs, *page))
    return code


def _tell(outcome: Outcome, page: Path) -> int:
    """Print what a replication came to; return the exit code: 1 if a claim is not met."""
    _out.print(f"\n{outcome.about['paper']}", markup=False)
    table = Table("claim", box=None, width=None if _out.is_terminal else _WIDE)
    for title in ("paper", "measured", "95 % interval", "tolerance", "inside?"):
        table.add_column(title, no_wrap=True, max_width=_WIDEST)
    for row in outcome.rows:
        table.add_row(*(row[key] for key in ("claim", "paper", "measured", "interval", "tolerance", "inside")))
    _out.print(table, crop=False)
    about = outcome.about
    size = f"{count(about['cells_finished'], 'world')} of {count(about['replicates'], 'replicate')}, {about['seconds']:.0f} s"
    _out.print(f"{outcome.summary} ({size}). Report: {page}", markup=False)
    return FAILED if outcome.unmet else 0
