"""Which assumptions are swapped, and the sweep that they make: a cell for each combination that the scenario allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from pydantic import ValidationError

from policies.base import Policy
from simulator.arms import Arm
from simulator.controls import CONTROLS, Oracle, Organic
from simulator.docs import document
from simulator.faults import Fault, ScenarioError, did_you_mean, shown
from simulator.keys.users import UserKeys
from simulator.measures import DERIVED, MEASURES, select
from simulator.overrides import Changed, Override, apply
from simulator.parts import ALLOW_CODE, OneOf, kind_of
from simulator.scenario import Scenario
from simulator.sweeping.axes import Change, Dimension, Level, content
from simulator.sweeping.cells import Cell, Combination, faults_of, make_cells
from simulator.sweeping.keys import MOST_CELLS
from simulator.sweeping.labels import in_words
from simulator.sweeping.sweep import Axis, Sweep
from simulator.wording import faults_in
from simulator.yaml_source import parse

NEVER, GIVEN = "never", "as given"
"""Names of levels of `retrain`: fitted once, after the warm-up; the intervals of a scenario whose arms have several."""

_SHOWN = "exposure."        # measures of what was shown, of which the organic arm has none


@dataclass(frozen=True)
class Model:
    """One level of an assumption: its name in tables and figures, and what it is."""

    assumption: str
    level: str
    base: bool              # is it the scenario's own?
    summary: str
    keys: str               # with their values, in words
    source: str


@dataclass(frozen=True)
class LeftOut:
    """Worlds that the scenario cannot be played in, and why."""

    world: str
    reason: str


@dataclass(frozen=True)
class Swapped:
    """A scenario in every world that it can be played in."""

    sweep: Sweep
    base: Cell              # the world of the scenario as it stands
    measure: str            # what the arms are ranked by
    models: tuple[Model, ...]
    left_out: tuple[LeftOut, ...]


def swap(
    scenario: Scenario, name: str, measure: str, choices: str | None = None, drifts: str | None = None,
    intervals: str | None = None, allow_code: bool = False,
) -> Swapped:
    """The worlds of a scenario under other assumptions. All that is wrong is one ScenarioError.

    `name`: what the scenario is called in messages. `choices`, `drifts`: names of models, or mappings with `kind` and their
    keys, with commas between; None: all that there are. `intervals`: numbers of rounds and `never`; None: 1 and never. The
    scenario's own are always among them: they are the base. A model named bare has its defaults; one of the scenario's own
    kind, the scenario's keys. Combinations that the scenario refuses are left out and listed.
    """
    faults = [*_unfit(scenario, name, measure)]
    base = apply(parse(scenario.resolved(), name), (), {})
    axes: list[Dimension] = []
    readers: tuple[Callable[[], Dimension], ...] = (
        lambda: _parts(scenario, "choice", choices, allow_code),
        lambda: _parts(scenario, "drift", drifts, allow_code),
        lambda: _retraining(scenario, intervals),
    )
    for reader in readers:
        try:
            axes.append(reader())
        except ScenarioError as error:
            faults += error.faults
    if not faults and math.prod(len(axis.levels) for axis in axes) > MOST_CELLS:
        faults.append(Fault(name, f"makes more than {MOST_CELLS:,} worlds"))
    if faults:
        raise ScenarioError(faults)
    axes, left_out = _fitting(base, axes, allow_code)
    combinations, refused = _worlds(base, axes, allow_code)
    left_out += [LeftOut(*each) for each in refused]
    if len(combinations) == 1:
        listed = "; ".join(f"{each.world}: {each.reason}" for each in left_out)
        raise ScenarioError([Fault(name, f"there is nothing to swap{': ' if listed else ''}{listed}")])
    cells = tuple(make_cells(base, combinations, base, {}, allow_code))
    sweep = Sweep(
        scenario.title, scenario.question, "grid", tuple(Axis(a.label, a.keys, tuple(_names(a))) for a in axes), cells,
        _document(scenario, base, axes, refused),
    )  # fmt: skip
    own = next(cell for cell in cells if cell.scenario.digest == scenario.digest)
    return Swapped(sweep, own, measure, tuple(_models(scenario, axes)), tuple(left_out))


# The levels --------------------------------------------------------------------------------------------------


def _parts(scenario: Scenario, assumption: str, text: str | None, allow_code: bool) -> Dimension:
    """The models of one assumption, the scenario's own first where nothing else is said of the order."""
    own = UserKeys.model_fields[assumption].metadata[0]
    assert isinstance(own, OneOf)
    mine = own.dump(getattr(scenario.users, assumption))
    asked: Sequence[Any] = [*own.table] if text is None else _listed(f"--{assumption}", text)
    found: dict[str, tuple[str, dict[str, Any]]] = {content(mine): (_called(mine["kind"]), mine)}
    for value in asked:
        bare = isinstance(value, str) or (isinstance(value, dict) and set(value) == {"kind"})
        kind = value if isinstance(value, str) else value.get("kind") if isinstance(value, dict) else None
        if bare and kind == mine["kind"]:
            continue
        keys = _checked(own, assumption, value, text, allow_code)
        name = _called(keys["kind"]) if bare else in_words(value).strip("{}").removeprefix("kind: ")
        found.setdefault(content(keys), (name, keys))
    loc = ("users", assumption)
    levels = [Level(name, (Change(f"users.{assumption}", keys, loc),)) for name, keys in found.values()]
    if twice := {level.value for level in levels if [other.value for other in levels].count(level.value) > 1}:
        raise ScenarioError([Fault(f"--{assumption}", f"two models would be called {sorted(twice)[0]!r}")])
    return Dimension(assumption, assumption, (f"users.{assumption}",), tuple(levels), None, loc)


