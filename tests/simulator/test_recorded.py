"""Worlds that begin with a part of a real log: the split, who takes the rest, and what becomes of profiles."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from agents.wants import by_user, wanted
from simulator.faults import ScenarioError
from simulator.measures.profiles import Profiles, extremes, mean_profile_popularity
from simulator.model import FilterBubbleModel
from simulator.rounds import Round, World
from simulator.scenario import Scenario, check
from simulator.world import load_data
from simulator.yaml_source import parse


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 40 users, a third of them women, who took 4 to 20 of 30 items of three genres each, in RecBole's form."""
    folder, rng = tmp_path_factory.mktemp("log"), np.random.default_rng(0)
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    for user in range(40):
        items = rng.permutation(30)[: rng.integers(4, 21)]
        lines += [f"{user}\t{item}\t{time}" for time, item in enumerate(items)]
    (folder / "log.inter").write_text("\n".join(lines) + "\n")
    genres = [" ".join(rng.choice(list("ABCDE"), rng.integers(1, 4), replace=False)) for _ in range(30)]
    (folder / "log.item").write_text("item_id:token\tgenres:token_seq\n" + "".join(f"{i}\t{g}\n" for i, g in enumerate(genres)))
    (folder / "log.user").write_text("user_id:token\tgender:token\n" + "".join(f"{u}\t{'FMM'[u % 3]}\n" for u in range(40)))
    return folder


def world(folder: Path, data: dict | None = None, policy: object = "random", **keys: object) -> Scenario:
    return Scenario.model_validate({
        "title": "t", "rounds": 4, "warmup": 0, "slate_size": 5, "discovery": {"share": 0, "awareness": 1},
        "users": {"interests": "data", "choice": "recorded", "takes": 5, "drift": "none", **keys},
        "data": {"kind": "movielens", "path": str(folder), "known": 0.5, "activity": "even", **(data or {})},
        "policies": [policy],
    })


def begun(scenario: Scenario, replicate: int = 0) -> FilterBubbleModel:
    return FilterBubbleModel(scenario, scenario.policies[0], replicate, data=load_data(scenario))


@pytest.mark.parametrize("known", [0.01, 0.5, 0.8])
def test_each_user_is_known_by_her_share_and_wants_the_rest(folder, known):
    model = begun(world(folder, {"known": known}))
    log = load_data(world(folder))
    counts = torch.bincount(torch.from_numpy(log.users))
    recorded = torch.bincount(model.past.users, minlength=40)
    assert torch.equal(recorded, (known * counts).round().clamp(min=1).long())
    whole = {*zip(log.users.tolist(), log.items.tolist(), strict=True)}
    past = {*zip(model.past.users.tolist(), model.past.items.tolist(), strict=True)}
    wants = {(user, item) for user, row in enumerate(model.users.wants.tolist()) for item in row if item < 30}
    assert past | wants == whole
    assert not past & wants
    assert (model.past.rounds.diff() >= 0).all()                        # still in order of time
    other = begun(world(folder, {"known": known}), replicate=1)
    assert not torch.equal(other.past.items, model.past.items) or known == 0.01


def test_all_is_known_by_default_and_activity_follows_the_log(folder):
    scenario = world(folder, {"known": 1.0, "activity": "relative"}, choice="logit")
    model = begun(scenario)
    assert model.users.wants is None
    assert len(model.past.users) == len(load_data(scenario).users)
    assert model.users.activity.min() < 1
    assert (begun(world(folder)).users.activity == 1).all()


def test_wanted_by_hand():
    wants = by_user(torch.tensor([2, 0, 2, 0]), torch.tensor([5, 3, 1, 0]), 3, 7)
    assert wants.tolist() == [[0, 3], [7, 7], [1, 5]]
    found = wanted(wants, torch.tensor([[0, 1, 3], [0, 6, 2], [5, 1, 0]]))
    assert found.tolist() == [[True, False, True], [False, False, False], [True, True, False]]


def test_the_loop_reveals_what_is_shown_and_wanted(folder):
    model = begun(world(folder))
    wants = {(user, item) for user, row in enumerate(model.users.wants.tolist()) for item in row if item < 30}
    before = len(model.past.users)
    model.run()
    users, taken, _ = (column[before:].tolist() for column in model.platform.log.interactions())
    shown = {(user, item) for _, who, slates in model.platform.log.slates
             for user, row in zip(who.tolist(), slates.tolist(), strict=True) for item in row}
    assert {*zip(users, taken, strict=True)} == wants & shown
    known = torch.bincount(model.past.users, minlength=40)
    total = known + (model.users.wants < 30).sum(1)
    share = (known + torch.bincount(torch.tensor(users), minlength=40)) / total
    assert model.values["consumption.revealed_users"] == pytest.approx(share.double().mean().item())
    model.close()


def test_a_log_that_is_shown_whole_is_revealed_whole(folder):
    keys = {**world(folder, takes=30).model_dump(mode="json"), "slate_size": 30, "rounds": 1}
    whole = begun(Scenario.model_validate(keys)).run()
    assert whole.values["consumption.revealed_users"] == 1
    assert whole.values["consumption.revealed_items"] == 1
    assert whole.values["utility.wanted_recall"] == 1


