"""Cohorts: parts of the users who are unlike each other, and what that changes for nobody else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.users import divide
from simulator.datasets import Dataset, DatasetError
from simulator.draws import Draws
from simulator.faults import ScenarioError
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario, check
from simulator.store import State, Store
from simulator.warmup import WarmStart
from simulator.world import begin, load_data
from simulator.yaml_source import parse

HALVES = [{"name": "young", "share": 0.5}, {"name": "old", "share": 0.5}]


def world(cohorts: list[dict], count: int = 70, policies: tuple = ("mf",), **users: object) -> Scenario:
    return Scenario.model_validate(
        {
            "title": "cohorts", "rounds": 6, "warmup": 2, "slate_size": 5, "policies": list(policies),
            "users": {"count": count, "activity": {"mean": 0.8, "spread": 0.1}, "cohorts": cohorts, **users},
            "items": {"count": 60, "topics": 5}, "discovery": {"awareness": 12},
        }
    )


def played(scenario: Scenario, arm: int = 0, data: Dataset | None = None) -> FilterBubbleModel:
    model = FilterBubbleModel(scenario, scenario.policies[arm], data=data).run()
    model.close()
    return model


def lives(model: FilterBubbleModel) -> dict[str, list]:
    """All that the users are, and what became of them."""
    users = model.users
    memories = [pair for each in model.cohorts for pair in zip(each.memory.items, each.memory.counts, strict=True)]
    return {
        "interests": users.interests.tolist(), "origin": users.origin.tolist(), "activity": users.activity.tolist(),
        "adoption": users.adoption.tolist(), "susceptibility": users.susceptibility.tolist(), "group": users.group.tolist(),
        "taken": [row[:count].tolist() for row, count in memories],
    }


# Sizes


def test_shares_become_sizes_in_the_order_of_the_file():
    keys = [{"name": "a", "share": 0.2}, {"name": "b", "share": 0.5}, {"name": "c", "share": 0.3}]
    scenario = world(keys, count=101)
    users = begin(scenario, Draws(0), None).users
    assert users.cohort.bincount().tolist() == [20, 51, 30]
    assert users.cohort.tolist() == sorted(users.cohort.tolist())
    model = FilterBubbleModel(scenario, scenario.policies[0])
    assert [(cohort.name, cohort.rows) for cohort in model.cohorts] == [
        ("a", slice(0, 20)), ("b", slice(20, 71)), ("c", slice(71, 101)),
    ]
    model.close()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 5000), st.lists(st.floats(1e-3, 1), min_size=1, max_size=8))
def test_everybody_is_in_one_part_whose_size_is_its_share_to_the_nearest_row(count, weights):
    parts = divide(count, weights)
    assert [row for part in parts for row in range(part.start, part.stop)] == list(range(count))
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.stop - part.start - weight / sum(weights) * count) <= 1 + 1e-9


# What a cohort does not say is as `users` says


@pytest.mark.parametrize("agents", [1, 3])
def test_cohorts_that_say_nothing_of_their_own_change_nothing(agents):
    plain = played(world([], activity={"mean": 0.7, "spread": 0.2}, susceptibility={"mean": 0.6, "spread": 0.2}))
    halves = played(
        world(HALVES, activity={"mean": 0.7, "spread": 0.2}, susceptibility={"mean": 0.6, "spread": 0.2}, agents=agents)
    )
    assert lives(plain) == lives(halves)
    assert plain.trajectory == halves.trajectory
    assert len(halves.cohorts) == 2 * agents


def test_what_a_cohort_repeats_of_users_is_not_its_own():
    said = {"drift": "satiation", "choice": "best", "activity": {"mean": 0.7, "spread": 0.2}, "interests": "communities"}
    cohorts = [{**HALVES[0], **said}, HALVES[1]]
    assert lives(played(world(cohorts, **said))) == lives(played(world([], **said)))


OWN = [
    ("susceptibility", 0.1, {"susceptibility"}),
    ("activity", {"mean": 0.3, "spread": 0.1}, {"activity"}),
    ("adoption", {"mean": 0.3, "spread": 0.1}, {"adoption"}),
    ("interests", {"kind": "dirichlet", "concentration": 2.0}, {"interests", "origin", "group"}),
    ("interests", {"kind": "communities", "communities": 2}, {"interests", "origin", "group"}),
    ("group", 9, {"group"}),
    ("choice", "best", set()),
    ("drift", "satiation", set()),
]


@pytest.mark.parametrize(("key", "value", "changed"), OWN, ids=[f"{key} {value}" for key, value, _ in OWN])
def test_a_trait_of_ones_own_changes_that_trait_and_nobody_else(key, value, changed):
    before, after = (begin(world([{**HALVES[0], **own}, HALVES[1]]), Draws(3), None) for own in ({}, {key: value}))
    ours, others = slice(0, 35), slice(35, 70)
    for name in ("interests", "origin", "susceptibility", "activity", "adoption", "group", "cohort"):
        was, now = getattr(before.users, name), getattr(after.users, name)
        assert torch.equal(was[others], now[others]), name
        assert torch.equal(was[ours], now[ours]) == (name not in changed), name
    for name in ("topics", "quality", "salience", "creator"):
        assert torch.equal(getattr(before.catalog, name), getattr(after.catalog, name))


ARMS = ("organic", "oracle")


@pytest.fixture(scope="module")
def alike() -> list[dict[str, list]]:
    return [lives(played(world(HALVES, policies=ARMS), arm)) for arm in range(2)]


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, value, _ in OWN])
def test_without_a_common_recommender_the_others_live_on_as_if_nothing_were(key, value, alike):
    """What one cohort does reaches no other, but through what a policy learns of it."""
    for arm, before in enumerate(alike):
        after = lives(played(world([{**HALVES[0], key: value}, HALVES[1]], policies=ARMS), arm))
        for name in before:
            assert before[name][35:] == after[name][35:], name
        has_a_say = key != "group" and (key != "adoption" or ARMS[arm] != "organic")
        assert (before["interests"][:35] != after["interests"][:35]) == has_a_say


def test_a_third_cohort_draws_for_itself_alone():
    """Cut the second half in two, the last part with traits of its own: the rest stay who they were."""
    new = {"name": "new", "share": 0.25, "activity": 0.5, "interests": "communities"}
    thirds = [HALVES[0], {"name": "old", "share": 0.25}, new]
    before, after = begin(world(HALVES, 80), Draws(3), None).users, begin(world(thirds, 80), Draws(3), None).users
    for name in ("interests", "activity", "adoption", "susceptibility", "group"):
        assert torch.equal(getattr(before, name)[:60], getattr(after, name)[:60])
    assert (after.activity[60:] == 0.5).all()
    assert not torch.equal(before.interests[60:], after.interests[60:])


# Each cohort's own models act for it


def test_each_cohort_drifts_by_its_own_model():
    still, moves, tires = ({"name": kind, "share": share, "drift": kind} for kind, share in (
        ("none", 0.2), ("assimilation", 0.5), ("satiation", 0.3),
    ))
    model = played(world([still, moves, tires], policies=("random",)))
    users = model.users
    parts = [slice(0, 14), slice(14, 49), slice(49, 70)]
    assert torch.equal(users.interests[parts[0]], users.origin[parts[0]])
    for rows, drift in ((parts[1], "assimilation"), (parts[2], "satiation")):
        alone = played(world([], policies=("random",), drift=drift))
        assert torch.equal(users.interests[rows], alone.users.interests[rows])
        assert not torch.equal(users.interests[rows], users.origin[rows])
    assert [cohort.users.trace.shape for cohort in model.cohorts] == [(14, 0), (35, 0), (21, 5)]


def test_each_cohort_chooses_by_its_own_model():
    nothing = {"kind": "best", "outside_utility": 1000.0}
    model = played(world([{**HALVES[0], "choice": nothing}, HALVES[1]], policies=("popularity",)))
    assert (model.cohorts[0].memory.counts == 0).all()
    assert (model.cohorts[1].memory.counts > 0).any()
    assert torch.equal(model.users.interests[:35], model.users.origin[:35])


def test_who_adopts_nothing_lives_as_in_the_organic_arm():
    cohorts = [{**HALVES[0], "adoption": 0.0}, HALVES[1]]
    scenario = world(cohorts, policies=("organic", "mf"))
    organic, recommended = lives(played(scenario, 0)), lives(played(scenario, 1))
    assert organic["taken"][:35] == recommended["taken"][:35]
    assert organic["interests"][:35] == recommended["interests"][:35]
    assert organic["taken"][35:] != recommended["taken"][35:]


def test_agents_split_each_cohort_and_change_nothing():
    cohorts = [{**HALVES[0], "drift": "reinforcement"}, {**HALVES[1], "drift": {"kind": "memory_mean", "size": 3}}]
    one, many = (played(world(cohorts, count=24, agents=agents)) for agents in (1, 12))
    assert lives(one) == lives(many)
    assert one.trajectory == many.trajectory
    assert len(many.cohorts) == 24


def test_a_group_of_its_own_is_what_its_users_count_as():
    users = begin(world([{**HALVES[0], "group": 4}, HALVES[1]]), Draws(0), None).users
    assert (users.group[:35] == 4).all()
    assert torch.equal(users.group[35:], users.origin[35:].argmax(1))


# What is refused


FILE = """\
title: Wrong
policies: [organic]
users:
  count: 40
  cohorts:
    - {name: young, share: 0.5}
    - {name: old, share: 0.5}
