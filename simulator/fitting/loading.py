"""From a file to what is to be fitted: read whole, and checked before anything runs, the ends of every range too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from simulator.controls import Organic
from simulator.datasets import Dataset, DatasetError
from simulator.faults import Fault, ScenarioError, did_you_mean, shown
from simulator.fitting.keys import FitKeys
from simulator.overrides import Changed, Override, apply, parse_override
from simulator.own_code import make_importable
from simulator.posterior import key_steps, refusal
from simulator.scenario import Scenario, _defaults, check
from simulator.sweeping.axes import Dimension, read_axes
from simulator.sweeping.source import checked, fault_at, without
from simulator.yaml_source import read, write

SPARE = 1.6
"""Simulated users for each real one of a half: some take too little to be compared."""

HALVING, REAL, SIMULATED, DRAWING = range(4)
"""Streams of chance that a fit needs beside those of its worlds."""

BEHAVIOUR: dict[str, dict[str, Any]] = {
    "items.popularity_skew": {"low": 0.2, "high": 1.8},
    "users.activity.mean": {"low": 0.05, "high": 0.6},
    "users.activity.spread": {"low": 0.02, "high": 0.3},
    "users.interests.concentration": {"low": 0.05, "high": 2.0, "scale": "log"},
    "users.choice.temperature": {"low": 0.02, "high": 1.0, "scale": "log"},
    "users.choice.outside_utility": {"low": -1.0, "high": 1.0},
    "users.drift.rate": {"low": 0.0, "high": 0.2},
    "discovery.popularity_weight": {"low": 0.0, "high": 1.0},
    "discovery.share": {"low": 0.0, "high": 1.0},
}
"""What is fitted if the file does not say: these keys, as far as the parts that the scenario chose have them."""


@dataclass(frozen=True)
class Fitting:
    """A scenario some of whose keys are to be fitted to a log, and the log's users in two halves."""

    title: str
    keys: FitKeys
    axes: tuple[Dimension, ...]
    arm: str
    scenario: Scenario              # as the file has it, sizes filled in
    seed: int
    fitted_to: np.ndarray           # users of the log that the search goes by
    held_out: np.ndarray            # the others
    base: Changed = field(repr=False, compare=False)
    allow_code: bool = False

    def values(self, point: np.ndarray) -> dict[str, float]:
        """Return the value of each key at a point of the unit cube (p,)."""
        return {axis.keys[0]: axis.at(float(share)).value for axis, share in zip(self.axes, point, strict=True)}

    def with_values(self, values: Mapping[str, float]) -> Changed:
        """Return the source of the whole scenario with these values."""
        return apply(self.base, [Override(f"fit {key}", key_steps(key), value) for key, value in values.items()], _defaults())

    def world(self, values: Mapping[str, float], seed: int) -> Scenario:
        """Return what one simulation plays: the one arm, once, its log kept. Values that fit no world are a `ScenarioError`."""
        whole = check(self.with_values(values), (), self.allow_code)
        arms = tuple(arm for arm in whole.policies if arm.name == self.arm)
        measures = whole.measures.model_copy(update={"names": ("consumption.gini",), "every": whole.rounds})
        report = whole.report.model_copy(update={"log": True, "snapshots": ()})
        return whole.model_copy(update={
            "policies": arms, "replicates": 1, "precision": None, "measures": measures, "report": report,
            "seed": (whole.seed + seed) % 2**63,
        })  # fmt: skip

    @property
    def recommends(self) -> bool:
        """Does the arm have a recommender at all?"""
        (arm,) = (arm for arm in self.scenario.policies if arm.name == self.arm)
        return not isinstance(arm.policy, Organic)

    def resolved(self) -> str:
        """Return the file with its options written in."""
        fit = self.keys.model_dump(mode="json", exclude_none=True) | {"arm": self.arm, "seed": self.seed}
        ranges = {axis.keys[0]: {"low": axis.range.low, "high": axis.range.high, "scale": axis.range.scale,
                                 "integer": axis.range.integer} for axis in self.axes if axis.range is not None}  # fmt: skip
        return write({**self.base.values, "fit": fit | {"axes": ranges}})


@dataclass(frozen=True)
class FitFile:
    """A file that was read, before the log is."""

    document: Changed
    base: Changed
    keys: FitKeys
    axes: tuple[Dimension, ...]
    scenario: Scenario
    allow_code: bool


def read_fit(
    path: str | Path, overrides: Sequence[str] = (), simulations: int | None = None, seed: int | None = None,
    allow_code: bool = False,
) -> FitFile:  # fmt: skip
    """Read and check a scenario file with a section `fit`, or without one. All that is wrong with it is one ScenarioError.

    `fit.depth=10` and the like among the overrides change the fit; `simulations` is short for that.
    """
    changes = [parse_override(text) for text in overrides]
    own = [change for change in changes if change.loc[0] == "fit"]
    if simulations is not None:
        own.append(Override(f"--simulations {simulations}", ("fit", "simulations"), simulations))
    others = [change for change in changes if change.loc[0] != "fit"]
    if seed is not None:
        others.append(Override(f"--seed {seed}", ("seed",), seed))
    document = apply(read(path), own, {})
    if not isinstance(document.values, dict):
        message = f"must be a mapping of keys to values (got {shown(document.values)})"
        raise ScenarioError([*document.faults, fault_at(document, (), message)])
    faults = list(document.faults)
    if allow_code:
        make_importable([Path(path).parent, Path()])
    base = replace(apply(without(document, "fit"), others, _defaults()), faults=())
    keys: FitKeys | None = FitKeys()
    if "fit" in document.values:
        found = checked(FitKeys, document, ("fit",))
        if isinstance(found, list):
            faults, keys = faults + found, None
        else:
            keys = found
    try:
        scenario = check(base, (), allow_code)
    except ScenarioError as error:
        raise ScenarioError([*faults, *error.faults]) from None
    if keys is None:
        raise ScenarioError(faults)
    axes, more = _axes(document, base, keys, scenario)
    faults += [*more, *_misfits(document, keys, scenario)]
    if faults:
        raise ScenarioError(faults)
    return FitFile(document, base, keys, tuple(axes), scenario, allow_code)


