"""Tuning: the better side of a knob is found, the floor is kept, nothing is played twice, and all that is wrong is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from simulator import processes, session
from simulator.__main__ import app
from simulator.scenario import load_scenario
from simulator.statistics import t_interval
from simulator.tuning import command as tuning_command
from simulator.tuning.loading import load_tune
from simulator.tuning.outcome import CannotTune, judge, ratio
from simulator.tuning.report import answer
from simulator.tuning.search import Search
from simulator.tuning.tuned import load_tuned

optuna = pytest.importorskip("optuna")

TUNE = """
title: Small
rounds: 4
warmup: 2
replicates: 3
slate_size: 4
users: {count: 30}
items: {count: 40, topics: 5}
discovery: {awareness: 10}
measures: {names: [consumption.alpha, exposure.mean_popularity, utility.per_user]}
report: {formats: [svg]}
policies: [organic, popularity, {kind: random, name: more, popularity_boost: 0}, {kind: random, name: other}]
tune:
  arm: more
  axes:
    policies.more.popularity_boost: {low: 0, high: 3}
  maximise: exposure.mean_popularity
  floor: {of: popularity, share: 0.01}
  trials: 4
  batch: 2
  held_out: 2
"""
def command(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(TUNE)
    return path


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """The arm, replicate and seed of every unit that is played from here on."""
    heard: list[tuple[str, int, int]] = []
    play = processes.play

    def counted(scenario, data, arm, replicate, *more):
        heard.append((scenario.policies[arm].name, replicate, scenario.seed))
        return play(scenario, data, arm, replicate, *more)

    monkeypatch.setattr(processes, "play", counted)
    return heard


@pytest.fixture(autouse=True)
def no_report_of_the_held_out_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than all else, and has tests of its own."""
    monkeypatch.setattr(tuning_command, "write_report", lambda folder: None)


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning_command, "write_tune_report", lambda folder: folder / "report.html")


def tune(file: Path, out: Path, *options: object):
    return command("tune", file, "--out", out, "--workers", 1, "--quiet", *options)


def numbers(out: Path) -> tuple[bytes, ...]:
    return tuple((out / name).read_bytes() for name in ("trials.csv", "results.parquet", "best.yaml"))


def test_the_better_side_of_a_monotone_knob_is_found_and_tested_on_fresh_replicates(file: Path, tmp_path: Path, played: list):
    out = tmp_path / "out"
    result = tune(file, out, "--trials", 8)
    assert result.exit_code == 0, result.output
    trials = pd.read_csv(out / "trials.csv")
    assert trials["more.popularity_boost"].tolist()[:2] == [0, 3]  # the ends come first
    order = trials.sort_values("more.popularity_boost")["goal"].to_numpy()
    assert order[-1] > order[0]  # that is what a boost of popularity does
    best = trials[trials["best"]].iloc[0]
    assert best["goal"] == trials["goal"].max()
    assert best["more.popularity_boost"] > 1.5
    # what was played: the other arms once, the tuned arm per trial, all arms in the fresh replicates
    search = [unit for unit in played if unit[2] == 0]
    assert sorted(unit[0] for unit in search) == sorted(["organic", "popularity", "other"] * 3 + ["more"] * 3 * 8)
    assert sorted(unit[:2] for unit in played if unit[2] == 1) == sorted(
        (arm, r) for arm in ("organic", "popularity", "more", "other") for r in range(2)
    )
    # gains are paired with the floor's arm, on search and on fresh replicates
    results = pd.read_parquet(out / "results.parquet")
    shown = results[results["measure"] == "exposure.mean_popularity"]
    shown = shown.set_index(["run", "arm", "replicate"])["value"].sort_index()
    expected = t_interval(shown[f"trial {best['trial']}", "more"].to_numpy() - shown["others", "popularity"].to_numpy())
    assert best[["gain", "gain_low", "gain_high"]].tolist() == pytest.approx([expected.mean, expected.low, expected.high])
    fresh = load_tuned(out).fresh
    assert fresh is not None
    expected = t_interval(shown["held-out", "more"].to_numpy() - shown["held-out", "popularity"].to_numpy())
    assert (fresh.gain.mean, fresh.gain.low) == pytest.approx((expected.mean, expected.low))
    # best.yaml is the very run on the fresh replicates
    scenario = load_scenario(out / "best.yaml")
    (arm,) = (arm for arm in scenario.policies if arm.name == "more")
    assert arm.popularity_boost == best["more.popularity_boost"]
    folder = out / json.loads((out / "manifest.json").read_text())["held_out"]["folder"]
    assert json.loads((folder / "manifest.json").read_text())["hashes"]["scenario"] == scenario.digest
    page = (out / "report.html").read_text()
    assert "in 2 fresh replicates, which the search has not seen" in page
    assert f"Of 8 settings of more that were tried, {trials['met'].sum()} keep the floor" in page


