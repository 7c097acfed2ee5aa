"""Sliders for a scenario's numbers: which, from where to where and what they mean, read off the scenario's own keys."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from policies.base import Policy
from simulator.arms import EXPLORE, RERANK, OneArm
from simulator.docs import in_words, one_line
from simulator.faults import Loc, dotted
from simulator.keys.discovery import DiscoveryKeys
from simulator.keys.items import ItemKeys
from simulator.keys.users import UserKeys
from simulator.parts import OneOf, kind_of
from simulator.reference import PARTS
from simulator.scenario import Scenario

Number = int | float

_SHARES = (*(n / 100 for n in range(10)), *(n / 100 for n in range(10, 101, 5)))
_STOPS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)    # in each power of ten
_REACH = 10.0                                   # times more and times less than the scenario says


@dataclass(frozen=True)
class Knob:
    """One number of the scenario that a slider moves."""

    loc: Loc
    group: str
    label: str
    meaning: str
    range: str                      # in words, as `filterbubble show` has it
    stops: tuple[Number, ...]       # ascending; the scenario's own value is among them
    value: Number

    @property
    def key(self) -> str:
        return dotted(self.loc)


@dataclass(frozen=True)
class Range:
    """Where the type of a key lets its number lie."""

    kind: type[Number]
    low: float = -math.inf
    high: float = math.inf
    above: bool = False             # `low` itself is left out
    below: bool = False             # `high` itself is left out

    def __contains__(self, value: Number) -> bool:
        over = value > self.low if self.above else value >= self.low
        return over and (value < self.high if self.below else value <= self.high)


def knobs(scenario: Scenario, arms: Sequence[int]) -> list[Knob]:
    """Return the sliders: population, behaviour, catalogue, discovery, slates, and how often these arms (places) retrain …

    A key whose value is null, and one that does nothing in this world, has none.
    """
    values = scenario.model_dump(mode="json")
    found = []
    for keys in _shortlist(scenario, arms):
        for name in keys.names or keys.model.model_fields:
            loc, field = (*keys.loc, name), keys.model.model_fields[name]
            limits, value = number_range(field), _at(values, loc)
            if limits is None or isinstance(value, bool) or not isinstance(value, int | float):
                continue
            label = ": ".join(str(step) for step in loc[keys.said :]).replace("_", " ")
            words = in_words(field.annotation, field.metadata)
            found.append(Knob(loc, keys.group, label, one_line(field.description or ""), words, stops(limits, value), value))
    return found


class _Keys(NamedTuple):
    group: str                      # heading
    loc: Loc
    said: int                       # steps of `loc` that the heading says already
    model: type[BaseModel]
    names: tuple[str, ...] = ()     # which of its keys; empty: all that are numbers


def _shortlist(scenario: Scenario, arms: Sequence[int]) -> Iterator[_Keys]:
    users = scenario.users
    yield _Keys("Users", ("users",), 1, UserKeys, ("count",))
    for key, group in (("choice", "choices"), ("drift", "drifts")):
        choice, table = PARTS[group]
        yield _Keys("Users", ("users", key), 1, choice.model(kind_of(table, getattr(users, key))))
    yield _Keys("Items", ("items",), 1, ItemKeys, ("count", "topics") if scenario.data is None else ("count",))
    yield _Keys("Discovery", ("discovery",), 1, DiscoveryKeys)
    yield _Keys("Platform", (), 0, Scenario, ("slate_size",))
    for place in dict.fromkeys(arms):
        arm, loc = scenario.policies[place], ("policies", place)
        if isinstance(arm.policy, Policy) and arm.policy.trains and not arm.frozen:
            one = OneArm()
            yield _Keys(f"Arm {arm.name}", loc, 2, one.model(kind_of(one.table, arm.policy)), ("retrain_every",))
        stages: tuple[tuple[str, OneOf, Any], ...] = (("rerank", RERANK, arm.rerank), ("explore", EXPLORE, arm.explore))
        for key, choice, part in stages:
            if part is not None:
                yield _Keys(f"Arm {arm.name}", (*loc, key), 2, choice.model(kind_of(choice.table, part)))


def _at(values: Any, loc: Loc) -> Any:
    for step in loc:
        values = values[step]
    return values


def number_range(field: FieldInfo) -> Range | None:
    """Return where the number of a key may lie; None if the key is no number. `null` beside a number is passed over."""
    return _range(field.annotation, field.metadata)


def _range(hint: Any, metadata: Sequence[Any]) -> Range | None:
    if get_origin(hint) is Annotated:
        inner, *more = get_args(hint)
        return _range(inner, [*more, *metadata])
    if get_origin(hint) in (Union, UnionType):
        ranges = [_range(member, metadata) for member in get_args(hint)]
        return next((found for found in ranges if found), None)
    if hint not in (int, float):
        return None
    limits: dict[str, Any] = {}
    for each in metadata:
        for bound in each if isinstance(each, GroupedMetadata) else [each]:
            match bound:
                case Ge(end):
                    limits |= {"low": end, "above": False}
                case Gt(end):
                    limits |= {"low": end, "above": True}
                case Le(end):
                    limits |= {"high": end, "below": False}
                case Lt(end):
                    limits |= {"high": end, "below": True}
    return Range(hint, **limits)


def stops(limits: Range, value: Number) -> tuple[Number, ...]:
    """Return the values that a slider stops at, ascending: round numbers that the key's type allows, and `value`.

    A share runs from 0 to 1, finely below a tenth, where rates lie. A number that may be negative runs as far to both sides;
    any other from a tenth to ten times the scenario's value, and to 0 where 0 is allowed.
    """
    found: set[Number]
    if limits.low >= 0 and limits.high <= 1 and limits.kind is float:
        found = set(_SHARES)
    elif limits.low < 0:
        end = next(_round_numbers(2 * abs(value) or 1.0, math.inf, steps=(1.0, 2.0, 5.0)))
        found = {round(end * n / 20, 12) for n in range(-20, 21)}
    else:
        centre = value or 1.0
        found = {0.0, *(stop for stop in _round_numbers(centre / _REACH, centre * _REACH))}
    if limits.kind is int:
        found = {int(stop) for stop in found if stop == int(stop)}
    return tuple(sorted({stop for stop in found if stop in limits} | {value}))


def _round_numbers(low: float, high: float, steps: Sequence[float] = _STOPS) -> Iterator[float]:
    """1, 1.5, 2, 3, 4, 5, 7, 10, 15 … from `low` to `high`, whichever power of ten that is."""
    power = math.floor(math.log10(low))
    while True:
        for stop in steps:
            number = float(f"{stop}e{power}")
            if number > high * (1 + 1e-9):
                return
            if number >= low * (1 - 1e-9):
                yield number
        power += 1
