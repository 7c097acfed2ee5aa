"""What `filterbubble evaluate` leaves: a table to read, numbers as JSON, and learning curves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from rich.table import Table

from simulator.evaluation import METRICS, Evaluation
from simulator.report import save
from simulator.report.load import Arm
from simulator.report.style import house_style, looks
from simulator.report.training import learning_curves

AT_K = ("ndcg", "recall", "hit")
"""Metrics whose name says how long the list was."""


def named(metric: str, k: int) -> str:
    return f"{metric}@{k}" if metric in AT_K else metric


def summary(evaluations: Sequence[Evaluation]) -> list[dict]:
    """Return one row per policy: the mean of each metric over the seeds, and its standard deviation if there are several."""
    rows = []
    for policy, group in _by_policy(evaluations):
        first = group[0]
        values = {named(metric, first.k): [run.metrics[metric] for run in group] for metric in METRICS}
        row = {
            "policy": policy, "protocol": first.protocol, "seeds": [run.seed for run in group],
            "metrics": {name: float(np.mean(column)) for name, column in values.items()},
            "seconds": float(np.mean([run.seconds for run in group])),
        }
        if len(group) > 1:
            row["standard_deviation"] = {name: float(np.std(column, ddof=1)) for name, column in values.items()}
        rows.append(row)
    return rows


def table(evaluations: Sequence[Evaluation], title: str) -> Table:
    """Return a table with a row per policy; ± is the standard deviation over seeds."""
    result = Table(title=title, title_justify="left", box=None, pad_edge=False)
    result.add_column("policy")
    k = evaluations[0].k
    for metric in METRICS:
        result.add_column(named(metric, k), justify="right")
    result.add_column("training, s", justify="right")
    for row in summary(evaluations):
        spread = row.get("standard_deviation", {})
        cells = [f"{value:.4f}" + (f" ± {spread[name]:.4f}" if spread else "") for name, value in row["metrics"].items()]
        result.add_row(row["policy"], *cells, f"{row['seconds']:.1f}")
    return result


def write_json(file: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write the rows of `summary` as a JSON list."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(summary(evaluations), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_folder(folder: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write `metrics.json`, `training.csv` (a row per epoch) and the learning curves `training.svg|png`."""
    write_json(folder / "metrics.json", evaluations)
    epochs = pd.DataFrame(
        {"arm": run.policy, "seed": run.seed, "round": 0, **asdict(epoch)} for run in evaluations for epoch in run.training
    )
    names = [policy for policy, _ in _by_policy(evaluations)]
    if epochs.empty:
        return
    epochs.drop(columns="round").rename(columns={"arm": "policy"}).to_csv(folder / "epochs.csv", index=False)
    trained = epochs.groupby("arm")["epoch"].max()
    curves = epochs[epochs["arm"].isin(trained[trained > 1].index)]         # one epoch is no curve
    with house_style():
        look = looks([Arm(name, name, False, True, False) for name in names], None, None)
        drawing = learning_curves(curves, names, look)
        if drawing is not None:
            save(drawing, folder, ("svg", "png"))


def _by_policy(evaluations: Iterable[Evaluation]) -> list[tuple[str, list[Evaluation]]]:
    groups: dict[str, list[Evaluation]] = {}
    for evaluation in evaluations:
        groups.setdefault(evaluation.policy, []).append(evaluation)
    return list(groups.items())
