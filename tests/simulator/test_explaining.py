"""Explanations of a run's slates: the replay is the run, the stages are those that acted, and the command says so."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from simulator.__main__ import app
from simulator.explaining import CannotExplain, explain
from simulator.scenario import Scenario, load_scenario

SCENARIO = """
title: why
rounds: 6
users: {count: 80, activity: 0.8}
items: {count: 60, topics: 6}
discovery: {awareness: 10}
slate_size: 5
report: {log: true, formats: [svg]}
measures: {names: [consumption.gini, exposure.gini]}
policies:
  - organic
  - {kind: itemknn, retrain_every: 2}
  - {kind: mf, name: diverse, rerank: {kind: mmr, strength: 0.7}}
  - {kind: mf, name: exploring, explore: {kind: epsilon_greedy, epsilon: 0.6}}
  - {kind: mf, name: tempered, explore: {kind: boltzmann, temperature: 0.5}}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    (folder / "why.yaml").write_text(SCENARIO)
    result = CliRunner().invoke(app, ["run", str(folder / "why.yaml"), "--out", str(folder / "run"), "--workers", "1", "-q"])
    assert result.exit_code == 0, result.output
    return folder / "run"


@pytest.fixture(scope="module")
def scenario(run) -> Scenario:
    return load_scenario(run / "scenario.yaml")


def shown(run: Path, arm: str, user: int, round: int) -> list[int]:
    (file,) = (run / "log").glob(f"*-{arm}.impressions.parquet")
    rows = pd.read_parquet(file).query("user == @user and round == @round").sort_values("position")
    return rows["item"].tolist()


@pytest.mark.parametrize("arm", ["itemknn", "diverse", "exploring", "tempered"])
def test_what_is_explained_is_what_was_shown(run, scenario, arm):
    trajectory = pd.read_parquet(run / "trajectory.parquet")
    explained = 0
    for user, round in ((3, 1), (10, 4), (41, 6)):
        slate = shown(run, arm, user, round)
        if not slate:
            with pytest.raises(CannotExplain, match="was not on the platform"):
                explain(scenario, None, arm, 0, user, round)
            continue
        why = explain(scenario, None, arm, 0, user, round, trajectory=trajectory)
        assert [place.item for place in why.places] == slate
        assert why.same_as_the_run is not False
        explained += 1
    assert explained


def test_each_stage_is_named_where_it_acted_and_nowhere_else(run, scenario):
    def stages(arm: str) -> set[str]:
        user = next(user for user in range(80) if shown(run, arm, user, 5))
        return {place.stage.partition(",")[0] for place in explain(scenario, None, arm, 0, user, 5).places}

    assert stages("itemknn") == {"retrieval"}
    assert stages("diverse") <= {"retrieval", "re-ranking"}
    assert "re-ranking" in stages("diverse")
    assert "exploration" in stages("exploring")
    assert "exploration" in stages("tempered")
    assert "re-ranking" not in stages("tempered")


def test_reasons_others_and_rest_sum_to_the_score_whatever_is_named(scenario):
    few, many = (explain(scenario, None, "itemknn", 0, 10, 4, most=most) for most in (1, 50))
    for short, long in zip(few.places, many.places, strict=True):
        sums = [sum(reason.part for reason in place.reasons) + place.others + place.rest for place in (short, long)]
        assert sums[0] == pytest.approx(sums[1], abs=1e-5)
        assert len(short.reasons) <= 1
        assert long.others == pytest.approx(0, abs=1e-6)


def test_a_replay_that_is_not_the_run_is_noticed(run, scenario):
    trajectory = pd.read_parquet(run / "trajectory.parquet")
    trajectory.loc[trajectory["measure"] == "consumption.gini", "value"] += 1e-9
    user = next(user for user in range(80) if shown(run, "itemknn", user, 5))
    assert explain(scenario, None, "itemknn", 0, user, 5, trajectory=trajectory).same_as_the_run is False


def test_the_command(run, tmp_path):
    user = next(user for user in range(80) if shown(run, "itemknn", user, 5))
    file = tmp_path / "why.json"
    options = ["explain", str(run), "--user", str(user), "--round", "5", "--arm", "itemknn", "--json", str(file)]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0, result.output
    assert "parts that sum to the score" in result.stdout
    assert len(json.loads(file.read_text())["places"]) == 5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--user", "3", "--round", "5"], "--arm: say which"),
        (["--user", "3", "--round", "7", "--arm", "itemknn"], "must be 1 to 6"),
        (["--user", "3", "--round", "5", "--arm", "itemkn"], "did you mean 'itemknn'"),
        (["--user", "80", "--round", "1", "--arm", "itemknn"], "numbered 0 to 79"),
        (["--user", "3", "--round", "1", "--arm", "organic"], "is a control"),
        (["--user", "3", "--round", "1", "--arm", "itemknn", "--replicate", "2"], "--replicate 2: must be 1 to 1"),
    ],
)
def test_bad_input_is_answered_in_words(run, options, says):
    result = CliRunner().invoke(app, ["explain", str(run), *options])
    assert result.exit_code == 2
    assert says in result.output
