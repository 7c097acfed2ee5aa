"""As many processes as there is memory for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator import memory, runner
from simulator.scenario import Scenario, check
from simulator.yaml_source import parse

WORLD = "title: t\nrounds: {rounds}\nusers: {{count: {users}}}\nitems: {{count: {items}}}\npolicies: [organic, {arm}]\n"

PLAY = """
import sys, torch
from simulator.model import FilterBubbleModel
from simulator.scenario import check
from simulator.warmup import WarmStart
from simulator.yaml_source import parse
torch.set_num_threads(1)
WarmStart().model(check(parse(sys.argv[1], "")), 1, 0, None).run()
print(next(int(line.split()[1]) * 1024 for line in open('/proc/self/status') if line.startswith('VmHWM')))
"""


def scenario(**keys: object) -> Scenario:
    return check(parse(WORLD.format(**{"rounds": 3, "users": 50, "items": 50, "arm": "popularity"} | keys), ""))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "keys", [
        {}, pytest.param({"users": 5000, "items": 1000}, marks=pytest.mark.slow),
        pytest.param({"items": 3000, "arm": "ease"}, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_the_estimate_is_enough_and_not_far_too_much(keys: dict[str, object]):
    text = WORLD.format(**{"rounds": 3, "users": 50, "items": 50, "arm": "popularity"} | keys)
    taken = float(subprocess.run([sys.executable, "-c", PLAY, text], capture_output=True, check=True, text=True).stdout)
    assert taken <= memory.bytes_of(scenario(**keys), None) <= 2 * taken


def test_never_more_processes_than_memory_and_never_none():
    assert memory.affordable([1e9, 3e9], 10e9) == 3
    assert memory.affordable([1e9, 3e9], 1e9) == 1
    assert memory.affordable([1e9], None) > 1000


def test_a_container_may_have_less_than_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.available() == 600_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available() != 600_000
    assert runner.default_workers([runner.Job(scenario(), None, tmp_path)]) <= (os.cpu_count() or 1)


def test_a_large_world_is_played_by_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(memory, "available", lambda: 4e9)
    assert runner.default_workers([runner.Job(scenario(), None, tmp_path)]) == 8
    assert runner.default_workers([runner.Job(scenario(users=100_000), None, tmp_path)]) == 2
