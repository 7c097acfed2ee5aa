"""Sensitivity: indices against closed forms, SALib and brute force; designs; and real small analyses by the command."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from SALib.analyze import morris as salib_morris
from SALib.analyze import sobol as salib_sobol
from scipy import stats
from typer.testing import CliRunner

from simulator import processes
from simulator.__main__ import app
from simulator.faults import ScenarioError
from simulator.sensitivity import morris_indices, sobol_indices, variance_parts
from simulator.sensitivity.analysis import Design, analyse
from simulator.sensitivity.indices import elementary_effects
from simulator.sensitivity.study import load_study
from simulator.sweeping.designs import block_size, points, unit_problem
from simulator.sweeping.loading import load_sweep
from simulator.sweeping.sweep import Sample

Function = Callable[[np.ndarray], np.ndarray]  # of points (n, k) in the unit cube


def ishigami(x: np.ndarray) -> np.ndarray:
    """sin x1 + 7 sin² x2 + 0.1 x3⁴ sin x1 on [−π, π]³ (Ishigami & Homma 1990)."""
    z = (2 * x - 1) * np.pi
    return np.sin(z[:, 0]) + 7 * np.sin(z[:, 1]) ** 2 + 0.1 * z[:, 2] ** 4 * np.sin(z[:, 0])


def linear(x: np.ndarray) -> np.ndarray:
    return 3 * x[:, 0] - 2 * x[:, 1] + 5


def designed(name: str, dimensions: int, samples: int, seed: int = 3) -> Design:
    """A design of which every point is a cell of its own."""
    shares = points(name, dimensions, samples, seed)  # type: ignore[arg-type]
    return Design(name, tuple(f"k{j}" for j in range(dimensions)), Sample(shares, np.arange(1, len(shares) + 1)))


def results_of(design: Design, function: Function, noise: float = 0.0, replicates: int = 2) -> pd.DataFrame:
    """What a sweep would leave: an arm that is `function` above its baseline, and chance that all arms of a cell share."""
    rng = np.random.default_rng(0)
    cells = design.sample.cells
    found = []
    for replicate in range(replicates):
        base = rng.normal(0, 10, len(cells))
        above = function(design.sample.shares) + rng.normal(0, noise, len(cells)) if noise else function(design.sample.shares)
        for arm, value in (("organic", base), ("mf", base + above)):
            found.append(pd.DataFrame({"cell": cells, "arm": arm, "replicate": replicate, "measure": "m", "value": value}))
    return pd.concat(found, ignore_index=True)


def value_of(table: pd.DataFrame, key: str, index: str, outcome: str = "difference", arm: str = "mf") -> pd.Series:
    rows = table[(table["key"] == key) & (table["index"] == index) & (table["outcome"] == outcome) & (table["arm"] == arm)]
    assert len(rows) == 1
    return rows.iloc[0]


# Indices -----------------------------------------------------------------------------------------------------


def test_sobol_indices_of_ishigami_are_those_of_the_closed_form():
    """V = 1/2 + a²/8 + bπ⁴/5 + b²π⁸/18; V1 = ½ (1 + bπ⁴/5)², V2 = a²/8, V13 = 8b²π⁸/225, all others 0."""
    a, b = 7, 0.1
    total = 0.5 + a**2 / 8 + b * np.pi**4 / 5 + b**2 * np.pi**8 / 18
    one, two, both = 0.5 * (1 + b * np.pi**4 / 5) ** 2, a**2 / 8, 8 * b**2 * np.pi**8 / 225
    design = designed("saltelli", 3, 1024)
    table = analyse(design, results_of(design, ishigami), "organic", ["m"], 300, 3).indices
    for key, first, all_of_it in (("k0", one, one + both), ("k1", two, two), ("k2", 0, both)):
        for index, truth in (("S1", first / total), ("ST", all_of_it / total)):
            row = value_of(table, key, index)
            assert row["value"] == pytest.approx(truth, abs=0.03)
            assert row["low"] < truth < row["high"]
            assert row["method"] == "sobol"
            assert row["samples"] == 1024


def test_morris_of_a_line_is_its_slopes_without_spread():
    design = designed("morris", 3, 6)
    table = analyse(design, results_of(design, linear), "organic", ["m"], 200, 3).indices
    for key, slope in (("k0", 3), ("k1", -2), ("k2", 0)):
        assert value_of(table, key, "mu")["value"] == pytest.approx(slope)
        assert value_of(table, key, "mu_star")["value"] == pytest.approx(abs(slope))
        assert value_of(table, key, "sigma")["value"] == pytest.approx(0, abs=1e-9)
        assert value_of(table, key, "mu_star_noise")["value"] == pytest.approx(0, abs=1e-9)
    levels = value_of(table, "k0", "mu", "level", "organic")  # pure chance, which all arms of a cell share
    assert levels["low"] < 0 < levels["high"]


def test_indices_and_intervals_are_salibs():
    shares, k = points("morris", 3, 8, 11), 3
    outcomes = ishigami(shares) + 2 * shares[:, 1]  # on four places x2 alone would do nothing
    ours = morris_indices(shares.reshape(8, 4, 3), outcomes.reshape(8, 4), resamples=150, seed=5).set_index(["index", "axis"])
    theirs = salib_morris.analyze(unit_problem(k), shares, outcomes, num_resamples=150, num_levels=4, seed=5)
    for name in ("mu_star", "mu", "sigma"):
        np.testing.assert_allclose(ours.loc[name, "value"], np.asarray(theirs[name], float))
    half = (ours.loc["mu_star", "high"] - ours.loc["mu_star", "low"]) / 2
    np.testing.assert_allclose(half, np.asarray(theirs["mu_star_conf"], float))
    effects = elementary_effects(shares.reshape(8, 4, 3), outcomes.reshape(8, 4))
    np.testing.assert_allclose(ours.loc["mu", "value"], effects.mean(axis=0))
    expected = stats.t.interval(0.95, 7, effects.mean(axis=0), stats.sem(effects))
    np.testing.assert_allclose(ours.loc["mu", ["low", "high"]].to_numpy().T, expected)

    outcomes = ishigami(points("saltelli", 3, 32, 11))
    ours = sobol_indices(outcomes.reshape(32, 5), resamples=150, seed=0).set_index(["index", "axis"])
    theirs = salib_sobol.analyze(unit_problem(k), outcomes, calc_second_order=False, num_resamples=150, seed=1)
    for name in ("S1", "ST"):
        np.testing.assert_allclose(ours.loc[name, "value"], theirs[name])
        np.testing.assert_allclose(ours.loc[name, "high"] - ours.loc[name, "value"], theirs[f"{name}_conf"])
    again = sobol_indices(outcomes.reshape(32, 5), resamples=150, seed=0)  # SALib takes the seed 0 for none
    pd.testing.assert_frame_equal(again.set_index(["index", "axis"]), ours)


@pytest.mark.parametrize("name", ["morris", "saltelli"])
def test_the_mark_of_chance_is_what_chance_alone_gives(name: str):
    """Keys that do nothing: their indices over many designs of pure chance average to the mark; real keys pass it."""
    rng = np.random.default_rng(1)
    shares = points(name, 2, 64, 1).reshape(64, block_size(name, 2), 2)
    found, marks = [], []
    for _ in range(60):
        replicates = rng.normal(0, 1, (4, *shares.shape[:2]))
        replicates += 5 * shares[None, :, :, 0]  # the first axis does something, the second nothing
        mean = replicates.mean(axis=0)
        table = (
            morris_indices(shares, mean, replicates, 100) if name == "morris" else sobol_indices(mean, replicates, 100)
        ).set_index(["index", "axis"])["value"]
        main = "mu_star" if name == "morris" else "ST"
        found.append(table[main, 1])
        marks.append(table[f"{main}_noise", 1])
        assert table[main, 0] > 3 * table[f"{main}_noise", 0]
    assert np.mean(found) == pytest.approx(np.mean(marks), rel=0.1)  # s from four replicates is 8 % below σ on average


def test_an_outcome_that_does_not_vary_has_no_sobol_indices():
    design = designed("saltelli", 2, 4)
    table = analyse(design, results_of(design, lambda x: np.full(len(x), 2.0)), "organic", ["m"], 100, 3).indices
    assert table.loc[table["outcome"] == "difference", "value"].isna().all()
    assert table.loc[table["outcome"] == "level", "value"].notna().all()


def test_blocks_that_miss_a_cell_are_left_out():
    design = designed("morris", 3, 5)
    results = results_of(design, ishigami)
    lost = design.cells[1, 2]
    table = analyse(design, results[results["cell"] != lost], "organic", ["m"], 100, 3).indices
    assert set(table["samples"]) == {4}
    kept = [0, 2, 3, 4]
    expected = morris_indices(design.shares[kept], ishigami(design.shares[kept].reshape(-1, 3)).reshape(4, 4))
    for key, truth in zip(design.keys, expected[expected["index"] == "mu_star"]["value"], strict=True):
        assert value_of(table, key, "mu_star")["value"] == pytest.approx(truth)
    few = results[results["cell"].isin(design.cells[0])]
    assert analyse(design, few, "organic", ["m"], 100, 3).indices.empty


def test_the_variance_is_split_as_an_analysis_of_variance_splits_it():
    statsmodels = pytest.importorskip("statsmodels.formula.api")
    anova = pytest.importorskip("statsmodels.stats.anova")
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, (12, 1)) + rng.normal(0, 3, (1, 4)) + rng.normal(0, 0.5, (12, 4))
    found = variance_parts(values)
    cell, replicate = np.indices(values.shape)
    frame = pd.DataFrame({"y": values.ravel(), "cell": cell.ravel(), "replicate": replicate.ravel()})
    table = anova.anova_lm(statsmodels.ols("y ~ C(cell) + C(replicate)", frame).fit())
    assert found.noise == pytest.approx(1 / table.loc["C(cell)", "F"])
    assert found.within == pytest.approx(1 - table.loc["C(cell)", "sum_sq"] / table["sum_sq"].sum())
    assert found.sd == pytest.approx(values.mean(axis=1).std(ddof=1))
    assert found.noise < 0.2 < found.within  # what shifts all cells alike is no noise between them
    assert math.isnan(variance_parts(values[:, :1]).noise)


# Designs -----------------------------------------------------------------------------------------------------

WORLD = """title: Small
rounds: 3
warmup: 1
replicates: 2
slate_size: 4
seed: 4
users: {count: 25}
items: {count: 30, topics: 4}
discovery: {awareness: 8}
measures: {names: [consumption.alpha, utility.per_user, exposure.gini]}
report: {focus: [consumption.alpha, exposure.gini, interests.*]}
policies: [organic, popularity, {kind: mf, factors: 2, loss: bpr, epochs: 2}]
"""
SWEEP = """sweep:
  design: morris
  samples: 2
  axes:
    users.drift.rate: {low: 0.01, high: 0.2, scale: log}
    slate_size: {low: 2, high: 6, integer: true}
    policies.mf.rerank: [null, mmr]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(WORLD + SWEEP)
    return path


