"""Nothing is lost: whatever ends a run, the same command goes on from there and comes to the same numbers."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from simulator import processes, runner
from simulator.__main__ import app
from simulator.model import FilterBubbleModel
from simulator.play import play
from simulator.rundir import write_run
from simulator.scenario import load_scenario
from simulator.store import InUse, State, Store, packed
from simulator.warmup import WarmStart

ROOT = Path(__file__).parents[2]

SCENARIO = """
title: Resumed
rounds: {rounds}
warmup: 2
replicates: 2
slate_size: 4
users: {{count: 60, agents: 3, drift: reinforcement}}
items: {{count: 60, topics: 5}}
discovery: {{awareness: 10}}
measures: {{names: [consumption.alpha, exposure.gini, interests.alpha]}}
report: {{formats: [svg], focus: [consumption.alpha], snapshots: [3], log: true}}
policies:
  - organic
  - {{kind: mf, factors: 4, retrain_every: 2, explore: epsilon_greedy}}
  - {{kind: sasrec, hidden: 8, epochs: 3, retrain_every: 3, rerank: mmr}}
  - thompson
  - oracle
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(SCENARIO.format(rounds=8))
    return file


def command(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def written(folder: Path) -> dict[str, bytes]:
    """The files that hold numbers, and how they read."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.parquet"))}


def silent(*_: object) -> None:
    """Tell nobody."""


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize(("arm", "last"), [(arm, last) for arm in range(5) for last in ((0, 4), (1, 7))[arm % 2]])
def test_a_unit_goes_on_from_its_checkpoint_as_if_nothing_had_happened(
    scenario: Path, tmp_path: Path, arm: int, last: int
):
    loaded = load_scenario(scenario)
    whole = play(loaded, None, arm, 0, silent, WarmStart(), Store(tmp_path / "whole"), every=1e9)
    store = Store(tmp_path / "broken")
    store.folder.mkdir(parents=True)

    def stop(round: int, values: dict[str, float] | None) -> None:
        if round == last + 1:
            raise Killed

    with pytest.raises(Killed):
        play(loaded, None, arm, 0, stop, WarmStart(), store, every=0)
    model, _ = store.model((arm, 0))
    assert model.round == last
    told: list[int] = []
    rest = play(loaded, None, arm, 0, lambda round, values: told.append(round), WarmStart(), store, every=0)
    assert told == list(range(9))
    assert repr(rest.trajectory) == repr(whole.trajectory)
    assert rest.exposures.tolist() == whole.exposures.tolist()
    assert rest.training == whole.training
    assert [(r, x.tolist()) for r, x in rest.snapshots] == [(r, x.tolist()) for r, x in whole.snapshots]
    assert all(torch.equal(a, b) for a, b in zip(rest.log.interactions(), whole.log.interactions(), strict=True))


@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_run_killed_again_and_again_ends_as_one_that_never_was(tmp_path: Path, workers: int):
    file = tmp_path / "small.yaml"
    file.write_text(SCENARIO.format(rounds=20))
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert command("run", file, "--out", whole, "--workers", 1, "--quiet").exit_code == 0
    arguments = [
        sys.executable, "-m", "simulator", "run", file, "--out", broken, "--workers", str(workers), "--checkpoint", "0", "-q",
    ]
    moments = random.Random(workers)
    for _ in range(3):
        process = subprocess.Popen(
            arguments, cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        before = units_kept(broken)
        while process.poll() is None and units_kept(broken) == before:      # until it has done something
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 0.5))
        assert process.poll() in (None, 0), process.stdout.read()
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert not json.loads((broken / "manifest.json").read_text())["finished"]
    subprocess.run(arguments, cwd=ROOT, check=True, capture_output=True)
    assert written(broken) == written(whole)
    assert json.loads((broken / "manifest.json").read_text())["finished"]
    assert not (broken / "checkpoint").exists()


def units_kept(run: Path) -> dict[str, int]:
    files = [*run.glob("checkpoint/*.model"), *run.glob("checkpoint/*.played")]
    with contextlib.suppress(FileNotFoundError):                # moved meanwhile
        return {file.name: file.stat().st_mtime_ns for file in files}
    return {}


def test_a_folder_whose_run_was_ended_before_its_first_word_is_as_good_as_empty(scenario: Path, tmp_path: Path):
    out = tmp_path / "out"
    with Store(out).locked():
        pass
    assert command("run", scenario, "--out", out, "--workers", 1, "--set", "rounds=3", "--quiet").exit_code == 0


def test_a_finished_unit_is_never_played_again(scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    loaded = load_scenario(scenario)
    job = runner.Job(loaded, None, tmp_path / "run")
    job.store.open(State.of(loaded, None))
    (first,) = runner.run([job], runner.Resources(1), silent)
    monkeypatch.setattr(processes, "play", None)                # would be an error to call
    (again,) = runner.run([job], runner.Resources(1), silent)
    assert not again.failures
    assert again.trajectories == first.trajectories
    assert len(again.played) == len(runner.units(loaded))


@pytest.mark.parametrize(
    "damage", [lambda content: content[: len(content) // 2], lambda content: b"", lambda content: of_another_version()]
)
def test_a_unit_whose_file_cannot_be_read_is_played_once_more(scenario: Path, tmp_path: Path, damage: Callable[[bytes], bytes]):
    """Half a file, none of it, or classes that this version does not have: what is in it can be had again."""
    loaded = load_scenario(scenario, ["policies=[organic, random]"])
    job = runner.Job(loaded, None, tmp_path / "run")
    job.store.open(State.of(loaded, None))
    (first,) = runner.run([job], runner.Resources(1), silent)
    finished, under_way = job.store.folder / "0-0.played", job.store.folder / "1-1.model"
    finished.write_bytes(damage(finished.read_bytes()))
    (job.store.folder / "1-1.played").rename(under_way)
    under_way.write_bytes(damage(under_way.read_bytes()))
    (again,) = runner.run([job], runner.Resources(1), silent)
    assert not again.failures
    assert again.trajectories == first.trajectories
    assert job.store.played((0, 0)) is not None
    assert not under_way.exists()


def test_a_file_that_cannot_be_opened_is_no_damaged_one(tmp_path: Path):
    store = Store(tmp_path)
    (store.folder / "0-0.played").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        store.played((0, 0))


def of_another_version() -> bytes:
    """A file of an object whose class is gone."""
    gone = type("Gone", (), {"__module__": __name__, "__qualname__": "Gone"})
    globals()["Gone"] = gone
    try:
        return bytes(packed(gone()))
    finally:
        del globals()["Gone"]


def test_the_default_folder_is_that_of_the_unfinished_run(scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    broken = interrupt(scenario, tmp_path / "runs" / "small" / "20260101-000000")
    result = command("run", scenario, "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "Going on with" in result.output
    assert json.loads((broken / "manifest.json").read_text())["finished"]
    assert len(list((tmp_path / "runs" / "small").iterdir())) == 1


def test_fresh_leaves_the_unfinished_run_alone(scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    broken = interrupt(scenario, tmp_path / "runs" / "small" / "20260101-000000")
    assert command("run", scenario, "--workers", 1, "--fresh", "--quiet").exit_code == 0
    assert not json.loads((broken / "manifest.json").read_text())["finished"]
    assert len(list((tmp_path / "runs" / "small").iterdir())) == 2


def test_a_changed_scenario_is_refused_and_told_apart(scenario: Path, tmp_path: Path):
    broken = interrupt(scenario, tmp_path / "out")
    before = {file.name: file.read_bytes() for file in (broken / "checkpoint").iterdir() if file.name != "lock"}
    result = command("run", scenario, "--out", broken, "--set", "users.count=70", "--set", "policies.mf.factors=5")
    assert result.exit_code == 2
    assert "users.count: was 60, is 70" in result.stderr
    assert "policies[1].factors: was 4, is 5" in result.stderr
    after = {file.name: file.read_bytes() for file in (broken / "checkpoint").iterdir() if file.name != "lock"}
    assert after == before


def test_two_processes_do_not_play_one_run(scenario: Path, tmp_path: Path):
    broken = interrupt(scenario, tmp_path / "out")
    with Store(broken).locked():
        result = command("run", scenario, "--out", broken)
        assert result.exit_code == 2
        assert "another process" in result.stderr
        with pytest.raises(InUse), Store(broken).locked():
            pass


def test_a_unit_that_breaks_down_is_told_and_the_others_go_on(tmp_path: Path):
    file = tmp_path / "world.yaml"
    text = (
        "title: t\nrounds: 2\nreplicates: 2\nusers: {count: 40}\nitems: {count: 30}\n"
        "policies: [organic, {kind: mf, loss: bpr, learning_rate: RATE, epochs: 4}, random]\n"
    )
    file.write_text(text.replace("RATE", "1e30"))
    result = command("run", file, "--out", tmp_path / "out", "--workers", 2, "--quiet")
    assert result.exit_code == 1
    assert "arm 'mf', replicate 1: training diverged" in result.stderr
    assert "2 runs of 6 failed" in result.stderr
    trajectory = pd.read_parquet(tmp_path / "out" / "trajectory.parquet")
    assert set(trajectory.loc[trajectory["round"] == 2, "arm"]) == {"organic", "random"}
    assert "diverged" in json.loads((tmp_path / "out" / "manifest.json").read_text())["failure"]


def test_a_run_of_which_nothing_was_played_to_its_end_has_no_report(tmp_path: Path):
    file, out = tmp_path / "world.yaml", tmp_path / "out"
    file.write_text(
        "title: t\nrounds: 2\nreplicates: 2\nusers: {count: 40}\nitems: {count: 30}\n"
        "policies: [{kind: mf, loss: bpr, learning_rate: 1e30, epochs: 4}]\n"
    )
    result = command("run", file, "--out", out, "--workers", 1, "--quiet")
    assert result.exit_code == 1
    assert "2 runs of 2 failed, so there is no report." in result.stderr
    assert not result.stdout
    assert not (out / "report.html").exists()
    assert command("report", out).exit_code == 0             # asked for, it says what it is
    assert "This run failed: no arm was played to its end" in (out / "report.html").read_text()


@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
@pytest.mark.parametrize(("kills", "lost"), [(1, 0), (3, 1)])
def test_a_unit_whose_process_is_killed_is_tried_once_more(scenario, tmp_path, monkeypatch, kills, lost):
    loaded = load_scenario(scenario)
    job = runner.Job(loaded, None, tmp_path / "run")
    job.store.open(State.of(loaded, None))
    hired: list[runner.Task] = []
    hire = processes._hire

    def hire_and_kill(stage, task):
        worker = hire(stage, task)
        if len(hired) < kills:                                  # two workers; the third is to play one of their units again
            os.kill(worker.process.pid, signal.SIGKILL)
        hired.append(task)
        return worker

    monkeypatch.setattr(processes, "_hire", hire_and_kill)
    (results,) = runner.run([job], runner.Resources(2), silent)
    assert len(hired) >= kills
    assert len(results.failures) == lost
    assert all("SIGKILL twice" in story for story in results.failures.values())
    assert len(results.played) == len(runner.units(loaded)) - lost


def test_a_full_disk_is_told_in_words(scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write = Path.write_bytes

    def full(path: Path, content) -> int:
        if ".played" in path.name and "1-0" in path.name:
            raise OSError(28, "No space left on device", str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    out = tmp_path / "out"
    result = command("run", scenario, "--out", out, "--workers", 1, "--quiet")
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert "Traceback" not in result.output
    monkeypatch.undo()
    assert command("run", scenario, "--out", out, "--workers", 1, "--quiet").exit_code == 0
    assert json.loads((out / "manifest.json").read_text())["finished"]


def interrupt(scenario: Path, folder: Path) -> Path:
    """An unfinished run of a scenario: its first unit is played, its second under way."""
    loaded = load_scenario(scenario)
    store = Store(folder)
    store.open(State.of(loaded, None))
    write_run(folder, loaded, None, runner.Results(), datetime.now(UTC))
    store.finish((0, 0), play(loaded, None, 0, 0, silent, WarmStart(), store, every=1e9))
    model = FilterBubbleModel(loaded, loaded.policies[1], 0, None)
    model.step()
    store.keep((1, 0), model, 0.1)
    return folder
