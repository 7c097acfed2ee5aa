"""From a tune file to what is to be played: read whole, and checked before anything runs, the ends of every range too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from simulator.faults import Fault, ScenarioError, did_you_mean, shown
from simulator.measures import select
from simulator.overrides import Changed, Override, apply, option_overrides, parse_override
from simulator.own_code import make_importable
from simulator.scenario import Scenario, _defaults
from simulator.sweeping.axes import Dimension, Level, read_axes
from simulator.sweeping.cells import make_cells
from simulator.sweeping.labels import steps
from simulator.sweeping.settings import read_settings
from simulator.sweeping.source import checked, fault_at, part, without
from simulator.tuning.keys import TuneFile, TuneKeys
from simulator.yaml_source import read, write


@dataclass(frozen=True)
class Tuning:
    """An arm to tune in a world that stays the same."""

    title: str
    question: str
    keys: TuneKeys
    knobs: tuple[Dimension, ...]
    scenario: Scenario  # as the file has it, all arms
    seed: int  # of the search
    base: Changed = field(repr=False, compare=False)
    allow_code: bool = False

    def with_setting(self, setting: Mapping[str, Level]) -> Scenario:
        """The whole scenario with the knobs at these levels, by label."""
        (cell,) = make_cells(self.base, [setting], self.base, {}, self.allow_code)
        return cell.scenario

    def trial(self, setting: Mapping[str, Level]) -> Scenario:
        """What a trial plays: the tuned arm alone. Draws are keyed, so it meets the very users and chance of the other arms."""
        whole = self.with_setting(setting)
        return whole.model_copy(update={"policies": (whole.policies[self._place],)})

    @property
    def others(self) -> Scenario:
        """What is played once for all trials: the other arms."""
        arms = tuple(arm for place, arm in enumerate(self.scenario.policies) if place != self._place)
        return self.scenario.model_copy(update={"policies": arms})

    def held_out(self, setting: Mapping[str, Level]) -> Scenario:
        """The whole scenario with this setting in fresh replicates: those of the next seed."""
        fresh = {"seed": (self.scenario.seed + 1) % 2**63, "replicates": self.keys.held_out}
        return self.with_setting(setting).model_copy(update=fresh)

    @property
    def _place(self) -> int:
        return [arm.name for arm in self.scenario.policies].index(self.keys.arm)

    def resolved(self) -> str:
        """The tune file with its options and its scenario written in."""
        tune = self.keys.model_dump(mode="json", exclude_none=True) | {"seed": self.seed}
        return write({"title": self.title, "question": self.question, "base": self.base.values, "tune": tune})


def load_tune(
    path: str | Path, overrides: Sequence[str] = (), trials: int | None = None, seed: int | None = None,
    replicates: int | None = None, data: str | None = None, allow_code: bool = False,
) -> Tuning:  # fmt: skip
    """Read and check a tune file. All that is wrong with it is one ScenarioError.

    The options are those of `load_scenario`; `tune.trials=50` and the like change the tune, and `trials` is short for that.
    """
    changes = [parse_override(text) for text in overrides]
    own = [change for change in changes if change.loc[0] == "tune"]
    if trials is not None:
        own.append(Override(f"--trials {trials}", ("tune", "trials"), trials))
    document = apply(read(path), own, {})
    if not isinstance(document.values, dict):
        message = f"must be a mapping of keys to values (got {shown(document.values)})"
        raise ScenarioError([*document.faults, fault_at(document, (), message)])
    faults = list(document.faults)
    head, start = _head(document, Path(path).parent, faults)
    keys, knobs = _tune(document, faults)
    if start is None:
        raise ScenarioError(faults)
    if allow_code:
        make_importable([Path(start.name).parent, Path(path).parent, Path()])
    settings, where = read_settings(document, head.set if head else None, faults)
    settings += [change for change in changes if change.loc[0] != "tune"]
    try:
        base = apply(start, [*settings, *option_overrides(start, seed, replicates, data)], _defaults())
        (cell,) = make_cells(base, [{}], document, where, allow_code)
    except ScenarioError as error:
        placed = (fault_at(document, where[f.where], f.message, f.key) if f.where in where else f for f in error.faults)
        raise ScenarioError([*faults, *placed]) from None
    if keys is not None:
        faults += _misfits(document, keys, knobs, cell.scenario)
    if faults or keys is None:
        raise ScenarioError(faults)
    make_cells(base, [*_ends(knobs)], document, where, allow_code)
    title = cell.scenario.title if head is None or head.title is None else head.title
    question = cell.scenario.question if head is None or head.question is None else head.question
    search = cell.scenario.seed % 2**32 if keys.seed is None else keys.seed
    return Tuning(title, question, keys, tuple(knobs), cell.scenario, search, base, allow_code)


def _head(document: Changed, folder: Path, faults: list[Fault]) -> tuple[TuneFile | None, Changed | None]:
    """What stands beside `tune` in a file that points at its scenario (None: the file is one), and the scenario's source."""
    if "base" not in document.values and set(document.values) - set(TuneFile.model_fields):
        if "tune" not in document.values:
            faults.append(fault_at(document, (), "is missing: say what is tuned", "tune"))
        return None, replace(without(document, "tune"), faults=())
    head = checked(TuneFile, document, ())
    if isinstance(head, list):
        faults += head
        return None, None
    start = part(document, ("base",))
    if isinstance(head.base, str):
        try:
            start = apply(read(folder / head.base), (), {})
        except ScenarioError as error:
            for fault in error.faults:
                words = f"{fault.where}: {fault.message}"
                faults.append(fault if fault.line else fault_at(document, ("base",), words))
            return head, None
        faults += start.faults
    if isinstance(start.values, dict):
        if "base" in start.values:
            faults.append(fault_at(document, ("base",), f"{start.name} is no scenario itself; name the one that it points at"))
            return head, None
        start = without(without(start, "tune"), "sweep")
    return head, replace(start, faults=())


