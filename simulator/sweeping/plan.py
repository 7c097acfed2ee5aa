"""What a sweep will take: a short probe of each arm, and from it time and disk of all runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from policies.base import Policy
from simulator.arms import Arm
from simulator.datasets import Dataset
from simulator.language import without_server
from simulator.measures import select
from simulator.model import FilterBubbleModel
from simulator.runner import units
from simulator.scenario import Scenario
from simulator.sweeping.cells import Cell
from simulator.world import load_data

ROUNDS = 3          # played with the recommender, per arm
SECONDS = 20.0      # after which no further cell is probed
ROW, SHARE = 12, 4  # bytes in compressed files of one measure of one round, and of one share of interest: seen on MovieLens


@dataclass(frozen=True)
class Plan:
    """Estimates for some cells."""

    runs: int
    seconds: float      # of one process that does nothing else
    bytes: float        # of the run directories without figures
    probed: int         # cells that were looked at


def plan(cells: Sequence[Cell]) -> Plan:
    """Estimate what these cells will take, from a probe of some, from the first and the last inwards."""
    order = [cell for pair in zip(cells, reversed(cells), strict=True) for cell in pair]
    spread = list({cell.number: cell for cell in order[: len(cells)]}.values())
    started, seconds, sizes = time.perf_counter(), [], []
    for cell in spread:
        data = load_data(cell.scenario)
        scenario = without_server(cell.scenario)
        seconds.append(sum(unit_seconds(scenario, data, arm) for arm in scenario.policies) * scenario.replicates)
        sizes.append(disk(cell.scenario, data))
        if time.perf_counter() - started > SECONDS:
            break
    runs = sum(len(units(cell.scenario)) for cell in cells)
    return Plan(runs, _mean(seconds) * len(cells), _mean(sizes) * len(cells), len(seconds))


def unit_seconds(scenario: Scenario, data: Dataset | None, arm: Arm) -> float:
    """Estimate how long one run of an arm takes: its world, its rounds, and as many trainings as there will be."""
    started = time.perf_counter()
    model = FilterBubbleModel(scenario, arm, 0, data)
    try:
        world, trained, rounds = time.perf_counter() - started, 0.0, 0
        started = time.perf_counter()
        while model.round < min(ROUNDS, scenario.rounds):
            model.step()
            rounds += 1
            if model.platform.trained_in == model.round:        # the later trainings know more, and take a little longer
                trained = model.platform.training_seconds
        played = time.perf_counter() - started - model.platform.training_seconds
    finally:
        model.close()
    return world + played / rounds * (scenario.warmup + scenario.rounds) + trained * trainings(scenario, arm)


def trainings(scenario: Scenario, arm: Arm) -> int:
    """Return how often an arm is trained."""
    if not isinstance(arm.policy, Policy):
        return 0
    return 1 if arm.frozen else -(-scenario.rounds // arm.retrain_every)


def disk(scenario: Scenario, data: Dataset | None) -> float:
    """Estimate the bytes of a run directory without figures, from its rows of measures and its snapshots of interests."""
    rows = len(units(scenario)) * (scenario.rounds // scenario.measures.every + 1) * len(select(scenario.measures.names))
    users, topics = (data.n_users, data.n_topics) if data else (scenario.users.count or 0, scenario.items.topics)
    snapshots = len(scenario.policies) * len({0, scenario.rounds, *scenario.report.snapshots})
    return ROW * rows + SHARE * users * topics * snapshots


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
