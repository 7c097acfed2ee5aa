"""A scenario or a sweep as a script gives it: a path, a YAML text, a mapping, or a scenario that is made already."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from agents.choice import CHOICES
from agents.drift import DRIFTS
from agents.graphs import GENERATORS
from agents.influence import INFLUENCES
from agents.interests import INTERESTS
from policies import POLICIES
from policies.explore import EXPLORERS
from policies.people import PEOPLE
from policies.rerank import RERANKERS
from simulator.arms import Arm, OneArm
from simulator.controls import CONTROLS
from simulator.faults import Fault, Loc, ScenarioError, dotted
from simulator.overrides import Override, parse_override
from simulator.own_code import OPTION, make_importable, name_of
from simulator.parts import kind_of, own_keys
from simulator.scenario import Scenario, check
from simulator.sweeping import Sweep, load_sweep
from simulator.yaml_source import Source, parse, read, write

Given = str | Path | Mapping[str, Any] | Scenario
"""A path; a YAML text (more than one line, or in braces); a mapping with the keys of a file; a `Scenario`."""

Changes = Sequence[str] | Mapping[str, Any]
"""`["users.count=100"]`, as `--set` takes them, or `{"users.count": 100}`."""

_NAME = "scenario"  # what a fault says instead of a file's name
_TABLES: tuple[Mapping[str, type], ...] = (
    POLICIES, CONTROLS, CHOICES, DRIFTS, INTERESTS, RERANKERS, EXPLORERS, GENERATORS, INFLUENCES, PEOPLE,
)


def scenario_from(
    given: Given, changes: Changes, seed: int | None, replicates: int | None, data: str | Path | None, allow_code: bool
) -> Scenario:
    """Check a scenario after some changes. All that is wrong with it is one ScenarioError.

    A mapping may hold what YAML can, numbers of numpy, tuples, paths, a class as a `kind`, and parts made in Python.
    """
    source, folder = _source(given)
    options: list[tuple[str, Loc, Any]] = [
        ("seed", ("seed",), seed), ("replicates", ("replicates",), replicates), ("data", ("data", "path"), data)
    ]
    overrides = [parse_override(text, f"set {text}") for text in _texts(changes)]
    overrides += [Override(f"{name}={value}", loc, plain(value)) for name, loc, value in options if value is not None]
    if data is not None and isinstance(source.values, dict) and "data" not in source.values:
        raise ScenarioError([Fault(f"data={data}", f"{source.name} has no `data:`: it uses no data")])
    if allow_code:
        make_importable([folder, Path()])
    return _in_python(lambda: check(source, overrides, allow_code))


def sweep_from(
    given: Given, axes: Mapping[str, Any] | None, changes: Changes, seed: int | None, replicates: int | None,
    data: str | Path | None, allow_code: bool,
) -> Sweep:
    """Check a sweep: what is given has a section `sweep`, or is the scenario that `axes` vary, a grid."""
    options = (_texts(changes), seed, replicates, None if data is None else str(data), allow_code)
    is_file = isinstance(given, Path) or (isinstance(given, str) and not _is_text(given))
    if is_file and axes is None:
        return _in_python(lambda: load_sweep(Path(given), *options))       # type: ignore[arg-type]
    if is_file:
        document: Any = {"base": str(Path(given).resolve())}                # type: ignore[arg-type]
    else:
        document = _source(given)[0].values
        if axes is not None:
            document = {"base": document}
        elif isinstance(document, dict) and isinstance(document.get("base"), str):
            document = {**document, "base": str(Path(document["base"]).resolve())}
        elif isinstance(document, dict) and isinstance(document.get("worlds"), dict | list):
            document = {**document, "worlds": _resolved(document["worlds"])}
    if axes is not None:
        document["sweep"] = {"axes": plain(axes, ("axes",))}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sweep"       # as a file, because that is what a sweep is read from
        file.write_text(write(document), encoding="utf-8")
        path = sys.path[:]
        try:
            return _in_python(lambda: load_sweep(file, *options), str(file))
        finally:
            sys.path[:] = [place for place in sys.path if place in path or place != str(Path(folder).resolve())]


def _resolved(worlds: dict[str, Any] | list[Any]) -> dict[str, Any] | list[Any]:
    """The files of several worlds as seen from here."""
    if isinstance(worlds, list):
        return [str(Path(each).resolve()) if isinstance(each, str) else each for each in worlds]
    return {name: str(Path(each).resolve()) if isinstance(each, str) else each for name, each in worlds.items()}


def plain(value: Any, loc: Loc = ()) -> Any:
    """A value of Python as a YAML file would hold it; what has no place in one is a ScenarioError that says where it is."""
    match value:
        case None | bool() | int() | float() | str():
            return value.item() if isinstance(value, np.generic) else value
        case np.generic() | np.ndarray():
            return value.tolist()
        case Path():
            return str(value)
        case Mapping():
            return {str(key): plain(held, (*loc, str(key))) for key, held in value.items()}
        case list() | tuple() | range():
            return [plain(held, (*loc, place)) for place, held in enumerate(value)]
        case type():
            return name_of(value)
        case Arm():
            return plain(OneArm().dump(value), loc)
    if is_dataclass(value):
        table = next((table for table in _TABLES if type(value) in table.values()), {})     # two tables may share a name
        return {"kind": kind_of(table, value), **plain(own_keys(value), loc)}
    raise ScenarioError([Fault(_NAME, f"a {type(value).__name__} has no place in a scenario", dotted(loc))])


def _source(given: Given) -> tuple[Source, Path]:
    """The text of what is given, and the folder in which its own code is looked for."""
    if isinstance(given, Scenario):
        return parse(given.resolved(), _NAME), Path()
    if isinstance(given, Mapping):
        return parse(write(plain(given)), _NAME), Path()
    if isinstance(given, str) and _is_text(given):
        return parse(given, _NAME), Path()
    if isinstance(given, str | Path):
        return read(given), Path(given).parent
    raise TypeError(f"a scenario is a path, a YAML text, a mapping or a Scenario (got {type(given).__name__})")


def _is_text(given: str) -> bool:
    return "\n" in given or given.lstrip().startswith("{")


def _texts(changes: Changes) -> list[str]:
    if isinstance(changes, str):
        raise TypeError(f"set: a list of texts or a mapping (got the text {changes!r}); write set=[{changes!r}]")
    if isinstance(changes, Mapping):
        return [f"{key}={json.dumps(plain(value, (key,)), ensure_ascii=False)}" for key, value in changes.items()]
    return list(changes)


def _in_python(load: Callable[[], Any], file: str = "") -> Any:
    """Load, and say faults as somebody in Python needs to hear them."""
    try:
        return load()
    except ScenarioError as error:
        faults = [
            replace(
                fault,
                where=fault.where.replace(file, "sweep") if file else fault.where,
                message=fault.message.replace(f"add {OPTION}", "pass allow_code=True"),
            )
            for fault in error.faults
        ]
        raise ScenarioError(faults) from None
