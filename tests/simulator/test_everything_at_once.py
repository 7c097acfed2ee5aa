"""Worlds in which many things happen at once: each part is tested beside its own code, here is what they do to each other."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from agents.choice import Choice
from agents.feedback import Reaction
from simulator.events import Cap, Outage
from simulator.measures import MEASURES
from simulator.model import FilterBubbleModel
from simulator.platform import Slates
from simulator.scenario import Scenario
from simulator.store import Store
from simulator.threads import one_thread
from simulator.warmup import WarmStart

ROUNDS, WARMUP, TOPICS = 6, 2, 5


def maybe(rng: random.Random, keys: dict[str, Any], chance: float = 0.6) -> dict[str, Any]:
    """Some of the keys."""
    return {key: value for key, value in keys.items() if rng.random() < chance}


def any_world(seed: int) -> dict[str, Any]:
    """A small world with most of what a scenario can say, drawn at random; always the same for a seed."""
    rng = random.Random(seed)
    feedback = [part for part in ["like", "share", "dwell", {"kind": "rating", "share": 0.7}] if rng.random() < 0.7]
    feedback.append({"kind": "skip", "of": rng.choice(["above", "examined"])})
    signals = [part if isinstance(part, str) else part["kind"] for part in feedback[:-1]]
    learns = {"like": "like", "share": "share", "dwell": {"signal": "dwell", "at_least": 30},
              "rating": {"signal": "rating", "at_least": 4}}
    repeats = rng.random() < 0.5
    users = {
        "count": rng.randint(18, 40), "takes": rng.randint(1, 3), "feedback": feedback,
        "interests": {"kind": "dirichlet", "concentration": 0.3},
        "choice": {"kind": "logit", "outside_utility": 0.0},
        **maybe(rng, {
            "activity": {"mean": 0.7, "spread": 0.2}, "adoption": 0.8, "susceptibility": {"mean": 0.5, "spread": 0.3},
            "churn": {
                "leave": rng.choice([{"kind": "empty_handed", "chance": 0.3}, "boredom", "dissatisfaction"]),
                "come_back": rng.choice([0.0, 0.3]), "arrivals": rng.choice([0.0, 2.5]),
            },
            "cohorts": [
                {"name": "many", "share": 0.6, "drift": rng.choice(["reinforcement", "assimilation"])},
                {"name": "few", "share": 0.4, "choice": rng.choice(["cascade", "satisficing", "position_based"]), "group": 7},
            ],
        }),
    }
    if repeats:
        users["repeats"] = {"after": rng.randint(1, 3), "share": rng.choice([0.0, 0.4])}
    items: dict[str, Any] = {"count": rng.choice([14, 40, 60]), "topics": TOPICS, "creators": 8, "concentration": 0.3}
    items |= maybe(rng, {
        "attributes": {"activation": {}, "voice": {"minority": 0.3}, "viewpoint": {"shares": [0.3, 0.7]}},
        "features": [{"name": "sound", "dimensions": 4, "visible": rng.choice([True, False, 0.5])}],
        "affinity": "cosine",
    })
    policies: list[Any] = [
        "organic", {"kind": "mf", "factors": 3, "epochs": 2, "retrain_every": 2, **maybe(rng, {
            "trains_on": learns[rng.choice(signals)] if signals else "takes", "repeats": False, "train_window": 3,
            "train_lag": 1, "explore": {"kind": "epsilon_greedy"}, "rerank": "mmr", "popularity_boost": 0.5,
        })},
        {"kind": "popularity", "retrain_every": 1, **maybe(rng, {
            "trains_on": learns[rng.choice(signals)] if signals else "takes", "repeats": False,
        })},
        {"kind": "itemknn", "retrain_every": 3}, rng.choice(["thompson", "content", "ease", "random"]), "oracle",
        {"kind": "ab_test", "of": ["mf", "popularity"]},
    ]
    extra = maybe(rng, {
        "creators": {
            "rate": rng.choice([0.1, 0.5]), "behaviour": rng.choice(["steady", "adaptive", "imitative"]),
            **maybe(rng, {"lifetime": rng.randint(2, 6), "half_life": 2.0, "viability": {"least": 2, "rounds": 2}}),
        },
        "network": {
            "graph": {"kind": "erdos_renyi", "friends": 4}, "homophily": 0.5,
            "influence": rng.choice(["degroot", "bounded_confidence", "shared_posts", "encounters"]),
            "sharing": {"share": 0.3, "passes_on": 0.3, "rounds": 2},
            "rewiring": {"probability": 0.5, "tolerance": 0.3, "follows": rng.choice(["friends_of_friends", "like_minded"])},
        },
    })
    if "network" in extra:
        policies[2]["who_to_follow"] = rng.choice(["random", "friends_of_friends", "similar_taste"])
    events: list[dict[str, Any]] = [
        {"kind": "switch", "to": {"kind": "popularity", "repeats": False, **maybe(rng, {
            "trains_on": learns[rng.choice(signals)] if signals else "takes", "explore": "epsilon_greedy",
        })}},
        {"kind": "switch", "to": {"kind": "ab_test", "of": ["oracle", "itemknn"]}},
        {"kind": "outage", "share": 0.5, "rounds": 2}, {"kind": "injection", "share": rng.choice([0.3, 1.0])},
        {"kind": "injection", "share": 0.5, "of": "random", "rounds": 2}, {"kind": "cap", "share": rng.choice([0.1, 0.8])},
        {"kind": "transparency", "trust": 0.4, "notice": 0.8, "rounds": 2}, {"kind": "transparency", "trust": 0.6, "rounds": 3},
        {"kind": "reset_history", "share": 0.6}, {"kind": "escape", "share": 0.5, "rounds": 3},
    ]  # fmt: skip
    if "creators" in extra:
        events.append({"kind": "burst", "topic": 2, "rounds": 2})
    return {
        "title": f"Everything at once, {seed}", "seed": seed, "rounds": ROUNDS, "warmup": WARMUP, "slate_size": 4,
        "users": users, "items": items, "discovery": {"awareness": rng.choice([3, 6] if repeats else [3, 6, "all"])},
        "policies": policies, "measures": {"names": ["*"], "window": rng.choice([2, "cumulative"]), "topic": 1},
        "events": [{**event, "at": rng.randint(1, ROUNDS)} for event in events if rng.random() < 0.5], **extra,
    }  # fmt: skip


class Watched(FilterBubbleModel):
    """Sees that what happens in each round can happen."""

    def observe(self, slates: Slates, choice: Choice, reaction: Reaction | None = None) -> None:
        catalog, users = self.catalog, self.users
        there = torch.ones(len(catalog), dtype=torch.bool) if catalog.available is None else catalog.available
        active = self.draws.at(self.round)("active").uniform(users.ids) < users.activity
        if users.present is not None:
            active &= users.present
        events = self.timeline.at_work(self.round)

        places = slates.places()
        assert not (slates.shown & ~active).any(), "somebody is shown something who is not there"
        assert there[slates.items[places]].all(), "something is shown that is not there"
        for event in events:
            if isinstance(event, Outage):
                assert not (slates.shown & event.silences(users.ids, self.draws)).any()
            if isinstance(event, Cap) and slates.shown.any():
                capped = event.bias(self.platform) < 0
                assert not capped[slates.items[places]].any(), "something is shown that is capped"
        for user in slates.shown.nonzero()[:, 0].tolist():
            slate = slates.items[user, places[user]].tolist()
            assert len(set(slate)) == len(slate) > 0, "an item stands in a slate twice"

        rows, columns = choice.taken.nonzero(as_tuple=True)
        taken = choice.items[rows, columns]
        assert not (choice.taken.any(1) & ~active).any(), "somebody takes something who is not there"
        assert there[taken].all(), "something is taken that is not there"
        assert choice.utility[rows, columns].isfinite().all()
        repeats = self.scenario.users.repeats
        self.last = vars(self).get("last", {})
        from_slates = choice.from_slate[rows, columns]
        for user, item, from_slate in zip(rows.tolist(), taken.tolist(), from_slates.tolist(), strict=True):
            before = self.last.get((user, item))
            assert before is None or repeats is not None, "somebody takes a thing twice"
            assert before is None or self.round - before >= repeats.after, "somebody takes a thing again so soon"
            assert not from_slate or item in slates.items[user, places[user]].tolist(), "taken from where it did not stand"
            self.last[user, item] = self.round
        for cohort in self.cohorts:
            if cohort.avoided is not None:
                own = Choice(*(column[cohort.rows] for column in choice))
                usual = cohort.avoided.gather(1, catalog.topics.argmax(1)[own.items])
                assert not (own.taken & usual).any(), "somebody who tries to escape takes what is usual"
        if reaction is not None and reaction.skipped is not None and slates.items.shape[1]:
            assert not (reaction.skipped & ~places).any(), "somebody skips what she was not shown"

        if catalog.born is not None:
            assert len(self.platform.items) == int((catalog.born <= self.round).sum()), "the platform knows what is to come"
            assert not catalog.features[~catalog.published].any(), "what is not published has content"
        super().observe(slates, choice, reaction)
        for name, value in self.values.items():
            low, high = MEASURES[name].lower, MEASURES[name].upper
            assert low is None or value >= low - 1e-6, f"{name} is {value}"
            assert high is None or value <= high + 1e-6, f"{name} is {value}"


def played(scenario: Scenario, arm: int, model: FilterBubbleModel | None = None) -> FilterBubbleModel:
    model = (model or Watched(scenario, scenario.policies[arm])).run()
    model.close()
    return model


def assert_same(one: FilterBubbleModel, other: FilterBubbleModel) -> None:
    assert repr(one.trajectory) == repr(other.trajectory)
    assert torch.equal(one.users.interests, other.users.interests)
    assert torch.equal(one.exposures, other.exposures)
    logs = (model.platform.log.interactions() for model in (one, other))
    assert all(torch.equal(*columns) for columns in zip(*logs, strict=True))
    if one.network is not None:
        assert torch.equal(one.network.ties.followed, other.network.ties.followed)
    assert repr(one.platform.training) == repr(other.platform.training)


def check(seed: int, folder: Path) -> None:
    """Play a world in three arms, and one of them in every way that should make no difference."""
    raw = any_world(seed)
    scenario = Scenario.model_validate(raw)
    arm, other = random.Random(seed).sample(range(1, len(scenario.policies)), 2)
    whole = {each: played(scenario, each) for each in (0, arm, other)}
    assert len({repr(model.trajectory[0]) for model in whole.values()}) == 1, "arms differ before anything is recommended"

    warm, store = WarmStart(), Store(folder / str(seed))
    warm.model(scenario, other, 0, None).run().close()      # another arm lives through the warm-up, and on
    half = warm.model(scenario, arm, 0, None)
    warm.close()
    while half.round < ROUNDS // 2:
        half.step()
    store.folder.mkdir(parents=True)
    store.keep((arm, 0), half, 0.0)
    half.close()
    rest, _ = store.model((arm, 0))
    assert_same(played(scenario, arm, rest), whole[arm])

    split = {**raw, "users": {**raw["users"], "agents": 7}}
    if "creators" in raw:
        split["creators"] = {**raw["creators"], "agents": 3}
    assert_same(played(Scenario.model_validate(split), arm), whole[arm])


QUICK = (1, 4, 8)
MORE = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(40) if seed not in QUICK]


@pytest.mark.parametrize("seed", [*QUICK, *MORE])
def test_parts_go_together(seed: int, tmp_path: Path) -> None:
    with one_thread():
        check(seed, tmp_path)
