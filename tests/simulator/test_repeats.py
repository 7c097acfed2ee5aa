"""Whole worlds in which people take things again: what is too fresh, what is measured, and what stays as it was."""

from __future__ import annotations

import copy
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from policies import POLICIES
from simulator.explaining import explain
from simulator.faults import ScenarioError
from simulator.measures import Recorder
from simulator.measures.network import co_consumption_modularity, each_once
from simulator.measures.own_items import OWN_ITEMS
from simulator.model import FilterBubbleModel
from simulator.plain import plain
from simulator.play import play
from simulator.rounds import Round, World
from simulator.scenario import Scenario, check
from simulator.store import Store
from simulator.warmup import WarmStart
from simulator.yaml_source import parse

EAGER = {"kind": "logit", "outside_utility": -3.0}
ONCE = {"kind": "popularity", "name": "once", "repeats": False}


def world(policies: list, repeats: dict | None, items: int = 30, **keys: object) -> Scenario:
    users = {"count": 25, "takes": 2, "activity": 0.8, "choice": EAGER, "repeats": repeats, **keys.pop("users", {})}
    return Scenario.model_validate({
        "title": "t", "rounds": 8, "warmup": 2, "slate_size": 4, "discovery": {"awareness": 6}, "policies": policies,
        "users": users, "items": {"count": items, "topics": 5}, **keys,
    })


def played(scenario: Scenario, arm: int = 0) -> FilterBubbleModel:
    model = FilterBubbleModel(scenario, scenario.policies[arm], 0)
    model.run()
    model.close()
    return model


def takes(model: FilterBubbleModel) -> list[tuple[int, int, int]]:
    """(user, item, round), oldest first."""
    return list(zip(*(column.tolist() for column in model.platform.log.interactions()), strict=True))


def gaps(model: FilterBubbleModel) -> list[int]:
    """Rounds from each take to the next take of the same item by the same user."""
    last: dict[tuple[int, int], int] = {}
    found = []
    for user, item, number in takes(model):
        if (user, item) in last:
            found.append(number - last[user, item])
        last[user, item] = number
    return found


TINY = {
    "mf": {"factors": 4, "epochs": 2}, "lightgcn": {"factors": 4, "epochs": 1}, "ngcf": {"factors": 4, "epochs": 1},
    "multvae": {"hidden": 8, "latent": 4, "epochs": 1},
    "sasrec": {"hidden": 8, "epochs": 1}, "bert4rec": {"hidden": 8, "epochs": 1}, "generative": {"hidden": 8, "epochs": 1},
    "external": {"command": [sys.executable, str(Path(__file__).parents[1] / "policies" / "external_popularity.py")]},
}
ARMS = [*(name for name in POLICIES if name != "text"), "organic", "oracle"]      # text reads titles, which no such world has


@pytest.mark.parametrize("kind", ARMS)
def test_every_policy_plays_a_world_with_repeats(kind: str):
    arm = {"kind": kind, **TINY.get(kind, {})}
    scenario = {"title": "t", "policies": [arm], "network": {} if kind == "friends" else None}
    keys = world(["random"], {"after": 3, "share": 0.4}).model_dump(mode="json", exclude={"policies"})
    if kind == "average_rating":
        keys["users"]["feedback"] = ["rating"]
    model = played(Scenario.model_validate({**keys, **scenario}, context={"allow_code": True}))
    found = gaps(model)
    assert min(found) == 3
    assert len(found) > 50
    if kind != "organic":
        assert any(torch.isin(items, torch.tensor(had)).any() for items, had in _shown_and_had(model))


def _shown_and_had(model: FilterBubbleModel):
    """Each slate, and what its user had taken before it was shown."""
    log = takes(model)
    for number, users, slates in model.platform.log.slates:
        for user, slate in zip(users.tolist(), slates, strict=True):
            yield slate, [item for who, item, when in log if who == user and when < number]


