"""The axes of a sweep: what varies, under which label, and the values that it takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simulator.faults import Fault, Loc, ScenarioError, did_you_mean, shown
from simulator.overrides import Changed
from simulator.scenario import Scenario
from simulator.sweeping.designs import Range, pick
from simulator.sweeping.keys import AxisKeys
from simulator.sweeping.labels import NotAKey, label, steps
from simulator.sweeping.source import checked, fault_at

COLUMNS = {
    "cell", "folder", "status", "error", "arm", "replicate", "measure", "value", "mean", "low", "high", "sd", "n", "p",
    "excludes_zero",
}
"""What stands beside an axis in the tables of a sweep."""


@dataclass(frozen=True)
class Change:
    """One key set to one value, and the place in the sweep file that says so."""

    key: str
    value: Any
    loc: Loc


@dataclass(frozen=True)
class Level:
    """One value of an axis: what the table of cells shows for it, and the changes that it makes."""

    value: Any
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Dimension:
    """An axis as the file gives it: its levels, or a range to take them from."""

    name: str  # under which it stands in the file
    label: str
    keys: tuple[str, ...]
    levels: tuple[Level, ...]
    range: Range | None
    loc: Loc

    def at(self, share: float) -> Level:
        """The level that a share in [0, 1) of the axis falls on."""
        if self.range is None:
            return pick(self.levels, share)
        key, value = self.keys[0], self.range.at(share)
        return Level(value, (Change(key, value, self.loc),))


def read_axes(source: Changed, root: Loc, raw: Mapping[str, Any]) -> tuple[list[Dimension], list[Fault]]:
    """The axes that stand at a place of a sweep file, and all that is wrong with them."""
    found: dict[str, Dimension] = {}
    faults: list[Fault] = []
    for name in raw:
        loc = (*root, name)
        keys = checked(AxisKeys, source, loc)
        if isinstance(keys, list):
            faults += keys
            continue
        try:
            steps(name)
            levels = tuple(_levels(source, loc, name, keys))
        except NotAKey as error:
            faults.append(fault_at(source, loc, str(error)))
        except ScenarioError as error:
            faults += error.faults
        else:
            faults += _repeated(source, loc, levels)
            moved = dict.fromkeys(change.key for level in levels for change in level.changes)
            chosen = keys.label or (name if _is_name(name) else "")
            found[name] = Dimension(name, chosen, tuple(moved) or (name,), levels, keys.range, loc)
    labels = label({name: axis.label or None for name, axis in found.items()})
    dimensions = [replace(axis, label=labels[name]) for name, axis in found.items()]
    return dimensions, faults + [fault_at(source, (*axis.loc, "label"), message) for axis, message in _clashes(dimensions)]


def read_cases(source: Changed, root: Loc, cases: Sequence[Mapping[str, Any]]) -> tuple[list[Dimension], list[Fault]]:
    """One axis for each key of the cases, its levels in the order of the cases; and all that is wrong with these."""
    faults: list[Fault] = []
    first: dict[str, int] = {}  # the case in which a key, or the same content, comes up first
    keys: dict[str, int] = {}
    for place, case in enumerate(cases):
        for key in case:
            keys.setdefault(key, place)
        before = first.setdefault(content(case), place)
        if before != place:
            faults.append(fault_at(source, (*root, place), f"is number {before + 1} of the cases again"))
    for place, case in enumerate(cases):
        if lacking := [key for key in keys if key not in case]:
            message = f"says nothing of {', '.join(lacking)}; every case gives a value to each of the same keys"
            faults.append(fault_at(source, (*root, place), message))
    for key, place in keys.items():
        try:
            steps(key)
        except NotAKey as error:
            faults.append(fault_at(source, (*root, place, key), str(error)))
    if faults:
        return [], faults
    labels = label(dict.fromkeys(keys))
    return [
        Dimension(
            key,
            labels[key],
            (key,),
            tuple(Level(case[key], (Change(key, case[key], (*root, place, key)),)) for place, case in enumerate(cases)),
            None,
            (*root, 0, key),
        )
        for key in keys
    ], []


def _is_name(name: str) -> bool:
    """Is it no key of a scenario, but a name of its own for keys that move together?"""
    return name not in Scenario.model_fields and not any(char in name for char in ".[]")


def _levels(source: Changed, loc: Loc, name: str, keys: AxisKeys) -> Iterator[Level]:
    joint = _is_name(name)
    if keys.values is None:
        if joint:
            raise ScenarioError([_no_such_key(source, loc, name)])
        return
    named = isinstance(keys.values, dict)
    inside = (*loc, "values") if (*loc, "values") in source.places else loc
    for step, value in keys.values.items() if isinstance(keys.values, dict) else enumerate(keys.values):
        place = (*inside, step)
        if not joint:
            changes: tuple[Change, ...] = (Change(name, value, place),)
        elif isinstance(value, dict) and (value or named):          # named and empty: the scenario as it stands
            changes = tuple(_change(source, key, each, (*place, key)) for key, each in value.items())
        else:
            raise ScenarioError([_no_such_key(source, loc, name)])
        yield Level(step if named else value, changes)


def _change(source: Changed, key: str, value: Any, loc: Loc) -> Change:
    try:
        steps(key)
    except NotAKey as error:
        raise ScenarioError([fault_at(source, loc, str(error))]) from None
    return Change(key, value, loc)


def _no_such_key(source: Changed, loc: Loc, name: str) -> Fault:
    hint = did_you_mean(name, Scenario.model_fields, listed=False)
    joint = "as a name for keys that move together, each of its values must be a mapping of keys to values"
    return fault_at(source, loc, f"there is no key {shown(name)}{hint}; {joint}")


def _clashes(dimensions: Sequence[Dimension]) -> Iterator[tuple[Dimension, str]]:
    """The axes whose label would not say which of two is meant."""
    for place, axis in enumerate(dimensions):
        others = [other for other in dimensions if other is not axis]
        if axis.label in [other.label for other in dimensions[:place]]:
            yield axis, f"is the second axis called {axis.label!r}; give it another `label`"
        elif axis.label in COLUMNS:
            yield axis, f"{axis.label!r} is a column of the tables that a sweep leaves; give it another `label`"
        elif any(axis.label in other.keys for other in others):
            yield axis, f"{axis.label!r} is a key that another axis moves; give it another `label`"


def _repeated(source: Changed, loc: Loc, levels: Sequence[Level]) -> Iterator[Fault]:
    seen: set[str] = set()
    for level in levels:
        made = content({change.key: change.value for change in level.changes})
        if made in seen:
            told = f"the value {shown(level.changes[0].value)}" if level.changes else "a value that changes nothing"
            yield fault_at(source, level.changes[0].loc if level.changes else loc, f"gives the axis {told} a second time")
        seen.add(made)


def content(value: Any) -> str:
    """A value of a YAML file as text: the same for the same value, and not for 1 and true."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
