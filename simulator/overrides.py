"""Changes to a scenario from the command line: `--set users.count=100`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from simulator.faults import Fault, Loc, ScenarioError, did_you_mean, dotted, shown
from simulator.text import shorten
from simulator.yaml_source import Source, parse

_STEP = re.compile(r"\[([^\[\]]+)\] | ([^.\[\]]+)", re.VERBOSE)
_KEY = re.compile(r"[^.\[\]]+ (\.[^.\[\]]+ | \[[^\[\]]+\])*", re.VERBOSE)
_LONGEST = 100
"""Characters of an option that are repeated where it is wrong: the sizes of a study set whole axes."""


@dataclass(frozen=True)
class Override:
    """One change: the option as it was written, the way to a value, and the value."""

    option: str
    loc: Loc
    value: Any


@dataclass(frozen=True)
class Changed(Source):
    """A source after some changes."""

    options: dict[Loc, str] = field(default_factory=dict)  # what stands where because of which option

    def origin(self, loc: Loc) -> tuple[str, Loc]:
        """The option that a value came from ("" for the file), and the nearest place that it knows."""
        while loc not in self.places:
            if loc in self.options:
                return self.options[loc], loc
            loc = loc[:-1]
        return self.options.get(loc, ""), loc


def parse_override(text: str, option: str | None = None) -> Override:
    """`policies[2].factors=8`, or by arm: `policies.mf.factors=8`, `policies[mf 2.0].factors=8`, `policies.mf*.factors=8`.

    `option`: how it was written, for error messages; by default `--set TEXT`, cut where it is long.
    """
    option = option or f"--set {shorten(text, _LONGEST)}"
    path, equals, value = text.partition("=")
    if not equals or _KEY.fullmatch(path) is None:
        example = "users.count=100 or policies.mf.factors=8"
        raise ScenarioError([Fault(option, f"must be KEY=VALUE, as in {example}")])
    loc = tuple((bracketed or plain).strip() for bracketed, plain in _STEP.findall(path))
    if not value.strip():
        return Override(option, loc, None)
    try:
        parsed = parse(value, option)
    except ScenarioError as error:
        raise ScenarioError([Fault(option, fault.message, dotted(loc)) for fault in error.faults]) from None
    if parsed.faults:
        raise ScenarioError([Fault(option, fault.message, dotted(loc)) for fault in parsed.faults])
    return Override(option, loc, parsed.values)


def option_overrides(source: Source, seed: int | None, replicates: int | str | None, data: str | None) -> list[Override]:
    """Return what the options change that are not `--set`: those that were given."""
    if data is not None and isinstance(source.values, dict) and "data" not in source.values:
        raise ScenarioError([Fault(f"--data {data}", f"{source.name} has no `data:`: it uses no data")])
    given: list[tuple[str, Loc, Any]] = [
        ("seed", ("seed",), seed), ("replicates", ("replicates",), replicates), ("data", ("data", "path"), data),
    ]  # fmt: skip
    return [Override(f"--{name} {value}", loc, value) for name, loc, value in given if value is not None]


def apply(source: Source, overrides: Sequence[Override], defaults: Any) -> Changed:
    """The source with each change made in turn; a section that it leaves out is made, as in `defaults`."""
    changed = Changed(**{**vars(source), "values": deepcopy(source.values)})
    for override in overrides:
        if not isinstance(changed.values, dict):
            break  # not a scenario at all, which validation will say
        for each in _spread(changed.values, override):
            changed = _set(changed, each, defaults)
    return changed


def _spread(values: Any, override: Override) -> list[Override]:
    """Return the changes that one with a `*` in the name of an entry stands for: one for each entry that it fits."""
    holder = values
    for place, word in enumerate(override.loc[:-1]):
        if isinstance(holder, list):
            names = _names(holder)
            if isinstance(word, str) and "*" in word and word not in names:
                found = [number for number, name in enumerate(names) if isinstance(name, str) and fnmatchcase(name, word)]
                if not found:
                    message = f"there is none that {shown(word)} fits among its {len(names)} entries"
                    raise ScenarioError([Fault(override.option, message, dotted(override.loc[:place]))])
                each = [replace(override, loc=(*override.loc[:place], number, *override.loc[place + 1:])) for number in found]
                return [change for one in each for change in _spread(values, one)]
            holder = next((entry for number, entry in enumerate(holder) if word in (names[number], number, str(number))), None)
        else:
            holder = holder.get(word) if isinstance(holder, dict) else None
    return [override]


def _set(source: Changed, override: Override, defaults: Any) -> Changed:
    options = dict(source.options)
    loc: Loc = ()
    holder: Any = source.values
    *sections, last = override.loc
    for word in sections:
        step = _step(holder, word, override, loc)
        loc = (*loc, step)
        defaults = defaults.get(step) if isinstance(defaults, dict) else None
        there = not isinstance(holder, dict) or step in holder
        held = holder[step] if there else _bare(defaults)
        section = _section(held)
        if not there or section is not held:
            holder[step] = section
            options[loc] = override.option
        holder = section
    step = _step(holder, last, override, loc)
    loc = (*loc, step)
    holder[step] = override.value
    options = {place: option for place, option in options.items() if place[: len(loc)] != loc}
    places = {place: at for place, at in source.places.items() if place[: len(loc)] != loc or place == loc}
    return replace(source, places=places, options={**options, loc: override.option})


def _bare(default: Any) -> Any:
    """What a change starts from where a file says nothing: the default kind of part, and nothing else."""
    if isinstance(default, dict):
        return {"kind": default["kind"]} if "kind" in default else {}
    return default


def _section(value: Any) -> Any:
    """The mapping or list that a value is, or that it is the short form of: a part's name, a trait's mean."""
    match value:
        case dict() | list():
            return value
        case str():
            return {"kind": value}
        case int() | float():
            return {"mean": value}
    return {}


def _step(holder: Any, word: str | int, override: Override, loc: Loc) -> str | int:
    return _index(holder, word, override, loc) if isinstance(holder, list) else str(word)


def _names(entries: list[Any]) -> list[Any]:
    return [entry.get("name", entry.get("kind")) if isinstance(entry, dict) else entry for entry in entries]


def _index(entries: list[Any], word: str | int, override: Override, loc: Loc) -> int:
    """The place of an entry, given as a number or by its name (an arm without one goes by its kind)."""
    names = _names(entries)
    if word in names:
        return names.index(word)
    if str(word).isdecimal() and int(word) < len(entries):
        return int(word)
    known = did_you_mean(str(word), [name for name in names if isinstance(name, str)])
    count = f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}"
    message = f"there is no {shown(word)} among its {count} (numbered from 0){known}"
    raise ScenarioError([Fault(override.option, message, dotted(loc))])