def command(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_morris_design_steps_through_every_axis_of_its_cells(file: Path):
    sweep = load_sweep(file)
    assert sweep.sample is not None
    rows = [sweep.cells[number - 1].values for number in sweep.sample.cells]
    assert len(rows) == 2 * 4
    for start in range(0, len(rows), 4):
        moved = [
            {label for label in now if now[label] != before[label]}
            for before, now in zip(rows[start:], rows[start + 1 : start + 4], strict=False)
        ]
        assert sorted(map(len, moved)) == [1, 1, 1]
        assert set().union(*moved) == {"drift.rate", "slate_size", "mf.rerank"}
    assert {row["slate_size"] for row in rows} <= {2, 3, 5, 6}
    assert {row["mf.rerank"] for row in rows} == {None, "mmr"}


@pytest.mark.parametrize(("design", "samples"), [("morris", (3, 6)), ("saltelli", (4, 16))])
def test_more_samples_begin_with_the_same_cells(file: Path, design: str, samples: tuple[int, int]):
    few, many = (load_sweep(file, [f"sweep.design={design}", f"sweep.samples={n}"]) for n in samples)
    assert few.sample is not None
    assert many.sample is not None
    assert (many.sample.cells[: len(few.sample.cells)] == few.sample.cells).all()
    assert [cell.scenario.digest for cell in many.cells][: len(few.cells)] == [cell.scenario.digest for cell in few.cells]


def test_a_point_that_is_hit_twice_is_one_cell(file: Path):
    file.write_text(WORLD + "sweep: {design: morris, samples: 20, axes: {slate_size: [2, 3], rounds: [2, 3]}}\n")
    sweep = load_sweep(file)
    assert sweep.sample is not None
    assert len(sweep.cells) == 4
    assert len(sweep.sample.cells) == 60


def test_the_sweep_written_down_loads_back_to_the_same_points(file: Path, tmp_path: Path):
    sweep = load_sweep(file)
    (tmp_path / "again.yaml").write_text(sweep.resolved())
    again = load_sweep(tmp_path / "again.yaml")
    assert again.digest == sweep.digest
    assert again.sample is not None
    assert sweep.sample is not None
    assert (again.sample.cells == sweep.sample.cells).all()


FAULTS = [
    ("  where: slate_size > 3\n", "small.yaml:20:10: sweep.where: 'morris' compares points that belong together"),
    ("    rounds: [3]\n", "small.yaml:20:13: sweep.axes.rounds: has one value, and 'morris' needs axes that vary"),
]


@pytest.mark.parametrize(("line", "told"), FAULTS)
def test_what_is_wrong_is_said_with_its_line(file: Path, tmp_path: Path, line: str, told: str):
    file.write_text(WORLD + SWEEP + line)
    result = command("sensitivity", file, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert told in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--method", "sobol", "--samples", "6"], "--samples 6: sweep.samples: must be a power of two"),
        (["--samples", "1"], "--samples 1: sweep.samples: must be at least 2"),
        (["--samples", "2501"], "--samples 2501: sweep.samples: 2,501 × 4 points are 10,004; a sweep has at most 10,000"),
        (["--method", "fast"], "--method fast: must be morris or sobol"),
        (["--measure", "consumption.alfa"], "--measure: there is no measure 'consumption.alfa'; did you mean"),
        (["--set", "sweep.design=latin_hypercube"], "--set: sweep.design: is 'latin_hypercube' by an option"),
    ],
)
def test_options_that_cannot_be_are_refused(file: Path, tmp_path: Path, options: list[str], told: str):
    result = command("sensitivity", file, "--out", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not (tmp_path / "out").exists()


def test_without_salib_it_says_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "SALib.sample", None)
    with pytest.raises(ScenarioError, match=r"small.yaml:14:11: sweep.design: 'morris' needs SALib: pip install"):
        load_sweep(file)