def _checked(own: OneOf, assumption: str, value: Any, text: str | None, allow_code: bool) -> dict[str, Any]:
    """A model with all its keys. One of a table that lacks keys it cannot do without stays as it is: it will be left out."""
    option = f"--{assumption} {text}" if text is not None else assumption
    source = apply(parse("{}", option), [Override(option, (assumption,), value)], {})
    try:
        keys = UserKeys.model_validate(source.values, context={ALLOW_CODE: allow_code})
    except ValidationError as error:
        if text is None:
            return own.expand(value)
        raise ScenarioError(faults_in(error, UserKeys, source)) from None
    return own.dump(getattr(keys, assumption))


def _called(kind: str) -> str:
    """What a model is called: its kind; a class of the user's own by its name."""
    return kind.partition(":")[2] or kind


def _listed(option: str, text: str) -> list[Any]:
    """The entries of a list as it stands after an option, in YAML without its brackets."""
    try:
        source = parse(f"[{text}]", option)
    except ScenarioError as error:
        raise ScenarioError([Fault(f"{option} {text}", fault.message) for fault in error.faults]) from None
    if source.faults or not source.values:
        words = [fault.message for fault in source.faults] or ["names nothing"]
        raise ScenarioError([Fault(f"{option} {text}", message) for message in words])
    return source.values


def _retraining(scenario: Scenario, text: str | None) -> Dimension:
    """The intervals at which all arms that learn and are not frozen are retrained: shortest first, never last.

    Without such arms there are no levels.
    """
    arms = [(place, arm) for place, arm in enumerate(scenario.policies) if _retrained(arm)]
    loc = ("policies",)
    own = sorted({arm.retrain_every for _, arm in arms})
    asked: list[Any] = [1, NEVER] if text is None else _listed("--retrain", text)
    for value in asked:
        if value != NEVER and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            hint = did_you_mean(value, [NEVER], listed=False) if isinstance(value, str) else ""
            message = f"must be numbers of rounds from 1 on, or {NEVER} (got {shown(value)}){hint}"
            raise ScenarioError([Fault(f"--retrain {text}", message)])
    given: dict[int | str, float] = {value: math.inf if value == NEVER else float(value) for value in asked}
    if not own:
        return Dimension("retrain", "retrain", (), (), None, loc)
    given[own[0] if len(own) == 1 else GIVEN] = sum(own) / len(own)

    def changes(value: int | str) -> tuple[Change, ...]:
        made = []
        for place, arm in arms:
            key = f"policies[{place if set(arm.name) & set('[]') or arm.name != arm.name.strip() else arm.name}]"
            every = value if isinstance(value, int) else arm.retrain_every
            made += [Change(f"{key}.retrain_every", every, loc), Change(f"{key}.frozen", value == NEVER, loc)]
        return tuple(made)

    levels = [Level(str(value), changes(value)) for value in sorted(given, key=lambda value: given[value])]
    return Dimension("retrain", "retrain", tuple(change.key for change in levels[0].changes), tuple(levels), None, loc)


def _retrained(arm: Arm) -> bool:
    return isinstance(arm.policy, Policy) and arm.policy.trains and not arm.frozen


# What does not fit -------------------------------------------------------------------------------------------


def _unfit(scenario: Scenario, name: str, measure: str) -> Iterable[Fault]:
    """Why the arms of a scenario cannot be ranked by a measure."""
    policies = scenario.policies
    if not any(isinstance(arm.policy, Organic) for arm in policies):
        message = "has no organic arm, and arms are ranked by their difference to it: add `- organic`"
        yield Fault(name, message, "policies")
    elif not any(not isinstance(arm.policy, Organic | Oracle) for arm in policies):
        yield Fault(name, "has no policy to rank beside the organic arm: add one, such as `- mf`", "policies")
    if scenario.replicates < 2:
        message = f"must be at least 2, as an order is told from chance by its replicates (got {scenario.replicates})"
        yield Fault(name, message, "replicates")
    option = f"--measure {measure}"
    taken = [each for each in select(scenario.measures.names) if not each.startswith(_SHOWN)]
    controls = {kind_of(CONTROLS, arm.policy) for arm in policies}
    taken += [each.name for each in DERIVED.values() if each.base in taken and each.control in controls]
    if measure.startswith(_SHOWN) and measure in MEASURES:
        yield Fault(option, "is of what was shown, and the organic arm shows nothing: name one of what was taken or liked")
    elif measure not in MEASURES and measure not in DERIVED:
        yield Fault(option, f"there is no such measure{did_you_mean(measure, taken)}")
    elif measure not in taken:
        yield Fault(option, f"is not measured in this scenario; it measures {', '.join(taken)}")


