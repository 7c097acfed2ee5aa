"""The run directories of a tune: each named by its scenario's digest, played once, and gone on with if it was begun."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from simulator import runner
from simulator.datasets import Dataset
from simulator.rundir import write_run
from simulator.scenario import Scenario
from simulator.statistics import end_values
from simulator.store import State
from simulator.sweeping.execution import DIGITS

Progress = Callable[[Scenario, runner.Unit, int], None]
"""Is told up to which round a unit of a scenario has been played."""


class Runs:
    """The runs of a tune, all on the same data."""

    def __init__(self, folder: Path, data: Dataset | None, resources: runner.Resources) -> None:
        self.folder, self.data, self.resources = folder, data, resources
        self.failures: dict[str, str] = {}  # of a scenario's digest: how its first run failed
        self.started = datetime.now(UTC)

    def place(self, scenario: Scenario) -> Path:
        return self.folder / "runs" / scenario.digest[:DIGITS]

    def finished(self, scenario: Scenario) -> bool:
        """Is this run directory whole?"""
        try:
            manifest = json.loads((self.place(scenario) / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(manifest.get("finished")) and manifest["hashes"]["scenario"] == scenario.digest

    def ends(self, scenario: Scenario) -> pd.DataFrame | None:
        """arm, replicate, measure, value at the end; None of a run that is not finished."""
        if not self.finished(scenario):
            return None
        return end_values(pd.read_parquet(self.place(scenario) / "trajectory.parquet"))

    def play(self, scenarios: Sequence[Scenario], progress: Progress) -> bool:
        """Play what is left of these, side by side; return whether it was interrupted."""
        left = list({scenario.digest: scenario for scenario in scenarios if not self.finished(scenario)}.values())
        if not left:
            return False
        jobs = [self._job(scenario) for scenario in left]

        def settled(number: int, results: runner.Results) -> None:
            scenario = left[number]
            write_run(self.place(scenario), scenario, self.data, results, self.started)
            if results.failures:
                self.failures[scenario.digest] = results.failures[min(results.failures)]
            else:
                jobs[number].store.clear()

        results = runner.run(
            jobs, self.resources, lambda task, round: progress(left[task.job], task.unit, round), settled
        )  # fmt: skip
        return any(each.interrupted for each in results)

    def _job(self, scenario: Scenario) -> runner.Job:
        job = runner.Job(scenario, self.data, self.place(scenario))
        state = State.of(scenario, self.data)
        if job.store.state() != state:  # of other data or versions: what was begun cannot be gone on with
            job.store.clear()
            job.store.open(state)
        return job
