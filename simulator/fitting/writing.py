"""Writes down what a fit has found so far: tables, the fitted scenario, the posterior; the manifest last."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from simulator.files import moved_into_place
from simulator.fitting.execution import WORLDS, Fit, read_at
from simulator.fitting.facts import FACTS, distances
from simulator.posterior import key_steps
from simulator.rundir import versions
from simulator.yaml_source import write

POSTERIOR_FILE = "posterior.csv"


def write_fit(fit: Fit) -> None:
    """Write the folder of a fit, whole or partial."""
    fit.folder.mkdir(parents=True, exist_ok=True)
    _table(fit.folder / "halves.csv", fit.halves)
    _table(fit.folder / "simulations.csv", pd.DataFrame(_simulations(fit)))
    if fit.posterior is not None:
        _table(fit.folder / POSTERIOR_FILE, fit.posterior)
    if fit.fitted is not None:
        values = fit.fitting.with_values(fit.fitted).values
        _text(fit.folder / "fitted.yaml", write({**values, "posterior": POSTERIOR_FILE}))
    _table(fit.folder / "distances.csv", pd.DataFrame(_distances(fit), columns=["world", "replicate", "fact", "distance"]))
    curves = pd.DataFrame(_curves(fit), columns=["world", "replicate", "fact", "place", "value"])
    with moved_into_place(fit.folder / "facts.parquet") as part:
        curves.to_parquet(part, index=False)
    _text(fit.folder / "fit.yaml", fit.fitting.resolved())
    _text(fit.folder / "manifest.json", json.dumps(_manifest(fit), indent=2, ensure_ascii=False) + "\n")


def _simulations(fit: Fit) -> list[dict[str, Any]]:
    """A row for each world of the search: its values, its distances, and whether the emulator rests on it."""
    used = set(fit.search.used.tolist()) if fit.searched else set()
    rows = []
    for number, told in enumerate(fit.told):
        apart = (told or {}).get("distances") or {}
        rows.append({
            "simulation": number + 1, **fit.values[number], **{f"distance of {name}": apart.get(name) for name in FACTS},
            "distance": None if told is None else fit.total(told), "used": number in used,
        })  # fmt: skip
    return rows


def _distances(fit: Fit) -> list[tuple[str, int, str, float]]:
    rows = [("real", 0, name, apart) for name, apart in distances(fit.target, fit.unseen).items()]
    for world, tests in fit.tests.items():
        for replicate, told in enumerate(tests):
            apart = told["distances"] or dict.fromkeys(FACTS, np.inf)
            rows += [(world, replicate, name, apart[name]) for name in FACTS]
    return rows


def _curves(fit: Fit) -> list[tuple[str, int, str, int, float]]:
    halves = {"unseen": fit.unseen, "seen": fit.target}
    found = [(half, 0, {name: read_at(name, facts[name]) for name in FACTS}) for half, facts in halves.items()]
    for world, tests in fit.tests.items():
        found += [(world, replicate, told["facts"]) for replicate, told in enumerate(tests) if told["distances"]]
    return [
        (world, replicate, name, place, value)
        for world, replicate, facts in found for name in FACTS for place, value in enumerate(facts[name])
    ]


def _manifest(fit: Fit) -> dict[str, Any]:
    fitting, data, scenario = fit.fitting, fit.data, fit.fitting.scenario
    return {
        "kind": "fit", "finished": len(fit.tests) == len(WORLDS), "identity": fit.identity, "title": fitting.title,
        "question": scenario.question, "fit": fitting.keys.model_dump(mode="json", exclude={"axes"}), "arm": fitting.arm,
        "recommends": fitting.recommends, "seed": fitting.seed, "scenario_seed": scenario.seed,
        "axes": [{"key": axis.keys[0], "low": axis.range.low, "high": axis.range.high, "scale": axis.range.scale}
                 for axis in fitting.axes if axis.range is not None],
        "before": {axis.keys[0]: value_of(scenario.model_dump(mode="json"), axis.keys[0]) for axis in fitting.axes},
        "fitted": fit.fitted, "simulated": len(fit.told), "failed": sum(each is None for each in fit.told),
        "unlikely": fit.unlikely,
        "emulator": _emulator(fit),
        "users": {"fitted_to": len(fitting.fitted_to), "held_out": len(fitting.held_out), "all": data.n_users},
        "world": {"users": scenario.users.count, "items": scenario.items.count, "topics": scenario.items.topics,
                  "rounds": scenario.rounds + scenario.warmup},
        "data": {"name": data.name, "citation": data.citation, "licence": data.licence, "users": data.n_users,
                 "items": data.n_items, "interactions": len(data.users)},
        "versions": versions(), "seconds": round((datetime.now(UTC) - fit.started).total_seconds(), 1),
    }  # fmt: skip


def _emulator(fit: Fit) -> dict[str, Any] | None:
    if not fit.searched or fit.search.likelihood is None:
        return None
    likelihood = fit.search.likelihood
    quadratic, discrepancy = likelihood.emulator.quadratic, likelihood.discrepancy**0.5
    return {"used": len(fit.search.used), "quadratic": quadratic, "discrepancy": discrepancy}


def value_of(content: dict[str, Any], key: str) -> Any:
    """Return what a scenario's content has at a dotted key; a trait that is the same for everybody is its mean."""
    held: Any = content
    for step in key_steps(key):
        if isinstance(held, int | float):
            held = {"mean": held, "spread": 0.0}
        held = held[int(step)] if isinstance(held, list) else held.get(str(step))
        if held is None:
            return None
    return held.get("mean") if isinstance(held, dict) else held


def _table(path: Path, table: pd.DataFrame) -> None:
    with moved_into_place(path) as part:
        table.to_csv(part, index=False)


def _text(path: Path, text: str) -> None:
    with moved_into_place(path) as part:
        part.write_text(text, encoding="utf-8")
