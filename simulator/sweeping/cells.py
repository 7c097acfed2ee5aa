"""Cells: the scenario that each combination of the axes' values makes, or what is wrong with it, told once."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simulator.faults import Fault, Loc, ScenarioError, dotted
from simulator.overrides import Changed, Override, apply
from simulator.scenario import ABOUT, Scenario, _defaults, check
from simulator.sweeping.axes import Change, Level, content
from simulator.sweeping.labels import in_words, steps
from simulator.sweeping.source import fault_at


@dataclass(frozen=True)
class Cell:
    """One combination of the axes' values, and the scenario that it makes."""

    number: int  # from 1, in the order of the design
    values: dict[str, Any]  # by the label of the axis
    scenario: Scenario

    @property
    def in_words(self) -> str:
        """`drift.rate 0.1, mf.factors 8`"""
        return words(self.values)


def with_own_draws(cell: Cell) -> Cell:
    """Return the cell with a seed that is a function of its scenario's and of its values."""
    name = f"{cell.scenario.seed}/{content(cell.values)}"
    seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") >> 1
    return replace(cell, scenario=cell.scenario.model_copy(update={"seed": seed}))


Combination = Mapping[str, Level]  # by the label of the axis


def make_cells(
    base: Changed, combinations: Sequence[Combination], document: Changed, where: Mapping[str, Loc], allow_code: bool
) -> list[Cell]:
    """The cells of some combinations. All that is wrong with any of them is one ScenarioError.

    `base`: the scenario that they change; `document`: the sweep file; `where`: places in it of the options that made `base`.
    A fault that several cells share is told once, with the first of them. What a file says of its worlds, and what changes
    nothing in them, is read once, with the first cell that is right.
    """
    cells: list[Cell] = []
    start = base
    found: dict[tuple[str, str], _Found] = {}
    for combination in combinations:
        values = {label: level.value for label, level in combination.items()}
        changes = [change for level in combination.values() for change in level.changes]
        try:
            cells.append(Cell(len(cells) + 1, values, _scenario(start, changes, allow_code)))
        except ScenarioError as error:
            for fault in error.faults:
                found.setdefault((fault.key, fault.message), _Found(fault, changes, {})).cells[words(values)] = None
        else:
            start = _world_alone(base)
    if not found:
        return cells
    known = {(fault.key, fault.message) for fault in faults_of(base, (), allow_code)}
    faults: dict[tuple[Loc | str, str], tuple[Fault, dict[str, None]]] = {}
    for problem, each in found.items():
        loc = _place(base, each, where, allow_code, alone=problem in known)
        fault = each.fault if loc is None else fault_at(document, loc, each.fault.message, each.fault.key)
        _, shared = faults.setdefault((loc or fault.where, fault.key), (fault, {}))
        shared.update(each.cells)
    raise ScenarioError(_with_cells(fault, shared, len(combinations)) for fault, shared in faults.values())


def _world_alone(base: Changed) -> Changed:
    return replace(base, values={key: value for key, value in base.values.items() if key not in ABOUT})


@dataclass(frozen=True)
class _Found:
    """A fault, the changes of the first cell that has it, and all cells that do, in words."""

    fault: Fault
    changes: list[Change]
    cells: dict[str, None]  # a set that keeps its order


def _scenario(base: Changed, changes: Sequence[Change], allow_code: bool) -> Scenario:
    """The scenario after these changes. A change that another one undoes would vary nothing, and is a fault."""
    faults: list[Fault] = []
    source, made = base, []
    for change in changes:
        try:
            source = apply(source, [Override(dotted(change.loc), steps(change.key), change.value)], _defaults())
        except ScenarioError as error:
            faults += error.faults
        else:
            made.append((change, next(reversed(source.options))))  # the place that `apply` wrote to last
    for place, (change, loc) in enumerate(made):
        faults += [
            Fault(dotted(change.loc), f"is undone by `{later.key}`, which comes after it", dotted(loc))
            for later, end in made[place + 1 :]
            if loc[: len(end)] == end
        ]
        faults += [
            Fault(option, f"is undone by the axis that varies `{change.key}`", dotted(loc))
            for at, option in base.options.items()
            if at[: len(loc)] == loc
        ]
    if faults:
        raise ScenarioError(faults)
    return check(source, (), allow_code)


def faults_of(base: Changed, changes: Sequence[Change], allow_code: bool) -> tuple[Fault, ...]:
    """What is wrong with a scenario after some changes."""
    try:
        _scenario(base, changes, allow_code)
    except ScenarioError as error:
        return error.faults
    return ()


def _place(base: Changed, found: _Found, where: Mapping[str, Loc], allow_code: bool, alone: bool) -> Loc | None:
    """Where in the sweep file a fault comes from: the axis that makes it. None: not from there."""
    origins = {**where, **{dotted(change.loc): change.loc for change in found.changes}}
    if found.fault.where in origins:
        return origins[found.fault.where]
    if alone or not found.changes or found.fault.where in base.options.values():
        return None
    problem = (found.fault.key, found.fault.message)
    for change in found.changes:
        if problem in {(fault.key, fault.message) for fault in faults_of(base, [change], allow_code)}:
            return change.loc
    return found.changes[-1].loc


def _with_cells(fault: Fault, cells: Collection[str], total: int) -> Fault:
    if len(cells) == total:
        return fault
    more = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
    return replace(fault, message=f"{fault.message}; in the cell {next(iter(cells))}{more}")


def words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{label} {in_words(value)}" for label, value in values.items())
