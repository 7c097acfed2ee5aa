"""Who comes and goes, in whole runs: identity, pairing, parity, and what is measured of whom."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from simulator.api import run
from simulator.faults import ScenarioError
from simulator.model import FilterBubbleModel
from simulator.play import play
from simulator.report.load import load_run
from simulator.scenario import Scenario, check
from simulator.store import Store
from simulator.trajectory import Trajectory
from simulator.warmup import WarmStart
from simulator.yaml_source import parse

CHURN = {"leave": {"kind": "dissatisfaction", "base": 0.1}, "come_back": 0.05, "arrivals": 3.0}


def world(policies: list, churn: dict | None = CHURN, **keys: object) -> Scenario:
    users = {"count": 40, "takes": 2, "activity": 0.8, "churn": churn, **keys.pop("users", {})}       # type: ignore[dict-item]
    return Scenario.model_validate({
        "title": "t", "rounds": 8, "warmup": 2, "slate_size": 4, "discovery": {"awareness": 6}, "policies": policies,
        "users": users, "items": {"count": 50, "topics": 5}, **keys,
    })


def played(scenario: Scenario, arm: int = 0, replicate: int = 0) -> FilterBubbleModel:
    model = FilterBubbleModel(scenario, scenario.policies[arm], replicate)
    model.history = []
    while model.round < scenario.rounds:
        before = model.users.interests.clone()
        model.step()
        if model.recorder is not None:
            model.history.append((model.recorder.presence.now, before, model.users.interests.clone()))
    return model


def values(scenario: Scenario, name: str, arm: int = 0) -> list[float]:
    model = played(scenario, arm)
    model.close()
    return [each[name] for _, each in model.trajectory if name in each]


MIXED = [
    {"name": "a", "share": 0.7, "drift": "reinforcement"}, {"name": "b", "share": 0.3, "drift": "satiation", "activity": 0.5}
]


@pytest.mark.parametrize("leave", ["dissatisfaction", "boredom", "empty_handed"])
def test_one_cohort_and_many_live_the_same_lives(leave: str):
    users = {"cohorts": MIXED} if leave == "boredom" else {}
    churn = {**CHURN, "leave": leave}
    together, apart = (
        played(world(["mf"], churn, users={**users, "count": 20, "agents": agents})) for agents in (1, 100)
    )
    assert together.trajectory == apart.trajectory
    assert torch.equal(together.users.present, apart.users.present)
    together.close()
    apart.close()


def test_nobody_who_is_absent_acts_or_changes():
    model = played(world(["popularity"], users={"drift": "reinforcement"}))
    users, _, rounds = model.platform.log.interactions()
    arrival = model.users.arrival
    assert (arrival[users] <= rounds.clamp(min=0)).all()
    assert len(model.users) == 40 + int((arrival > 0).sum())
    assert (arrival > 0).any()
    there = dict(enumerate(present for present, _, _ in model.history))
    assert all(there[r][u] for u, r in zip(users.tolist(), rounds.tolist(), strict=True) if r >= 0)
    for present, before, after in model.history:
        assert torch.equal(before[~present], after[~present])
        assert not torch.equal(before[present], after[present])
    model.close()


def test_users_are_the_same_people_in_every_arm_and_whatever_churn_there_is():
    scenario = world(["popularity", "random"])
    one, other = played(scenario, 0), played(scenario, 1)
    quiet = FilterBubbleModel(world(["random"], None), scenario.policies[1])
    for name in ("origin", "activity", "arrival"):
        assert torch.equal(getattr(one.users, name), getattr(other.users, name))
    assert torch.equal(one.users.origin[:40], quiet.users.origin)
    assert not torch.equal(one.users.present, other.users.present)
    for model in (one, other, quiet):
        model.close()


def test_measures_are_over_those_who_are_there():
    names = ["users.*", "utility.per_user", "interests.alpha", "interests.drift"]
    model = played(world(["popularity"], measures={"names": names}))
    recorder, last = model.recorder, model.values
    present = recorder.presence.now
    founders = recorder.presence.founders
    assert founders.tolist() == [row < 40 for row in range(len(founders))]
    assert last["users.present"] == int(present.sum()) < len(present)
    assert last["users.retained"] == int((present & founders).sum()) / 40
    before = recorder.presence.before
    assert last["users.left"] == int((before & ~present).sum()) / int(before.sum())
    took = model.platform.log.interactions()
    assert present[took.users[took.rounds == 8]].all()
    shares = recorder.previous[present].double()
    entropies = -(shares * shares.clamp(min=1e-300).log()).sum(1)
    assert last["interests.alpha"] == pytest.approx(float(entropies.mean().exp()), rel=1e-5)
    model.close()


def test_a_world_in_which_nobody_leaves_is_measured_as_one_without_churn():
    nobody = {"leave": {"kind": "empty_handed", "chance": 0.0}}
    with_churn, without = world(["mf"], nobody), world(["mf"], None)
    model, plain = played(with_churn), FilterBubbleModel(without, without.policies[0]).run()
    for (_, ours), (_, theirs) in zip(model.trajectory, plain.trajectory, strict=True):
        assert {name: value for name, value in ours.items() if not name.startswith("users.")} == theirs
        assert ours["users.present"] == 40
        assert ours["users.retained"] == 1
    model.close()
    plain.close()


def test_when_all_have_left_there_is_nothing_to_measure():
    certain = {"leave": {"kind": "dissatisfaction", "base": 1 - 1e-9, "sensitivity": 0}}
    model = played(world(["random"], certain, users={"activity": 1}))
    assert model.values["users.present"] == 0
    assert "utility.per_user" not in model.values
    assert "interests.alpha" not in model.values
    assert [each.get("users.left") for _, each in model.trajectory[:4]] == [0, 0, 1, None]
    model.close()


def retention(**leave: object) -> float:
    churn = {"leave": {"kind": "dissatisfaction", **leave}}
    return values(world(["random"], churn, users={"count": 200}, measures={"names": ["users.retained"]}), "users.retained")[-1]


def test_knobs_turn_the_way_they_say():
    assert retention(base=0.02) > retention(base=0.1)
    assert retention(expects=0.2) > retention(expects=0.5)


def test_who_is_served_well_stays():
    scenario = world(["random", "oracle"], {"leave": {"kind": "dissatisfaction", "expects": 0.8}}, users={"count": 200})
    assert values(scenario, "users.retained", 1)[-1] > values(scenario, "users.retained", 0)[-1] + 0.1


def test_with_a_constant_hazard_retention_is_the_exponential_law():
    churn = {"leave": {"kind": "dissatisfaction", "base": 0.1, "sensitivity": 0.0}}
    kept = values(world(["organic"], churn, users={"count": 2000, "activity": 1}), "users.retained")
    assert kept == pytest.approx([0.9**max(0, t - 1) for t in range(9)], abs=0.03)


def test_arrivals_are_poisson_and_follow_the_cohorts_shares():
    scenario = world(["organic"], {"leave": {"kind": "empty_handed", "chance": 0}, "arrivals": 60}, users={"cohorts": MIXED})
    model = FilterBubbleModel(scenario, scenario.policies[0])
    arrival = model.users.arrival
    number = torch.bincount(arrival)[1:]
    assert abs(int(number.sum()) - 480) < 4 * np.sqrt(480)
    new = arrival > 0
    assert float(model.users.cohort[new].float().mean()) == pytest.approx(0.3, abs=0.01)
    assert int((model.users.cohort[~new] == 0).sum()) == 28
    model.close()


def test_a_shared_warm_up_and_a_checkpoint_change_nothing(tmp_path: Path):
    scenario, warm = world(["mf", "thompson"], users={"feedback": ["like", "skip"]}), WarmStart()
    for arm in (0, 1):
        alone, shared = played(scenario, arm), warm.model(scenario, arm, 0, None)
        while shared.round < 4:
            shared.step()
        resumed = copy.deepcopy(shared)
        assert repr(shared.run().trajectory) == repr(alone.trajectory) == repr(resumed.run().trajectory)
        assert torch.equal(shared.users.present, alone.users.present)
        for model in (alone, shared, resumed):
            model.close()
    store = Store(tmp_path)
    store.folder.mkdir()
    model = warm.model(scenario, 0, 0, None)
    for _ in range(3):
        model.step()
    store.keep((0, 0), model, 1.0)
    again = play(scenario, None, 0, 0, lambda round, values: None, warm, store, 1e9)
    assert repr(again.trajectory) == repr(model.run().trajectory)
    model.close()
    longer = scenario.model_copy(update={"rounds": 12})
    assert len(warm.model(longer, 0, 0, None).users) > len(model.users)


def test_what_became_of_each_user_says_when_she_came_and_went():
    model = played(world(["random"], {**CHURN, "come_back": 0.0}))
    people = model.tally.outcomes(model.snapshots[0][1], model.snapshots[-1][1])
    there = torch.stack([present for present, _, _ in model.history[1:]]).sum(0)
    arrived, left = people["arrived"], people["left"]
    assert np.array_equal(arrived, np.maximum(model.users.arrival.numpy(), 1))
    stayed = np.where(np.isnan(left), 8, left) - arrived + 1
    assert np.array_equal(people["rounds_present"], stayed)
    assert np.array_equal(stayed, there.numpy())
    worth = model.tally.utility.numpy() / people["rounds_present"]
    assert people["utility_per_round"] == pytest.approx(worth, rel=1e-5)
    model.close()


WRONG = """
title: t
users:
  churn: {{{churn}}}
  feedback: {feedback}
  choice: best
