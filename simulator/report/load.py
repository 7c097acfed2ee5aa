"""A run directory, read into memory: the only thing a report may look at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyarrow.lib import ArrowException
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from simulator.statistics import outcomes_of

COLUMNS = {
    "trajectory": ("arm", "replicate", "round", "measure", "value"),
    "training": (
        "arm",
        "replicate",
        "round",
        "epoch",
        "train_loss",
        "validation_loss",
        "recall",
        "ndcg",
        "k",
        "kept",
    ),
    "users": ("arm", "replicate", "round", "user", "group", "interests"),
    "people": ("arm", "replicate", "user", "group", "topics_at_start", "topics_at_end", "drift"),
    "items": ("arm", "replicate", "item", "title", "topic", "exposures", "takes"),
}

ASKED = (
    "arm", "replicate", "round", "user", "outcome", "shown", "listed", "taken", "places", "parametric", "parametric_places",
    "again",
)  # fmt: skip

EDGES = ("arm", "replicate", "round", "follower", "followed")


class NotARunDirectory(ValueError):
    """The folder does not hold what a run leaves behind; the message says what is missing."""


@dataclass(frozen=True)
class Arm:
    """One policy of the scenario, as the manifest lists it."""

    name: str
    kind: str
    control: bool  # sees the truth (the oracle): a yardstick, not something a platform could build
    retrained: bool
    frozen: bool


@dataclass(frozen=True)
class Unit:
    """One arm in one replicate, and how far it came."""

    arm: str
    replicate: int
    rounds: int  # completed rounds
    seconds: float
    training_seconds: float


@dataclass(frozen=True)
class Run:
    """What one run left behind. Tables are tidy and may be empty when the run stopped early."""

    path: Path
    manifest: Mapping[str, Any]
    scenario: Mapping[str, Any]
    scenario_text: str
    arms: tuple[Arm, ...]
    units: tuple[Unit, ...]
    trajectory: pd.DataFrame
    training: pd.DataFrame
    users: pd.DataFrame
    people: pd.DataFrame  # as `user_effects` wants it; of an older run what its snapshots tell
    items: pd.DataFrame
    topics: tuple[str, ...]
    edges: pd.DataFrame | None = None  # who followed whom; None: there is no network
    language: pd.DataFrame | None = None  # what was asked of a language model; None: nothing was

    @property
    def finished(self) -> bool:
        return bool(self.manifest["finished"])

    @property
    def failed(self) -> bool:
        """Did something break down, and no arm play to its end in any replicate?"""
        return bool(self.manifest.get("failure")) and len(self.incomplete) == len(self.arms) * self.replicates

    @property
    def rounds(self) -> int:
        """The number of rounds that were asked for, after the warm-up."""
        return int(self.manifest["rounds"])

    @property
    def replicates(self) -> int:
        return int(self.manifest["replicates"])

    @property
    def baseline(self) -> str | None:
        """The organic arm: the same users without a recommender."""
        return self.manifest.get("baseline")

    @property
    def reference(self) -> str | None:
        """The oracle arm, which ranks by true utility."""
        return self.manifest.get("reference")

    @property
    def incomplete(self) -> list[str]:
        """One phrase for each arm and replicate that did not play all its rounds; counted from 1, as the commands do."""
        played = {(unit.arm, unit.replicate): unit.rounds for unit in self.units}
        return [
            f"{arm.name}, replicate {replicate + 1}: {played.get((arm.name, replicate), 0)} of {self.rounds} "
            "rounds"
            for arm in self.arms
            for replicate in range(self.replicates)
            if played.get((arm.name, replicate), 0) < self.rounds
        ]


def load_run(path: Path) -> Run:
    """Read a run directory; `NotARunDirectory` says in one sentence what is missing or malformed."""
    path = Path(path)
    if not path.is_dir():
        raise NotARunDirectory(f"{path}: there is no such folder")
    missing = [name for name in ("manifest.json", "scenario.yaml") if not (path / name).is_file()]
    if missing:
        raise NotARunDirectory(
            f"{path}: not a run directory, {' and '.join(missing)} missing "
            "(a run leaves manifest.json, scenario.yaml and trajectory.parquet)"
        )
    manifest = _read_manifest(path / "manifest.json")
    arms = tuple(
        Arm(a["name"], a["kind"], bool(a["control"]), bool(a["retrained"]), bool(a["frozen"]))
        for a in manifest["arms"]
    )
    for role in ("baseline", "reference"):
        name = manifest.get(role)
        if name is not None and name not in {arm.name for arm in arms}:
            raise NotARunDirectory(f"{path / 'manifest.json'}: {role} {name!r} is not one of the arms")
    text = (path / "scenario.yaml").read_text(encoding="utf-8")
    topics_file = path / "topics.json"
    tables = {name: _read_table(path / f"{name}.parquet", columns) for name, columns in COLUMNS.items()}
    if bool(manifest["finished"]) and tables["trajectory"].empty:
        raise NotARunDirectory(f"{path}: the run is marked as finished but trajectory.parquet has no rows")
    return Run(
        path=path,
        manifest=manifest,
        scenario=_read_scenario(path / "scenario.yaml", text),
        scenario_text=text,
        arms=arms,
        units=tuple(
            Unit(
                u["arm"],
                int(u["replicate"]),
                int(u["rounds"]),
                float(u["seconds"]),
                float(u["training_seconds"]),
            )
            for u in manifest["units"]
        ),
        trajectory=tables["trajectory"],
        training=tables["training"],
        users=tables["users"],
        people=outcomes_of(tables["users"]) if tables["people"].empty else tables["people"],
        items=tables["items"],
        topics=tuple(json.loads(topics_file.read_text(encoding="utf-8"))) if topics_file.is_file() else (),
        edges=_read_table(path / "edges.parquet", EDGES) if (path / "edges.parquet").is_file() else None,
        language=_read_table(path / "language.parquet", ASKED) if (path / "language.parquet").is_file() else None,
    )


def interests(users: pd.DataFrame) -> np.ndarray:
    """The interests column as one array: (rows, T), rows on the simplex."""
    return np.stack([np.asarray(row, dtype=np.float64) for row in users["interests"]])


def _read_manifest(file: Path) -> Mapping[str, Any]:
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise NotARunDirectory(f"{file}:{error.lineno}: not valid JSON ({error.msg})") from error
    needed = ("finished", "title", "question", "seed", "replicates", "rounds", "arms", "units")
    absent = [key for key in needed if key not in manifest]
    if absent:
        raise NotARunDirectory(f"{file}: {', '.join(absent)} missing")
    return manifest


def _read_scenario(file: Path, text: str) -> Mapping[str, Any]:
    try:
        scenario = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise NotARunDirectory(f"{file}: not valid YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(scenario, Mapping):
        raise NotARunDirectory(f"{file}: a scenario is a mapping of keys to values")
    return scenario


def _read_table(file: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A table of the run; a file that the run did not come to write is a table without rows."""
    if not file.is_file():
        return pd.DataFrame({column: pd.Series(dtype=object) for column in columns})
    try:
        table = pd.read_parquet(file)
    except (ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise NotARunDirectory(f"{file}: cannot be read as a Parquet table; is it whole? ({reason})") from error
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise NotARunDirectory(f"{file}: column {', '.join(absent)} missing")
    names = {column: object for column in ("arm", "measure") if column in columns}
    return table.astype(names)  # whatever the file held them as: categories would group differently