def test_one_cohort_of_many_and_many_of_one_live_the_same(folder):
    one, many = (begun(world(folder, agents=agents)).run() for agents in (1, 40))
    assert one.trajectory == many.trajectory


# ---- profiles


def rounds_of(taken: list[int], slate: list[list[int]]) -> Round:
    items = torch.tensor([[max(item, 0)] for item in taken])
    mask = torch.tensor([[item >= 0] for item in taken])
    n = len(taken)
    return Round(1, torch.tensor(slate), torch.ones(n, dtype=torch.bool), items, mask, mask, torch.zeros(n, 1),
                 torch.full((n, 2), 0.5), lambda users, k: torch.zeros(len(users), k, dtype=torch.int64))


def small(wants: bool = True) -> World:
    """Two users and three items, of topics (1, 0), (0, 1), (½, ½). On record: 0 took 0 and 1; 1 took 1."""
    topics = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    return World(
        topics, topics, torch.zeros(3, dtype=torch.int64), torch.full((2, 2), 0.5), torch.tensor([1, 2, 0]), None,
        past=torch.tensor([[0, 0, 1], [0, 1, 1]]), wants=torch.tensor([[2, 3], [0, 2]]) if wants else None,
    )


def test_profiles_by_hand():
    profiles = Profiles(small())
    assert profiles.shift() == 0
    assert profiles.got(0) == pytest.approx((2 / 3 + 1 / 3) / 2)
    profiles.push(rounds_of([-1, 0], [[2], [0]]), torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
    # User 1 had (0, 1) and has (½, ½): KL((0, 1) ‖ 0.99 (½, ½) + 0.01 (0, 1)) = −ln 0.505; user 0 is as she was.
    assert profiles.shift() == pytest.approx(-math.log(0.505) / 2)
    assert profiles.shift(torch.tensor([False, True])) == pytest.approx(-math.log(0.505))
    # p = (½, ½) of user 1 now, q = (½, ½) of user 0 at the start.
    assert profiles.toward(torch.tensor([False, True]), torch.tensor([True, False])) == pytest.approx(0)
    assert profiles.got(0) == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert profiles.got(1) == pytest.approx((2 / 2 + 2 / 2 + 0 / 2) / 3)        # item 0: both of two; 1: both; 2: none of two
    assert profiles.left.tolist() == [1, 2]
    assert Profiles(small(wants=False)).got(0) is None


def test_what_is_taken_and_not_wanted_reveals_nothing():
    profiles = Profiles(small())
    profiles.push(rounds_of([-1, 1], [[2], [1]]), torch.zeros(2, 2))
    assert profiles.got(0) == pytest.approx(1 / 2)


def test_popularity_of_what_is_on_record_is_a_mean_over_interactions():
    popularity = torch.tensor([3, 1, 0, 2])
    interactions = [3, 3, 3, 1, 2, 2]                   # of each, how many took the item
    assert mean_profile_popularity(popularity, 5) == pytest.approx(np.mean(interactions) / 5)


def test_the_largest_and_the_smallest_group_of_those_that_are_large_enough():
    group = torch.tensor([0] * 9 + [1] * 6 + [2] * 4 + [3] * 7)
    largest, smallest = extremes(group)
    assert largest.nonzero()[:, 0].tolist() == list(range(9))
    assert smallest.nonzero()[:, 0].tolist() == list(range(9, 15))
    assert extremes(torch.zeros(20, dtype=torch.int64)) is None
    two = extremes(torch.tensor([0] * 6 + [1] * 6))
    assert not (two[0] & two[1]).any()


def test_the_majority_and_the_minority_are_parts_of_everybody(folder):
    model = begun(world(folder, choice={"kind": "biased_acceptance"}, takes=1)).run()
    values = model.values
    women = (model.users.group == 0).double().mean().item()
    mixed = women * values["consumption.profile_shift_minority"] + (1 - women) * values["consumption.profile_shift_majority"]
    assert values["consumption.profile_shift"] == pytest.approx(mixed)
    assert values["consumption.profile_shift"] > 0
    first = model.trajectory[0][1]
    assert first["exposure.initial_popularity"] == pytest.approx(first["exposure.mean_popularity"] / 40)
    taken = torch.bincount(model.platform.log.interactions().items, minlength=30)
    assert values["consumption.profile_popularity"] == pytest.approx(mean_profile_popularity(taken, 40))
    model.close()


@pytest.mark.parametrize(("text", "message"), [
    ("users: {choice: recorded}", "users.choice: 'recorded' takes what is in the log and not on record"),
    ("users: {choice: recorded, interests: data}\ndata: {kind: movielens, path: x}", "add `data:` with `known` under 1"),
    ("users: {interests: data}\ndata: {kind: movielens, path: x, known: 0}", "data.known: must be greater than 0"),
    ("users: {interests: data}\ndata: {kind: movielens, path: x, activity: none}", "data.activity: must be"),
])
def test_what_does_not_fit_is_said(text, message):
    with pytest.raises(ScenarioError) as error:
        check(parse(f"title: t\npolicies: [organic]\n{text}\n", "w.yaml"))
    assert message in str(error.value)
