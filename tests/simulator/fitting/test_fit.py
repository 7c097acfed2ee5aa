"""The command: from a scenario and a log to fitted values, a posterior and a page; and what it says when it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from simulator.__main__ import app
from simulator.fitting.execution import WORLDS, Fit
from simulator.fitting.facts import FACTS
from simulator.fitting.loading import BEHAVIOUR, fitting, matched_halves, read_fit
from simulator.fitting.simulating import simulated_log
from simulator.model import FilterBubbleModel
from simulator.play import play
from simulator.runner import Resources
from simulator.scenario import load_scenario
from simulator.store import Store
from simulator.warmup import WarmStart

SCENARIO = """
title: Small
seed: 5
rounds: 8
warmup: 2
slate_size: 4
users:
  count: 60
  takes: 3
  activity: 0.8
  choice: {kind: logit, temperature: 0.3, outside_utility: 0}
items: {count: 40, topics: 4, mixture: equal}
discovery: {awareness: 10}
policies: [organic, popularity]
"""
FIT = """
fit:
  axes:
    users.activity.mean: {low: 0.3, high: 1}
    items.popularity_skew: {low: 0, high: 2}
  depth: 4
  simulations: 16
  population: 8
  halves: 20
  replicates: 2
  draws: 5
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, write_log) -> Path:
    """The log of a world of known parameters: activity 0.6, popularity skew 1.2."""
    folder = tmp_path_factory.mktemp("real")
    file = folder / "truth.yaml"
    file.write_text(SCENARIO, encoding="utf-8")
    truth = load_scenario(file, ["users.activity=0.6", "items.popularity_skew=1.2", "report.log=true", "seed=99"])
    played = play(truth, None, 0, 0, lambda *_: None, WarmStart(), Store(folder / "run"), 1e9)
    return write_log(folder / "log", simulated_log(truth, played))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(SCENARIO + FIT, encoding="utf-8")
    return tmp_path / "small.yaml"