# The command -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Morris screening of the small world, and beside it its file."""
    folder = tmp_path_factory.mktemp("sensitivity")
    (folder / "small.yaml").write_text(WORLD + SWEEP)
    result = command("sensitivity", folder / "small.yaml", "--out", folder / "out", "--workers", 1, "--resamples", 200)
    assert result.exit_code == 0, result.output
    assert "2 trajectories of 3 keys, 4 points each: " in result.stdout
    return folder / "out"


def test_the_indices_are_those_of_the_runs(analysed: Path):
    study = load_study(analysed)
    assert study.measures == ["consumption.alpha", "exposure.gini"]
    design = pd.read_csv(analysed / "design.csv")
    effects = pd.read_csv(analysed / "effects.csv")
    own = effects[(effects["arm"] == "mf") & (effects["measure"] == "consumption.alpha")].set_index("cell")["mean"]
    shares = design.iloc[:, 3:].to_numpy().reshape(2, 4, 3)
    expected = elementary_effects(shares, own.loc[design["cell"]].to_numpy().reshape(2, 4))
    for place, key in enumerate(("drift.rate", "slate_size", "mf.rerank")):
        row = value_of(study.indices[study.indices["measure"] == "consumption.alpha"], key, "mu_star")
        assert row["value"] == pytest.approx(np.abs(expected[:, place]).mean())
    of_popularity = study.indices[(study.indices["arm"] == "popularity") & (study.indices["key"] == "mf.rerank")]
    assert (of_popularity[of_popularity["index"] == "mu_star"]["value"] == 0).all()  # another arm's key does nothing at all
    assert study.outcome("exposure.gini") == "level"  # without slates there is no exposure to take a difference to
    organic = study.indices[study.indices["arm"] == "organic"]
    assert set(organic["outcome"]) == {"level"}


