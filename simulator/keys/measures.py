"""The keys of a scenario that say what is measured, and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Strict

from simulator.measures import select
from simulator.measures.frame import Pairs
from simulator.parts import Section
from simulator.ranges import Count, at_least_one


def _asks_for_something(name: str) -> str:
    select([name])  # says what is wrong with a name that no measure has
    return name


MeasureName = Annotated[str, AfterValidator(_asks_for_something)]


class MeasureKeys(Section):
    """What is measured, and how."""

    names: Annotated[tuple[MeasureName, ...], Strict(False), AfterValidator(at_least_one)] = ("*",)
    """The measures to take; `*` stands for anything: `exposure.*`."""

    window: Count | Literal["cumulative"] = 10
    """Number of rounds that a measure of what was shown or consumed looks back; cumulative: all."""

    every: Count = 1
    """Rounds from one measurement to the next."""

    panel: Count = 1000
    """Number of users that costly measures look at, always the same."""

    pairs: Pairs = "sample"
    """The pairs of users that are compared: a sample, all, each user with the nearest by interests (nearest), or with the one
    who is most like her as the policy sees them, anew in every round (policy). The last are compared with the same two under
    the oracle, too, which is played beside each arm for that."""

    pair_sample: Count = 10_000
    """Number of pairs in the sample."""

    rarefied_to: Count = 5
    """Number of takes of each user's that are drawn for `consumption.rarefied_entropy`; who took fewer is left out."""

    topic: Count | None = None
    """A topic to watch, by its number from 1: its share of what is shown and taken, and how much a policy amplifies it."""
