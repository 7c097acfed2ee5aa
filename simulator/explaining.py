"""Why a user was shown what she was shown: a run is played again up to that slate, and its policy is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from policies.base import Policy
from policies.cold import explain_all
from policies.explanation import Explanation
from simulator.datasets import Dataset
from simulator.model import FilterBubbleModel
from simulator.play import topic_names
from simulator.scenario import Scenario

WITNESSES = ("consumption.gini", "interests.drift", "utility.per_user")
"""Cheap measures of which one is taken again, to see that the replay is the run."""


class CannotExplain(ValueError):
    """There is no such slate, or nothing behind it; the message says why."""


@dataclass(frozen=True)
class Reason:
    """One thing that carried an item's score."""

    label: str                      # an item of the user's history, a topic, or a feature
    part: float                     # as the explanation's method says


@dataclass(frozen=True)
class Place:
    """One place of the slate."""

    item: int
    title: str
    stage: str                      # what put it there: retrieval, re-ranking or exploration
    reasons: tuple[Reason, ...]     # those that carried most, largest first
    others: float                   # sum of the history's remaining parts
    rest: float                     # what the history does not carry


@dataclass(frozen=True)
class Explained:
    """A slate and its reasons."""

    arm: str
    policy: str                     # its kind
    user: int
    round: int
    trained_in: int                 # round of the training that the scores come from
    known: bool                     # False: nothing was known of her, and she got what is popular
    method: str
    of: str
    asked: str | None               # the topic that she asked for; None: in this world nobody asks
    places: tuple[Place, ...]
    same_as_the_run: bool | None    # does the replay agree with the run's trajectory? None: nothing to compare


def explain(
    scenario: Scenario, data: Dataset | None, arm: str, replicate: int, user: int, round: int, most: int = 3,
    trajectory: pd.DataFrame | None = None,
) -> Explained:
    """Play an arm again up to the slates of `round`, and say what carried each item of this user's slate.

    `most`: reasons per item. `trajectory`: that of the run, to check the replay with.
    """
    place = next(number for number, each in enumerate(scenario.policies) if each.name == arm)
    witness, replayed = _to_replay(scenario, trajectory)
    model = FilterBubbleModel(replayed, scenario.policies[place], replicate, data)
    try:
        while model.round < round - 1:
            model.step()
        return _explained(model, user, most, _agrees(model, arm, replicate, witness, trajectory))
    finally:
        model.close()


def _explained(model: FilterBubbleModel, user: int, most: int, same: bool | None) -> Explained:
    """Open the next round as `FilterBubbleModel.step` does, up to the slates, and look at one."""
    platform = model.platform
    if not 0 <= user < len(model.users):
        raise CannotExplain(f"--user {user}: users are numbered 0 to {len(model.users) - 1}")
    recommender = platform.recommenders[int(platform.served_by[user])]
    policy, explore = recommender.policy, recommender.arm.explore
    if not isinstance(policy, Policy):
        raise CannotExplain(f"the arm {recommender.arm.name!r} is a control: nothing was learnt that could be explained")
    model.round += 1
    draws, asked = model.draws.at(model.round), torch.tensor([user])
    model.supply()
    if not model.gather(draws)[user]:
        raise CannotExplain(f"user {user} was not on the platform in round {model.round}: she got no slate")
    platform.retrain(model.round, draws)
    platform.asked = model.ask(draws)
    retrieved, shown = (row[0].tolist() for row in platform.stages(asked, draws, explore, recommender))
    unexplored = platform.stages(asked, draws, None, recommender).shown[0].tolist()
    log = recommender.arm.trains_on.part_of(platform.log)
    known = not policy.unknown(asked, log).item()
    why = explain_all(policy, user, torch.tensor(shown), log, platform.items, recommender.arm.cold_start)
    assert recommender.trained_in is not None
    return Explained(
        platform.arm.name, type(policy).__name__, user, model.round, recommender.trained_in, known, why.method, why.of,
        None if platform.asked is None else topic_names(model)[int(platform.asked[user])],
        tuple(
            Place(item, _title(model, item), _stage(item, retrieved, unexplored), *_reasons(model, why, row, most))
            for row, item in enumerate(shown)
        ),
        same,
    )