def test_the_report_answers_and_can_be_made_again(analysed: Path):
    page = analysed / "report.html"
    before = {path: path.read_bytes() for path in [page, *(analysed / "figures").iterdir()]}
    text = page.read_text()
    assert "Diversity within users, α (consumption) under mf:</strong> the difference to organic" in text
    assert {path.name for path in before} >= {"tornado_consumption_alpha.csv", "morris_consumption_alpha.svg"}
    for path in before:
        path.unlink()
    assert command("report", analysed).exit_code == 0
    assert {path: path.read_bytes() for path in before} == before


def test_nothing_is_played_twice_and_more_trajectories_play_what_is_new(analysed: Path, monkeypatch: pytest.MonkeyPatch):
    played: list[str] = []
    play = processes.play

    def counted(scenario, *arguments, **options):
        played.append(scenario.digest)
        return play(scenario, *arguments, **options)

    monkeypatch.setattr(processes, "play", counted)
    options = ("--out", analysed, "--workers", 1, "--resamples", 200, "--quiet")
    before = (analysed / "sensitivity.csv").read_bytes()
    file = analysed.parent / "small.yaml"
    assert command("sensitivity", file, *options).exit_code == 0
    assert not played
    assert (analysed / "sensitivity.csv").read_bytes() == before
    old = {path.name for path in (analysed / "cells").iterdir()}
    assert command("sensitivity", file, *options, "--samples", 3).exit_code == 0
    new = {path.name for path in (analysed / "cells").iterdir()} - old
    assert new
    assert {digest[:12] for digest in played} == new
    assert set(pd.read_csv(analysed / "sensitivity.csv")["samples"]) == {3}