@settings(max_examples=8)
@given(st.data())
def test_nothing_is_taken_again_too_soon_in_any_arm(data):
    """Even where next to everything is too fresh, and whoever finds it: she, her friends, or the platform."""
    after = data.draw(st.integers(1, 9))
    arm = data.draw(st.sampled_from(["random", "popularity", "itemknn", "oracle", "organic"]))
    network = data.draw(st.sampled_from([None, {"graph": "erdos_renyi", "sharing": {"share": 0.5, "passes_on": 0.3}}]))
    keys = {} if network is None else {"network": network}
    model = played(world(
        [arm], {"after": after, "share": data.draw(st.sampled_from([0.0, 0.8]))}, data.draw(st.sampled_from([7, 15])), **keys,
    ))
    assert min(gaps(model), default=after) >= after
    assert after > 4 or gaps(model)


def test_a_platform_that_does_not_repeat_shows_nothing_again():
    """Its users do, on their own; and where all that is new to them is shown, the rest of the slate is empty."""
    scenario = world(["popularity", ONCE], {"after": 1, "share": 0.5}, items=12)
    again, once = played(scenario), played(scenario, 1)
    assert any(np.isin(slate, had).any() for slate, had in _shown_and_had(again))
    short = 0
    for slate, had in _shown_and_had(once):
        assert not np.isin(slate, had).any()
        short += len(slate) < 4
    assert short
    assert gaps(once)
    assert once.values["consumption.repeat_rate"] < again.values["consumption.repeat_rate"]
    assert "never recommends again" in " ".join(plain(scenario, None))


def test_each_side_of_an_ab_test_repeats_as_its_arm_says():
    arms = ["popularity", ONCE, {"kind": "ab_test", "of": ["popularity", "once"]}]
    events = [{"kind": "injection", "at": 3, "share": 0.5, "of": "random"}]
    model = played(world(arms, {"after": 1}, items=40, events=events), 2)
    log, hits = takes(model), Counter()
    for number, users, slates in model.platform.log.slates:
        for user, slate in zip(users.tolist(), slates.tolist(), strict=True):
            had = {item for who, item, when in log if who == user and when < number}
            hits[model.platform.servants()[user]] += len(had & set(slate))
    assert hits["once"] == 0
    assert hits["popularity"] > 0


def test_without_repeats_nobody_takes_anything_twice_and_nothing_is_said_of_it():
    off, on = world(["popularity"], None), world(["popularity"], {"after": 100})
    assert off.policies[0].repeats
    off, on = played(off), played(on)
    assert gaps(off) == gaps(on) == []
    assert takes(off) == takes(on), "what may be taken again in a hundred rounds is not taken again in ten"
    assert {name for _, values in off.trajectory for name in values} == {
        name for _, values in on.trajectory for name in values
    } - {"consumption.repeat_rate", *(measure.name for measure in OWN_ITEMS)}
    assert all(values[name] == on.trajectory[t][1][name] for t, (_, values) in enumerate(off.trajectory) for name in values)
    assert {values["consumption.repeat_rate"] for _, values in on.trajectory if values} == {0.0}


def test_one_cohort_and_many_live_the_same_lives():
    together, apart = (
        played(world(["mf"], {"after": 2, "share": 0.5}, users={"agents": agents})) for agents in (1, 100)
    )
    assert gaps(together)
    assert together.trajectory == apart.trajectory
    assert takes(together) == takes(apart)


def test_the_repeat_rate_and_the_popularity_are_those_of_the_log():
    measures = {"window": "cumulative", "names": ["consumption.*"]}
    model = played(world(["popularity"], {"after": 2, "share": 0.8}, measures=measures))
    had, rate, n_i, novelty = set(), {}, Counter(), []
    log = takes(model)
    for number in range(-1, 9):
        now = [(user, item) for user, item, when in log if when == number]
        rate[number] = sum(pair in had for pair in now) / len(now)
        novelty += [n_i[item] for _, item in now]
        n_i.update(item for user, item in set(now) - had)
        had |= set(now)
    for number, values in model.trajectory:
        assert values["consumption.repeat_rate"] == rate[number]
    assert rate[8] > 0.5
    assert model.recorder.popularity.tolist() == [n_i[item] for item in range(30)]
    assert model.recorder.popularity.max() <= 25
    assert model.values["consumption.mean_popularity"] == pytest.approx(np.mean(novelty))
    assert model.takes.sum() == sum(when >= 1 for *_, when in log)