"""


def faults(*changes: tuple[str, str]) -> str:
    text = FILE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(ScenarioError) as error:
        check(parse(text, "wrong.yaml"))
    return str(error.value)


def test_shares_must_sum_to_one():
    message = faults(("name: old, share: 0.5", "name: old, share: 0.4"))
    assert "wrong.yaml:6" in message or "wrong.yaml:5" in message
    assert "the shares must sum to 1 (they sum to 0.9)" in message


@pytest.mark.parametrize("shares", [[0.1] * 10, [1 / 3] * 3, [0.333333, 0.333333, 0.333334]])
def test_rounding_is_no_reason_to_refuse(shares):
    world([{"name": str(place), "share": share} for place, share in enumerate(shares)])


def test_two_cohorts_of_one_name_are_refused_where_the_second_stands():
    message = faults(("name: old", "name: young"))
    assert "wrong.yaml:7" in message
    assert "is the second cohort called 'young'" in message


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("0.5}\n    - {name: old, share: 0.5", "0.99}\n    - {name: old, share: 0.01"), 7, "is nobody, of 40 users"),
        (("name: old, share: 0.5", "name: old, share: 0"), 7, "0"),
        (("name: old,", "name: old, drift: biased_assimilation,"), 7, "'biased_assimilation' needs `items.space: sphere`"),
        (("name: old,", "name: old, interests: data,"), 7, "without `data:` there are no histories to read"),
        (("name: old,", "name: old, drfit: none,"), 7, "there is no key 'drfit'; did you mean 'drift'?"),
        (("name: old, ", ""), 7, "name"),
        (("name: old,", "name: old, activity: 1.5,"), 7, "activity"),
    ],
)
def test_what_is_wrong_with_a_cohort_is_said_at_its_line(change, line, words):
    message = faults(change)
    assert f"wrong.yaml:{line}" in message
    assert words in message


# A real log


def log(n: int = 40, m: int = 30, groups: bool = True) -> Dataset:
    """User u took u % 7 + 3 items, from item u on; her group is u % 2."""
    taken = [(u, (u + j) % m) for u in range(n) for j in range(u % 7 + 3)]
    users, items = (np.array(column) for column in zip(*taken, strict=True))
    return Dataset(
        name="hand", users=users, items=items, times=np.arange(len(users)), ratings=np.ones(len(users), np.float32),
        topics=np.eye(3, dtype=np.float32)[np.arange(m) % 3], topic_names=("a", "b", "c"),
        titles=tuple(map(str, range(m))), user_labels=tuple(f"u{u}" for u in range(n)), item_labels=tuple(map(str, range(m))),
        groups=np.arange(n) % 2 if groups else None, group_names=("even", "odd") if groups else (), citation="", licence="",
    )


def of_log(cohorts: list[dict], **users: object) -> Scenario:
    return Scenario.model_validate(
        {
            "title": "log", "policies": ["popularity"], "rounds": 3, "warmup": 1, "slate_size": 3,
            "discovery": {"awareness": 4}, "data": {"kind": "movielens", "path": "x"},
            "users": {"interests": "data", "cohorts": cohorts, **users},
        }
    )


def test_a_log_with_users_numbered_anew_is_the_same_log():
    old, order = log(), np.random.default_rng(0).permutation(40)
    new = old.with_users(order)
    for u, was in enumerate(order):
        assert new.user_labels[u] == old.user_labels[was]
        assert new.groups[u] == old.groups[was]
        assert new.items[new.users == u].tolist() == old.items[old.users == was].tolist()
    assert np.array_equal(new.items, old.items)
    assert np.array_equal(new.times, old.times)
    assert log(groups=False).with_users(order).groups is None


def test_which_real_user_is_in_which_cohort_is_chance():
    """Everything that belongs to a user comes along: history, interests, group, activity."""
    data, cohorts = log(), [{"name": "few", "share": 0.25}, {"name": "many", "share": 0.75}]
    alone, divided = begin(of_log([]), Draws(1), data), begin(of_log(cohorts), Draws(1), data)
    order = Draws(1)("cohorts").numpy().permutation(40)
    assert sorted(order.tolist()) == list(range(40)) != order.tolist()
    for name in ("interests", "group", "activity"):
        assert torch.equal(getattr(divided.users, name), getattr(alone.users, name)[order]), name
    for u, was in enumerate(order):
        assert divided.past.items[divided.past.users == u].tolist() == alone.past.items[alone.past.users == was].tolist()
    assert divided.users.cohort.bincount().tolist() == [10, 30]
    another = begin(of_log(cohorts), Draws(1, 1), data)
    assert not torch.equal(another.users.interests, divided.users.interests)


def test_over_many_replicates_every_real_user_is_as_often_in_each_cohort():
    data, share = log(), 0.25
    cohorts = [{"name": "few", "share": share}, {"name": "many", "share": 1 - share}]
    scenario, times = of_log(cohorts), np.zeros(40)
    for replicate in range(200):
        users = begin(scenario, Draws(1, replicate), data).users
        ids = Draws(1, replicate)("cohorts").numpy().permutation(40)
        times[ids[(users.cohort == 0).numpy()]] += 1
    assert np.abs(times - 200 * share).max() < 4.5 * (200 * share * (1 - share)) ** 0.5


def test_users_remember_their_own_past_in_whatever_cohort_they_are():
    model = played(of_log([{"name": "few", "share": 0.25, "drift": "none"}, {"name": "many", "share": 0.75}]), data=log())
    for user in range(40):
        cohort = model.cohorts[0] if user < 10 else model.cohorts[1]
        row = user - cohort.rows.start
        past = model.past.items[model.past.users == user].tolist()
        assert cohort.memory.items[row, : len(past)].tolist() == past
    assert torch.equal(model.users.interests[:10], model.users.origin[:10])


def test_a_cohort_that_would_have_nobody_of_a_log_is_refused(monkeypatch):
    scenario = of_log([{"name": "few", "share": 0.01}, {"name": "many", "share": 0.99}])
    monkeypatch.setattr("simulator.world.load", lambda *_, **__: log())
    with pytest.raises(DatasetError, match=r"^x: 40 users are left of it, and of them the cohort 'few' \(share 0\.01\) would"):
        load_data(scenario)


# Ends and beginnings


MIXED = [
    {"name": "tired", "share": 0.3, "drift": "boredom"},
    {"name": "mindful", "share": 0.3, "drift": {"kind": "memory_mean", "size": 4}, "choice": "cascade"},
    {"name": "fond", "share": 0.4, "drift": "mere_exposure", "adoption": 0.5},
]


def test_an_arm_that_goes_on_from_a_shared_warm_up_plays_what_it_plays_alone():
    scenario, warm = world(MIXED, policies=("organic", "mf", "oracle")), WarmStart()
    for place in range(3):
        alone, shared = played(scenario, place), warm.model(scenario, place, 0, None)
        assert shared.round == 0
        shared.run()
        assert lives(shared) == lives(alone)
        assert repr(shared.trajectory) == repr(alone.trajectory)
        for ours, theirs in zip(shared.cohorts, alone.cohorts, strict=True):
            assert torch.equal(ours.users.trace, theirs.users.trace)
        shared.close()


def test_a_run_goes_on_from_its_checkpoint_as_if_nothing_had_happened(tmp_path):
    scenario = world(MIXED)
    whole = played(scenario)
    model = FilterBubbleModel(scenario, scenario.policies[0])
    for _ in range(5):
        model.step()
    store = Store(tmp_path)
    store.open(State.of(scenario, None))
    store.keep((0, 0), model, 1.0)
    model.close()
    resumed, _ = store.model((0, 0))
    assert resumed.round == 3
    assert [cohort.name for cohort in resumed.cohorts] == ["tired", "mindful", "fond"]
    assert lives(resumed.run()) == lives(whole)
    assert repr(resumed.trajectory) == repr(whole.trajectory)
    for ours, theirs in zip(resumed.cohorts, whole.cohorts, strict=True):
        assert torch.equal(ours.users.trace, theirs.users.trace)
