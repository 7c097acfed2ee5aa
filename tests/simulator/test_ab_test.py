"""The A/B test as an arm: who is served by whom, what it estimates, and what interference does to the estimate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from simulator.controls import ABTest
from simulator.draws import Draws
from simulator.faults import ScenarioError
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario, load_scenario
from simulator.statistics import BIAS, EFFECT, ESTIMATE, against_the_truth

MF = {"kind": "mf", "factors": 4, "epochs": 3}


def world(policies: list, **keys) -> Scenario:
    return Scenario.model_validate({
        "title": "Two groups", "seed": 3, "rounds": 6, "slate_size": 4, "users": {"count": 90, "takes": 2},
        "items": {"count": 60, "topics": 5}, "policies": policies, "measures": {"names": ["consumption.alpha", "utility.*"]},
        **keys,
    })  # fmt: skip


def played(scenario: Scenario, arm: int) -> FilterBubbleModel:
    model = FilterBubbleModel(scenario, scenario.policies[arm]).run()
    model.close()
    return model


def test_users_are_split_by_their_ids_alone():
    ids = torch.arange(20_000)
    of = ABTest(("a", "b"), share=0.3).assign(ids, Draws(1))
    assert of.double().mean().item() == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / 20_000))
    assert torch.equal(of[5:9], ABTest(("a", "b"), share=0.3).assign(ids[5:9], Draws(1, round=7)))
    more = ABTest(("a", "b"), share=0.6).assign(ids, Draws(1))
    assert (more >= of).all(), "a larger share takes in more, and lets go of nobody"
    assert not torch.equal(of, ABTest(("a", "b"), share=0.3).assign(ids, Draws(1, replicate=1)))


def test_the_same_policy_twice_is_that_policy():
    """The negative control: with the same policy in both groups every user lives as if there were no test."""
    scenario = world([MF, {**MF, "name": "again"}, {"kind": "ab_test", "name": "test", "of": ["mf", "again"]}])
    alone, split = played(scenario, 0), played(scenario, 2)
    assert {0, 1} == set(split.platform.served_by.tolist())
    assert torch.equal(alone.users.interests, split.users.interests)
    assert alone.trajectory == split.trajectory
    assert split.platform.training == []


def test_each_group_is_served_by_its_own_arm():
    """With nobody in the other arm, and random slates, a group sees exactly what it would see if all were served so."""
    scenario = world(["random", "organic", {"kind": "ab_test", "name": "test", "of": ["organic", "random"]}], rounds=1)
    model, alone = played(scenario, 2), played(scenario, 0)
    users, slates = (torch.cat([shown[part] for shown in model.platform.log.slates]) for part in (1, 2))
    assert torch.equal(users, (model.platform.served_by == 1).nonzero()[:, 0])
    assert torch.equal(slates, alone.platform.log.slates[0][2][users])
    assert set(model.platform.servants()) == {"organic", "random"}


@pytest.mark.parametrize(("of", "words"), [
    ("[mf, popular]", "policies[1].of[1]: there is no arm 'popular'"),
    ("[mf, test]", "policies[1].of[1]: 'test' is an A/B test itself"),
    ("[mf]", "policies[1].of"),
    ("[mf, mf]", "both are 'mf'"),
])  # fmt: skip
def test_arms_that_cannot_be_compared_are_refused(tmp_path: Path, of: str, words: str):
    file = tmp_path / "test.yaml"
    file.write_text(f"title: No\npolicies:\n  - mf\n  - {{kind: ab_test, name: test, of: {of}}}\n")
    with pytest.raises(ScenarioError) as error:
        load_scenario(file)
    assert words in str(error.value)
    assert "test.yaml:4" in str(error.value)


def test_estimate_effect_and_bias_by_hand():
    def rows(arm: str, replicate: int, takes: list[float], served_by: list[str]) -> pd.DataFrame:
        return pd.DataFrame({
            "arm": arm, "replicate": replicate, "user": range(len(takes)), "takes": takes, "served_by": served_by,
        })  # fmt: skip

    people = pd.concat([
        rows("test", 0, [1, 3, 5], ["old", "old", "new"]), rows("old", 0, [1, 2, 3], ["old"] * 3),
        rows("new", 0, [4, 5, 9], ["new"] * 3),
        rows("test", 1, [2, 2, 9], ["old", "new", "new"]), rows("old", 1, [1, 1, 1], ["old"] * 3),
        rows("new", 1, [2, 2, 2], ["new"] * 3),
        rows("test", 2, [7, 7, 7], ["old", "new", "new"]),                 # its other arms are not finished
    ])  # fmt: skip
    table = against_the_truth(people, "test", "old", "new").set_index("kind")
    assert set(table["outcome"]) == {"takes"}
    assert table["mean"].to_dict() == pytest.approx({ESTIMATE: 3.25, EFFECT: 2.5, BIAS: 0.75})
    assert table["n"].to_dict() == {ESTIMATE: 2, EFFECT: 2, BIAS: 2}
    assert table.loc[BIAS, "sd"] == pytest.approx(np.std([-1, 2.5], ddof=1))
    assert len(against_the_truth(people, "test", "old", "newer")) == 0