def test_own_items_are_those_of_the_log():
    measures = {"window": 4, "names": ["consumption.*item*", "consumption.user_gini"], "rarefied_to": 2}
    model = played(world(["popularity"], {"after": 1, "rho": 0.6}, measures=measures))
    log = takes(model)
    for number, values in model.trajectory:
        own = [Counter(item for who, item, when in log if who == user and number - 4 < when <= number) for user in range(25)]
        counts = [np.array([*each.values()]) for each in own if each]
        ginis = [np.abs(x[:, None] - x).sum() / (2 * len(x) * x.sum()) for x in counts]
        assert values["consumption.user_gini"] == pytest.approx(np.mean(ginis))
        assert values["consumption.user_item_entropy"] == pytest.approx(np.mean([stats.entropy(x) for x in counts]))
        two = [x for x in counts if x.sum() >= 2]
        differ = [1 - (x * (x - 1)).sum() / (x.sum() * (x.sum() - 1)) for x in two]
        assert values["consumption.rarefied_item_entropy"] == pytest.approx(np.log(2) * np.mean(differ))


def test_more_of_the_old_makes_diets_narrower_and_repeats_more():
    few, many = (played(world(["organic"], {"after": 1, "share": share}, items=200)) for share in (0.0, 0.9))
    assert many.values["consumption.repeat_rate"] > few.values["consumption.repeat_rate"] + 0.2
    assert many.values["consumption.coverage"] < few.values["consumption.coverage"]


def test_growing_catalogues_churn_and_a_second_start_go_with_repeats():
    scenario = world(
        ["itemknn", "oracle"], {"after": 2, "share": 0.5}, creators={"rate": 0.2, "lifetime": 6},
        users={"churn": {"leave": "dissatisfaction", "come_back": 0.2, "arrivals": 1.0}},
    )
    for arm in (0, 1):
        model = played(scenario, arm)
        assert min(gaps(model)) == 2
        catalog = model.catalog
        assert all(catalog.born[item] <= when for _, item, when in takes(model))
    warm = FilterBubbleModel(scenario, scenario.policies[0], 0)
    while warm.round < 4:
        warm.step()
    twin = copy.deepcopy(warm)
    assert twin.run().trajectory == warm.run().trajectory == played(scenario).trajectory
    assert WarmStart().model(scenario, 0, 0, None).run().trajectory == warm.trajectory


def test_a_checkpoint_goes_on_as_it_would_have(tmp_path: Path):
    scenario = world(["popularity"], {"after": 2, "share": 0.5})
    store, model = Store(tmp_path), WarmStart().model(scenario, 0, 0, None)
    store.folder.mkdir()
    for _ in range(3):
        model.step()
    store.keep((0, 0), model, 1.0)
    resumed = play(scenario, None, 0, 0, lambda number, values: None, WarmStart(), store, 1e9)
    whole = model.run()
    assert resumed.trajectory == whole.trajectory
    assert resumed.takes.tolist() == whole.takes.tolist()
    assert gaps(whole)
    model.close()


def test_a_slate_with_repeats_can_be_explained():
    scenario = world(["itemknn"], {"after": 1, "share": 0.5}, users={"activity": 1.0})
    model = played(scenario)
    shown = next(slates for number, _, slates in model.platform.log.slates if number == 6)
    assert [place.item for place in explain(scenario, None, "itemknn", 0, 7, 6).places] == shown[7].tolist()


