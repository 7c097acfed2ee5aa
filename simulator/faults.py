"""What is wrong with a scenario, said once, in the user's words, with the place where it stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from simulator.text import shorten

Loc = tuple[str | int, ...]  # the way from the top of a file to a value: ("policies", 3, "factors")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong."""

    where: str  # "world.yaml:11:3", or the command-line option that brought it
    message: str
    key: str = ""  # "policies[3].factors"; empty when it concerns the whole file
    line: int = 0  # 0: not in a file
    column: int = 0
    source: str = ""  # the text of that line

    def __str__(self) -> str:
        text = ": ".join(part for part in (self.where, self.key, self.message) if part)
        if not self.source.strip():
            return text
        # Whatever takes no space or more than one space would push the caret off its place.
        shown = "".join(char if char.isprintable() else " " for char in self.source)
        start = max(0, self.column - 80)
        shown = shown[start : start + 100]
        return f"{text}\n{self.line:>5} | {shown}\n      | {' ' * (self.column - 1 - start)}^"


class ScenarioError(ValueError):
    """A scenario that cannot be run. `str()` tells all that is wrong with it, in the order of the file."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.line, fault.column)))
        super().__init__("\n".join(map(str, _folded(self.faults))))

    def __reduce__(self) -> tuple[type[ScenarioError], tuple[tuple[Fault, ...]]]:
        return type(self), (self.faults,)


def _folded(faults: Iterable[Fault]) -> Iterator[Fault]:
    """The same said of several keys, as by an option for all arms, once."""
    alike: dict[tuple[str, str], list[Fault]] = {}
    for fault in faults:
        alike.setdefault((fault.where, fault.message), []).append(fault)
    for first, *more in alike.values():
        yield replace(first, key=f"{first.key} and {len(more)} more") if more and first.key else first


def dotted(loc: Loc) -> str:
    """policies[3].factors"""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).removeprefix(".")


def shown(value: Any) -> str:
    """A value as its author would recognise it, on one line."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case int() if abs(value) >= 10**20:
            return "a huge number"
    return shorten(repr(value), 60)


def did_you_mean(word: str, known: Iterable[str], listed: bool = True) -> str:
    """What to add to "there is no …": the nearest name, if one is near, and all that there are."""
    known = list(known)
    near = difflib.get_close_matches(word.lower(), known, 1, 0.6)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    if not listed or not known:
        return hint
    return f"{hint} There are: {', '.join(known)}" if near else f"; there are: {', '.join(known)}"
