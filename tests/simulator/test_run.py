"""What the command leaves behind: whole runs, partial runs, and clear words instead of runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from simulator import session
from simulator.__main__ import app
from simulator.fitting.loading import read_fit
from simulator.sweeping.loading import load_sweep
from simulator.tuning.loading import load_tune

ROOT = Path(__file__).parents[2]

SCENARIO = """
title: Small
question: Does it run?
rounds: 6
warmup: 2
replicates: 2
slate_size: 4
users: {count: 40}
items: {count: 50, topics: 5}
discovery: {awareness: 10}
measures: {names: [consumption.alpha, consumption.mean_jaccard, exposure.gini, interests.*, utility.*]}
report: {formats: [svg], snapshots: [3], log: true}
policies:
  - organic
  - popularity
  - {kind: mf, factors: 4, retrain_every: 2}
  - {kind: mf, name: frozen, factors: 4, frozen: true}
  - oracle
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(SCENARIO)
    return file


def command(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "small.yaml").write_text(SCENARIO)
    result = command("run", folder / "small.yaml", "--out", folder / "out", "--workers", 1, "--quiet")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(folder / "out" / "report.html")
    return folder / "out"


def test_a_run_leaves_all_that_a_report_needs(run: Path):
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["finished"]
    assert [unit["rounds"] for unit in manifest["units"]] == [6] * 10
    assert manifest["baseline"] == "organic"
    assert manifest["reference"] == "oracle"
    table = pd.read_parquet(run / "trajectory.parquet")
    assert list(table.columns) == ["arm", "replicate", "round", "measure", "value"]
    assert set(table["round"]) == set(range(7))
    assert not table.duplicated(["arm", "replicate", "round", "measure"]).any()
    assert set(table.loc[table["measure"] == "utility.relative", "arm"]) >= {"popularity", "oracle"}
    organic = table[table["arm"] == "organic"]
    assert not organic["measure"].str.startswith("exposure").any()
    assert set(pd.read_parquet(run / "users.parquet")["round"]) == {0, 3, 6}
    assert "Does it run?" in (run / "report.html").read_text()


def test_every_retraining_reports_its_epochs_and_a_frozen_policy_trains_once(run: Path):
    training = pd.read_parquet(run / "training.parquet")
    assert set(training.loc[training["arm"] == "mf", "round"]) == {1, 3, 5}
    assert set(training.loc[training["arm"] == "frozen", "round"]) == {1}
    epochs = training[training["arm"] == "mf"].groupby(["replicate", "round"])["epoch"].apply(list)
    assert all(each == list(range(1, 11)) for each in epochs)
    assert training.loc[training["arm"] == "mf", "train_loss"].notna().all()


def test_until_round_one_all_arms_are_the_same(run: Path):
    table = pd.read_parquet(run / "trajectory.parquet")
    start = table[(table["round"] == 0) & table["measure"].str.match("consumption|interests")]
    spread = start.groupby(["replicate", "measure"])["value"].nunique()
    assert len(spread)
    assert (spread == 1).all()


def test_the_log_holds_every_impression_and_interaction(run: Path):
    items = pd.read_parquet(run / "items.parquet").query("arm == 'mf' and replicate == 0")
    impressions = pd.read_parquet(next((run / "log").glob("*-mf.impressions.parquet")))
    interactions = pd.read_parquet(next((run / "log").glob("*-mf.interactions.parquet")))
    assert impressions.groupby("item").size().reindex(items["item"], fill_value=0).tolist() == items["exposures"].tolist()
    late = interactions[interactions["round"] >= 1]
    assert late.groupby("item").size().reindex(items["item"], fill_value=0).tolist() == items["takes"].tolist()
    assert not interactions.duplicated(["user", "item"]).any()