def test_sobol_indices_of_a_plain_grid_file_and_what_failed(file: Path, tmp_path: Path):
    """Method and number by option; a run that breaks down costs its base samples alone, and the page says so."""
    axes = "  axes: {users.drift.rate: [0.01, 0.2], policies.mf.learning_rate: [0.01, 0.02, 0.03, 1.0e+30]}\n"
    file.write_text(WORLD + "sweep:\n" + axes)
    out = tmp_path / "out"
    options = ("--method", "sobol", "--samples", 8, "--measure", "consumption.*", "--resamples", 100)
    result = command("sensitivity", file, "--out", out, "--workers", 1, "--quiet", *options)
    assert result.exit_code == 1
    assert "diverged" in result.stderr
    study = load_study(out)
    about = json.loads((out / "sensitivity.json").read_text())
    assert (about["method"], about["samples"], about["measures"]) == ("sobol", 8, ["consumption.alpha"])
    used = set(study.indices["samples"])
    design, cells = pd.read_csv(out / "design.csv"), pd.read_csv(out / "cells.csv")
    broken = design["cell"].isin(cells.loc[cells["status"] == "failed", "cell"])
    assert used == {8 - design.loc[broken, "sample"].nunique()}
    assert used < {2, 3, 4, 5, 6, 7}
    text = (out / "report.html").read_text()
    assert f"{used.pop()} of 8 base samples are whole" in text
    assert (out / "figures" / "sobol_consumption_alpha.csv").is_file()


def test_a_dry_run_plays_nothing(file: Path, tmp_path: Path):
    result = command("sensitivity", file, "--out", tmp_path / "out", "--dry-run")
    assert result.exit_code == 0
    assert "2 trajectories of 3 keys" in result.stdout
    assert "runs to play in" in result.stdout
    assert not (tmp_path / "out").exists()


def test_the_shipped_file_loads():
    sweep = load_sweep(Path(__file__).parents[2] / "scenarios" / "sensitivity_quickstart.yaml")
    assert sweep.design == "morris"
    assert sweep.sample is not None