def _fitting(base: Changed, axes: Sequence[Dimension], allow_code: bool) -> tuple[list[Dimension], list[LeftOut]]:
    """The axes without the levels that the scenario refuses by themselves, and these."""
    kept, left_out = [], []
    for axis in axes:
        if not axis.levels:
            left_out.append(LeftOut(axis.label, "no arm of this scenario is retrained"))
            continue
        reasons = {level.value: _reason(base, level.changes, allow_code) for level in axis.levels}
        left_out += [LeftOut(f"{axis.label} {name}", reason) for name, reason in reasons.items() if reason]
        fit = tuple(level for level in axis.levels if not reasons[level.value])
        kept.append(Dimension(axis.name, axis.label, axis.keys, fit, None, axis.loc))
    return kept, left_out


def _worlds(
    base: Changed, axes: Sequence[Dimension], allow_code: bool
) -> tuple[list[Combination], list[tuple[str, str]]]:
    """The combinations of levels that the scenario can be played in, and the others with the reason."""
    kept: list[Combination] = []
    refused: list[tuple[str, str]] = []
    for taken in product(*(axis.levels for axis in axes)):
        reason = _reason(base, [change for level in taken for change in level.changes], allow_code)
        if reason:
            refused.append((world_name(level.value for level in taken), reason))
        else:
            kept.append({axis.label: level for axis, level in zip(axes, taken, strict=True)})
    return kept, refused


def _reason(base: Changed, changes: Sequence[Change], allow_code: bool) -> str:
    """Why the scenario cannot be played after these changes; "" if it can."""
    return "; ".join(f"{fault.key}: {fault.message}" for fault in faults_of(base, changes, allow_code))


# What is written down ----------------------------------------------------------------------------------------


def world_name(levels: Iterable[str]) -> str:
    """logit × assimilation × never"""
    return " × ".join(levels)


def _names(axis: Dimension) -> list[str]:
    return [level.value for level in axis.levels]


def _document(
    scenario: Scenario, base: Changed, axes: Sequence[Dimension], refused: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """The sweep as a file would say it: loads back to the same cells."""
    section: dict[str, Any] = {
        "design": "grid",
        "axes": {
            axis.name: {
                "values": {level.value: {change.key: change.value for change in level.changes} for level in axis.levels},
                "label": axis.label,
            }
            for axis in axes
        },
    }
    if refused:
        worlds = {world for world, _ in refused}
        section["where"] = [
            "not (" + " and ".join(f"{axis.label} == {level.value!r}" for axis, level in zip(axes, taken, strict=True)) + ")"
            for taken in product(*(axis.levels for axis in axes)) if world_name(level.value for level in taken) in worlds
        ]  # fmt: skip
    return {"title": scenario.title, "question": scenario.question, "base": base.values, "sweep": section}


def _models(scenario: Scenario, axes: Sequence[Dimension]) -> Iterable[Model]:
    for axis in axes:
        if axis.label == "retrain":
            yield from _intervals(scenario, axis)
            continue
        own = UserKeys.model_fields[axis.label].metadata[0]
        mine = own.dump(getattr(scenario.users, axis.label))
        for level in axis.levels:
            keys = level.changes[0].value
            doc = document(axis.label, keys["kind"], own.model(keys["kind"]), leave_out={"kind"})
            words = ", ".join(f"{key} {in_words(value)}" for key, value in keys.items() if key != "kind")
            yield Model(axis.label, level.value, keys == mine, doc.summary, words, doc.source)


def _intervals(scenario: Scenario, axis: Dimension) -> Iterable[Model]:
    arms = [arm for arm in scenario.policies if _retrained(arm)]
    own = {arm.retrain_every for arm in arms}
    told = ", ".join(f"{arm.name} {arm.retrain_every}" for arm in arms)
    for name in _names(axis):
        if name == NEVER:
            yield Model("retrain", name, False, "Every arm is fitted once, after the warm-up.", "", "")
        elif name == GIVEN:
            yield Model("retrain", name, True, "The scenario's own intervals, in rounds.", told, "")
        else:
            rounds = "every round" if name == "1" else f"every {name} rounds"
            yield Model("retrain", name, own == {int(name)}, f"Every arm that learns is fitted anew {rounds}.", "", "")