def _axes(document: Changed, base: Changed, keys: FitKeys, scenario: Scenario) -> tuple[list[Dimension], list[Fault]]:
    """The keys to fit with their ranges, and all that is wrong with them."""
    if keys.axes is None:
        there = {key: ranges for key, ranges in BEHAVIOUR.items() if _has(base, key)}
        source = apply(document, [Override("fit", ("fit", "axes"), there)], {})
        return read_axes(source, ("fit", "axes"), there)
    axes, faults = read_axes(document, ("fit", "axes"), keys.axes)
    for axis in axes:
        if axis.range is None:
            faults.append(fault_at(document, axis.loc, "needs a range, {low: …, high: …}, in which it may lie"))
        elif (message := refusal(axis.keys[0])) is not None:
            faults.append(fault_at(document, axis.loc, message))
        else:
            faults += _ends(document, base, axis, scenario)
    return axes, faults


def _ends(document: Changed, base: Changed, axis: Dimension, scenario: Scenario) -> Iterator[Fault]:
    """What is wrong with a key, or with both ends of its range: one alone may fit only with other values of other keys."""
    found = []
    for share in (0.0, 1.0):
        try:
            draw = [Override("fit", key_steps(axis.keys[0]), axis.at(share).value)]
            check(apply(base, draw, _defaults()), (), True)
        except ScenarioError as error:
            found.append(error.faults[0])
    if len(found) == 2 or any(fault.key == axis.keys[0] for fault in found):
        yield fault_at(document, axis.loc, found[0].message)


def _has(base: Changed, key: str) -> bool:
    """Has the scenario this key, with the parts that it chose?"""
    try:
        low = BEHAVIOUR[key]["low"]
        check(apply(base, [Override("fit", key_steps(key), low)], _defaults()), (), True)
    except ScenarioError as error:
        return not any("there is no key" in fault.message for fault in error.faults)
    return True


def _misfits(document: Changed, keys: FitKeys, scenario: Scenario) -> list[Fault]:
    """What the fit asks of its scenario and does not find there."""
    faults = []
    names = [arm.name for arm in scenario.policies]
    if keys.arm is not None and keys.arm not in names:
        message = f"there is no arm {shown(keys.arm)}{did_you_mean(keys.arm, names)}"
        faults.append(fault_at(document, ("fit", "arm"), message))
    if scenario.data is not None:
        message = "makes the world from the log that it is to be compared with: a fit compares a generated world; leave it out"
        faults.append(fault_at(document, ("data",), message))
    if scenario.posterior is not None:
        faults.append(fault_at(document, ("posterior",), "is what a fit finds: leave it out"))
    if scenario.precision is not None:
        faults.append(fault_at(document, (), "a fit plays each world once: give a number of `replicates`", "replicates"))
    return faults


def fitting(file: FitFile, data: Dataset) -> Fitting:
    """Return what is to be fitted to a log: its users in two halves by chance, and the sizes that the file leaves out."""
    keys, scenario = file.keys, file.scenario
    seed = scenario.seed % 2**32 if keys.seed is None else keys.seed
    takes = np.bincount(data.users, minlength=data.n_users)
    users = np.flatnonzero(takes >= keys.depth)
    if len(users) < 4:
        raise DatasetError(
            f"{data.name}: {len(users)} of its {data.n_users} users took {keys.depth} items or more; lower `fit.depth`"
        )
    fitted_to, held_out = matched_halves(users, takes[users], np.random.default_rng((seed, HALVING)))
    sizes = {"users.count": math.ceil(SPARE * len(fitted_to)), "items.count": data.n_items, "items.topics": data.n_topics}
    values = file.base.values
    left_out = [key for key in sizes if key.split(".")[1] not in (values.get(key.split(".")[0]) or {})]
    base = apply(file.base, [Override(f"fit {key}", key_steps(key), sizes[key]) for key in left_out], _defaults())
    arm = scenario.policies[0].name if keys.arm is None else keys.arm
    whole = check(base, (), file.allow_code)
    return Fitting(whole.title, keys, file.axes, arm, whole, seed, fitted_to, held_out, base, file.allow_code)


def matched_halves(users: np.ndarray, takes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cut users in two, matched by activity: of every two of neighbouring numbers of takes, chance puts one in each half.

    Both sorted; of an odd number the most active is in the second. Matched, the halves differ less by chance than at random,
    in what goes with activity; in activity itself hardly at all. Blocking, after Fisher 1935, "The design of experiments".
    """
    order = users[np.lexsort((rng.random(len(users)), takes))]
    pairs = order[: len(order) // 2 * 2].reshape(-1, 2)
    swapped = rng.random(len(pairs)) < 0.5
    one, other = np.where(swapped, pairs[:, 1], pairs[:, 0]), np.where(swapped, pairs[:, 0], pairs[:, 1])
    return np.sort(one), np.sort(np.concatenate([other, order[2 * len(pairs) :]]))
