"""Where a run goes: to a new folder, or on in that of an unfinished run of the same scenario."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from simulator.faults import Loc, ScenarioError, dotted, shown
from simulator.scenario import Scenario
from simulator.store import State, Store
from simulator.yaml_source import parse, read

_NAMED = 5      # differences told one by one


class PlaceTaken(ValueError):
    """The folder cannot be played into. The message says why, and what to do."""


def place(out: Path | None, home: Path, scenario: Scenario, state: State, fresh: bool, now: datetime) -> tuple[Path, bool]:
    """Return the folder to play into, and whether it holds an unfinished run to go on with.

    `out`: the folder that was asked for, or None for one in `home`: the newest unfinished run of this very scenario there,
    unless it is to be `fresh`, or else a new one named by the time.
    """
    if out is None:
        same = [folder for folder in sorted(home.glob("*"), reverse=True) if Store(folder).state() == state]
        return (same[0], True) if same and not fresh else (home / now.strftime("%Y%m%d-%H%M%S"), False)
    if not out.exists() or (out.is_dir() and not _used(out)):
        return out, False
    there = Store(out).state() if out.is_dir() else None
    if there is None or fresh:
        raise PlaceTaken(f"--out {out}: is there already and not empty; name another folder")
    if there == state:
        return out, True
    raise PlaceTaken(
        f"--out {out}: holds an unfinished run that this one is no continuation of. {_why(out, scenario, there, state)}\n"
        "Undo the change to go on with that run, or name another folder."
    )


def _used(folder: Path) -> bool:
    """Is there anything in it but the beginnings of a run that was ended before its first word?"""
    store = Store(folder)
    return any(file != store.folder for file in folder.iterdir()) or store.state() is not None


def _why(folder: Path, scenario: Scenario, there: State, here: State) -> str:
    if there.scenario != here.scenario:
        try:
            old = read(folder / "scenario.yaml").values
        except ScenarioError:
            return "Its scenario is another one."
        found = list(differences(old, parse(scenario.resolved(), "").values))
        more = [f"… and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
        return "\n".join(["The scenario was changed since:", *(f"  {line}" for line in [*found[:_NAMED], *more])])
    if there.data != here.data:
        return "The data were changed since."
    return (
        f"It was begun with filterbubble {there.filterbubble} and torch {there.torch}, and these are "
        f"{here.filterbubble} and {here.torch}."
    )


def differences(old: Any, new: Any, at: Loc = ()) -> Iterator[str]:
    """Yield in words what differs between two scenarios' plain values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from differences(old.get(key), new.get(key), (*at, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, (*at, number))
    elif old != new:
        yield f"{dotted(at)}: was {shown(old)}, is {shown(new)}"
