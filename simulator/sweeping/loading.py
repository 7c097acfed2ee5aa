"""From a sweep file to the cells: read whole, and checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from simulator.faults import Fault, Loc, ScenarioError, shown
from simulator.overrides import Changed, Override, apply, option_overrides, parse_override
from simulator.own_code import make_importable
from simulator.scenario import _defaults
from simulator.sweeping.axes import Dimension, Level, content, read_axes, read_cases
from simulator.sweeping.cells import Cell, Combination, make_cells, with_own_draws
from simulator.sweeping.conditions import meet
from simulator.sweeping.designs import SAMPLED, SENSITIVITY, NeedsSALib, fraction, points
from simulator.sweeping.keys import MOST_CELLS, FileKeys, SweepKeys
from simulator.sweeping.labels import NotAKey, steps
from simulator.sweeping.remedied import SECTION, misfits, thinned
from simulator.sweeping.remedy_keys import RemedyKeys
from simulator.sweeping.settings import read_settings
from simulator.sweeping.source import checked, fault_at, part, without
from simulator.sweeping.sweep import Axis, Sample, Sweep
from simulator.yaml_source import read

WORLD = "world"                         # the label of the axis that `worlds` are
OWN = ("sweep", "worlds", SECTION)      # keys of a sweep file that options change; all others are the scenario's
QUICK = "quick "


def load_sweep(
    path: str | Path,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    replicates: int | str | None = None,
    data: str | None = None,
    allow_code: bool = False,
    defaults: Sequence[Override] = (),
    changes_to_sweep: Sequence[Override] = (),
    quick: bool = False,
) -> Sweep:
    """Read and check a sweep file. All that is wrong with it is one ScenarioError.

    The options are those of `load_scenario` and change the scenario in every cell, before the axes do; a key that an
    axis varies cannot be set too. `sweep.samples=64` and the like change the sweep; so do `defaults`, before them, and
    `changes_to_sweep`, after them. `quick`: first make the changes that the file has for that.
    """
    document = apply(read(path), (), {})
    faults: list[Fault] = []
    changes = [*(_quick(document, faults) if quick else []), *map(parse_override, overrides)]
    own = [change for change in changes if change.loc[0] in OWN]
    document = apply(document, [*defaults, *own, *changes_to_sweep], {})
    if not isinstance(document.values, dict):
        message = f"must be a mapping of keys to values (got {shown(document.values)})"
        raise ScenarioError([*document.faults, fault_at(document, (), message)])
    faults += document.faults
    head, starts = _head(document, Path(path).parent, faults)
    keys, dimensions = _sweep(document, faults)
    if starts is None:
        raise ScenarioError(faults)
    if allow_code:
        make_importable([*(Path(start.name).parent for start in starts.values()), Path(path).parent, Path()])
    settings, where = read_settings(document, head.set if head else None, faults)
    if quick:
        where |= {change.option: ("quick", change.option.removeprefix(QUICK)) for change in changes if QUICK in change.option}
    settings += [change for change in changes if change.loc[0] not in OWN]
    bases, wrong = {}, []
    for name, start in starts.items():
        try:
            bases[name] = apply(start, [*settings, *option_overrides(start, seed, replicates, data)], _defaults())
        except ScenarioError as error:
            placed = (fault_at(document, where[f.where], f.message, f.key) if f.where in where else f for f in error.faults)
            wrong.append((name, placed))
    if wrong:
        raise ScenarioError([*faults, *_told_once(wrong, len(starts))])
    first_base = next(iter(bases.values()))
    world = None if head is None or not head.worlds else _worlds(document, [*bases], dimensions, faults)
    sample = None if faults or keys is None else _sample(document, keys, dimensions, first_base, faults)
    combinations = [] if faults or keys is None else _combinations(document, keys, dimensions, world, sample, faults)
    if faults:
        beside = [(name, _faults_of_base(base, document, where, allow_code)) for name, base in bases.items()]
        raise ScenarioError([*faults, *_told_once(beside, len(bases))])
    assert keys is not None  # else there are faults
    remedies = None if head is None else head.remedies
    cells = _cells(bases, combinations, remedies, document, where, allow_code)
    if keys.draws == "own":
        cells = tuple(map(with_own_draws, cells))
    if remedies is not None:
        axes = {axis.name: axis.keys for axis in dimensions}
        if faults := misfits(document, remedies, keys.chosen, axes, cells):
            raise ScenarioError(faults)
    first = cells[0].scenario
    title = first.title if head is None or head.title is None else head.title
    question = first.question if head is None or head.question is None else head.question
    values = {name: base.values for name, base in bases.items()}
    written = {
        "title": title, "question": question, **({"base": first_base.values} if world is None else {"worlds": values}),
        **({} if remedies is None else {SECTION: remedies.model_dump(mode="json", exclude_none=True)}),
        "sweep": _written(document, keys, dimensions, first_base),
    }  # fmt: skip
    return Sweep(
        title,
        question,
        keys.chosen,
        tuple(_axis(dimension, cells) for dimension in ([] if world is None else [world]) + dimensions),
        cells,
        written,
        sample if keys.chosen in SENSITIVITY else None,
        remedies,
    )


def _quick(document: Changed, faults: list[Fault]) -> list[Override]:
    """The changes of the section `quick`."""
    section = document.values.get("quick") if isinstance(document.values, dict) else None
    if not isinstance(section, dict) or not section:
        faults.append(fault_at(document, (), "is missing: say what `--quick` changes, as in {replicates: 2}", "quick"))
        return []
    changes = []
    for key, value in section.items():
        try:
            changes.append(Override(f"{QUICK}{key}", steps(key), value))
        except NotAKey as error:
            faults.append(fault_at(document, ("quick", key), str(error)))
    return changes


def _head(
    document: Changed, folder: Path, faults: list[Fault]
) -> tuple[FileKeys | None, dict[str, Changed] | None]:
    """What stands beside `sweep` in a file that points at its scenario (None: the file is one), and the sources of the
    scenarios by the names of the worlds; of a file without worlds the one, without a name."""
    if not {"base", "worlds"} & set(document.values) and set(document.values) - set(FileKeys.model_fields):
        if "sweep" not in document.values:
            faults.append(fault_at(document, (), "is missing: say what varies", "sweep"))
        return None, {"": replace(without(document, "sweep"), faults=())}
    head = checked(FileKeys, document, ())
    if isinstance(head, list):
        faults += head
        return None, None
    if head.base is not None and head.worlds is not None:
        faults.append(fault_at(document, ("worlds",), "stand in place of `base`: leave out one of the two"))
        return head, None
    if not head.base and not head.worlds:
        faults.append(fault_at(document, (), "is missing: name the scenario that the axes vary, or several `worlds`", "base"))
        return head, None
    if not head.worlds:
        start = _start(document, ("base",), head.base, folder, faults)
        return head, None if start is None else {"": start}
    starts: dict[str, Changed] = {}
    for step, value in head.worlds.items() if isinstance(head.worlds, dict) else enumerate(head.worlds):
        loc, name = ("worlds", step), step if isinstance(step, str) else Path(str(value)).stem
        start = _start(document, loc, value, folder, faults)
        if name in starts:
            faults.append(fault_at(document, loc, f"is the second world called {shown(name)}: give them names, as a mapping"))
        elif start is not None:
            starts[name] = start
    return head, starts if len(starts) == len(head.worlds) else None


def _start(document: Changed, loc: Loc, given: Any, folder: Path, faults: list[Fault]) -> Changed | None:
    """The source of a scenario that stands at a place of a sweep file, or in a file that is named there."""
    start = part(document, loc)
    if isinstance(given, str):
        try:
            start = apply(read(folder / given), (), {})
        except ScenarioError as error:
            for fault in error.faults:
                words = f"{fault.where}: {fault.message}"
                faults.append(fault if fault.line else fault_at(document, loc, words))
            return None
        faults += start.faults
    if isinstance(start.values, dict):
        if {"base", "worlds"} & set(start.values):
            message = f"{start.name} is a sweep file itself; name the scenario that it varies"
            faults.append(fault_at(document, loc, message))
            return None
        start = without(start, "sweep")
    return replace(start, faults=())


def _worlds(document: Changed, names: Sequence[str], dimensions: Sequence[Dimension], faults: list[Fault]) -> Dimension:
    """The worlds as an axis that moves no key."""
    loc: Loc = ("worlds",)
    faults += [
        fault_at(document, axis.loc, f"is the second axis called {WORLD!r}, as `worlds` are; give it another `label`")
        for axis in dimensions if axis.label == WORLD
    ]  # fmt: skip
    return Dimension("worlds", WORLD, ("worlds",), tuple(Level(name, ()) for name in names), None, loc)


def _cells(
    bases: Mapping[str, Changed], combinations: Sequence[Combination], remedies: RemedyKeys | None, document: Changed,
    where: Mapping[str, Loc], allow_code: bool,
) -> tuple[Cell, ...]:
    """The cells of every world, numbered through; beside `remedies`, those after the first of a world may have fewer arms."""
    cells: list[Cell] = []
    wrong: list[tuple[str, Iterable[Fault]]] = []
    for name, base in bases.items():
        own = [each for each in combinations if WORLD not in each or not name or each[WORLD].value == name]
        groups = [(base, own)] if remedies is None else [(base, own[:1]), (thinned(base, remedies), own[1:])]
        for start, group in groups:
            if group:
                try:
                    made = make_cells(start, group, document, where, allow_code)
                except ScenarioError as error:
                    wrong.append((name, error.faults))
                else:
                    cells += [replace(cell, number=len(cells) + place) for place, cell in enumerate(made, 1)]
    if wrong:
        raise ScenarioError(_told_once(wrong, len(bases)))
    return tuple(cells)


def _told_once(found: Iterable[tuple[str, Iterable[Fault]]], worlds: int) -> list[Fault]:
    """The faults of several worlds: one that they share is told once, one that only some have says which."""
    shared: dict[tuple[str, str, str], tuple[Fault, dict[str, None]]] = {}
    for name, faults in found:
        for fault in faults:
            shared.setdefault((fault.where, fault.key, fault.message), (fault, {}))[1][name] = None
    return [
        fault if len(names) == worlds or "in the cell " in fault.message
        else replace(fault, message=f"{fault.message}; in the world {', '.join(names)}")
        for fault, names in shared.values()
    ]  # fmt: skip


def _sweep(document: Changed, faults: list[Fault]) -> tuple[SweepKeys | None, list[Dimension]]:
    """The section `sweep` and its axes."""
    if "sweep" not in document.values:
        return None, []
    keys = checked(SweepKeys, document, ("sweep",))
    if isinstance(keys, list):
        faults += keys
        raw = document.values["sweep"]
        axes = raw.get("axes") if isinstance(raw, dict) else None
        faults += read_axes(document, ("sweep", "axes"), axes)[1] if isinstance(axes, dict) else []
        return None, []
    if keys.cases is not None:
        dimensions, more = read_cases(document, ("sweep", "cases"), keys.cases)
    else:
        dimensions, more = read_axes(document, ("sweep", "axes"), keys.axes or {})
    if keys.chosen not in SAMPLED:
        message = f"is a range, and {keys.chosen!r} takes values: list them, or write `design: {' or '.join(SAMPLED)}`"
        more += [fault_at(document, axis.loc, message) for axis in dimensions if axis.range is not None]
    if keys.chosen in SENSITIVITY:
        message = f"has one value, and {keys.chosen!r} needs axes that vary: give it two or a range, or leave it out"
        more += [fault_at(document, axis.loc, message) for axis in dimensions if len(axis.levels) == 1]
    faults += more
    return keys, dimensions


def _sample(
    document: Changed, keys: SweepKeys, dimensions: Sequence[Dimension], base: Changed, faults: list[Fault]
) -> Sample | None:
    """The points of a design that samples, and which cell each of them is before conditions."""
    if keys.samples is None:  # which the designs that sample require, and no other may have
        return None
    try:
        shares = points(keys.chosen, len(dimensions), keys.samples, _seed(keys, base))
    except NeedsSALib as error:
        faults.append(fault_at(document, ("sweep", "design"), str(error)))
        return None
    numbers: dict[str, int] = {}
    cells = [numbers.setdefault(content([level.value for level in _at(dimensions, row)]), len(numbers) + 1) for row in shares]
    return Sample(shares, np.array(cells))


def _at(dimensions: Sequence[Dimension], shares: np.ndarray) -> tuple[Level, ...]:
    return tuple(axis.at(float(share)) for axis, share in zip(dimensions, shares, strict=True))


def _combinations(
    document: Changed, keys: SweepKeys, dimensions: Sequence[Dimension], world: Dimension | None, sample: Sample | None,
    faults: list[Fault],
) -> list[Combination]:
    """The combinations of values that the design asks for and the conditions allow, in every world."""
    labels = [axis.label for axis in dimensions]
    levels = [axis.levels for axis in dimensions]
    if sample is not None:
        _, first = np.unique(sample.cells, return_index=True)
        rows = [_at(dimensions, sample.shares[point]) for point in first]
    elif keys.chosen == "cases":
        rows = list(zip(*levels, strict=True))
    elif keys.chosen == "fraction" and prod(map(len, levels[:-1])) <= MOST_CELLS:
        places = fraction([len(axis) for axis in levels])
        rows = [tuple(axis[place] for axis, place in zip(levels, each, strict=True)) for each in places]
    elif (size := prod(map(len, levels))) > MOST_CELLS:
        faults.append(fault_at(document, ("sweep", "axes"), f"make {size:,} cells; a sweep has at most {MOST_CELLS:,}"))
        return []
    else:
        rows = list(product(*levels))
    if world is not None:
        if keys.chosen in SENSITIVITY:
            faults.append(fault_at(document, ("worlds",), f"{keys.chosen!r} is about one world; give it a `base`"))
        if (size := len(world.levels) * len(rows)) > MOST_CELLS:
            faults.append(fault_at(document, ("worlds",), f"make {size:,} cells; a sweep has at most {MOST_CELLS:,}"))
            return []
        labels, rows = [world.label, *labels], [(level, *row) for level in world.levels for row in rows]
    return meet(document, keys.where or [], [dict(zip(labels, row, strict=True)) for row in rows], faults)


def _seed(keys: SweepKeys, base: Changed) -> int:
    """The seed of the design: its own, or the scenario's (what is wrong with that, each cell will say)."""
    seed = keys.seed if keys.seed is not None or not isinstance(base.values, dict) else base.values.get("seed")
    return seed if isinstance(seed, int) and seed >= 0 else 0