def test_an_erased_history_is_begun_anew_and_remembered_by_its_user():
    model = played(world(["popularity"], {"after": 3}, events=[{"kind": "reset_history", "at": 4}], users={"agents": 2}))
    diaries = [c.memory.items[row, : c.memory.counts[row]].tolist() for c in model.cohorts for row in range(len(c.users))]
    rounds = [c.memory.rounds[row, : c.memory.counts[row]].tolist() for c in model.cohorts for row in range(len(c.users))]
    repeated = 0
    for items, when in zip(diaries, rounds, strict=True):
        last: dict[int, int] = {}
        for item, number in zip(items, when, strict=True):
            assert number - last.get(item, -9) >= 3
            repeated += item in last
            last[item] = number
    assert repeated
    assert min(when for *_, when in takes(model)) == 4


# ---- measures by hand


def test_popularity_counts_users_and_co_consumption_counts_items_once():
    again = torch.tensor([[False], [True], [False]])
    happened = Round(
        round=0, slate=torch.zeros(3, 0, dtype=torch.int64), shown=torch.zeros(3, dtype=torch.bool),
        items=torch.tensor([[1], [1], [0]]), taken=torch.tensor([[True], [True], [False]]),
        from_slate=torch.zeros(3, 1, dtype=torch.bool), utility=torch.zeros(3, 1), interests=torch.full((3, 2), 0.5),
        best=lambda users, k: users, again=again,
    )
    recorder = Recorder(
        World(torch.full((4, 2), 0.5), torch.eye(4), torch.zeros(4, dtype=torch.int64), happened.interests,
              torch.tensor([0, 1, 0, 0]), None),
        names=["consumption.repeat_rate"],
    )
    assert recorder.observe(happened) == {"consumption.repeat_rate": 0.5}
    assert recorder.popularity.tolist() == [0, 2, 0, 0]

    lists, labels = torch.tensor([[2, 1, 2, 4], [1, 4, 1, 1], [3, 2, 2, 3]]), torch.tensor([0, 1, 0])
    once = each_once(lists, 4)
    assert [sorted(row) for row in once.tolist()] == [[1, 2, 4, 4], [1, 4, 4, 4], [2, 3, 4, 4]]
    sets = torch.tensor([[2, 1], [1, 4], [3, 2]])
    assert co_consumption_modularity(once, 4, labels) == co_consumption_modularity(sets, 4, labels)


# ---- what is wrong


@pytest.mark.parametrize(("keys", "says"), [
    ("users: {repeats: {after: 0}}", "users.repeats.after"),
    ("users: {repeats: {share: 1.5}}", "users.repeats.share"),
    ("users: {repeats: {recency: -1}}", "users.repeats.recency"),
    ("users: {repeats: {afer: 2}}", "after"),
    ("users: {repeats: {rho: 1.5}}", "users.repeats.rho"),
    ("users: {repeats: {rho: 0.6, share: 0.2}}", "users.repeats.share: leave it out: with `rho`"),
    ("users: {repeats: {gamma: 0.5}}", "users.repeats.gamma: says how `rho` falls: add `rho`"),
    ("users: {count: 20, repeats: {share: 0.2}}\nitems: {count: 30}\ndiscovery: {awareness: all}", "finds all that there is"),
])
def test_what_is_wrong_is_said(keys: str, says: str):
    with pytest.raises(ScenarioError, match=says):
        check(parse(f"title: t\npolicies: [random]\n{keys}\n", "test"))


def test_how_much_is_old_is_told():
    told = [" ".join(plain(world(["organic"], {"after": 1, **law}), None)) for law in (
        {}, {"share": 0.3}, {"share": 0.3, "recency": 0}, {"rho": 0.6, "recency": 0},
    )]
    assert "own finds are what" not in told[0]
    assert "30% of a user's own finds are what she took before, drawn ∝ (places back)^−1." in told[1]
    assert "30% of a user's own finds are what she took before, every take as likely." in told[2]
    assert "new with a chance of 0.6 S^−0.21, S the different items that she has taken; else it is what she took" in told[3]


def test_the_resolved_scenario_loads_back():
    for law in ({"share": 0.3, "recency": 0.5}, {"rho": 0.6, "gamma": 0.3}):
        scenario = world([{"kind": "random", "repeats": False}], {"after": 4, **law})
        assert check(parse(scenario.resolved(), "test")) == scenario
    assert "consumption.repeat_rate" in scenario.report.focus
