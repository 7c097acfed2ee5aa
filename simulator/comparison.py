"""Runs of one world put together, so that arms of different runs can be compared as arms of one run are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from simulator.place import differences
from simulator.report.load import Arm, Run

_FREE = {"title", "question", "replicates", "policies", "report"}
"""The keys in which two runs may differ and yet have the same users, items and chance, measured alike."""

_NAMED = 5


class NotTheSameWorld(ValueError):
    """Two runs that differ by more than their arms. The message says by what."""


def together(runs: Mapping[str, Run]) -> Run:
    """All arms of some runs of one world as those of one run; `runs`: by the label that tells them apart.

    Raises `NotTheSameWorld` unless seed, users, items, rounds and the way of measuring agree. An arm that two runs share, the
    organic one say, is there once. Two different arms of one name are called `label: name`.
    """
    (first, whole), *others = runs.items()
    for label, other in others:
        _same_world(first, whole, label, other)
    names = _names(runs)
    tables: list[pd.DataFrame] = []
    arms: dict[str, Arm] = {}
    for label, run in runs.items():
        table = run.trajectory.assign(arm=run.trajectory["arm"].map({arm.name: names[label, arm.name] for arm in run.arms}))
        tables.append(table)
        for arm in run.arms:
            arms.setdefault(names[label, arm.name], replace(arm, name=names[label, arm.name]))
    merged = pd.concat(tables, ignore_index=True).drop_duplicates(["arm", "replicate", "round", "measure"])
    roles = {
        role: next((names[label, name] for label, run in runs.items() if (name := run.manifest.get(role))), None)
        for role in ("baseline", "reference")
    }
    return replace(
        whole, trajectory=merged, arms=tuple(arms.values()),
        manifest={**whole.manifest, **roles, "replicates": merged["replicate"].nunique()},
    )


def _same_world(first: str, one: Run, label: str, other: Run) -> None:
    for name, run in ((first, one), (label, other)):
        if not run.scenario:
            raise NotTheSameWorld(f"{name}: was made of a table, which does not say what world it is of")
    found = list(differences(_world(one), _world(other)))
    if not found:
        found = [words for words, column, table in (
            ("users: they begin with other interests", "topics_at_start", "people"),
            ("items: they have other topics", "topic", "items"),
        ) if not _agree(getattr(one, table), getattr(other, table), column)]
    if found:
        more = [f"… and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
        lines = "\n".join(f"  {line}" for line in [*found[:_NAMED], *more])
        raise NotTheSameWorld(
            f"{label} is not of the same world as {first}, so nothing but chance pairs their replicates:\n{lines}"
        )


def _world(run: Run) -> dict[str, Any]:
    keys = {key: value for key, value in run.scenario.items() if key not in _FREE}
    return keys | {"measures": {key: value for key, value in (keys.get("measures") or {}).items() if key != "names"}}


def _agree(one: pd.DataFrame, other: pd.DataFrame, column: str) -> bool:
    """Is it the same in both tables, in the replicates that both have? Arms of a run share users and items."""
    tables = [table[table["arm"] == table["arm"].iloc[0]] for table in (one, other) if len(table)]
    if len(tables) < 2:
        return True
    common = set(tables[0]["replicate"]) & set(tables[1]["replicate"])
    left, right = (table.loc[table["replicate"].isin(common), column].tolist() for table in tables)
    return left == right


def _names(runs: Mapping[str, Run]) -> dict[tuple[str, str], str]:
    """What each arm of each run is called: by its name, or with the label where that means two things."""
    holders: dict[str, list[str]] = {}
    for label, run in runs.items():
        for arm in run.arms:
            holders.setdefault(arm.name, []).append(label)
    clash = {name for name, labels in holders.items() if not _one_arm(name, [runs[label] for label in labels])}
    return {
        (label, name): f"{label}: {name}" if name in clash else name for name, labels in holders.items() for label in labels
    }


def _one_arm(name: str, runs: Sequence[Run]) -> bool:
    """Is it set up alike in all of them, and did they find the same wherever two have a value?"""
    keys = [next(arm for arm in run.scenario["policies"] if arm["name"] == name) for run in runs]
    rows = ["replicate", "round", "measure"]
    values = pd.concat([run.trajectory[run.trajectory["arm"] == name].set_index(rows)["value"] for run in runs])
    return all(each == keys[0] for each in keys) and bool((values.groupby(level=rows).nunique() == 1).all())