def _stage(item: int, retrieved: list[int], unexplored: list[int]) -> str:
    if item not in unexplored:
        return "exploration"
    if item not in retrieved:
        return "re-ranking"
    before, after = retrieved.index(item) + 1, unexplored.index(item) + 1
    return "retrieval" if before == after else f"retrieval, moved from place {before} to {after} by re-ranking"


def _reasons(model: FilterBubbleModel, why: Explanation, row: int, most: int) -> tuple[tuple[Reason, ...], float, float]:
    parts = why.parts[row]
    largest = parts.abs().argsort(descending=True, stable=True)[:most]
    topics = topic_names(model)
    labels = {
        "history": lambda number: _title(model, number),
        "topics": lambda number: topics[number],
        "features": lambda number: topics[number] if len(topics) == len(why.ids) else f"feature {number + 1}",
    }[why.of]
    reasons = tuple(Reason(labels(int(why.ids[place])), float(parts[place])) for place in largest.tolist())
    return reasons, float(parts.sum() - parts[largest].sum()), float(why.rest[row])


def _title(model: FilterBubbleModel, item: int) -> str:
    titles = model.catalog.titles
    return titles[item] if titles else f"item {item} ({topic_names(model)[int(model.catalog.topics[item].argmax())]})"


def _to_replay(scenario: Scenario, trajectory: pd.DataFrame | None) -> tuple[str | None, Scenario]:
    """Return a measure to check the replay with, and the scenario with no other: measures change nothing else."""
    measured = set() if trajectory is None else set(trajectory["measure"])
    witness = next((name for name in WITNESSES if name in measured), None)
    keys = {"names": (witness or WITNESSES[0],)} | ({} if witness else {"every": scenario.rounds})
    return witness, scenario.model_copy(update={"measures": scenario.measures.model_copy(update=keys)})


def _agrees(
    model: FilterBubbleModel, arm: str, replicate: int, witness: str | None, trajectory: pd.DataFrame | None
) -> bool | None:
    if witness is None or trajectory is None:
        return None
    rows = trajectory[
        (trajectory["arm"] == arm) & (trajectory["replicate"] == replicate) & (trajectory["measure"] == witness)
    ]
    run = dict(zip(rows["round"], rows["value"], strict=True))
    pairs = [(values.get(witness), run.get(round)) for round, values in model.trajectory]
    return all(replayed == stored for replayed, stored in pairs) if pairs else None


def read_trajectory(folder: Path) -> pd.DataFrame | None:
    """Return a run's trajectory, or None if it is not there."""
    file = folder / "trajectory.parquet"
    return pd.read_parquet(file) if file.exists() else None


METHODS = {
    "exact": "parts that sum to the score",
    "attention": "shares of the attention",
    "leave-one-out": "how far the score falls without that one",
    "similarity": "how alike the learnt vectors are: association, not cause",
    "none": "the history plays no part",
}


def in_words(explained: Explained) -> str:
    """Return the explanation as lines of text, an item and its reasons each."""
    known = "" if explained.known else " Nothing was known of her: she got what is popular."
    asked = "" if explained.asked is None else f" when she asked for {explained.asked}"
    lines = [
        f"{explained.arm}: what user {explained.user} was shown in round {explained.round}{asked}, by {explained.policy} "
        f"trained in round {explained.trained_in}.{known}",
        f"Reasons ({explained.of}; {explained.method}): {METHODS[explained.method]}.",
    ]
    if explained.same_as_the_run is False:
        lines.append("Careful: played again, the arm does not come out as it did in the run (another version, or other data).")
    for number, place in enumerate(explained.places, start=1):
        parts = [f"{reason.label} {reason.part:+.3g}" for reason in place.reasons]
        parts += [f"others {place.others:+.3g}"] if abs(place.others) > 5e-4 else []
        parts += [f"not of the {explained.of} {place.rest:+.3g}"] if abs(place.rest) > 5e-4 else []
        lines += ["", f"{number:>2}. {place.title}  [{place.stage}]", f"    {' · '.join(parts) or 'no reason to name'}"]
    return "\n".join(lines)
