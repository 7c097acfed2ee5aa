"""How many replicates a run takes when it is to go on until an interval is narrow enough."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from simulator.controls import Control, Organic
from simulator.keys.precision import RELATIVE
from simulator.scenario import Scenario
from simulator.statistics import end_values, enough, paired_differences, replicates_needed

Rounds = Iterable[tuple[int, dict[str, float]]]


def replicates_wanted(scenario: Scenario, played: Mapping[tuple[int, int], Rounds]) -> int:
    """Return how many replicates there should be, given what came of those that there are (at least two).

    `played`: of each (arm, replicate), the measures of its rounds. The answer is the number that there is if the scenario asks
    for no precision or has it; else what the spread so far calls for, but not more than twice as many, so that the spread is
    looked at again before much is spent on it.
    """
    present = len({replicate for _, replicate in played})
    precision = scenario.precision
    if precision is None or present >= precision.most:
        return present
    ends = _ends(scenario, played, precision.measure)
    samples = _samples(scenario, ends)
    half_width = precision.half_width or RELATIVE * _scale(scenario, ends)
    if not samples or all(enough(sample, half_width, at_least=scenario.replicates) for sample in samples):
        return present
    needed = max(replicates_needed(float(sample.std(ddof=1)), half_width) for sample in samples)
    return min(precision.most, max(present + 1, min(needed, 2 * present)))


def _ends(scenario: Scenario, played: Mapping[tuple[int, int], Rounds], measure: str) -> pd.DataFrame:
    rows = [
        (scenario.policies[arm].name, replicate, round, measure, values[measure])
        for (arm, replicate), rounds in played.items()
        for round, values in rounds
        if measure in values
    ]
    return end_values(pd.DataFrame(rows, columns=["arm", "replicate", "round", "measure", "value"]))


def _samples(scenario: Scenario, ends: pd.DataFrame) -> list[np.ndarray]:
    """Of each arm that a platform could deploy: its paired differences to the organic arm, or without one its values."""
    baseline = _organic(scenario)
    table = paired_differences(ends, baseline) if baseline else ends
    controls = {arm.name for arm in scenario.policies if isinstance(arm.policy, Control) and arm.policy.sees_truth}
    samples = [rows["value"].to_numpy(dtype=float) for arm, rows in table.groupby("arm") if arm not in controls]
    return [sample for sample in samples if np.isfinite(sample).all()]


def _scale(scenario: Scenario, ends: pd.DataFrame) -> float:
    """The size that a relative precision is relative to: the mean in the organic arm, or without one the mean of all."""
    rows = ends[ends["arm"] == _organic(scenario)]
    return abs(float((rows if len(rows) else ends)["value"].mean())) or math.inf     # relative to nothing, anything is enough


def _organic(scenario: Scenario) -> str | None:
    return next((arm.name for arm in scenario.policies if isinstance(arm.policy, Organic)), None)
