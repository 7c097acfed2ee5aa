"""On a real Ray cluster of this machine the numbers are those of the local run, whoever dies on the way."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from simulator import cluster_connection, runner
from simulator.__main__ import app
from simulator.cluster_connection import ClusterError, connected
from simulator.rundir import write_run
from simulator.scenario import Scenario, load_scenario
from simulator.store import State, Store

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra cluster"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]

ROOT = Path(__file__).parents[2]

OWN = '''
import os
import signal
import time
from dataclasses import dataclass

from policies.base import Policy


@dataclass
class Diarist(Policy):
    """Writes down each training, and does as it is told there.

    Source: nowhere.
    """

    diary: str = ""
    """File to write to."""

    does: str = ""
    """What comes of it."""

    def learn(self, log, items, rng):
        with open(self.diary, "a") as diary:
            diary.write(f"{self.does} {rng.initial_seed()} {os.getpid()} {os.getppid()}\\n")
        time.sleep(0.15)
        if self.does == "raises":
            raise ValueError("as it was told")
        if self.does == "leaves":
            raise SystemExit(3)
        if self.does == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        self.shift_ = 1 + rng.initial_seed() % log.n_items
        yield None

    def score(self, users, log):
        return self.popularity_.roll(self.shift_).repeat(len(users), 1)
'''

SCENARIO = """
title: Far away
rounds: 5
warmup: 1
replicates: 3
slate_size: 4
users: {{count: 30, agents: 2}}
items: {{count: 40, topics: 4}}
discovery: {{awareness: 10}}
measures: {{names: [consumption.alpha, exposure.gini]}}
report: {{formats: [svg], log: true}}
policies:
  - organic
  - {{kind: mf, factors: 4, epochs: 2, retrain_every: 2}}
  - {{kind: "own_on_ray:Diarist", name: own, diary: {diary}, does: writes, retrain_every: 1}}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a scenario, and the class that it names."""
    folder, path = tmp_path_factory.mktemp("cluster"), sys.path[:]
    (folder / "own_on_ray.py").write_text(OWN)
    (folder / "world.yaml").write_text(SCENARIO.format(diary=folder / "diary"))
    yield folder
    sys.path[:] = path


@pytest.fixture(scope="module")
def scenario(home: Path) -> Scenario:
    return load_scenario(home / "world.yaml", allow_code=True)


@pytest.fixture(autouse=True)
def diary(home: Path) -> Callable[[], list[list[str]]]:
    """What was written down in this test: what was to be done, which training it is, the process, its parent."""
    file = home / "diary"
    file.unlink(missing_ok=True)
    return lambda: [line.split() for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture(scope="module")
def local(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return play(scenario, tmp_path_factory.mktemp("local"), runner.Resources(workers=1))[0]


@pytest.fixture(scope="module")
def cluster(home: Path) -> Iterator[Any]:
    """Two raylets with a CPU each. This process stays connected."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={**SMALL, "include_dashboard": False})
    try:
        cluster.add_node(**SMALL)
        with connected(cluster.address):
            yield cluster
    finally:
        cluster.shutdown()


SMALL = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """How often each unit was put into a store."""
    count: Counter = Counter()
    receive = Store.receive

    def counted(store: Store, unit: tuple[int, int], content: bytes) -> None:
        count[unit] += 1
        receive(store, unit, content)

    monkeypatch.setattr(Store, "receive", counted)
    return count


def play(
    scenario: Scenario, folder: Path, resources: runner.Resources, progress: Callable[..., None] = lambda *_: None
) -> tuple[Path, runner.Results]:
    """Play a run into a folder as the command does."""
    job = runner.Job(scenario, None, folder)
    job.store.open(State.of(scenario, None))
    (results,) = runner.run([job], resources, progress)
    write_run(folder, scenario, None, results, datetime.now(UTC))
    return folder, results


def numbers(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.parquet"))}


def raylet(node: Any) -> str:
    return str(node.all_processes["raylet"][0].process.pid)


def command(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "simulator", *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, **environment},
    )