def test_the_same_file_and_seed_give_the_same_bytes_in_any_number_of_processes(run: Path, scenario: Path, tmp_path: Path):
    result = command("run", scenario, "--out", tmp_path / "two", "--workers", 2, "--quiet")
    assert result.exit_code == 0, result.output
    for name in ("trajectory.parquet", "training.parquet", "users.parquet", "people.parquet", "items.parquet"):
        assert (tmp_path / "two" / name).read_bytes() == (run / name).read_bytes(), name


def test_an_arm_or_a_measure_more_or_a_replicate_less_changes_nothing_else(run: Path, scenario: Path, tmp_path: Path):
    policies = "policies=[random, organic, {kind: mf, factors: 4, retrain_every: 2}]"
    measures = "measures.names=[consumption.alpha, exposure.gini]"
    options = ("--set", policies, "--set", measures, "--replicates", 1, "--workers", 1, "--quiet")
    assert command("run", scenario, "--out", tmp_path / "other", *options).exit_code == 0
    keys = ["arm", "replicate", "round", "measure"]
    other = pd.read_parquet(tmp_path / "other" / "trajectory.parquet").query("arm != 'random'").set_index(keys)
    whole = pd.read_parquet(run / "trajectory.parquet").set_index(keys)
    assert len(other)
    assert (whole.loc[other.index, "value"] == other["value"]).all()


def test_another_seed_gives_another_run(run: Path, scenario: Path, tmp_path: Path):
    options = ("--seed", 5, "--replicates", 1, "--workers", 1, "-q")
    assert command("run", scenario, "--out", tmp_path / "b", *options).exit_code == 0
    values = [pd.read_parquet(folder / "trajectory.parquet")["value"].iloc[0] for folder in (run, tmp_path / "b")]
    assert values[0] != values[1]


def test_a_report_can_be_made_again(run: Path):
    before = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    result = command("report", run)
    assert result.exit_code == 0
    assert (run / "report.html").read_bytes() == before


def test_a_folder_that_is_in_use_is_left_alone(run: Path, scenario: Path):
    before = (run / "manifest.json").read_bytes()
    result = command("run", scenario, "--out", run)
    assert result.exit_code == 2
    assert "not empty" in result.stderr
    assert (run / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "nowhere.yaml"), "nowhere.yaml: there is no such file"),
        (("validate", "SCENARIO", "--set", "users.cuont=3"), "did you mean 'count'"),
        (("show", "popularty"), "did you mean 'popularity'"),
        (("list", "policy"), "did you mean 'policies'"),
        (("report", "nowhere"), "nowhere: there is no such folder"),
        (("run", "SCENARIO", "--data", "nowhere"), "uses no data"),
    ],
)
def test_bad_input_is_answered_in_words(scenario: Path, arguments: tuple[str, ...], words: str):
    result = command(*(scenario if argument == "SCENARIO" else argument for argument in arguments))
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_what_there_is_can_be_listed_and_shown():
    assert "sasrec" in command("list", "policies").stdout
    assert "movielens-small" in command("list", "datasets").stdout
    page = command("show", "mf").stdout
    assert "Hu, Koren & Volinsky 2008" in page
    assert "factors: whole number, 1 to 1000000; default 32" in page
    assert json.loads(command("schema").stdout) == json.loads((ROOT / "scenarios" / "scenario.schema.json").read_text())


REAL = {"movielens", "family"}         # scenarios on real data
NEEDS_LEAVE = {"own_user": (), "language_users": ("users.cohorts.asking.replay=true",)}     # of a server
OTHER_KEYS = {**NEEDS_LEAVE, "beliefs": ("items.topics=150",), "escape": ("events=[]",)}      # for a small world to fit
SYNTHETIC = {
    *OTHER_KEYS, "quickstart", "seven_arms", "ab_test", "attrition", "cohorts", "creators", "ecommerce", "friends", "music",
    "news", "short_video", "voices",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "family" else name for name in sorted(SYNTHETIC | REAL)]
)
def test_every_shipped_scenario_plays_in_small(name: str, tmp_path: Path):
    small = ("rounds=2", "replicates=1", "users.count=60", "items.count=150", "measures.names=[utility.per_user]")
    options = [part for change in (*small, *OTHER_KEYS.get(name, ())) for part in ("--set", change)]
    options += ["--allow-code"] if name in NEEDS_LEAVE else []
    options += ["--data", "movielens-small"] if name in REAL else []
    result = command("run", ROOT / "scenarios" / f"{name}.yaml", "--out", tmp_path / "out", "--workers", 1, "-q", *options)
    assert result.exit_code == 0, result.output
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["finished"]
    assert (manifest["data"] is None) == (name not in REAL)


