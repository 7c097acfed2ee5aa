"""A sweep is played once, cell by cell; what ends it costs nothing but time."""

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

from simulator import processes
from simulator.__main__ import app
from simulator.statistics import end_values, paired_effects
from simulator.store import Store

ROOT = Path(__file__).parents[2]

SWEEP = """
title: Small
rounds: 4
warmup: 2
replicates: 2
slate_size: 4
users: {count: 40}
items: {count: 50, topics: 5}
discovery: {awareness: 10}
measures: {names: [consumption.alpha, exposure.gini, utility.per_user]}
policies: [organic, popularity, {kind: mf, loss: bpr, factors: 4, epochs: 2}]
sweep:
  axes:
    users.drift.rate: [0.02, 0.1]
    policies.mf.factors: [2, 4]
"""


def command(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(SWEEP)
    return file


def numbers(folder: Path) -> tuple[bytes, bytes, bytes]:
    return tuple((folder / name).read_bytes() for name in ("results.parquet", "effects.csv", "cells.csv"))


def test_a_sweep_is_its_cells_and_their_tables(sweep: Path, tmp_path: Path):
    out = tmp_path / "out"
    assert command("sweep", sweep, "--out", out, "--workers", 1, "--quiet").exit_code == 0
    cells, results = pd.read_csv(out / "cells.csv"), pd.read_parquet(out / "results.parquet")
    assert list(zip(cells["drift.rate"], cells["mf.factors"], strict=True)) == [(0.02, 2), (0.02, 4), (0.1, 2), (0.1, 4)]
    assert set(cells["status"]) == {"finished"}
    effects = pd.read_csv(out / "effects.csv")
    for cell in cells.itertuples():
        trajectory = pd.read_parquet(out / cell.folder / "trajectory.parquet")
        own = results[results["cell"] == cell.cell]
        columns = ["arm", "replicate", "measure", "value"]
        pd.testing.assert_frame_equal(own[columns].reset_index(drop=True), end_values(trajectory)[columns], check_dtype=False)
        expected = paired_effects(end_values(trajectory), "organic")["mean"].to_numpy()
        assert effects.loc[effects["cell"] == cell.cell, "mean"].to_numpy() == pytest.approx(expected)
        assert json.loads((out / cell.folder / "manifest.json").read_text())["finished"]
        assert not (out / cell.folder / "checkpoint").exists()
    mf = results[(results["arm"] == "mf") & (results["measure"] == "consumption.alpha")]
    assert mf.groupby("cell")["value"].mean().nunique() == 4
    assert json.loads((out / "manifest.json").read_text())["finished"]


def test_an_axis_may_hold_numbers_words_and_nothing(sweep: Path, tmp_path: Path):
    axes = "policies.mf.train_window: [null, 3]\n    policies.mf.warm: [true, false]"
    sweep.write_text(SWEEP.split("    users.drift.rate")[0] + "    " + axes + "\n")
    out = tmp_path / "out"
    assert command("sweep", sweep, "--out", out, "--workers", 1, "--quiet").exit_code == 0
    results = pd.read_parquet(out / "results.parquet")
    assert set(results["mf.train_window"]) == {"null", "3"}
    assert set(results["mf.warm"]) == {"true", "false"}


def test_the_report_of_a_sweep_can_be_made_again(sweep: Path, tmp_path: Path):
    out = tmp_path / "out"
    result = command("sweep", sweep, "--out", out, "--workers", 1, "--quiet")
    page = out / "report.html"
    assert str(page) in result.stdout
    before = page.read_text()
    page.unlink()
    assert command("report", out).exit_code == 0
    assert page.read_text() == before


def test_an_axis_cannot_be_called_like_a_column_of_the_tables(sweep: Path, tmp_path: Path):
    sweep.write_text(SWEEP.replace("users.drift.rate: [0.02, 0.1]", "users.drift.rate: {values: [0.02, 0.1], label: arm}"))
    result = command("sweep", sweep, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "'arm' is a column of the tables" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_cell_is_the_run_of_the_same_options(sweep: Path, tmp_path: Path):
    assert command("sweep", sweep, "--out", tmp_path / "out", "--workers", 1, "--quiet").exit_code == 0
    single = tmp_path / "single.yaml"
    single.write_text(SWEEP.split("sweep:")[0])
    options = ("--set", "users.drift.rate=0.1", "--set", "policies.mf.factors=2")
    assert command("run", single, *options, "--out", tmp_path / "run", "--workers", 1, "--quiet").exit_code == 0
    folder = pd.read_csv(tmp_path / "out" / "cells.csv").loc[2, "folder"]
    same = tmp_path / "out" / folder / "trajectory.parquet"
    assert same.read_bytes() == (tmp_path / "run" / "trajectory.parquet").read_bytes()


def test_only_what_is_new_is_played(sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out, played = tmp_path / "out", []
    assert command("sweep", sweep, "--out", out, "--workers", 1, "--quiet").exit_code == 0
    play = processes.play

    def counted(scenario, *arguments):
        played.append(scenario.users.drift.rate)
        return play(scenario, *arguments)

    monkeypatch.setattr(processes, "play", counted)
    before = numbers(out)
    assert command("sweep", sweep, "--out", out, "--workers", 1, "--quiet").exit_code == 0
    assert not played
    assert numbers(out) == before
    sweep.write_text(SWEEP.replace("[0.02, 0.1]", "[0.02, 0.05]"))
    assert command("sweep", sweep, "--out", out, "--workers", 1, "--quiet").exit_code == 0
    assert set(played) == {0.05}


def test_what_an_earlier_version_has_finished_is_taken_over(sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A version without a key writes scenarios without it, under another digest; one with another default is another world."""
    out = tmp_path / "out"
    assert command("sweep", sweep, "--out", out, "--workers", 1, "--quiet").exit_code == 0
    before = numbers(out)
    folders = sorted((out / "cells").iterdir())
    for number, folder in enumerate(folders):
        file, manifest = folder / "scenario.yaml", json.loads((folder / "manifest.json").read_text())
        text = file.read_text()
        assert text.count("  intent: null\n") == 1
        file.write_text(text.replace("  intent: null\n", "" if number else "  intent: topic\n"))
        manifest["hashes"]["scenario"] = f"{number}" * 64
        (folder / "manifest.json").write_text(json.dumps(manifest))
        folder.rename(folder.with_name(f"{number}" * 12))
    played = []
    play = processes.play

    def counted(scenario, *arguments):
        played.append(scenario.digest)
        return play(scenario, *arguments)

    monkeypatch.setattr(processes, "play", counted)
    assert command("sweep", sweep, "--out", out, "--workers", 1, "--quiet").exit_code == 0
    assert {digest[:12] for digest in played} == {folders[0].name}
    assert {folder.name for folder in (out / "cells").iterdir()} == {folder.name for folder in folders} | {"0" * 12}
    assert numbers(out) == before
    hashes = json.loads((folders[1] / "manifest.json").read_text())["hashes"]
    assert hashes["scenario"][:12] == folders[1].name
    assert hashes["scenario_then"] == "1" * 64


def test_another_sweep_is_refused(sweep: Path, tmp_path: Path):
    out = tmp_path / "out"
    assert command("sweep", sweep, "--out", out, "--workers", 1, "--quiet").exit_code == 0
    before = numbers(out)
    result = command("sweep", sweep, "--out", out, "--set", "users.count=41")
    assert result.exit_code == 2
    assert "no cell in common" in result.stderr
    assert numbers(out) == before


def test_data_that_cannot_be_read_are_told_of_before_anything_is_written(sweep: Path, tmp_path: Path):
    world = "users: {interests: data}\ndata: {kind: movielens}\ndiscovery: {awareness: 2}\nslate_size: 2\n"
    sweep.write_text(
        f"title: t\nrounds: 2\nreplicates: 2\n{world}policies: [organic]\nsweep: {{axes: {{users.drift.rate: [0.1, 0.2]}}}}\n"
    )
    for more in ((), ("--dry-run",)):
        result = command("sweep", sweep, "--data", tmp_path / "none", "--out", tmp_path / "out", "--quiet", *more)
        assert result.exit_code == 2
        assert "no such file or folder" in result.stderr
        assert not (tmp_path / "out").exists()


def test_a_folder_in_which_nothing_could_be_played_is_as_good_as_empty(sweep: Path, tmp_path: Path):
    with Store(tmp_path / "out").locked():
        pass
    assert command("sweep", sweep, "--out", tmp_path / "out", "--workers", 1, "--quiet").exit_code == 0


def test_a_failed_run_is_a_row_with_its_error_and_the_rest_goes_on(sweep: Path, tmp_path: Path):
    sweep.write_text(SWEEP.replace("policies.mf.factors: [2, 4]", "policies.mf.learning_rate: [0.01, 1e30]"))
    out = tmp_path / "out"
    result = command("sweep", sweep, "--out", out, "--workers", 1, "--quiet")
    assert result.exit_code == 1
    cells = pd.read_csv(out / "cells.csv")
    assert list(cells["status"]) == ["finished", "failed"] * 2
    assert "diverged" in cells.loc[1, "error"]
    assert set(pd.read_parquet(out / "results.parquet")["cell"]) == {1, 3}
    assert "Traceback" not in result.output


def test_a_dry_run_plays_nothing_and_leaves_nothing(sweep: Path, tmp_path: Path):
    result = command("sweep", sweep, "--out", tmp_path / "out", "--dry-run")
    assert result.exit_code == 0
    assert "24 runs to play in 4 cells" in result.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
def test_a_killed_sweep_ends_as_one_that_never_was(sweep: Path, tmp_path: Path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert command("sweep", sweep, "--out", whole, "--workers", 1, "--quiet").exit_code == 0
    arguments = [sys.executable, "-m", "simulator", "sweep", sweep, "--out", broken, "--workers", "2", "--quiet"]
    process = subprocess.Popen(arguments, cwd=ROOT, start_new_session=True)
    while not list(broken.glob("cells/*/manifest.json")) and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    subprocess.run(arguments, cwd=ROOT, check=True, capture_output=True)
    assert numbers(broken) == numbers(whole)


def test_every_shipped_sweep_can_be_planned(tmp_path: Path):
    files = sorted((ROOT / "scenarios").glob("sweep_*.yaml"))
    assert files
    for file in files:
        options = ("--set", "users.count=40", "--set", "rounds=2", "--set", "replicates=1", "--out", tmp_path / "out")
        assert command("sweep", file, *options, "--dry-run").exit_code == 0