def call(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    return result.exit_code, result.output


def test_the_log_of_a_world_is_what_its_users_took(file: Path):
    """Of all rounds, the warm-up among them, in their order, and with the topics of the very catalogue."""
    truth = file.with_name("truth.yaml")
    truth.write_text(SCENARIO, encoding="utf-8")
    scenario = load_scenario(truth, ["report.log=true"])
    played = play(scenario, None, 0, 0, lambda *_: None, WarmStart(), Store(file.parent / "run"), 1e9)
    log = simulated_log(scenario, played)
    model = FilterBubbleModel(scenario, scenario.policies[0], 0).run()
    taken = model.platform.log.interactions()
    assert np.array_equal(log.users, taken.users.numpy())
    assert np.array_equal(log.items, taken.items.numpy())
    assert np.array_equal(log.topics, model.catalog.topics.double().numpy())
    assert log.n_users == 60
    model.close()


def test_a_fit_leaves_what_it_says_and_goes_on_where_it_was(file: Path, real: Path, tmp_path: Path):
    out = tmp_path / "fit"
    code, said = call("fit", file, "--data", real, "--out", out, "--workers", 1, "-q")
    assert code == 0, said
    assert "The fitted world meets" in said
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["finished"]
    assert manifest["simulated"] == 16
    posterior = pd.read_csv(out / "posterior.csv")
    assert list(posterior) == ["users.activity.mean", "items.popularity_skew"]
    assert len(posterior) == 5
    assert posterior["users.activity.mean"].between(0.3, 1).all()
    simulations = pd.read_csv(out / "simulations.csv")
    assert len(simulations) == 16
    assert simulations["used"].sum() == manifest["emulator"]["used"] > 1
    apart = pd.read_csv(out / "distances.csv")
    assert set(apart["world"]) == {"real", *WORLDS}
    assert set(apart["fact"]) == set(FACTS)

    page = (out / "fit.html").read_text(encoding="utf-8")
    for fact in FACTS.values():
        assert page.count(fact.label) >= 2                  # in the table and in the figures' words
    before = {path: path.read_bytes() for path in out.glob("*.csv")}
    (out / "fit.html").unlink()
    code, said = call("report", out)
    assert code == 0
    assert (out / "fit.html").read_text(encoding="utf-8") == page

    worlds = sorted((out / "worlds").rglob("*.json"))
    worlds[0].unlink()                                      # as if it had been ended before this one was finished
    stamps = {path: path.stat().st_mtime_ns for path in worlds[1:]}
    code, _ = call("fit", file, "--data", real, "--out", out, "--workers", 1, "-q")
    assert code == 0
    assert worlds[0].exists()
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    assert {path: path.read_bytes() for path in before} == before

    scenario = load_scenario(out / "fitted.yaml")           # ready to run, each replicate with its own draw
    assert scenario.users.activity.mean == manifest["fitted"]["users.activity.mean"]
    assert scenario.in_replicate(2).users.activity.mean == pytest.approx(posterior["users.activity.mean"][2])
    code, said = call("fit", file, "--data", real, "--out", out, "--set", "fit.depth=5", "-q")
    assert code == 2
    assert "holds a fit of another scenario" in said


def test_the_halves_are_of_all_users_and_nobody_is_in_both(file: Path, real: Path):
    from simulator.datasets import load

    data = load(real)
    asked = fitting(read_fit(file), data)
    both = np.concatenate([asked.fitted_to, asked.held_out])
    enough = np.flatnonzero(np.bincount(data.users, minlength=data.n_users) >= 4)
    assert sorted(both) == enough.tolist()
    assert abs(len(asked.fitted_to) - len(asked.held_out)) <= 1
    other = fitting(read_fit(file, ["fit.seed=1"]), data)
    assert set(other.fitted_to) != set(asked.fitted_to)


def test_halves_are_matched_in_activity():
    """Of every two users next to each other in their number of takes, one is in each half; which, is chance."""
    rng = np.random.default_rng(4)
    users, takes = rng.permutation(1000)[:301], rng.integers(5, 400, 301)
    one, other = matched_halves(users, takes, np.random.default_rng(1))
    of = dict(zip(users.tolist(), takes.tolist(), strict=True))
    assert sorted([*one, *other]) == sorted(users)
    few, many = (np.sort([of[user] for user in half.tolist()]) for half in (one, other))
    assert many[-1] == takes.max()                                          # left over, as there is no partner for it
    ends = np.sort(takes)[:300].reshape(-1, 2)
    assert (ends[:, 0] <= few).all()
    assert (few <= ends[:, 1]).all()
    drawn = [matched_halves(users, takes, np.random.default_rng(seed))[0] for seed in range(400)]
    share = np.bincount(np.concatenate(drawn), minlength=1000)[users] / 400
    assert share[takes < takes.max()] == pytest.approx(0.5, abs=5 * 0.5 / 20)


def test_the_best_misses_the_fewest_facts_and_among_equals_is_the_nearest(file: Path, real: Path, tmp_path: Path):
    from simulator.datasets import load

    data = load(real)
    fit = Fit(fitting(read_fit(file), data), data, tmp_path / "fit", Resources(1))
    fit.halves = pd.DataFrame([dict.fromkeys(FACTS, 1.0)])

    def world(*apart: float) -> dict[str, dict[str, float]]:
        return {"distances": dict(zip(FACTS, apart, strict=True))}

    far_in_one, near_in_none, met, met_nearer = (
        world(0.9, 0.9, 0.9, 0.9, 0.9, 5), world(1.1, 1.1, 1.1, 1.1, 1.1, 1.1), world(1, 1, 1, 1, 1, 1), world(1, 1, 1, 1, 1, 0)
    )
    assert fit._ranks([near_in_none, far_in_one, met, None, met_nearer]).tolist() == [4, 2, 1, 0, 3]
    lucky = [met_nearer, near_in_none]                                      # misses three of six on average
    assert fit._ranks([*lucky, far_in_one, far_in_one], 2).tolist() == [1, 0]


@pytest.mark.slow
def test_the_search_never_looks_at_the_held_out_half(file: Path, real: Path, tmp_path: Path):
    """Whatever the unseen users did, the fitted values and the posterior are the same."""
    from dataclasses import replace

    from simulator.datasets import load

    data = load(real)
    asked = fitting(read_fit(file), data)
    hidden = np.isin(data.users, asked.held_out)
    rng = np.random.default_rng(0)
    other = replace(data, items=np.where(hidden, rng.permutation(data.items), data.items))
    fits = []
    for number, each in enumerate((data, other)):
        fit = Fit(asked, each, tmp_path / str(number), Resources(1))
        fit._measure_halves()
        fit.halves[list(FACTS)] = 1.0                       # the yardstick is of all users: the same for both
        fit._measure_halves = lambda: None                  # type: ignore[method-assign]
        assert not fit.play(lambda *_: None)
        fits.append(fit)
    one, two = fits
    assert one.fitted == two.fitted
    assert one.posterior.equals(two.posterior)
    assert one.tests["fitted"][0]["distances"] != two.tests["fitted"][0]["distances"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("fit.depth=1000", "took 1000 items or more; lower `fit.depth`"),
        ("fit.arm=mf", "there is no arm 'mf'"),
        ("fit.axes={users.drift.speed: {low: 0, high: 1}}", "there is no key 'speed'"),
        ("fit.axes={users.count: {low: 10, high: 20, integer: true}}", "may not differ between replicates"),
        ("fit.axes={users.drift.rate: [0, 1]}", "needs a range"),
        ("fit.axes={users.drift.rate: {low: 0, high: 2}}", "must be at most 1"),
        ("fit.axes={}", "at least one entry"),
        ("fit.population=50", "must be at most `simulations`, 16"),
        ("fit.speed=1", "there is no key 'speed'"),
        ("posterior={users.takes: [1]}", "is what a fit finds"),
    ],
)
def test_what_is_wrong_is_said(file: Path, real: Path, tmp_path: Path, change: str, words: str):
    code, said = call("fit", file, "--data", real, "--out", tmp_path / "out", "--set", change, "-q")
    assert code == 2, said
    assert words in said.replace("\n", " ")
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_a_world_that_is_made_from_the_log_is_refused(file: Path, real: Path):
    text = SCENARIO.replace("users:\n  count: 60", "data: {kind: movielens, path: x}\nusers:\n  interests: data")
    file.write_text(text + FIT, encoding="utf-8")
    code, said = call("fit", file, "--data", real, "-q")
    assert code == 2
    assert "a fit compares a generated world" in said


