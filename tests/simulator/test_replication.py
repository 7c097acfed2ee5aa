"""A run goes on with more replicates until an interval is narrow enough."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from simulator.__main__ import app
from simulator.faults import ScenarioError
from simulator.replication import replicates_wanted
from simulator.scenario import check
from simulator.statistics import end_values, paired_differences
from simulator.yaml_source import parse

WORLD = """
title: Auto
rounds: 3
warmup: 1
replicates: auto
precision: {measure: consumption.alpha, half_width: 0.3, most: 20}
slate_size: 4
users: {count: 25}
items: {count: 30, topics: 5}
measures: {names: [consumption.alpha]}
report: {formats: [svg], focus: [consumption.alpha]}
policies: [organic, popularity, {kind: mf, factors: 2}]
"""


def scenario(**changes: object):
    source = parse(WORLD, "auto.yaml")
    source.values.update(changes)
    return check(source)


def played(values: dict[str, list[float]]) -> dict[tuple[int, int], list[tuple[int, dict[str, float]]]]:
    """What would be known of the three arms if they had come to these values of alpha."""
    return {
        (arm, replicate): [(3, {"consumption.alpha": value})]
        for arm, name in enumerate(("organic", "popularity", "mf"))
        for replicate, value in enumerate(values[name])
    }


def test_a_narrow_interval_of_every_arm_is_enough():
    level = [2.0, 3.0, 4.0, 3.5, 2.5]
    steady = played({"organic": level, "popularity": [x - 1 for x in level], "mf": [x - 0.5 for x in level]})
    assert replicates_wanted(scenario(), steady) == 5                               # paired, there is no spread at all
    noisy = played({"organic": level, "popularity": [x - 1 for x in level], "mf": level[::-1]})
    assert replicates_wanted(scenario(), noisy) == 10                               # not more than twice as many at once
    assert replicates_wanted(scenario(precision={"half_width": 0.3, "most": 7}), noisy) == 7
    assert replicates_wanted(scenario(precision=None, replicates=5), noisy) == 5


def test_the_number_asked_for_is_that_of_a_t_interval():
    rng = np.random.default_rng(3)
    level = rng.normal(3, 1, 12)
    difference = rng.normal(size=12)
    difference = 0.55 * difference / difference.std(ddof=1) - 1
    found = replicates_wanted(
        scenario(replicates=12), played({"organic": list(level), "popularity": list(level - 1), "mf": list(level + difference)})
    )
    sd = difference.std(ddof=1)
    brute = next(n for n in range(2, 1000) if stats.t.ppf(0.975, n - 1) * sd / np.sqrt(n) <= 0.3)
    assert 12 < brute <= 20
    assert found == brute


def test_without_a_width_it_is_two_percent_of_the_organic_arm():
    level = [10.0, 10.1, 9.9, 10.05, 9.95]
    apart = (0.1, -0.1, 0.05, -0.05, 0.0)
    values = {"organic": level, "popularity": [x + d for x, d in zip(level, apart, strict=True)], "mf": level}
    half = stats.t.ppf(0.975, 4) * np.std(apart, ddof=1) / np.sqrt(5)
    assert 0.02 * 2 < half < 0.02 * 10                                              # of 10 and not of 2
    assert replicates_wanted(scenario(precision={}), played(values)) == 5
    small = [x / 5 for x in level]
    fifth = {"organic": small, "popularity": [x + d for x, d in zip(small, apart, strict=True)], "mf": small}
    assert replicates_wanted(scenario(precision={}), played(fifth)) > 5


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_ends_when_it_is_sure_enough(tmp_path: Path, workers: int):
    file = tmp_path / "auto.yaml"
    file.write_text(WORLD)
    out = tmp_path / "out"
    arguments = ["run", str(file), "--out", str(out), "--workers", str(workers), "--set", "precision.half_width=0.03"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["finished"]
    assert f"{manifest['replicates']} replicates played" in result.output
    assert manifest["replicates"] > 5
    trajectory = pd.read_parquet(out / "trajectory.parquet")
    assert trajectory.groupby("arm")["replicate"].nunique().eq(manifest["replicates"]).all()
    differences = paired_differences(end_values(trajectory), "organic")

    def widest(n: int) -> float:
        rows = differences[differences["replicate"] < n].groupby("arm")["value"]
        return float((stats.t.ppf(0.975, n - 1) * rows.std() / np.sqrt(n)).max())

    assert widest(manifest["replicates"]) <= 0.03 or manifest["replicates"] == 20
    assert widest(5) > 0.03


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"precision": {"measure": "utility.mean"}}, "is not one of `measures.names`"),
        ({"precision": {"most": 3}}, "must be at least `replicates`, 5 (got 3)"),
        ({"replicates": 1, "precision": {}}, "must be at least 2 with `precision`"),
        ({"precision": {"half_width": 0}}, "greater than 0"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, object], words: str):
    with pytest.raises(ScenarioError, match=words.replace("(", r"\(").replace(")", r"\)")):
        scenario(**changes)
