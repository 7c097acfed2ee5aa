"""The loop's standing promises: paired arms, one cohort or many, sanity of the science."""

from __future__ import annotations

import ast
import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

from agents.cohort import FocalUser, UserCohort
from simulator.model import FilterBubbleModel
from simulator.platform import Platform
from simulator.scenario import Scenario

ROOT = Path(__file__).parents[2]


def small(policies: list, **keys: object) -> Scenario:
    world = {
        "title": "small", "rounds": 8, "warmup": 3, "slate_size": 5,
        "users": {"count": 70}, "items": {"count": 60, "topics": 5}, "discovery": {"awareness": 12},
    }
    return Scenario.model_validate({**world, "policies": policies, **keys})


def play(scenario: Scenario, arm: int = 0) -> list[tuple[int, dict[str, float]]]:
    model = FilterBubbleModel(scenario, scenario.policies[arm])
    try:
        return model.run().trajectory
    finally:
        model.close()


SASREC = {"kind": "sasrec", "hidden": 8, "epochs": 2}


@pytest.mark.parametrize("policy", ["organic", "random", "popularity", "mf", SASREC, "oracle"])
def test_one_cohort_of_n_and_n_cohorts_of_one_live_the_same_lives(policy):
    together = small([policy])
    apart = small([policy], users={"count": 70, "agents": 70})
    assert play(together) == play(apart)


def test_the_same_policy_twice_differs_nowhere_and_a_third_arm_changes_nothing():
    scenario = small(["mf", {"kind": "mf", "name": "again"}, "random"])
    assert play(scenario, 0) == play(scenario, 1) == play(small(["mf"]))


def test_a_train_window_is_what_a_policy_learns_from_and_not_what_users_have_seen():
    often = {"kind": "popularity", "retrain_every": 1}
    scenario = small([{**often, "train_window": 2}, {**often, "name": "all"}])
    model = FilterBubbleModel(scenario, scenario.policies[0]).run()
    learnt = model.platform.policy.log_.interactions()
    assert set(learnt.rounds.tolist()) == {6, 7}                        # of the last fit, before round 8
    users, items, _ = model.platform.log.interactions()
    assert len(set(zip(users.tolist(), items.tolist(), strict=True))) == len(users)
    model.close()
    assert play(scenario, 0) != play(scenario, 1)
    assert play(small([{"kind": "mf", "train_window": 1000}])) == play(small(["mf"]))


def test_training_data_may_be_late():
    often = {"kind": "popularity", "retrain_every": 1}
    for late, learnt in (({"train_lag": 3}, range(-2, 5)), ({"train_lag": 3, "train_window": 2}, range(3, 5))):
        model = FilterBubbleModel(scenario := small([{**often, **late}]), scenario.policies[0]).run()
        assert set(model.platform.policy.log_.interactions().rounds.tolist()) == set(learnt)     # of the fit before round 8
        users, items, _ = model.platform.log.interactions()
        assert len(set(zip(users.tolist(), items.tolist(), strict=True))) == len(users)
        model.close()
    nothing_yet = small([{"kind": kind, "train_lag": 1000} for kind in ("mf", "itemknn", "lightgcn", "multvae", "sasrec")])
    for arm in range(len(nothing_yet.policies)):
        assert play(nothing_yet, arm)[-1][1]["utility.per_user"] > 0


def test_without_drift_interests_stay():
    scenario = small(["popularity"], users={"count": 70, "drift": "none"})
    assert all(values["interests.drift"] < 1e-6 for _, values in play(scenario))


def test_the_oracle_is_most_useful_and_popularity_concentrates():
    scenario = small(["organic", "random", "popularity", "oracle"], users={"count": 200})
    last = [play(scenario, arm)[-1][1] for arm in range(4)]
    assert last[3]["utility.per_user"] == max(values["utility.per_user"] for values in last)
    assert last[1]["exposure.gini"] < last[2]["exposure.gini"]


def test_shown_one_topic_interests_converge_there_at_the_closed_form_rate():
    rate, rounds = 0.1, 12
    users = {"count": 90, "drift": {"kind": "assimilation", "rate": rate}, "choice": {"kind": "best", "outside_utility": -1}}
    scenario = small(["random"], rounds=rounds, warmup=0, users=users)
    model = FilterBubbleModel(scenario, scenario.policies[0])
    only = torch.zeros(5)
    only[2] = 1
    model.catalog.topics[:] = model.catalog.features[:] = only       # every item is about topic 2, and everybody takes one
    before = model.users.interests.clone()
    model.run()
    expected = only + (1 - rate) ** rounds * (before - only)
    torch.testing.assert_close(model.users.interests, expected)
    model.close()


def test_without_recommender_and_drift_windowed_alpha_stays():
    """The length artefact: a chooser who never changes must not seem to."""
    scenario = small(
        ["organic"], rounds=60, warmup=10, users={"count": 1500, "drift": "none"},
        items={"count": 5000, "topics": 8}, measures={"names": ["consumption.alpha"], "window": 10},
    )
    alpha = np.array([values["consumption.alpha"] for _, values in play(scenario)])
    early, late = alpha[:20].mean(), alpha[-20:].mean()
    assert abs(late - early) < 0.02 * early


def test_mesa_sees_rounds_agents_and_values():
    scenario = small(["random"], users={"count": 70, "agents": 3})
    model = FilterBubbleModel(scenario, scenario.policies[0]).run()
    table = model.datacollector.get_model_vars_dataframe()
    assert table["round"].tolist() == list(range(9))
    assert table["consumption.alpha"].tolist() == [values["consumption.alpha"] for _, values in model.trajectory]
    assert table["exposure.gini"].isna().tolist() == [True] + [False] * 8
    assert len(model.agents_by_type[UserCohort]) == 3
    assert len(model.agents_by_type[Platform]) == 1
    focal = model.agents_by_type[FocalUser]
    assert len(focal) == 10
    log = model.platform.log.history(torch.tensor([0, 69]))
    first = next(iter(focal))
    assert first.taken == log.items[0][log.present[0]].tolist()
    assert torch.equal(first.interests, model.users.interests[0])
    model.close()


def test_a_closed_model_is_let_go():
    scenario = small(["random"], rounds=1)
    model = FilterBubbleModel(scenario, scenario.policies[0])
    seen = weakref.ref(model)
    model.close()
    del model
    gc.collect()
    assert seen() is None


def test_zero_adoption_is_the_organic_arm():
    users = {"count": 70, "adoption": 0.0}
    scenario = small(["organic", "mf"], users=users)
    for (_, organic), (_, mf) in zip(play(scenario, 0), play(scenario, 1), strict=True):
        assert organic["consumption.alpha"] == mf["consumption.alpha"]


def test_the_walls_stand():
    forbidden = {"agents": {"policies", "simulator"}, "policies": {"agents", "simulator"}}
    for folder, others in forbidden.items():
        for file in (ROOT / folder).glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not {name.split(".")[0] for name in names} & others, file