def _tune(document: Changed, faults: list[Fault]) -> tuple[TuneKeys | None, list[Dimension]]:
    """The section `tune` and its knobs."""
    if "tune" not in document.values:
        return None, []
    keys = checked(TuneKeys, document, ("tune",))
    if isinstance(keys, list):
        faults += keys
        return None, []
    knobs, more = read_axes(document, ("tune", "axes"), keys.axes)
    for knob in knobs:
        for key in knob.keys:
            way = steps(key)
            if way[:2] != ("policies", keys.arm) or len(way) < 3 or way[2] == "name":
                message = f"is no key of the tuned arm {keys.arm!r}: write it as in {_arm_key(keys.arm)}.rerank.strength"
                more.append(fault_at(document, knob.loc, message, key))
        if knob.range is None and len(knob.levels) < 2:
            more.append(fault_at(document, knob.loc, "has one value, and so nothing to tune: give it two or a range"))
    faults += more
    return keys, knobs


def _arm_key(arm: str) -> str:
    return f"policies[{arm}]" if "." in arm else f"policies.{arm}"


def _misfits(document: Changed, keys: TuneKeys, knobs: Sequence[Dimension], scenario: Scenario) -> list[Fault]:
    """What the tune asks of its scenario and does not find there."""
    faults = []
    names = [arm.name for arm in scenario.policies]
    for name, loc in ((keys.arm, ("arm",)), (keys.floor.of, ("floor", "of"))):
        if name not in names:
            message = f"there is no arm {shown(name)}{did_you_mean(name, names)}"
            faults.append(fault_at(document, ("tune", *loc), message))
    taken = select(scenario.measures.names)
    goal = "maximise" if keys.sign > 0 else "minimise"
    for measure, loc in ((keys.goal, (goal,)), (keys.floor.measure, ("floor", "measure"))):
        if measure not in taken:
            message = f"{measure!r} is not taken: the scenario's `measures.names` leave it out"
            faults.append(fault_at(document, ("tune", *loc), message))
    if scenario.precision is not None:
        message = "the scenario has a `precision`, and a tune needs the same number of replicates in every trial: leave it out"
        faults.append(fault_at(document, ("tune",), message))
    if keys.floor.sure and scenario.replicates < 2:
        message = f"needs an interval, and so two replicates or more (the scenario has {scenario.replicates})"
        faults.append(fault_at(document, ("tune", "floor", "sure"), message))
    return faults


def _ends(knobs: Sequence[Dimension]) -> list[dict[str, Level]]:
    """Settings that between them hold both ends of every range and every value of every list."""
    first = {knob.label: knob.at(0.0) for knob in knobs}
    return [
        first | {knob.label: level}
        for knob in knobs
        for level in (knob.levels if knob.range is None else (knob.at(0.0), knob.at(1.0)))
    ]