policies:
  - {policy}
"""


@pytest.mark.parametrize(("keys", "line", "words"), [
    ({"policy": "{kind: mf, trains_on: like}"}, 8, "users give no 'like'"),
    ({"policy": "{kind: mf, trains_on: likes}", "feedback": "[like]"}, 8, "they give like"),
    ({"policy": "{kind: mf, trains_on: dwell}", "feedback": "[dwell]"}, 8, "at_least"),
    ({"policy": "{kind: mf, trains_on: {at_least: 2}}"}, 8, "no strength"),
    ({"policy": "{kind: linucb, refusals: skipped}"}, 8, "users give none"),
    ({"policy": "{kind: mf, refusals: skipped}"}, 8, "refusals"),
    ({"feedback": "[like, like]"}, 5, "second"),
    ({"feedback": "[loves]"}, 5, "no kind of feedback"),
    ({"churn": "leave: bordom"}, 4, "boredom"),
    ({"churn": "come_back: 2"}, 4, "at most 1"),
])
def test_what_is_wrong_is_said_where(keys: dict, line: int, words: str):
    text = WRONG.format(**{"churn": "", "feedback": "[]", "policy": "mf", **keys})
    with pytest.raises(ScenarioError) as caught:
        check(parse(text, "wrong.yaml"))
    assert words in str(caught.value)
    assert f"wrong.yaml:{line}" in str(caught.value)


def test_retention_is_in_focus_where_users_leave_and_nobody_said_otherwise():
    assert "users.retained" in world(["mf"]).report.focus
    assert "users.retained" not in world(["mf"], None).report.focus
    assert world(["mf"], report={"focus": ["utility.*"]}).report.focus == ("utility.*",)
    scenario = world([{"kind": "mf", "trains_on": {"signal": "dwell", "at_least": 30}}], users={"feedback": ["dwell"]})
    assert check(parse(scenario.resolved(), "again")) == scenario


@pytest.mark.slow
def test_the_run_directory_has_signals_skips_and_who_left(tmp_path: Path):
    scenario = world(["popularity"], users={"feedback": ["like", "skip"]}, report={"log": True})
    trajectory: Trajectory = run(scenario, out=tmp_path / "run")
    assert "users.retained" in trajectory.focus
    people = load_run(tmp_path / "run").people
    assert {"rounds_present", "arrived", "left"} <= set(people)
    (taken,), (shown,) = ((tmp_path / "run" / "log").glob(f"*.{name}.parquet") for name in ("interactions", "impressions"))
    taken, shown = pd.read_parquet(taken), pd.read_parquet(shown)
    assert set(taken["like"].unique()) == {0.0, 1.0}
    assert shown["skipped"].any()
    assert not shown.merge(taken, on=["round", "user", "item"])["skipped"].any()       # what was taken then was not skipped
