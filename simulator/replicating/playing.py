"""What the commands of replications and studies share: one is played after the other, and all are put on one page of docs."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from simulator.datasets import DatasetError
from simulator.exit_codes import BAD_INPUT, FAILED
from simulator.plain import count
from simulator.report.pages import write_with_pictures
from simulator.runner import Resources
from simulator.store import InUse
from simulator.sweeping import Sweep
from simulator.sweeping.execution import NotThisSweep

_NAMED = 20         # cells that are listed

_err = Console(stderr=True, highlight=False, soft_wrap=True)

Asked = TypeVar("Asked")        # a replication, or a study
Outcome = TypeVar("Outcome")    # what it came to


class Stopped(Exception):
    """One could not be played, so nothing after it is; why is printed. `code`: the exit code of the command."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def play_each(
    asked: Iterable[tuple[Asked, Path]], resources: Resources, quiet: bool, *,
    play: Callable[[Asked, Path, Resources, bool], int], write_report: Callable[[Path], Path],
    load: Callable[[Path], Outcome], tell: Callable[[Outcome, Path], int],
) -> tuple[int, list[Outcome]]:
    """Play each into its folder, write its page and tell what it came to; return the exit code, and all outcomes.

    `play` and `tell` return exit codes too, `tell` that of what it has to tell: the highest counts. May raise `Stopped`.
    """
    code, outcomes = 0, []
    for each, folder in asked:
        try:
            played = play(each, folder, resources, quiet)
            page = write_report(folder)
        except (NotThisSweep, InUse, DatasetError) as error:
            _err.print(str(error), markup=False)
            raise Stopped(BAD_INPUT) from error
        except OSError as error:
            _err.print(f"{folder}: cannot be written to: {error.strerror}", markup=False)
            raise Stopped(FAILED) from error
        outcome = load(folder)
        outcomes.append(outcome)
        code = max(code, played, tell(outcome, page))
    return code, outcomes


def in_short(sweep: Sweep) -> str:
    """Return what would be played: its cells, by name where they are few, replicates, rounds and arms."""
    first, named = sweep.cells[0].scenario, [cell.in_words for cell in sweep.cells if cell.in_words]
    cells = f" ({'; '.join(named)})" if 0 < len(named) <= _NAMED else ""
    arms = len({arm.name for cell in sweep.cells for arm in cell.scenario.policies})
    return (
        f"{count(len(sweep.cells), 'cell')}{cells}, {count(first.replicates, 'replicate')}, {count(first.rounds, 'round')}, "
        f"{count(arms, 'arm')}"
    )


def document(docs: Path, text: str, pictures: Mapping[str, Path]) -> int:
    """Write a page of Markdown and the pictures that it shows, by their names; return the exit code."""
    try:
        write_with_pictures(docs, text, pictures)
    except OSError as error:
        _err.print(f"{error.filename or docs}: cannot be written to: {error.strerror}", markup=False)
        return FAILED
    return 0


def made_by(
    words: Sequence[str], options: Mapping[str, object], overrides: Sequence[str], data: str | None, docs: Path
) -> str:
    """Return the command that makes the same page again; where the data are is everybody's own matter."""
    given = {**options, "--data": data and "PATH"}
    parts = [str(part) for name, value in given.items() if value is not None for part in (name, value)]
    changes = [part for change in overrides for part in ("--set", change)]
    return shlex.join(["filterbubble", *words, *parts, *changes, "--docs", str(docs)])