@pytest.mark.slow
def test_the_numbers_are_those_of_the_local_run(cluster, scenario, local, diary, received, tmp_path):
    folder, results = play(scenario, tmp_path / "run", runner.Resources(ray=cluster.address))
    assert numbers(folder) == numbers(local)
    assert set(received.values()) == {1}
    assert set(received) == set(runner.units(scenario))
    trainings = diary()
    assert len(trainings) == len({training for _, training, *_ in trainings}) == 15
    assert {parent for *_, parent in trainings} <= {raylet(node) for node in cluster.list_all_nodes()}
    assert (results.workers, results.threads) == (2, 1)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["finished"]
    assert manifest["ray"]["nodes"] == 2
    assert json.loads((local / "manifest.json").read_text())["ray"] is None


@pytest.mark.slow
@pytest.mark.parametrize("seen", [True, False])
def test_a_task_whose_worker_is_killed_goes_on(
    cluster, scenario, local, diary, received, tmp_path, monkeypatch: pytest.MonkeyPatch, seen: bool
):
    """From its checkpoint where the worker sees the run's folder; else from its start."""
    if not seen:
        monkeypatch.setattr(Store, "mark", lambda store: (b"of a folder that is elsewhere", 1, 1))
    folder, before, models = tmp_path / "run", [], []

    def progress(task: runner.Task, round: int) -> None:
        if task.unit[0] == 2 and round >= 2 and not before:
            before.extend(diary())
            models.extend(folder.glob("checkpoint/2-*.model"))
            os.kill(int(before[-1][2]), signal.SIGKILL)

    _, results = play(scenario, folder, runner.Resources(ray=cluster.address, checkpoint=0), progress)
    assert before
    assert bool(models) == seen
    assert numbers(folder) == numbers(local)
    assert not results.failures
    assert set(received.values()) == {1}
    repeated = sum(Counter(training for _, training, *_ in diary()).values()) - 15
    if seen:
        assert repeated <= 1                        # the round that was under way
    else:
        assert repeated >= 1


@pytest.mark.slow
def test_a_node_that_is_lost_takes_no_work_with_it(cluster, scenario, local, diary, received, tmp_path):
    lost = cluster.add_node(**SMALL)
    third, removed = raylet(lost), []

    def progress(task: runner.Task, round: int) -> None:
        if not removed and sum(parent == third for *_, parent in diary()) >= 2:
            removed.append(lost)
            cluster.remove_node(lost, allow_graceful=False)

    folder, results = play(scenario, tmp_path / "run", runner.Resources(ray=cluster.address, checkpoint=0), progress)
    assert removed
    assert numbers(folder) == numbers(local)
    assert not results.failures
    assert set(received.values()) == {1}
    assert len({training for _, training, *_ in diary()}) == 15


@pytest.mark.slow
def test_a_task_that_breaks_down_is_told_and_the_others_go_on(cluster, scenario, diary, tmp_path):
    """What it raises is its own fault and final; a worker that dies may have died of anything."""
    organic, _, own = scenario.policies
    does = {
        "raises": "ValueError: as it was told", "leaves": "its process ended with exit code 3",
        "dies": "its worker died 3 times; the last time: ",
    }  # fmt: skip
    policies = organic, *(replace(own, name=name, policy=replace(own.policy, does=name)) for name in does)
    broken = scenario.model_copy(update={"policies": policies, "replicates": 1})
    folder, results = play(broken, tmp_path / "run", runner.Resources(ray=cluster.address))
    assert set(results.played) == {(0, 0)}
    assert sorted(results.failures) == [(1, 0), (2, 0), (3, 0)]
    for arm, (name, words) in enumerate(does.items(), 1):
        assert results.failures[arm, 0].startswith(f"arm '{name}', replicate 1: ")
        assert words in results.failures[arm, 0]
    assert Counter(told for told, *_ in diary()) == {"raises": 1, "leaves": 1, "dies": 3}
    assert not json.loads((folder / "manifest.json").read_text())["finished"]


@pytest.mark.slow
def test_a_node_with_other_software_is_refused_and_plays_nothing(cluster, home, scenario, local, diary, tmp_path):
    """At the start the command ends; a node that comes later is left out."""
    other = tmp_path / "other" / "torch-9.9.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 9.9\n")
    node = cluster.add_node(**SMALL, env_vars={"PYTHONPATH": f"{other.parent}{os.pathsep}{ROOT}"})
    try:
        process = start("run", home / "world.yaml", "--allow-code", "--out", tmp_path / "no", "--ray", cluster.address)
        folder, _ = play(scenario, tmp_path / "run", runner.Resources(ray=cluster.address))
        assert numbers(folder) == numbers(local)
        assert raylet(node) not in {parent for *_, parent in diary()}
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 2, stderr
        assert stdout == ""
        assert "has 9.9 instead of torch" in stderr
        assert "Traceback" not in stderr
        assert not (tmp_path / "no").exists()
    finally:
        cluster.remove_node(node)


