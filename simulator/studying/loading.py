"""From a name or a file to the worlds that it plays and the questions about them: checked before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import scenarios
from simulator.faults import Fault, Loc, ScenarioError, did_you_mean
from simulator.measures import select
from simulator.overrides import Changed, apply
from simulator.replicating.claims import chosen
from simulator.replicating.expressions import Reference, parse_expression, trends
from simulator.replicating.loading import alone
from simulator.scenario import load_scenario
from simulator.studying.answers import FIRST, Asking, OneAsked, wanted
from simulator.studying.keys import StudyKeys
from simulator.sweeping import Sweep, load_sweep
from simulator.sweeping.constraints import ConstraintError
from simulator.sweeping.source import fault_at
from simulator.yaml_source import read

SHIPPED = Path(scenarios.__file__).parent / "studies"


@dataclass(frozen=True)
class Study:
    """A file that asks something, in one of its sizes."""

    file: Path
    size: str                       # "" = whole
    keys: StudyKeys                 # as the size has it
    sweep: Sweep                    # the worlds that are played; one cell where nothing varies
    whole: Sweep                    # those of the whole study
    text: str

    @property
    def name(self) -> str:
        return f"{self.file.stem}-{self.size}" if self.size else self.file.stem


def shipped() -> list[Path]:
    """Return the studies that come along: of the files beside each other, those with a `study`, or whose `base` has one."""
    return [file for file in sorted(SHIPPED.glob("*.yaml")) if _has_questions(file)]


def _has_questions(file: Path) -> bool:
    values = read(file).values
    base = values.get("base") if isinstance(values, dict) else None
    return isinstance(values, dict) and ("study" in values or (isinstance(base, str) and _has_questions(file.parent / base)))


def find(name: str) -> Path:
    """Return the file meant by a name (`model_scale`) or a path."""
    if Path(name).suffix in (".yaml", ".yml"):
        return Path(name)
    files = {file.stem: file for file in shipped()}
    if name not in files:
        raise ScenarioError([Fault(name, f"there is no such study{did_you_mean(name, list(files))}")])
    return files[name]


def load_study(file: Path, size: str = "", overrides: Sequence[str] = (), seed: int | None = None,
               replicates: int | None = None, data: str | None = None) -> Study:
    """Read and check a study. All that is wrong with it is one ScenarioError; questions are checked against the whole.

    `data` is for those that use data, and left out for others.
    """
    document = apply(read(file), (), {})
    own = [f"data.path={json.dumps(data)}"] if data is not None and _uses_data(document) else []
    whole, keys = _worlds(file, document, own)
    if faults := list(_faults(keys, whole, document)):
        raise ScenarioError(faults)
    if size and size not in keys.sizes:
        raise ScenarioError([Fault(f"--size {size}", f"there is no such size{did_you_mean(size, list(keys.sizes))}")])
    changes = [*(_changes(keys.sizes[size], whole) if size else []), *overrides]
    if not changes and seed is None and replicates is None:
        return Study(file, size, keys, whole, whole, document.text)
    played, smaller = _worlds(file, document, [*own, *changes], seed, replicates)
    return Study(file, size, smaller, played, whole, document.text)


def _uses_data(document: Changed) -> bool:
    values = document.values if isinstance(document.values, dict) else {}
    changed = values.get("set")
    return "data" in values or (isinstance(changed, dict) and any(str(key).split(".")[0] == "data" for key in changed))


def _worlds(file: Path, document: Changed, changes: Sequence[str], seed: int | None = None,
            replicates: int | None = None) -> tuple[Sweep, StudyKeys]:
    if isinstance(document.values, dict) and "sweep" in document.values:
        sweep = load_sweep(file, changes, seed, replicates)
    else:
        sweep = alone(load_scenario(file, changes, seed, replicates))
    keys = sweep.cells[0].scenario.study
    if keys is None:
        raise ScenarioError([fault_at(document, (), "is missing: say what is asked, and what was predicted", "study")])
    return sweep, keys


def _changes(size: dict[str, Any], whole: Sweep) -> list[str]:
    """Return the changes that make a smaller form; `arms` are those that are left."""
    policies = whole.document["base"]["policies"]
    return [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in _with_policies(size, policies).items()]


def _with_policies(changes: Any, policies: list[Any]) -> Any:
    """Put arms in the place of their names under `arms`, of the size itself or of an axis' value in it."""
    if not isinstance(changes, dict):
        return changes
    return {
        **({"policies": [arm for arm in policies if _name(arm) in changes["arms"]]} if "arms" in changes else {}),
        **{key: _with_policies(value, policies) for key, value in changes.items() if key != "arms"},
    }


