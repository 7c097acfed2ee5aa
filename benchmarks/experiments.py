"""What the experiments promise, measured: what two workers save, and what pairing saves.

    python benchmarks/experiments.py workers     # 3 × 3 cells × 4 arms × 10 replicates of 500 users, killed and resumed
    python benchmarks/experiments.py pairing     # standard error of mf − organic, common against independent draws
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from simulator.api import run
from simulator.scenario import load_scenario

ROOT = Path(__file__).parents[1]

SWEEP = f"""
title: Nine worlds
base: {ROOT / "scenarios" / "quickstart.yaml"}
set:
  users.count: 500
  rounds: 20
  replicates: 10
  policies: [organic, popularity, {{kind: mf, factors: 16}}, oracle]
sweep:
  axes:
    users.drift.rate: [0.02, 0.05, 0.1]
    users.interests.concentration: [0.1, 0.3, 1.0]
"""


def command(file: Path, out: Path, workers: int) -> list[str]:
    options = ["--out", str(out), "--workers", str(workers), "--quiet"]
    return [sys.executable, "-m", "simulator", "sweep", str(file), *options]


def workers() -> None:
    """Time the sweep on one worker and on two, the second one killed in the middle and gone on with; compare the numbers."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "nine.yaml"
        file.write_text(SWEEP)
        seconds = {}
        for number in (1, 2):
            started = time.perf_counter()
            subprocess.run(command(file, Path(folder) / str(number), number), check=True, cwd=ROOT)
            seconds[number] = time.perf_counter() - started
            print(f"{number} worker(s): {seconds[number]:.0f} s", flush=True)
        print(f"two take {seconds[2] / seconds[1]:.2f} of the time of one")
        killed = Path(folder) / "killed"
        process = subprocess.Popen(command(file, killed, 2), cwd=ROOT, start_new_session=True)
        time.sleep(seconds[2] / 2)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        done = sum((cell / "manifest.json").exists() for cell in (killed / "cells").iterdir())
        subprocess.run(command(file, killed, 2), check=True, cwd=ROOT)
        tables = [pd.read_parquet(Path(folder) / name / "results.parquet") for name in ("1", "2", "killed")]
        same = all(table.equals(tables[0]) for table in tables)
        print(f"killed with {done} of 9 cells whole, gone on with: {len(tables[0])} numbers, the same in all three: {same}")


def pairing(replicates: int = 20) -> None:
    """Compare the standard error of a difference between arms that share their draws with that of arms that do not.

    √((a² + b² − 2ρab) / (a² + b²)), where a and b are the arms' standard deviations over replicates and ρ their correlation
    under common draws: at best |a − b| / √(a² + b²), for ρ = 1.
    """
    scenario = ROOT / "scenarios" / "quickstart.yaml"
    arms = [arm for arm in load_scenario(scenario).model_dump(mode="json")["policies"] if arm["name"] in ("organic", "mf")]
    keys = {"policies": arms, "measures.names": ["consumption.alpha"], "report.focus": ["consumption.alpha"]}
    common, other = (run(scenario, replicates=replicates, seed=seed, set=keys, workers=None).frame for seed in (1, 2))
    print(f"quick start, {replicates} replicates, consumption.alpha of mf − organic: standard error of the mean difference")
    print("round  common draws  independent seeds  ratio  least possible")
    for round in (1, 2, 3, 5, 10, 20, 30):
        here, there = (
            table[table["round"] == round].pivot(index="replicate", columns="arm", values="value") for table in (common, other)
        )
        paired = (here["mf"] - here["organic"]).sem()
        a, b = here["mf"].sem(), there["organic"].sem()
        apart = math.hypot(a, b)
        print(f"{round:5}  {paired:12.4f}  {apart:17.4f}  {paired / apart:5.2f}  {abs(a - b) / apart:14.2f}")


if __name__ == "__main__":
    tasks = {"workers": workers, "pairing": pairing}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=tasks)
    tasks[parser.parse_args().task]()
