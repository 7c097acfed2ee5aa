"""A section `remedies` and the sweep that it stands beside: the arms that are played where, and what does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simulator.controls import CONTROLS
from simulator.faults import Fault, Loc, did_you_mean, shown
from simulator.measures import MEASURES, select
from simulator.overrides import Changed, Override, apply
from simulator.sweeping.cells import Cell
from simulator.sweeping.designs import SAMPLED
from simulator.sweeping.remedy_keys import RemedyKeys
from simulator.sweeping.source import fault_at

SECTION = "remedies"


def thinned(base: Changed, keys: RemedyKeys) -> Changed:
    """The scenario with no other arms than those that are played under other assumptions, and no events in the others."""
    if keys.swapped is None or not isinstance(base.values, dict):
        return base
    arms = [arm for arm in base.values.get("policies") or [] if _called(arm) in keys.kept or _kind(arm) in CONTROLS]
    names = [_called(arm) for arm in arms]
    events = []
    for event in base.values.get("events") or []:
        if not isinstance(event, dict) or event.get("arms") is None:
            events.append(event)
        elif left := [arm for arm in event["arms"] if arm in names]:
            events.append({**event, "arms": left})
    option = f"{SECTION}.swapped"
    return apply(base, [Override(option, ("policies",), arms), Override(option, ("events",), events)], {})


def _kind(arm: Any) -> Any:
    return arm.get("kind") if isinstance(arm, dict) else arm


def _called(arm: Any) -> Any:
    return arm.get("name", arm.get("kind")) if isinstance(arm, dict) else arm


# What does not fit -------------------------------------------------------------------------------------------


def misfits(
    document: Changed, keys: RemedyKeys, design: str, axes: Mapping[str, Sequence[str]], cells: Sequence[Cell]
) -> list[Fault]:
    """What the section names that the sweep does not have. `axes`: the keys that each moves, by the name it stands under."""
    found = dict.fromkeys(_misfits(keys, design, axes, cells))
    return [fault_at(document, loc if loc[:1] == ("sweep",) else (SECTION, *loc), words) for loc, words in found]


def _misfits(
    keys: RemedyKeys, design: str, axes: Mapping[str, Sequence[str]], cells: Sequence[Cell]
) -> Iterator[tuple[Loc, str]]:
    if design in SAMPLED:
        words = f"{design!r} has no cell in which the world is as it stands: beside `{SECTION}`, use a grid or cases"
        yield ("sweep", "design"), words
        return
    for name, moved in axes.items():
        if any(key == "policies" or key.startswith(("policies.", "policies[")) for key in moved):
            words = f"moves policies, but beside `{SECTION}` an axis is an assumption: list settings as arms"
            yield ("sweep", "axes", name), words
    for cell in first_of_each_world(cells):
        yield from _of_world(keys, cell)
    if cells[0].scenario.replicates < 2:
        yield (), f"need at least 2 replicates to be told from chance (got {cells[0].scenario.replicates})"


def _of_world(keys: RemedyKeys, cell: Cell) -> Iterator[tuple[Loc, str]]:
    scenario = cell.scenario
    controls = {arm.name for arm in scenario.policies if type(arm.policy) in CONTROLS.values()}
    names = [arm.name for arm in scenario.policies]
    where = f"; in {cell.in_words}" if cell.values else ""

    def unknown(loc: Loc, name: str) -> Iterator[tuple[Loc, str]]:
        if name not in names:
            yield loc, f"there is no arm {shown(name)}{did_you_mean(name, names)}{where}"
        elif name in controls:
            yield loc, f"{shown(name)} is a control, no policy{where}"

    yield from unknown(("of",), keys.of)
    before: set[str] = set()
    for title, kind in keys.kinds.items():
        if kind.of is not None:
            yield from unknown(("kinds", title, "of"), kind.of)
        for arm in kind.arms:
            loc = ("kinds", title)
            yield from unknown(loc, arm)
            if arm == (kind.of or keys.of):
                yield loc, f"{shown(arm)} is the arm without the remedy"
            elif arm in before:
                yield loc, f"{shown(arm)} stands among the remedies already"
            before.add(arm)
    for name in keys.swapped or ():
        if name not in keys.arms:
            yield ("swapped",), f"{shown(name)} is none of the remedies{did_you_mean(name, keys.arms)}"
    measured = select(scenario.measures.names)
    for key in ("diversity", "utility"):
        measure = getattr(keys, key)
        if measure not in MEASURES:
            yield (key,), f"there is no such measure{did_you_mean(measure, measured)} (got {shown(measure)})"
        elif measure not in measured:
            yield (key,), f"is not measured{where} (got {shown(measure)})"
        elif key == "diversity" and not MEASURES[measure].bubble and not measure.endswith((".alpha", ".beta", ".gamma")):
            yield (key,), f"must be a measure that a bubble pushes one way (got {shown(measure)})"


def first_of_each_world(cells: Sequence[Cell]) -> list[Cell]:
    """The first cell of each world: those without a world are of one."""
    found: dict[Any, Cell] = {}
    for cell in cells:
        found.setdefault(cell.values.get("world"), cell)
    return list(found.values())