def _named(changes: Any) -> Iterator[str]:
    """All names under `arms`, at whatever depth."""
    if isinstance(changes, dict):
        for key, value in changes.items():
            yield from value if key == "arms" else _named(value)


def _name(arm: Any) -> str:
    return str(arm.get("name", arm.get("kind")) if isinstance(arm, dict) else arm)


# ---- what is wrong with a study, beyond its own keys


def _faults(keys: StudyKeys, whole: Sweep, document: Changed) -> Iterator[Fault]:
    """What the study names that the worlds of the file do not have: arms, measures, rounds, axes and cells."""

    def fault(loc: Loc, message: str) -> Fault:
        return fault_at(document, ("study", *loc), message)

    arms = list(dict.fromkeys(arm.name for cell in whole.cells for arm in cell.scenario.policies))
    measured = set.intersection(*(set(select(cell.scenario.measures.names)) for cell in whole.cells))
    for name, group in keys.groups.items():
        if name in arms:
            yield fault(("groups", name), "is the name of an arm, too")
        for arm in group:
            if arm not in arms:
                yield fault(("groups", name), f"there is no arm {arm!r}{did_you_mean(arm, arms)}")
    for key, measures in (("outcomes", keys.outcomes), ("secondary", keys.secondary)):
        for place, measure in enumerate(measures):
            if measure not in measured:
                yield fault((key, place), f"{measure!r} is not one of `measures.names`")
    if keys.given is not None and keys.given not in measured:
        yield fault(("given",), f"{keys.given!r} is not one of `measures.names`")
    if keys.first > min(cell.scenario.rounds for cell in whole.cells):
        yield fault(("first",), f"must be at most `rounds` (got {keys.first})")
    for size, changes in keys.sizes.items():
        for arm in _named(changes):
            if arm not in arms:
                yield fault(("sizes", size), f"there is no arm {arm!r}{did_you_mean(arm, arms)}")
    for place, question in enumerate(keys.questions):
        if question.value is not None:
            for message in _wrong(question.value, OneAsked.of(question), keys, whole, arms, measured):
                yield fault(("questions", place, "value"), message)


def _wrong(text: str, asked: OneAsked, keys: StudyKeys, whole: Sweep, arms: list[str], measured: set[str]) -> Iterator[str]:
    for group, _ in trends(parse_expression(text)):
        if group.arm not in keys.groups:
            yield f"there is no group {group.arm!r}{did_you_mean(group.arm, list(keys.groups))}"
            return
    for reference in wanted(text, keys.groups, asked.measure):
        found = next(_wrong_reference(reference, asked, whole, arms, measured), None)
        if found is not None:
            yield found
            return


def _wrong_reference(reference: Reference, asked: OneAsked, whole: Sweep, arms: list[str], measured: set[str]) -> Iterator[str]:
    axes = [axis.label for axis in whole.axes]
    if reference.arm not in arms:
        yield f"there is no arm {reference.arm!r}{did_you_mean(reference.arm, arms)}"
    for name in reference.given:
        if name not in ("round", "measure", *axes):
            yield f"{name!r} is neither `round`, `measure` nor an axis{did_you_mean(name, axes)}"
            return
    measure = reference.given["measure"]
    if measure is None:
        yield f"of which measure? add `measure:`, or write {reference.arm}(measure='…')"
    elif measure not in measured:
        yield f"{measure!r} is not one of `measures.names`"
    try:
        cells = chosen(Asking(asked), reference, whole.cells)       # type: ignore[arg-type]
    except ConstraintError as error:
        yield f"`where`: {error}"
        return
    if not cells:
        yield "no cell is meant by it"
    round = reference.given.get("round", asked.round)
    for cell in cells:
        scenario = cell.scenario
        for each in () if round in (None, FIRST) else round if isinstance(round, tuple) else (round,):
            if each > scenario.rounds or (each % scenario.measures.every and each != scenario.rounds):
                yield f"round {each} is not measured"