def test_all_shipped_scenarios_are_tried_here():
    experiments = ("sweep_", "sensitivity_", "tune_", "fit_")           # of many runs; each kind is tried with its own command
    shipped = {file.stem for file in (ROOT / "scenarios").glob("*.yaml") if not file.stem.startswith(experiments)}
    assert shipped == SYNTHETIC | REAL


@pytest.mark.parametrize("file", sorted((ROOT / "scenarios").glob("*_*.yaml")), ids=lambda file: file.stem)
def test_every_shipped_experiment_is_valid(file: Path):
    load = {"sweep": load_sweep, "sensitivity": load_sweep, "tune": load_tune, "fit": read_fit}.get(file.stem.split("_")[0])
    if load is not None:
        assert load(file)


def test_help_imports_nothing_heavy():
    code = "import sys; from simulator.__main__ import app; print({'torch', 'mesa', 'pandas'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_ctrl_c_leaves_a_readable_partial_run(scenario: Path, tmp_path: Path, workers: int):
    out = tmp_path / "out"
    options = ["--out", out, "--set", "rounds=100000", "--workers", str(workers)]
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "run", scenario, *options],
        cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),        # a shell's background jobs ignore it
    )
    while not (out / "manifest.json").exists():     # written at the start, and says "not finished"
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(10)                                  # a busy machine takes its time to the first rounds
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "Interrupted" in stderr
    assert "Traceback" not in stderr
    manifest = json.loads((out / "manifest.json").read_text())
    assert not manifest["finished"]
    assert manifest["interrupted"]
    rows = len(pd.read_parquet(out / "trajectory.parquet"))
    if workers == 1:                                # two may still have been starting
        assert rows
        assert "Partial run" in stdout


def test_a_policy_whose_training_diverges_stops_the_run_in_words(tmp_path: Path):
    file = tmp_path / "world.yaml"
    file.write_text(
        "title: t\nrounds: 2\nusers: {count: 40}\nitems: {count: 30}\n"
        "policies: [organic, {kind: mf, loss: bpr, learning_rate: 1e30, epochs: 4}]\n"
    )
    result = command("run", file, "--out", tmp_path / "out", "--workers", 1, "--quiet")
    assert result.exit_code == 1
    assert "diverged" in result.output
    assert "Traceback" not in result.output


def test_two_arms_of_like_names_have_a_log_each(tmp_path: Path):
    file = tmp_path / "world.yaml"
    file.write_text(
        "title: t\nrounds: 2\nusers: {count: 40}\nitems: {count: 30}\nreport: {log: true}\n"
        "policies: [{kind: popularity, name: a b}, {kind: random, name: a+b}]\n"
    )
    assert command("run", file, "--out", tmp_path / "out", "--workers", 1, "--quiet").exit_code == 0
    assert len(list((tmp_path / "out" / "log").glob("*.impressions.parquet"))) == 2


def test_what_breaks_everywhere_is_told_once():
    told = session._told_once([
        "arm 'a: b', replicate 1: \nTraceback: no", "arm 'a: b', replicate 2: \nTraceback: no",
        "arm 'c', replicate 1: full disk",
    ])  # fmt: skip
    assert told == ["arm 'a: b', replicate 1: \nTraceback: no\nThe same in 1 other run.", "arm 'c', replicate 1: full disk"]
