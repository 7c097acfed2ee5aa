"""What the platform lets a policy know, when it trains it, and what its controls show."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.choice import Choice
from policies import POLICIES, Policy, Popularity
from policies.log import FeedbackLog, Interactions, ItemData
from simulator.arms import Arm
from simulator.controls import Oracle, Organic
from simulator.model import FilterBubbleModel
from simulator.platform import Slates
from simulator.scenario import Scenario

K, ROUNDS, WARMUP = 5, 9, 3
GRAPH, SEQUENCES = {"factors": 4, "epochs": 2}, {"hidden": 8, "epochs": 2}
SMALL: dict[str, dict] = {
    "mf": {"factors": 4, "epochs": 3}, "lightgcn": GRAPH, "ngcf": GRAPH,
    "multvae": {"hidden": 8, "latent": 4, "epochs": 2},
    "sasrec": SEQUENCES, "bert4rec": SEQUENCES, "generative": {**SEQUENCES, "codes": 8},
    "external": {"command": (sys.executable, str(Path(__file__).with_name("external_popularity.py")))},
}
KINDS = {kind: part for kind, part in POLICIES.items() if kind != "text"}       # a synthetic world has no titles


def scenario(**keys: object) -> Scenario:
    world = {
        "title": "small", "rounds": ROUNDS, "warmup": WARMUP, "slate_size": K, "discovery": {"awareness": 12},
        "users": {"count": 80, "activity": 0.8}, "items": {"count": 60, "topics": 5}, "policies": ["organic"],
        "network": {},                                      # for those who ask who follows whom
    }
    return Scenario.model_validate(world | keys)


def played(arm: Arm, **keys: object) -> FilterBubbleModel:
    model = FilterBubbleModel(scenario(**keys), arm).run()
    model.close()
    return model


@dataclass
class Diary(Popularity):
    """A policy that writes down what it was given at each training."""

    entries: list[tuple[FeedbackLog, Interactions, int | None, int]] = field(default_factory=list)

    def fit(self, log: FeedbackLog, items: ItemData, rng: torch.Generator, k: int = 10, since: int | None = None) -> Self:
        super().fit(log, items, rng, k, since)
        self.entries.append((self.log_, log.interactions(), since, k))
        return self


def rows(columns: Interactions) -> list[tuple[int, int, int]]:
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize(
    ("every", "frozen", "warmup", "rounds"),
    [(1, False, 3, [*range(1, 10)]), (3, False, 3, [1, 4, 7]), (5, False, 0, [1, 6]), (20, False, 3, [1]), (1, True, 3, [1])],
)
def test_training_is_on_everything_before_the_round_and_nothing_later(every, frozen, warmup, rounds):
    model = played(Arm("diary", Diary(), frozen=frozen, retrain_every=every), warmup=warmup)
    everything = rows(model.platform.log.interactions())
    entries = model.platform.policy.entries
    assert [round for round, _ in model.platform.training] == rounds == [round for round in rounds if round <= ROUNDS]
    assert len(entries) == len(rounds)
    assert [since for _, _, since, _ in entries] == [None, *rounds[:-1]]
    for now, (trained, given, since, k) in zip(rounds, entries, strict=True):
        before = [row for row in everything if row[2] < now]
        assert k == K
        assert rows(given) == before
        held = set(before) - set(rows(trained.interactions()))
        assert len(trained) == len(before) - len(held)
        counts = np.bincount([user for user, _, _ in before], minlength=80)
        newest = {user: when for user, _, when in before}
        eligible = [user for user in range(80) if counts[user] >= 2 and newest[user] >= (-99 if since is None else since)]
        assert len(held) == round(0.1 * len(eligible))
        assert all(since is None or when >= since for _, _, when in held)


def test_the_scenario_s_own_policy_stays_unfitted():
    policy = Diary()
    played(Arm("diary", policy))
    assert policy == Diary()
    assert not hasattr(policy, "log_")


def test_the_warm_up_has_no_slates_and_is_the_same_under_every_arm():
    arms = [Arm("organic", Organic()), Arm("oracle", Oracle()), Arm("popularity", Popularity())]
    models = [played(arm) for arm in arms]
    for model in models:
        assert all(round >= 1 for round, _, _ in model.platform.log.slates)
    first = [[row for row in rows(model.platform.log.interactions()) if row[2] <= 0] for model in models]
    assert first[0] == first[1] == first[2] != []


def test_without_a_recommender_nothing_is_shown_or_trained():
    model = played(Arm("organic", Organic()))
    assert model.platform.log.slates == []
    assert model.platform.training == []
    assert len(model.platform.log) > 0


class Witness(FilterBubbleModel):
    """Keeps what happened in each round as it happens, and the interests it happened with."""

    def __init__(self, *args: object):
        self.seen: list[tuple[int, Slates, Choice, Tensor, list[set[int]]]] = []
        super().__init__(*args)

    def observe(self, slates: Slates, choice: Choice, *reaction: object) -> None:
        items, present = self.platform.log.history(self.users.ids)
        taken = [set(row[here].tolist()) for row, here in zip(items, present, strict=True)]
        self.seen.append((self.round, slates, choice, self.users.interests.clone(), taken))
        super().observe(slates, choice, *reaction)


@pytest.fixture(scope="module")
def oracle() -> Witness:
    model = Witness(scenario(), Arm("oracle", Oracle())).run()
    model.close()
    return model


def test_the_oracle_shows_the_unseen_items_of_highest_true_utility(oracle):
    checked = 0
    for round, slates, _, interests, taken in oracle.seen:
        if round < 1:
            continue
        utility = (interests.double() @ oracle.catalog.features.double().T + oracle.catalog.quality.double()).numpy()
        for user in slates.shown.nonzero()[:, 0].tolist():
            unseen = [item for item in range(60) if item not in taken[user]]
            best = sorted(utility[user, unseen], reverse=True)[:K]
            np.testing.assert_allclose(utility[user, slates.items[user]], best, atol=1e-6)
            assert not set(slates.items[user].tolist()) & taken[user]
            checked += 1
    assert checked > 300


def test_the_log_holds_every_impression_and_every_take(oracle):
    log = oracle.platform.log
    assert [round for round, _, _ in log.slates] == list(range(1, ROUNDS + 1))
    shown = {round: (users, items) for round, users, items in log.slates}
    record = rows(log.interactions())
    for round, slates, choice, _, _ in oracle.seen:
        if round >= 1:
            users, items = shown[round]
            assert users.tolist() == slates.shown.nonzero()[:, 0].tolist()
            assert torch.equal(items.long(), slates.items[users])
        took = [
            (user, item, round)
            for user, (items, taken) in enumerate(zip(choice.items.tolist(), choice.taken.tolist(), strict=True))
            for item, yes in zip(items, taken, strict=True) if yes
        ]
        assert [row for row in record if row[2] == round] == took
    assert len({user for user, _, _ in record}) > 60


@pytest.mark.parametrize("kind", [*KINDS, "oracle"])
def test_no_policy_knows_interests_and_the_oracle_does(kind):
    """Two platforms with one past; then everybody's interests become another's. Only the oracle notices."""
    slates = []
    for swapped in (False, True):
        policy = POLICIES[kind](**SMALL.get(kind, {})) if kind in POLICIES else Oracle()
        model = FilterBubbleModel(scenario(), Arm(kind, policy))
        for _ in range(WARMUP + 2):
            model.step()
        if swapped:
            for cohort in model.cohorts:
                cohort.users.interests.copy_(cohort.users.interests.flip(0).clone())
            model.users.interests.copy_(model.cohorts[0].users.interests)
        model.platform.recommenders[0].arm = Arm(kind, model.platform.arm.policy, retrain_every=1)
        model.round += 1
        model.platform.retrain(model.round, model.draws.at(model.round))
        slates.append(model.platform.recommend(torch.ones(80, dtype=torch.bool), model.draws.at(model.round)).items)
        model.close()
    assert torch.equal(*slates) == (kind != "oracle")


@pytest.mark.parametrize("kind", ["random", "mf"])
def test_the_popularity_boost_moves_exposure_to_what_is_popular(kind):
    """And so concentrates it; below 0 it concentrates exposure too, but on what nobody takes."""
    gini, share = [], []
    for boost in (-1.0, 0.0, 1.0, 3.0):
        model = played(Arm(kind, POLICIES[kind](**SMALL.get(kind, {})), popularity_boost=boost), users={"count": 150})
        _, items, rounds = model.platform.log.interactions()
        famous = torch.bincount(items[rounds < 1], minlength=60).topk(12).indices       # in the warm-up: no recommender's work
        share.append(float(model.exposures[famous].sum() / model.exposures.sum()))
        gini.append(np.mean([values["exposure.gini"] for round, values in model.trajectory if round >= 1]))
    assert all(less < more for less, more in pairwise(share)), share
    assert all(less < more for less, more in pairwise(gini[1:])), gini


def test_a_round_in_which_nobody_comes():
    for policy in (*(part(**SMALL.get(kind, {})) for kind, part in KINDS.items()), Oracle()):
        model = played(Arm("quiet", policy, retrain_every=2), users={"count": 80, "activity": 0.01})
        assert any(len(users) == 0 for _, users, _ in model.platform.log.slates)


def test_training_is_reported_by_round_and_epoch():
    model = played(Arm("mf", POLICIES["mf"](**SMALL["mf"]), retrain_every=4))
    assert [(round, epoch.epoch, epoch.k) for round, epoch in model.platform.training] == [
        (round, epoch, K) for round in (1, 5, 9) for epoch in (1, 2, 3)
    ]
    assert isinstance(model.platform.policy, Policy)
    assert model.platform.training_seconds > 0
