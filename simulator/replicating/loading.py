"""From a name or a file to the worlds that it plays and the claims about them: read whole, and checked before anything runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import scenarios
from simulator.faults import Fault, ScenarioError, did_you_mean
from simulator.overrides import Changed, apply
from simulator.replicating.claims import faults_of
from simulator.replicating.keys import ReplicationKeys
from simulator.scenario import Scenario, load_scenario
from simulator.sweeping import Cell, Sweep, load_sweep
from simulator.sweeping.source import fault_at
from simulator.yaml_source import read

SHIPPED = Path(scenarios.__file__).parent / "replications"


@dataclass(frozen=True)
class Replication:
    """A file that replicates a published result."""

    file: Path
    keys: ReplicationKeys
    sweep: Sweep                    # the worlds that it is played in; one cell where nothing varies
    whole: Sweep                    # all that the file has
    text: str

    @property
    def name(self) -> str:
        return self.file.stem


def shipped() -> list[Path]:
    """Return the replications that come along, in the order of their numbers."""
    return sorted(SHIPPED.glob("*.yaml"), key=lambda file: (len(file.stem.split("_")[0]), file.stem))


def find(name: str) -> list[Path]:
    """Return the files meant by `all`, a number (`r7`), a name (`r7_biased_assimilation`) or a path."""
    files = shipped()
    if name == "all":
        return files
    if Path(name).suffix in (".yaml", ".yml"):
        return [Path(name)]
    found = [file for file in files if name in (file.stem, file.stem.split("_")[0])]
    if not found:
        names = [file.stem for file in files]
        raise ScenarioError([Fault(name, f"there is no such replication{did_you_mean(name, names)}")])
    return found


def asks_for_data(file: Path) -> bool:
    """Is a replication played in a world that begins with real data, which whoever plays it brings along?"""
    values = read(file).values
    data = values.get("data") if isinstance(values, dict) else None
    return isinstance(data, dict) and data.get("path") is None


def load_replication(file: Path, quick: bool = False, overrides: Sequence[str] = (), seed: int | None = None,
                     replicates: int | str | None = None, data: str | None = None) -> Replication:
    """Read and check a replication. All that is wrong with it is one ScenarioError; claims are checked against the whole."""
    document = apply(read(file), (), {})
    whole, keys = _worlds(file, document, [], None, None, data)
    if faults := faults_of(keys, whole, document):
        raise ScenarioError(faults)
    changes = [*(_quick(keys) if quick else []), *overrides]
    if not changes and seed is None and replicates is None:
        return Replication(file, keys, whole, whole, document.text)
    played, _ = _worlds(file, document, changes, seed, replicates, data)
    return Replication(file, keys, played, whole, document.text)


def _worlds(file: Path, document: Changed, changes: Sequence[str], seed: int | None, replicates: int | str | None,
            data: str | None) -> tuple[Sweep, ReplicationKeys]:
    if isinstance(document.values, dict) and "sweep" in document.values:
        sweep = load_sweep(file, changes, seed, replicates, data)
    else:
        sweep = alone(load_scenario(file, changes, seed, replicates, data))
    keys = sweep.cells[0].scenario.replication
    if keys is None:
        message = "is missing: say which paper this replicates, and its claims"
        raise ScenarioError([fault_at(document, (), message, "replication")])
    return sweep, keys


def alone(scenario: Scenario) -> Sweep:
    """Return a scenario as a sweep of one cell, in which nothing varies."""
    document = {"title": scenario.title, "question": scenario.question, "base": scenario.model_dump(mode="json")}
    return Sweep(scenario.title, scenario.question, "cases", (), (Cell(1, {}, scenario),), document)


def _quick(keys: ReplicationKeys) -> list[str]:
    return [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in (keys.quick or {}).items()]
