"""The arms that a scenario compares: a policy or a control each, and how the platform runs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Interval
from pydantic_core import InitErrorDetails

from policies import POLICIES
from policies.base import Policy
from policies.candidates import Explorer, Reranker
from policies.explore import EXPLORERS
from policies.people import PEOPLE, PeopleRecommender
from policies.rerank import RERANKERS
from simulator.controls import CONTROLS, ABTest, Control
from simulator.docs import MOST
from simulator.faults import did_you_mean
from simulator.parts import OneOf, PartKeys, instance, kind_of, model_of, own_keys, problem, wrong
from simulator.ranges import Count, Text, at_least_one
from simulator.trains_on import EVERY_TAKE, TrainsOn

RERANK = OneOf(RERANKERS, "reranker", Reranker)
EXPLORE = OneOf(EXPLORERS, "explorer", Explorer)
WHO_TO_FOLLOW = OneOf(PEOPLE, "way to suggest people", PeopleRecommender)


@dataclass(frozen=True)
class Arm:
    """One side of the comparison: a policy, or a control, and how the platform runs it."""

    name: str
    policy: Policy | Control  # as configured, not yet fitted
    frozen: bool = False
    retrain_every: int = 5  # rounds
    popularity_boost: float = 0.0
    rerank: Reranker | None = None
    explore: Explorer | None = None
    train_window: int | None = None  # rounds
    train_lag: int = 0  # rounds
    trains_on: TrainsOn = EVERY_TAKE
    who_to_follow: PeopleRecommender | None = None
    repeats: bool = True
    cold_start: bool = True
    holds_out: bool = True


class ControlKeys(PartKeys):
    """The keys that every arm has."""

    name: Text | None = None
    """Label of the arm. Default: its kind."""

    who_to_follow: Annotated[PeopleRecommender, WHO_TO_FOLLOW] | None = None
    """Whom the platform suggests to a user who is ready to follow somebody new; null = nobody, she finds somebody herself.
    `network.rewiring` says how often that is."""


class PolicyKeys(ControlKeys):
    """The keys that every policy has beside its own."""

    frozen: bool = False
    """Fit once, after the warm-up, and never again."""

    retrain_every: Count = 5
    """Rounds from one fit to the next."""

    train_window: Count | None = None
    """Newest rounds of the log that a fit learns from; null = all of it. What was taken before is still not shown again."""

    train_lag: Annotated[int, Interval(ge=0, le=MOST)] = 0
    """Newest rounds of the log that a fit does not have yet, as where data are gathered once a day. Slates are made for what a
    user has taken until now all the same, and `train_window` counts from where the fit's data end."""

    trains_on: TrainsOn = EVERY_TAKE
    """What it learns from: takes, or those that were liked, shared, rated or dwelt on (`users.feedback`)."""

    repeats: bool = True
    """Recommend again what a user took before, as soon as she may take it again (`users.repeats`); false = never."""

    cold_start: bool = True
    """Score what it could not learn anything about, new items and those that nobody has taken, by what is like them; false =
    new items are not ranked before the next training, and what nobody has taken has the policy's own score. With `creators`."""

    holds_out: bool = True
    """Keep the newest take of a tenth of the users out of each training, to see how good it is; false = learn from everything,
    and never know."""

    popularity_boost: Annotated[float, Interval(ge=-1e6, le=1e6)] = 0.0
    """β: adds β · log(1 + popularity) to the scores; a positive control for popularity bias."""

    rerank: Annotated[Reranker, RERANK] | None = None
    """Puts the best-scored items in another order."""

    explore: Annotated[Explorer, EXPLORE] | None = None
    """Shows some items not because they are best but to learn about them."""


class OneArm(OneOf):
    """Annotates an arm: the name of a policy or control, or a mapping with `kind`."""

    def __init__(self) -> None:
        super().__init__({**POLICIES, **CONTROLS}, "policy", Policy)

    def made(self, value: Any) -> bool:
        return isinstance(value, Arm)

    def model(self, kind: str) -> type[PartKeys]:
        return model_of(kind, self.part(kind), ControlKeys if kind in CONTROLS else PolicyKeys)

    def build(self, keys: Any) -> Arm:
        name, part = keys.name or keys.kind, instance(self.part(keys.kind), keys)
        if keys.kind in CONTROLS:
            return Arm(name, part, who_to_follow=keys.who_to_follow)
        return Arm(
            name, part, keys.frozen, keys.retrain_every, keys.popularity_boost, keys.rerank, keys.explore, keys.train_window,
            keys.train_lag, keys.trains_on, keys.who_to_follow, keys.repeats, keys.cold_start, keys.holds_out,
        )

    def dump(self, value: Arm) -> dict[str, Any]:
        kind = kind_of(self.table, value.policy)
        follow = value.who_to_follow and WHO_TO_FOLLOW.dump(value.who_to_follow)
        keys: dict[str, Any] = {"kind": kind, "name": value.name, "who_to_follow": follow}
        if kind not in CONTROLS:
            keys |= {
                "frozen": value.frozen,
                "retrain_every": value.retrain_every,
                "train_window": value.train_window,
                "train_lag": value.train_lag,
                "trains_on": value.trains_on.model_dump(mode="json"),
                "repeats": value.repeats,
                "cold_start": value.cold_start,
                "holds_out": value.holds_out,
                "popularity_boost": value.popularity_boost,
                "rerank": value.rerank and RERANK.dump(value.rerank),
                "explore": value.explore and EXPLORE.dump(value.explore),
            }
        return keys | own_keys(value.policy)


def comparable(arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
    at_least_one(arms)
    names = [arm.name for arm in arms]
    twice = [place for place, name in enumerate(names) if name in names[:place]]
    if twice:
        message = "is the second arm called {!r}; give it another `name:`"
        raise wrong(*(problem(message.format(names[place]), (place,)) for place in twice))
    problems = [found for place, arm in enumerate(arms) for found in unknown_sides(arm, arms, (place, "of"))]
    if problems:
        raise wrong(*problems)
    return arms


def unknown_sides(arm: Arm, arms: tuple[Arm, ...], where: tuple[str | int, ...]) -> Iterator[InitErrorDetails]:
    """What an A/B test, whose key `of` stands at `where`, compares and is no arm of the scenario, or a test itself."""
    names = [each.name for each in arms]
    for side, name in enumerate(arm.policy.of if isinstance(arm.policy, ABTest) else ()):
        if name not in names:
            yield problem(f"there is no arm {name!r}{did_you_mean(name, names)}", (*where, side))
        elif isinstance(arms[names.index(name)].policy, ABTest):
            yield problem(f"{name!r} is an A/B test itself", (*where, side))
