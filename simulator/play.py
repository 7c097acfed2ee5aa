"""Plays one arm in one replicate and keeps what is to be written down."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agents import describe
from agents.language.record import Asked
from policies.log import FeedbackLog
from policies.validation import Epoch
from simulator.datasets import Dataset
from simulator.language import asked_in
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario
from simulator.supply import Supplied, supplied
from simulator.warmup import WarmStart

if TYPE_CHECKING:
    from simulator.store import Store

Tell = Callable[[int, dict[str, float] | None], None]
"""Is told each round when it has been played, with its measures if it was measured."""


@dataclass(frozen=True)
class Played:
    """What one arm did to the users of one replicate."""

    arm: str
    replicate: int
    seconds: float
    training_seconds: float
    trajectory: list[tuple[int, dict[str, float]]]  # (round, measures)
    training: list[tuple[int, Epoch]]               # (round, epoch)
    snapshots: list[tuple[int, np.ndarray]]         # (round, interests (N, T) float32)
    circles: list[tuple[int, np.ndarray, np.ndarray]]   # (round, followers (E,), followed (E,)); empty without a network
    group: np.ndarray                               # (N,) int64
    people: dict[str, np.ndarray]                   # what became of each user: see `Tally.outcomes`
    served_by: list[str]                            # the arm whose policy served each user
    main_topic: np.ndarray                          # (M,) int64
    titles: tuple[str, ...] | None
    topic_names: tuple[str, ...]
    exposures: np.ndarray                           # (M,) int64: times shown in rounds 1 …
    takes: np.ndarray                               # (M,) int64: times taken in rounds 1 …
    supplied: Supplied | None                       # what became of creators; None: the catalogue stood still
    log: FeedbackLog | None                         # only where the scenario asks for it
    asked: tuple[Asked, ...] = ()                   # what was asked of a language model, warm-up included


def play(
    scenario: Scenario, data: Dataset | None, arm: int, replicate: int, tell: Tell, warm: WarmStart, store: Store, every: float
) -> Played:
    """Play all rounds of `scenario.policies[arm]` in this replicate, or those that are left of them.

    Whenever `every` seconds have passed since it last was, the model is kept in the store (0 = before each round). The warm-up,
    which other arms may have lived through already, is one piece.
    """
    unit = arm, replicate
    started = kept = time.perf_counter()
    model, before = store.model(unit) or (warm.model(scenario, arm, replicate, data), 0.0)
    for round, values in model.trajectory:
        tell(round, values)
    try:
        while model.round < scenario.rounds:
            now = time.perf_counter()
            if now - kept >= every:
                store.keep(unit, model, before + now - started)
                kept = time.perf_counter()
            model.step()
            measured = bool(model.trajectory) and model.trajectory[-1][0] == model.round
            tell(model.round, model.values if measured else None)
        topics = model.catalog.topics
        keep_users = replicate == 0         # one replicate's people are enough to look at
        return Played(
            arm=scenario.policies[arm].name,
            replicate=replicate,
            seconds=before + time.perf_counter() - started,
            training_seconds=model.platform.training_seconds,
            trajectory=model.trajectory,
            training=model.platform.training,
            snapshots=[(round, interests.numpy()) for round, interests in model.snapshots] if keep_users else [],
            circles=[
                (round, ties.follower.numpy(), ties.followed.numpy()) for round, ties in model.circles if keep_users
            ],
            group=model.users.group.numpy(),
            people=model.tally.outcomes(start=model.snapshots[0][1], end=model.snapshots[-1][1]),
            served_by=model.platform.servants(),
            main_topic=topics.argmax(1).numpy(),
            titles=tuple(model.catalog.titles) if model.catalog.titles else None,
            topic_names=topic_names(model),
            exposures=model.exposures.numpy(),
            takes=model.takes.numpy(),
            supplied=None if model.side is None else supplied(model.side, model.exposures, model.takes),
            log=model.platform.log if scenario.report.log and replicate == 0 else None,
            asked=asked_in(model),
        )
    finally:
        model.close()


def topic_names(model: FilterBubbleModel) -> tuple[str, ...]:
    """What topics are called."""
    return describe.topic_names(model.catalog)
