"""What `filterbubble study` does: questions and predictions in; answers, tables and a page for each study out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from simulator.datasets import DatasetError
from simulator.exit_codes import BAD_INPUT, FAILED
from simulator.faults import ScenarioError
from simulator.plain import count
from simulator.replicating.playing import Stopped, document, in_short, made_by, play_each
from simulator.report.pages import pictures_of
from simulator.runner import Resources
from simulator.studying.execution import play
from simulator.studying.loading import Study, find, load_study
from simulator.studying.outcome import Outcome, load_outcome
from simulator.studying.report import KINDS, write_markdown, write_study_report

_WIDE = 170         # columns where nobody says how many there are
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def run_studies(
    names: Sequence[str], size: str, overrides: Sequence[str], seed: int | None, replicates: int | None, data: str | None,
    out: Path | None, resources: Resources, quiet: bool, dry_run: bool, docs: Path | None,
) -> int:
    """Play studies, print and write what they came to; return the exit code: 1 if a control is not as it must be."""
    try:
        studies = list(_studies(names, size.split(","), overrides, seed, replicates, data))
    except (ScenarioError, DatasetError) as error:
        _err.print(str(error), markup=False)
        return BAD_INPUT
    if dry_run:
        for study in studies:
            _out.print(f"{study.name}: {in_short(study.sweep)}, {count(len(study.keys.questions), 'question')}", markup=False)
        return 0
    root = out or Path("runs") / "studies"
    try:
        code, outcomes = play_each(
            [(each, root / each.name) for each in studies], resources, quiet,
            play=play, write_report=write_study_report, load=load_outcome, tell=_tell,
        )
    except Stopped as stopped:
        return stopped.code
    if docs is not None:
        options = {"--size": size or None, "--seed": seed, "--replicates": replicates}
        command = made_by(["study", *names], options, overrides, data, docs)
        return max(code, document(docs, *write_markdown(outcomes, command, pictures_of(docs).name)))
    return code


def _studies(
    names: Sequence[str], sizes: Sequence[str], overrides: Sequence[str], seed: int | None, replicates: int | None,
    data: str | None,
) -> Iterator[Study]:
    """Load each study in each of the sizes that it has; a size that none of them has is a fault."""
    files = [find(name) for name in names]
    known = [load_study(file, data=data).keys.sizes if len(sizes) > 1 or len(files) > 1 else {} for file in files]
    for file, has in zip(files, known, strict=True):
        for size in sizes:
            if size in has or not any(size in each for each in known):
                yield load_study(file, size, overrides, seed, replicates, data)


def _tell(outcome: Outcome, page: Path) -> int:
    """Print what a study came to; return the exit code: 1 if a control is not as it must be."""
    _out.print(f"\n{outcome.about['title']}", markup=False)
    console = _out if _out.is_terminal else Console(highlight=False, width=_WIDE)
    for kind in KINDS:
        found = outcome.questions(kind)
        if not found.rows:
            continue
        table = Table(found.title, box=None)
        for title in found.head[1:4]:
            table.add_column(title)
        for row in found.rows:
            table.add_row(*row[:4])
        console.print(table)
    _out.print(f"Predictions: {outcome.summary('prediction') or 'none'}. Report: {page}", markup=False)
    return FAILED if outcome.broken else 0
