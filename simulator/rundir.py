"""Writes down what a run leaves: the run directory of DESIGN. Reports are made from these files alone."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pandas import DataFrame
from torch import Tensor

from policies import POLICIES
from policies.base import Policy
from policies.log import FeedbackLog
from simulator.controls import CONTROLS, Control, Oracle, Organic
from simulator.datasets import Dataset
from simulator.files import moved_into_place
from simulator.language import language_table, spending
from simulator.measures import derive
from simulator.parts import kind_of
from simulator.plain import plain
from simulator.play import Played
from simulator.runner import Results
from simulator.scenario import Scenario
from simulator.versions import installed

_PACKAGES = ("filterbubble", "torch", "numpy", "scipy", "pandas", "mesa", "pyarrow", "matplotlib")


def write_run(
    folder: Path, scenario: Scenario, data: Dataset | None, results: Results, started: datetime
) -> None:
    """Write a run, whole or partial. The manifest comes last: a folder without a finished one is a partial run.

    Rows are sorted by arm (in the scenario's order), replicate, round and measure, so that the same results are the same
    bytes however they were computed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = [results.played[unit] for unit in sorted(results.played)]
    _write_text(folder / "scenario.yaml", scenario.resolved())
    _write_table(folder / "trajectory.parquet", _trajectory(scenario, results))
    _write_table(folder / "training.parquet", _training(done))
    if done:
        _write_table(folder / "users.parquet", _users(done))
        _write_table(folder / "people.parquet", _people(done))
        _write_table(folder / "items.parquet", _items(done))
        if (creators := _creators(done)) is not None:
            _write_table(folder / "creators.parquet", creators)
        if (edges := _edges(done)) is not None:
            _write_table(folder / "edges.parquet", edges)
        if (asked := language_table(done)) is not None:
            _write_table(folder / "language.parquet", asked)
        _write_text(folder / "topics.json", json.dumps(done[0].topic_names, ensure_ascii=False))
    for (arm, _), played in sorted(results.played.items()):
        if played.log is not None:
            _write_log(folder / "log", arm, played)
    manifest = _manifest(folder, scenario, data, results, started)
    _write_text(folder / "manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def group_names(scenario: Scenario, data: Dataset | None) -> dict[str, str]:
    """Return what the groups of users are called, by number: as the data say, or after the cohorts that make them up.

    A cohort's name is a group's only where every cohort is put in one: else taste groups may have the same number.
    """
    cohorts = scenario.users.cohorts
    if cohorts and all(cohort.group is not None for cohort in cohorts):
        numbers = sorted({cohort.group for cohort in cohorts if cohort.group is not None})
        return {str(number): ", ".join(c.name for c in cohorts if c.group == number) for number in numbers}
    if any(cohort.group is not None for cohort in cohorts) or data is None or data.groups is None:
        return {}
    return {str(number): name for number, name in enumerate(data.group_names)}


def _trajectory(scenario: Scenario, results: Results) -> pa.Table:
    names = [arm.name for arm in scenario.policies]
    rows = [
        (names[arm], replicate, round, measure, value)
        for arm, replicate in sorted(results.trajectories)
        for round, values in results.trajectories[arm, replicate]
        for measure, value in sorted(values.items())
    ]
    columns = ["arm", "replicate", "round", "measure", "value"]
    frame = DataFrame(rows, columns=columns)
    present = set(frame["arm"])
    oracle, organic = (
        next((arm.name for arm in scenario.policies if isinstance(arm.policy, kind) and arm.name in present), None)
        for kind in (Oracle, Organic)
    )
    if oracle or organic:
        extra = derive(frame, oracle, organic)
        rows = sorted(
            [*rows, *extra.itertuples(index=False, name=None)],
            key=lambda row: (names.index(row[0]), *row[1:4]),
        )
    types = (pa.string(), pa.int32(), pa.int32(), pa.string(), pa.float64())
    return _table(dict(zip(columns, types, strict=True)), rows)


def _training(done: list[Played]) -> pa.Table:
    schema = {
        "arm": pa.string(), "replicate": pa.int32(), "round": pa.int32(), "epoch": pa.int32(),
        "train_loss": pa.float64(), "validation_loss": pa.float64(), "recall": pa.float64(), "ndcg": pa.float64(),
        "k": pa.int32(), "kept": pa.bool_(), "parameters": pa.int64(), "flop": pa.float64(),
    }
    return _table(schema, (
        (
            p.arm, p.replicate, round, e.epoch, e.train_loss, e.validation_loss, e.recall, e.ndcg, e.k, e.kept, e.parameters,
            e.flop,
        )
        for p in done for round, e in p.training
    ))


def _users(done: list[Played]) -> pa.Table:
    parts = []
    for played in done:
        for round, interests in played.snapshots:
            n, topics = interests.shape
            flat = pa.array(interests.ravel(), pa.float32())
            parts.append(pa.table({
                "arm": [played.arm] * n,
                "replicate": pa.array(np.full(n, played.replicate, np.int32)),
                "round": pa.array(np.full(n, round, np.int32)),
                "user": np.arange(n),
                "group": played.group,
                "interests": pa.FixedSizeListArray.from_arrays(flat, topics),
            }))
    if parts:
        return pa.concat_tables(parts)
    topics = len(done[0].topic_names)       # replicate 0 was not finished
    schema = {
        "arm": pa.string(), "replicate": pa.int32(), "round": pa.int32(), "user": pa.int64(), "group": pa.int64(),
        "interests": pa.list_(pa.float32(), topics),
    }
    return _table(schema, ())


def _edges(done: list[Played]) -> pa.Table | None:
    """Who followed whom at the start and at the end, in the first replicate; None without a network."""
    parts = [
        pa.table({
            "arm": [played.arm] * len(followed),
            "replicate": pa.array(np.full(len(followed), played.replicate, np.int32)),
            "round": pa.array(np.full(len(followed), round, np.int32)),
            "follower": follower,
            "followed": followed,
        })
        for played in done for round, follower, followed in played.circles
    ]
    return pa.concat_tables(parts) if parts else None


def _people(done: list[Played]) -> pa.Table:
    """What became of each user, in every replicate: a few numbers each, where a snapshot has all topics."""
    return pa.concat_tables(
        pa.table({
            "arm": [played.arm] * len(played.group),
            "replicate": pa.array(np.full(len(played.group), played.replicate, np.int32)),
            "user": np.arange(len(played.group)),
            "group": played.group,
            "served_by": pa.array(played.served_by, pa.string()),
            **played.people,
        })
        for played in done
    )


def _items(done: list[Played]) -> pa.Table:
    """How often each item was shown and taken; with creators, of those that were there at some time."""

    def table(p: Played) -> pa.Table:
        items = np.arange(len(p.takes)) if p.supplied is None else p.supplied.items
        new = {} if p.supplied is None else {"born": p.supplied.born[items], "creator": p.supplied.creator[items]}
        return pa.table({
            "arm": [p.arm] * len(items),
            "replicate": pa.array(np.full(len(items), p.replicate, np.int32)),
            "item": items,
            "title": pa.array([p.titles[item] for item in items] if p.titles else [None] * len(items), pa.string()),
            "topic": p.main_topic[items],
            "exposures": p.exposures[items],
            "takes": p.takes[items],
            **new,
        })

    return pa.concat_tables(map(table, done))


def _creators(done: list[Played]) -> pa.Table | None:
    """What became of each creator; None: nobody publishes."""
    tables = [
        pa.table({
            "arm": [p.arm] * len(p.supplied.creators["creator"]),
            "replicate": pa.array(np.full(len(p.supplied.creators["creator"]), p.replicate, np.int32)),
            **p.supplied.creators,
        })
        for p in done if p.supplied is not None
    ]
    return pa.concat_tables(tables) if tables else None


def _write_log(folder: Path, arm: int, played: Played) -> None:
    """Write the platform's log of one arm: interactions, and impressions with their place in the slate.

    Files go by the arm's number and name: two names may be one when only letters are kept that every file system takes.
    """
    assert played.log is not None
    folder.mkdir(exist_ok=True)
    name = f"{arm}-" + "".join(c if c.isalnum() or c in "-_." else "_" for c in played.arm)
    taken = played.log.interactions()
    columns = {"user": taken.users.numpy(), "item": taken.items.numpy(), "round": taken.rounds.numpy()}
    columns |= {signal: column.numpy() for signal, column in played.log.signals().items()}
    _write_table(folder / f"{name}.interactions.parquet", pa.table(columns))
    shown = [
        pa.table({
            "round": np.full(slates.numel(), round, np.int32),
            "user": users.numpy().repeat(slates.shape[1]),
            "position": np.tile(np.arange(slates.shape[1], dtype=np.int32), len(users)),
            "item": slates.numpy().ravel(),
            **_skipped(played.log, round, users, slates),
        })
        for round, users, slates in played.log.slates
    ]
    if shown:
        _write_table(folder / f"{name}.impressions.parquet", pa.concat_tables(shown))


def _skipped(log: FeedbackLog, round: int, users: Tensor, slates: Tensor) -> dict[str, np.ndarray]:
    """Return which of the items shown were passed over, if users let the platform know."""
    if not log.skips:
        return {}
    passed = [skips.users * log.n_items + skips.items for skips in log.skips if (skips.rounds[:1] == round).any()]
    pairs = (users[:, None] * log.n_items + slates).flatten()
    return {"skipped": torch.isin(pairs, torch.cat([pairs[:0], *passed])).numpy()}


def _manifest(
    folder: Path, scenario: Scenario, data: Dataset | None, results: Results, started: datetime
) -> dict[str, Any]:
    names = [arm.name for arm in scenario.policies]

    def first(control: type[Control]) -> str | None:
        return next((arm.name for arm in scenario.policies if isinstance(arm.policy, control)), None)

    return {
        "finished": results.whole,
        "interrupted": results.interrupted,
        "failure": "\n".join(results.failures[unit] for unit in sorted(results.failures)) or None,
        "title": scenario.title,
        "question": scenario.question,
        "seed": scenario.seed,
        "replicates": results.replicates or scenario.replicates,
        "rounds": scenario.rounds,
        "arms": [
            {
                "name": arm.name,
                "kind": kind_of({**POLICIES, **CONTROLS}, arm.policy),
                "control": isinstance(arm.policy, Control) and arm.policy.sees_truth,
                "retrained": isinstance(arm.policy, Policy) and arm.policy.trains and not arm.frozen,
                "frozen": arm.frozen,
            }
            for arm in scenario.policies
        ],
        "baseline": first(Organic),
        "reference": first(Oracle),
        "groups": group_names(scenario, data),
        "versions": versions(),
        "machine": platform.machine(),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round((datetime.now(UTC) - started).total_seconds(), 2),
        "hashes": {"scenario": scenario.digest, "trajectory": _sha256(folder / "trajectory.parquet")},
        "workers": results.workers,
        "threads": results.threads,
        "ray": results.ray,
        "language": spending(list(results.played.values())),
        "units": [
            {
                "arm": names[arm],
                "replicate": replicate,
                "rounds": max(results.rounds[arm, replicate], 0),
                "seconds": round(played.seconds, 3) if (played := results.played.get((arm, replicate))) else 0.0,
                "training_seconds": round(played.training_seconds, 3) if played else 0.0,
            }
            for arm, replicate in sorted(results.rounds)
        ],
        "plain": plain(scenario, data),
        "data": None if data is None else {
            "name": data.name,
            "citation": data.citation,
            "licence": data.licence,
            "users": len(data.user_labels),
            "items": len(data.item_labels),
            "interactions": len(data.users),
        },
    }  # fmt: skip


def versions() -> dict[str, str | None]:
    """Return what a run was made with."""
    return {"python": platform.python_version(), **{name: installed(name) for name in _PACKAGES}}


def _table(schema: dict[str, pa.DataType], rows: Iterable[tuple]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table({
        name: pa.array(column, type) for (name, type), column in zip(schema.items(), columns, strict=True)
    })


def _write_table(path: Path, table: pa.Table) -> None:
    with moved_into_place(path) as part:
        pq.write_table(table, part, compression="zstd")


def _write_text(path: Path, text: str) -> None:
    with moved_into_place(path) as part:
        part.write_text(text, encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
