"""A scenario with a posterior: each replicate plays its own draw, all arms the same, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from simulator.faults import ScenarioError
from simulator.model import FilterBubbleModel
from simulator.overrides import parse_override
from simulator.runner import Job, Resources, run
from simulator.scenario import Scenario, check, load_scenario
from simulator.store import State
from simulator.warmup import WarmStart
from simulator.yaml_source import parse

WORLD = """
title: Posterior
rounds: 3
warmup: 2
replicates: 3
slate_size: 4
users: {count: 30, drift: {kind: assimilation, rate: 0.5}, activity: 0.9}
items: {count: 25, topics: 4}
discovery: {awareness: 8}
measures: {names: [consumption.alpha], window: 3}
policies: [organic, popularity]
"""
DRAWS = "posterior: {users.drift.rate: [0.1, 0.3], users.activity.mean: [0.5, 1], items.popularity_skew: [0, 2]}\n"


def world(more: str = "", *changes: str) -> Scenario:
    return check(parse(WORLD + more, "posterior.yaml"), [parse_override(text) for text in changes])


def refused(more: str, *changes: str) -> str:
    with pytest.raises(ScenarioError) as error:
        world(more, *changes)
    return str(error.value)


def log(model: FilterBubbleModel) -> list[list[int]]:
    return [column.tolist() for column in model.platform.log.interactions()]


def test_each_replicate_has_its_own_draw_and_the_first_comes_again():
    scenario = world(DRAWS)
    drawn = [scenario.in_replicate(replicate) for replicate in range(3)]
    assert [each.users.drift.rate for each in drawn] == [0.1, 0.3, 0.1]         # type: ignore[attr-defined]
    assert [each.users.activity.mean for each in drawn] == [0.5, 1, 0.5]
    assert [each.items.popularity_skew for each in drawn] == [0, 2, 0]
    assert all(each.posterior is None for each in drawn)
    assert drawn[0].model_dump(exclude={"users", "items", "posterior"}) == scenario.model_dump(
        exclude={"users", "items", "posterior"}
    )


def test_a_replicate_plays_as_if_its_draw_stood_in_the_file():
    """In every arm, alone and from a shared warm-up, and whichever replicate came before."""
    scenario, warm = world(DRAWS), WarmStart()
    for replicate in range(3):
        draw = ("users.drift.rate=0.1", "users.activity=0.5", "items.popularity_skew=0") if replicate % 2 == 0 else (
            "users.drift.rate=0.3", "users.activity=1", "items.popularity_skew=2"
        )
        plain = world("", *draw)
        for place, arm in enumerate(scenario.policies):
            expected = FilterBubbleModel(plain, plain.policies[place], replicate).run()
            for model in (FilterBubbleModel(scenario, arm, replicate), warm.model(scenario, place, replicate, None)):
                model.run()
                assert log(model) == log(expected)
                assert torch.equal(model.users.interests, expected.users.interests)
                assert model.values == expected.values
                model.close()
            expected.close()


def test_without_a_posterior_it_is_the_very_scenario():
    scenario = world()
    assert scenario.in_replicate(1) is scenario


def test_the_table_is_read_from_beside_the_file_and_goes_with_the_run(tmp_path: Path):
    (tmp_path / "draws.csv").write_text("users.drift.rate,users.takes\n0.25,2\n0.5,3\n", encoding="utf-8")
    file = tmp_path / "scenario.yaml"
    file.write_text(WORLD + "posterior: draws.csv\n", encoding="utf-8")
    scenario = load_scenario(file)
    assert scenario.posterior == {"users.drift.rate": [0.25, 0.5], "users.takes": [2, 3]}
    assert scenario.in_replicate(1).users.takes == 3
    assert check(parse(scenario.resolved(), "elsewhere.yaml")) == scenario
    other = load_scenario(file, ["posterior={users.drift.rate: [0.25]}"])
    assert other.digest != scenario.digest
    job = Job(scenario, None, tmp_path / "run")
    job.store.open(State.of(scenario, None))
    (results,) = run([job], Resources(1), lambda *_: None)
    assert results.whole


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("posterior: none.csv", "none.csv: cannot be read: No such file"),
        ("posterior: {}", "at least one key"),
        ("posterior: {users.drift.rate: [0.1], items.quality: [1, 2]}", "as many draws as the others (there are 1 to 2)"),
        ("posterior: {users.count: [10, 20]}", "may not differ between replicates"),
        ("posterior: {rounds: [10, 20]}", "may not differ between replicates"),
        ("posterior: {policies.popularity.retrain_every: [10, 20]}", "may not differ between replicates"),
        ("posterior: {users.drift.rate: [0.1, 3]}", "draw 2 makes no world: users.drift.rate: must be at most 1 (got 3)"),
        ("posterior: {users.drift.speed: [0.1]}", "draw 1 makes no world: users.drift.speed: there is no key 'speed'"),
        ("posterior: {users.takes: [1.5]}", "draw 1 makes no world"),
    ],
)
def test_what_is_wrong_is_said(more: str, words: str):
    assert words in refused(more)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "a line of keys"),
        ("users.drift.rate\n", "a line for each draw"),
        ("users.drift.rate,users.drift.rate\n1,1\n", "each once"),
        ("users.drift.rate\n0.1\nmuch\n", "draws.csv:3: must be 1 numbers (got 'much')"),
        ("users.drift.rate\nnan\n", "draws.csv:2: must be 1 numbers"),
    ],
)
def test_a_table_that_is_wrong_is_refused(tmp_path: Path, table: str, words: str):
    (tmp_path / "draws.csv").write_text(table, encoding="utf-8")
    (tmp_path / "scenario.yaml").write_text(WORLD + "posterior: draws.csv\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match="posterior") as error:
        load_scenario(tmp_path / "scenario.yaml")
    assert words in str(error.value)


@pytest.mark.parametrize("change", ["users.drift.rate=0.2", "users.drift=none", "users.activity={mean: 0.3, spread: 0.1}"])
def test_an_option_that_the_draws_would_undo_is_refused(change: str):
    assert "is undone by the draws of" in refused(DRAWS, change)
    assert world(DRAWS, "users.takes=2").users.takes == 2