def test_a_folder_of_something_else_is_refused(file: Path, real: Path, tmp_path: Path):
    (tmp_path / "mine.txt").write_text("keep me")
    code, said = call("fit", file, "--data", real, "--out", tmp_path, "-q")
    assert code == 2
    assert "holds no fit" in said


def test_what_is_fitted_by_default_is_what_the_scenario_has(file: Path, real: Path):
    bare = file.with_name("bare.yaml")
    bare.write_text(SCENARIO, encoding="utf-8")
    assert [axis.keys[0] for axis in read_fit(bare).axes] == list(BEHAVIOUR)
    without = [axis.keys[0] for axis in read_fit(bare, ["users.drift=none", "users.choice=best"]).axes]
    assert set(BEHAVIOUR) - set(without) == {"users.drift.rate", "users.choice.temperature"}


def test_a_dry_run_plays_nothing(file: Path, real: Path, tmp_path: Path):
    code, said = call("fit", file, "--data", real, "--out", tmp_path / "out", "--dry-run", "--workers", 2)
    assert code == 0
    assert "users.activity.mean: 0.3 to 1, linear" in said
    assert "min." in said
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_known_parameters_are_found_again(tmp_path: Path, write_log):
    """Five logs of worlds with known parameters: most 90 % intervals hold the truth, and the fit is nearer to it than the
    middle of the ranges is."""
    truths = [(0.35, 0.4), (0.5, 1.6), (0.6, 1.2), (0.75, 0.7), (0.9, 1.9)]
    inside, nearer = [], []
    for number, (active, skew) in enumerate(truths):
        folder = tmp_path / str(number)
        folder.mkdir()
        file = folder / "small.yaml"
        file.write_text(SCENARIO.replace("count: 60", "count: 200") + FIT, encoding="utf-8")
        bare = folder / "truth.yaml"
        bare.write_text(SCENARIO.replace("count: 60", "count: 300"), encoding="utf-8")
        truth = load_scenario(
            bare, [f"users.activity={active}", f"items.popularity_skew={skew}", "report.log=true", f"seed={900 + number}"]
        )
        played = play(truth, None, 0, 0, lambda *_: None, WarmStart(), Store(folder / "run"), 1e9)
        real = write_log(folder / "log", simulated_log(truth, played))
        out = folder / "fit"
        more = ["fit.simulations=160", "fit.population=80", "fit.draws=200", f"fit.seed={number}"]
        code, said = call("fit", file, "--data", real, "--out", out, "-q", *(part for each in more for part in ("--set", each)))
        assert code == 0, said
        draws = pd.read_csv(out / "posterior.csv")
        fitted = json.loads((out / "manifest.json").read_text())["fitted"]
        for key, value, low, high in (("users.activity.mean", active, 0.3, 1.0), ("items.popularity_skew", skew, 0.0, 2.0)):
            inside.append(np.quantile(draws[key], 0.05) <= value <= np.quantile(draws[key], 0.95))
            nearer.append(abs(fitted[key] - value) / (high - low))
    assert sum(inside) >= 7                                 # of ten; nine are expected, six or fewer come once in 80 times
    assert np.mean(nearer) < 0.1                            # of the range; the middle is 0.24 away
