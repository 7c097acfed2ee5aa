"""The loop's standing promises: keyed draws, paired arms, one cohort or many, sanity of the science."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from simulator.draws import Draws
from simulator.model import FilterBubbleModel
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


def test_draws_are_uniform_over_users_items_rounds_and_decisions():
    users, items = torch.arange(400)[:, None], torch.arange(300)
    draws = Draws(3).at(5)
    x = draws("choice").uniform(users, items).numpy()
    assert x.min() > 0
    assert x.max() < 1
    assert stats.kstest(x.ravel(), "uniform").pvalue > 1e-3
    for other in (draws("look"), Draws(3).at(6)("choice"), Draws(3, 1).at(5)("choice"), Draws(4).at(5)("choice")):
        y = other.uniform(users, items).numpy()
        assert abs(stats.pearsonr(x.ravel(), y.ravel()).statistic) < 4 / np.sqrt(x.size)
    neighbours = [stats.pearsonr(x[:-1].ravel(), x[1:].ravel()), stats.pearsonr(x[:, :-1].ravel(), x[:, 1:].ravel())]
    assert all(abs(r.statistic) < 4 / np.sqrt(x.size) for r in neighbours)


def test_a_draw_does_not_depend_on_the_block_it_is_drawn_in():
    stream = Draws(3)("choice")
    whole = stream.gumbel(torch.arange(50)[:, None], torch.arange(20))
    assert torch.equal(whole[7:9, 3:5], stream.gumbel(torch.arange(7, 9)[:, None], torch.arange(3, 5)))


SASREC = {"kind": "sasrec", "hidden": 8, "epochs": 2}


@pytest.mark.parametrize("policy", ["organic", "random", "popularity", "mf", SASREC, "oracle"])
def test_one_cohort_of_n_and_n_cohorts_of_one_live_the_same_lives(policy):
    together = small([policy])
    apart = small([policy], users={"count": 70, "cohorts": 70})
    assert play(together) == play(apart)


def test_the_same_policy_twice_differs_nowhere_and_a_third_arm_changes_nothing():
    scenario = small(["mf", {"kind": "mf", "name": "again"}, "random"])
    assert play(scenario, 0) == play(scenario, 1) == play(small(["mf"]))


def test_without_drift_interests_stay():
    scenario = small(["popularity"], users={"count": 70, "drift": "none"})
    assert all(values["interests.drift"] < 1e-6 for _, values in play(scenario))


def test_the_oracle_is_most_useful_and_popularity_concentrates():
    scenario = small(["organic", "random", "popularity", "oracle"], users={"count": 200})
    last = [play(scenario, arm)[-1][1] for arm in range(4)]
    assert last[3]["utility.per_user"] == max(values["utility.per_user"] for values in last)
    assert last[1]["exposure.gini"] < last[2]["exposure.gini"]


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