@pytest.mark.usefixtures("no_page")
def test_a_trial_meets_the_users_and_chance_of_the_run_of_the_whole_scenario(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    tuning = load_tune(file)
    setting = {"more.popularity_boost": tuning.knobs[0].at(1.0)}
    out = tmp_path / "out"
    assert tune(file, out, "--trials", 2).exit_code == 0
    whole = tmp_path / "whole.yaml"
    whole.write_text(tuning.with_setting(setting).resolved())
    monkeypatch.setattr(session, "write_report", lambda folder: folder / "report.html")
    assert command("run", whole, "--out", tmp_path / "run", "--workers", 1, "--quiet").exit_code == 0
    apart = pd.read_parquet(out / "runs" / tuning.trial(setting).digest[:12] / "trajectory.parquet")
    among = pd.read_parquet(tmp_path / "run" / "trajectory.parquet")
    pd.testing.assert_frame_equal(apart, among[among["arm"] == "more"].reset_index(drop=True))


@pytest.mark.usefixtures("no_page")
def test_what_was_played_is_not_played_again(file: Path, tmp_path: Path, played: list, monkeypatch: pytest.MonkeyPatch):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert tune(file, whole).exit_code == 0
    everything = len(played)
    played.clear()
    assert tune(file, whole).exit_code == 0
    assert not played
    counted = processes.play

    def interrupted(*arguments):
        if len(played) == 14:  # in the middle of the second trial
            raise KeyboardInterrupt
        return counted(*arguments)

    monkeypatch.setattr(processes, "play", interrupted)
    result = tune(file, broken)
    assert result.exit_code == 130
    assert "The same command goes on from there" in result.stderr
    assert not json.loads((broken / "manifest.json").read_text())["finished"]
    before = len(played)
    assert before == 14
    monkeypatch.setattr(processes, "play", counted)
    assert tune(file, broken).exit_code == 0
    assert len(played) == everything
    assert numbers(broken) == numbers(whole)
    played.clear()
    assert tune(file, whole, "--trials", 6).exit_code == 0  # two more
    assert sum(unit[0] == "more" and unit[2] == 0 for unit in played) == 2 * 3


@pytest.mark.usefixtures("no_page")
def test_a_changed_scenario_is_refused(file: Path, tmp_path: Path):
    out = tmp_path / "out"
    assert tune(file, out, "--trials", 1).exit_code == 0
    result = tune(file, out, "--set", "users.count=31")
    assert result.exit_code == 2
    assert "holds a tune of another scenario" in result.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("")
    assert "holds no tune" in tune(file, tmp_path / "mine").stderr


def test_a_floor_that_nothing_reaches_is_said_so(file: Path, tmp_path: Path, played: list):
    out = tmp_path / "out"
    result = tune(file, out, "--set", "tune.floor.share=50")
    assert result.exit_code == 1
    assert "no setting keeps the floor" in result.output
    assert not (out / "best.yaml").exists()
    assert not [unit for unit in played if unit[2] == 1]  # nothing to test anew
    told = answer(load_tuned(out))
    assert told[0].text.startswith("None of the 4 settings of more that were tried keeps the floor")
    trials = pd.read_csv(out / "trials.csv")
    nearest = trials.loc[trials["over"].idxmax(), "more.popularity_boost"]
    assert f"more.popularity_boost {nearest:.4g}" in told[1].text


@pytest.mark.usefixtures("no_page")
def test_words_can_be_tuned_too(file: Path, tmp_path: Path, played: list):
    values = "{none: {policies.more.popularity_boost: 0}, much: {policies.more.popularity_boost: 3}}"
    file.write_text(TUNE.replace("policies.more.popularity_boost: {low: 0, high: 3}", f"push: {{values: {values}}}"))
    out = tmp_path / "out"
    result = tune(file, out)
    assert result.exit_code == 0, result.output
    trials = pd.read_csv(out / "trials.csv", keep_default_na=False)
    assert set(trials["push"]) == {"none", "much"}
    assert trials.loc[trials["best"], "push"].tolist() == ["much"]
    assert sum(unit[0] == "more" and unit[2] == 0 for unit in played) == 2 * 3  # two settings, however often they are tried


@pytest.mark.usefixtures("no_page")
def test_a_failed_trial_is_a_row_with_its_error_and_the_rest_goes_on(file: Path, tmp_path: Path):
    mf = "{kind: mf, loss: bpr, name: more, factors: 4, epochs: 2}"
    text = TUNE.replace("{kind: random, name: more, popularity_boost: 0}", mf)
    file.write_text(text.replace("more.popularity_boost: {low: 0, high: 3}", "more.learning_rate: [0.01, 1e30]"))
    out = tmp_path / "out"
    result = tune(file, out)
    assert result.exit_code == 0, result.output
    assert "diverged" in result.stderr
    trials = pd.read_csv(out / "trials.csv")
    assert set(trials.loc[trials["status"] == "failed", "more.learning_rate"]) == {1e30}
    assert trials.loc[trials["best"], "more.learning_rate"].tolist() == [0.01]
    assert "Traceback" not in result.output


# The search ------------------------------------------------------------------------------------------------


def searched(file: Path, trials: int, sign: int = 1, batch: int = 5) -> list[float]:
    """Of a knob x in [0, 3] whose goal is x, and whose floor is kept up to x = 1."""
    search = Search(load_tune(file).knobs, 3, trials, sign)
    found: list[float] = []
    while len(found) < trials:
        asked = [setting["more.popularity_boost"].value for setting in search.ask(batch)]
        search.tell([None if x == asked[-1] else (x, 1 - x) for x in asked])  # one of a batch fails
        found += asked
    return found


def test_the_search_closes_in_on_the_floor_and_is_the_same_again(file: Path):
    found = searched(file, 40)
    kept = [x for x in found if x <= 1]
    assert 1 - max(kept) < 0.06
    assert np.abs(np.array(found[20:]) - 1).mean() < np.abs(np.array(found[2:12]) - 1).mean()
    assert searched(file, 40) == found
    assert min(searched(file, 40, sign=-1)[12:]) < 0.15


# Numbers ---------------------------------------------------------------------------------------------------


def test_the_interval_of_a_ratio_holds_the_shares_that_a_paired_test_leaves():
    rng = np.random.default_rng(2)
    below = rng.normal(2, 0.4, 7)
    above = 0.9 * below + rng.normal(0, 0.1, 7)
    found = ratio(above, below)
    assert found.mean == pytest.approx(above.mean() / below.mean())
    for share, side in ((found.low, "low"), (found.high, "high")):
        tested = t_interval(above - share * below)
        assert (tested.low if side == "low" else tested.high) == pytest.approx(0, abs=1e-9)
    same = ratio(below, below)
    assert (same.mean, same.low, same.high) == pytest.approx((1, 1, 1))
    assert np.isnan(ratio([1.0, 1.1, 0.9], [1.0, -1.0, 0.5]).low)  # below is not told from 0


def judged(file: Path, level: list[float], sure: bool):
    keys = load_tune(file, [f"tune.floor={{of: popularity, share: 0.9, sure: {str(sure).lower()}}}"]).keys
    rows = [
        (arm, r, measure, value)
        for arm, values in (("more", level), ("popularity", [1.0, 1.0, 1.0]))
        for r, value in enumerate(values)
        for measure in (keys.goal, keys.floor.measure)
    ]
    table = pd.DataFrame(rows, columns=["arm", "replicate", "measure", "value"])
    return judge(keys, table, table)


def test_a_floor_is_kept_by_the_mean_or_surely(file: Path):
    assert judged(file, [0.8, 0.95, 1.0], False).met
    assert not judged(file, [0.8, 0.95, 1.0], True).met
    assert judged(file, [0.94, 0.95, 0.96], True).met
    assert not judged(file, [0.8, 0.85, 0.9], False).met


def test_a_floor_of_nothing_cannot_be_tuned_for(file: Path):
    keys = load_tune(file).keys
    rows = [(arm, r, m, 0.0) for arm in ("more", "popularity") for r in range(3) for m in (keys.goal, keys.floor.measure)]
    table = pd.DataFrame(rows, columns=["arm", "replicate", "measure", "value"])
    with pytest.raises(CannotTune, match="take the floor from another arm"):
        judge(keys, table, table)


# What is wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("arm: more", "arm: moer", 14, "there is no arm 'moer'; did you mean 'more'?"),
        ("of: popularity", "of: popular", 18, "there is no arm 'popular'"),
        ("of: popularity", "of: more", 18, "a floor is taken from another arm"),
        ("maximise: exposure.mean_popularity", "maximise: exposure.popularity", 17, "no measure 'exposure.popularity'"),
        ("maximise: exposure.mean_popularity", "maximise: utility.relative", 17, "made of two arms"),
        ("maximise: exposure.mean_popularity", "maximise: interests.drift", 17, "`measures.names` leave it out"),
        ("maximise: exposure.mean_popularity", "maximise: utility.per_user", 17, "cannot be both"),
        ("  maximise: exposure.mean_popularity\n", "", 14, "must have one of `maximise` and `minimise`"),
        ("high: 3}", "high: 3e6}", 16, "must be at most 1000000"),
        ("high: 3}", "high: 0}", 16, "must be greater than `low`"),
        ("low: 0, high: 3}", "low: 0, high: 3, scale: log}", 16, "must be greater than 0 on a log scale"),
        ("policies.more.popularity_boost", "users.drift.rate", 16, "is no key of the tuned arm 'more'"),
        ("policies.more.popularity_boost", "policies.other.name", 16, "is no key of the tuned arm 'more'"),
        ("{low: 0, high: 3}", "[0.5]", 16, "nothing to tune"),
        ("trials: 4", "trails: 4", 19, "did you mean 'trials'?"),
        ("share: 0.01", "share: 0", 18, "must be greater than 0"),
        ("users: {count: 30}", "users: {count: 0}", 7, "must be at least 1"),
        ("replicates: 3", "replicates: auto", 14, "leave it out"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(file: Path, old: str, new: str, line: int, words: str):
    assert old in TUNE
    file.write_text(TUNE.replace(old, new, 1) if old != "arm: more" else TUNE.replace("  arm: more", "  arm: moer"))
    result = command("tune", file, "--out", file.parent / "out")
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert f"{file}:{line}:" in result.stderr
    assert "Traceback" not in result.output
    assert not (file.parent / "out").exists()


def test_without_optuna_a_line_says_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = command("tune", file, "--out", file.parent / "out")
    assert result.exit_code == 2
    assert "pip install 'filterbubble[tune]'" in result.stderr
    assert not (file.parent / "out").exists()


def test_the_shipped_tune_can_be_planned(tmp_path: Path):
    files = sorted((Path(__file__).parents[2] / "scenarios").glob("tune_*.yaml"))
    assert files
    for each in files:
        small = ("--set", "users.count=30", "--set", "rounds=2", "--replicates", 1, "--out", tmp_path / "out")
        result = command("tune", each, *small, "--dry-run")
        assert result.exit_code == 0, result.output
        assert "20 trials" in result.stdout
        assert not (tmp_path / "out").exists()