@pytest.mark.slow
def test_a_sweep_by_the_command_is_that_of_this_machine(cluster, tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text(
        "title: Sweep\nrounds: 3\nreplicates: 2\nusers: {count: 30}\nitems: {count: 40}\n"
        "measures: {names: [consumption.alpha, exposure.gini]}\n"
        "policies: [organic, {kind: mf, factors: 4, epochs: 2}]\nsweep: {axes: {users.drift.rate: [0.02, 0.1]}}\n"
    )
    process = start("sweep", file, "--out", tmp_path / "far", "--ray", "auto", "--quiet", RAY_ADDRESS=cluster.address)
    assert command("sweep", file, "--out", tmp_path / "near", "--workers", 1, "--quiet").exit_code == 0
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert stdout.splitlines() == [f"2 of 2 cells finished. Report: {tmp_path / 'far' / 'report.html'}"]
    assert stderr == ""
    assert numbers(tmp_path / "far") == numbers(tmp_path / "near")


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_behind_and_the_same_command_goes_on(cluster, home, local, diary, tmp_path):
    arguments = ("run", home / "world.yaml", "--allow-code", "--out", tmp_path / "run", "--ray", cluster.address)
    process = start(*arguments, "--checkpoint", 0)
    while len(diary()) < 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "the same command goes on from there" in stderr
    assert "Traceback" not in stderr
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["interrupted"]
    gone = time.monotonic() + 10
    workers = {Path("/proc", pid) for _, _, pid, _ in diary()}
    while any("Player" in title(worker) for worker in workers):
        assert time.monotonic() < gone
        time.sleep(0.1)
    before = len(diary())
    again = start(*arguments, "--checkpoint", 0)
    assert again.communicate(timeout=120) is not None
    assert again.returncode == 0
    assert numbers(tmp_path / "run") == numbers(local)
    assert len(diary()) - before <= 15 - before + 2         # of two units, the round that was under way


def title(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""


@pytest.mark.slow
def test_local_starts_ray_here_and_ends_it(home, local, tmp_path):
    """A cluster of its own, with nobody's help."""
    process = start("run", home / "world.yaml", "--allow-code", "--out", tmp_path / "run", "--ray", "local", "--workers", 1)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert numbers(tmp_path / "run") == numbers(local)
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["workers"] == 1


def nobody() -> int:
    """A port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        pytest.param(f"127.0.0.1:{nobody()}", "no Ray cluster answers there", id="nobody"),
        ("127.0.0.1:99999", "no Ray cluster answers there"),
        ("rubbish", "must be host:port of a Ray cluster, auto, or local"),
        ("ray://127.0.0.1:10001", "must be host:port of a Ray cluster, auto, or local"),
    ],
)
def test_an_address_without_a_cluster_is_answered_in_words(home, tmp_path, monkeypatch, address: str, words: str):
    monkeypatch.setattr("ray.is_initialized", lambda: False)        # the fixture of the module may be connected
    started = time.monotonic()
    result = command("run", home / "world.yaml", "--allow-code", "--out", tmp_path / "run", "--ray", address)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith(f"--ray {address}: ")
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()
    assert time.monotonic() - started < 10


def test_without_ray_it_is_said_what_to_install(home, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    result = command("run", home / "world.yaml", "--allow-code", "--out", tmp_path / "run", "--ray", "auto")
    assert result.exit_code == 2
    assert result.stderr == "--ray needs Ray: pip install 'filterbubble[cluster]'\n"
    assert not (tmp_path / "run").exists()


def test_what_differs_between_two_machines_is_named():
    ours = {"filterbubble": "1.0", "torch": "2.13.0"}
    assert cluster_connection.mismatch(ours, dict(ours)) == ""
    assert cluster_connection.mismatch(ours, {**ours, "torch": "2.12.0"}) == "2.12.0 instead of torch 2.13.0"
    assert cluster_connection.mismatch(ours, {**ours, "filterbubble": None}) == "no filterbubble"
    with pytest.raises(ClusterError, match="must be host:port"):
        cluster_connection._find("localhost")
