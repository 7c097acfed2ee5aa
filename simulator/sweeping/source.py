"""A part of a YAML file looked at as a file of its own, its places kept: what the sections of a sweep file are checked as."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from simulator.faults import Fault, Loc, dotted
from simulator.overrides import Changed
from simulator.wording import faults_in

Keys = TypeVar("Keys", bound=BaseModel)
Held = TypeVar("Held")


def part(source: Changed, root: Loc) -> Changed:
    """The value at a place as a source of its own; faults in it are told where they stand in the whole."""
    values = source.values
    for step in root:
        values = values[step]
    option, known = source.origin(root)
    places, keys, options = _below(source.places, root), _below(source.keys, root), _below(source.options, root)
    if option:
        options[()] = option
    else:
        places[()] = source.places[known]
    return replace(source, values=values, places=places, keys=keys, options=options, faults=())


def without(source: Changed, key: str) -> Changed:
    """The source without one of its top-level keys."""
    values = {name: value for name, value in source.values.items() if name != key}
    places = {loc: at for loc, at in source.places.items() if loc[:1] != (key,)}
    return replace(source, values=values, places=places)


def fault_at(source: Changed, loc: Loc, message: str, key: str | None = None) -> Fault:
    """A fault at a place, or at the nearest that is known; `key`: what it is about, if not the key that stands there."""
    option, known = source.origin(loc)
    key = dotted(loc) if key is None else key
    return Fault(option, message, key) if option else source.fault(source.places[known], message, key)


def checked(model: type[Keys], source: Changed, root: Loc) -> Keys | list[Fault]:
    """The keys that stand at a place, or all that is wrong with them."""
    here = part(source, root)
    try:
        return model.model_validate(here.values)
    except ValidationError as error:
        faults = faults_in(error, model, here)
    return [replace(fault, key=".".join(filter(None, (dotted(root), fault.key)))) for fault in faults]


def _below(table: dict[Loc, Held], root: Loc) -> dict[Loc, Held]:
    return {loc[len(root) :]: held for loc, held in table.items() if loc[: len(root)] == root}
