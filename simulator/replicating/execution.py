"""Plays the worlds of a replication, as a sweep is played, and writes down what each claim came to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from simulator.files import moved_into_place
from simulator.replicating.claims import Played, Verdict, judge, rows
from simulator.replicating.expressions import parse_expression, references
from simulator.replicating.keys import ClaimKeys
from simulator.replicating.loading import Replication
from simulator.rundir import versions
from simulator.runner import Resources
from simulator.sweeping.execution import Sweeping
from simulator.sweeping.playing import play_cells


def play(replication: Replication, folder: Path, resources: Resources, quiet: bool) -> int:
    """Play what is left of the worlds and judge the claims; return the exit code of playing."""
    sweeping = Sweeping(replication.sweep, folder)
    sweeping.check()
    code = play_cells(sweeping, resources, quiet)
    verdicts = judged(replication, sweeping)
    with moved_into_place(folder / "claims.csv") as part:
        pd.DataFrame(verdicts, columns=list(Verdict._fields)).to_csv(part, index=False)
    with moved_into_place(folder / "replication.yaml") as part:
        part.write_text(replication.text, encoding="utf-8")
    with moved_into_place(folder / "replication.json") as part:
        part.write_text(json.dumps(_about(replication, sweeping), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return code


def judged(replication: Replication, sweeping: Sweeping) -> list[Verdict]:
    """Return what each claim came to, from the cells that are finished."""
    cells, whole = replication.sweep.cells, replication.whole.cells
    measured = {measure for row in rows(replication.keys) for measure in _measures(row.claim)}
    trajectories = {cell.number: _trajectory(sweeping.cell_folder(cell), measured) for cell in cells if sweeping.finished(cell)}
    played = Played(cells, trajectories)
    return [judge(row, whole, played) for row in rows(replication.keys)]


def _measures(claim: ClaimKeys) -> set[str]:
    texts = [claim.value] if claim.value is not None else [str(each) for each in claim.order or ()]
    asked = (each.given.get("measure", claim.measure) for text in texts for each in references(parse_expression(text)))
    return {name for name in asked if name is not None}


def _trajectory(folder: Path, measures: set[str]) -> pd.DataFrame:
    table = pd.read_parquet(folder / "trajectory.parquet")
    table = table[table["measure"].isin(measures)].astype({"measure": str, "arm": str})
    return table.set_index(["measure", "arm", "round", "replicate"])["value"].sort_index()


def _about(replication: Replication, sweeping: Sweeping) -> dict[str, Any]:
    manifests = [
        json.loads((sweeping.cell_folder(cell) / "manifest.json").read_text(encoding="utf-8"))
        for cell in replication.sweep.cells if sweeping.finished(cell)
    ]
    seconds = sum(float(unit["seconds"]) for manifest in manifests for unit in manifest["units"])
    first = replication.sweep.cells[0].scenario
    return {
        "kind": "replication", "name": replication.name, "title": replication.sweep.title,
        "question": replication.sweep.question, "paper": replication.keys.paper, "venue": replication.keys.venue,
        "doi": replication.keys.doi, "notes": list(replication.keys.notes), "caveats": list(replication.keys.caveats),
        "seed": replication.sweep.seed, "replicates": first.replicates, "rounds": first.rounds,
        "cells": len(replication.sweep.cells), "cells_finished": len(manifests),
        "seconds": round(seconds, 1),           # of all runs, one after the other
        "versions": versions(),
    }