def _faults_of_base(base: Changed, document: Changed, where: dict[str, Loc], allow_code: bool) -> tuple[Fault, ...]:
    """What is wrong with the scenario as it stands: told beside faults of the sweep, which leave no cell to look at."""
    try:
        make_cells(base, [{}], document, where, allow_code)
    except ScenarioError as error:
        return error.faults
    return ()


def _axis(dimension: Dimension, cells: Sequence[Cell]) -> Axis:
    taken = {content(value): value for value in (cell.values[dimension.label] for cell in cells)}
    if dimension.range is not None:
        return Axis(dimension.label, dimension.keys, tuple(sorted(taken.values())), dimension.range)
    order = dict.fromkeys(content(level.value) for level in dimension.levels)
    return Axis(dimension.label, dimension.keys, tuple(taken[value] for value in order if value in taken))


def _written(document: Changed, keys: SweepKeys, dimensions: Sequence[Dimension], base: Changed) -> dict[str, Any]:
    """The section `sweep` with its labels and its seed."""
    section: dict[str, Any] = {"design": keys.chosen}
    if keys.chosen in SAMPLED:
        section |= {"samples": keys.samples, "seed": _seed(keys, base)}
    if keys.cases is not None:
        section["cases"] = keys.cases
    else:
        axes = {axis.name: document.values["sweep"]["axes"][axis.name] for axis in dimensions}
        forms = {name: axis if isinstance(axis, dict) else {"values": axis} for name, axis in axes.items()}
        section["axes"] = {axis.name: {**forms[axis.name], "label": axis.label} for axis in dimensions}
    if keys.draws != "shared":
        section["draws"] = keys.draws
    return section | ({"where": keys.where} if keys.where else {})
