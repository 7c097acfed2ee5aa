"""Plays the worlds of a study, as a sweep is played, and writes down the answers and the tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from simulator.files import moved_into_place
from simulator.replicating.claims import Played
from simulator.rundir import versions
from simulator.runner import Resources
from simulator.studying.answers import Answer, OneAsked, answer, wanted
from simulator.studying.loading import Study
from simulator.studying.tables import FLOP, NDCG, SIZE, arm_table, due_to, trend_table
from simulator.sweeping import Cell
from simulator.sweeping.execution import Sweeping
from simulator.sweeping.playing import play_cells

TABLES = ("answers", "trends", "arms", "due_to")


def play(study: Study, folder: Path, resources: Resources, quiet: bool) -> int:
    """Play what is left of the worlds and answer the questions; return the exit code of playing."""
    sweeping = Sweeping(study.sweep, folder)
    sweeping.check()
    code = play_cells(sweeping, resources, quiet)
    for name, table in tables(study, sweeping).items():
        with moved_into_place(folder / f"{name}.csv") as part:
            table.to_csv(part, index=False)
    with moved_into_place(folder / "study.yaml") as part:
        part.write_text(study.text, encoding="utf-8")
    with moved_into_place(folder / "study.json") as part:
        part.write_text(json.dumps(_about(study, sweeping), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return code


def tables(study: Study, sweeping: Sweeping) -> dict[str, pd.DataFrame]:
    """Return the tables of a study from the cells that are finished, by their names in `TABLES`."""
    keys, cells = study.keys, study.sweep.cells
    measures = _measures(study)
    tidy = {cell.number: _trajectory(sweeping.cell_folder(cell), measures) for cell in cells if sweeping.finished(cell)}
    index = ["measure", "arm", "round", "replicate"]
    played = Played(cells, {number: table.set_index(index)["value"].sort_index() for number, table in tidy.items()})
    loops = any(cell.scenario.rounds > keys.first for cell in cells)
    answers = [answer(question, keys, study.whole.cells, played, loops) for question in keys.questions]
    return {
        "answers": pd.DataFrame(answers, columns=list(Answer._fields)),
        "trends": trend_table(keys, cells, played),
        "arms": arm_table(keys, cells, played),
        "due_to": due_to(keys, cells, tidy),
    }


def _measures(study: Study) -> set[str]:
    keys = study.keys
    asked = (
        str(reference.given["measure"])
        for question in keys.questions if question.value is not None
        for reference in wanted(question.value, keys.groups, OneAsked.of(question).measure)
    )
    return {*asked, *keys.outcomes, *keys.secondary, SIZE, FLOP, NDCG, *([keys.given] if keys.given else [])}


def _trajectory(folder: Path, measures: set[str]) -> pd.DataFrame:
    table = pd.read_parquet(folder / "trajectory.parquet")
    return table[table["measure"].isin(measures)].astype({"measure": str, "arm": str})


def _left_out(cell: Cell, played: list[str]) -> list[str]:
    """Return the arms that are played in some other cell and not in this one."""
    here = {arm.name for arm in cell.scenario.policies}
    return [arm for arm in played if arm not in here]


def _trainings(cells: Sequence[Cell]) -> int:
    """Return how often that arm is trained which is trained most often."""
    return max(
        (1 if arm.frozen else 1 + (cell.scenario.rounds - 1) // arm.retrain_every)
        for cell in cells for arm in cell.scenario.policies
    )


def _about(study: Study, sweeping: Sweeping) -> dict[str, Any]:
    manifests = [
        json.loads((sweeping.cell_folder(cell) / "manifest.json").read_text(encoding="utf-8"))
        for cell in study.sweep.cells if sweeping.finished(cell)
    ]
    seconds = sum(float(unit["seconds"]) for manifest in manifests for unit in manifest["units"])
    first, whole = study.sweep.cells[0].scenario, study.whole.cells[0].scenario
    names = [[arm.name for cell in sweep.cells for arm in cell.scenario.policies] for sweep in (study.sweep, study.whole)]
    played, all_arms = (list(dict.fromkeys(each)) for each in names)
    keys = study.keys
    return {
        "kind": "study", "name": study.name, "file": study.file.name, "size": study.size,
        "title": study.sweep.title, "question": study.sweep.question,
        "registered": keys.registered, "scope": list(keys.scope), "notes": list(keys.notes),
        "seen": list(keys.seen),
        "outcomes": list(keys.outcomes), "secondary": list(keys.secondary),
        "groups": {name: list(group) for name, group in keys.groups.items()}, "steps": keys.steps,
        "first": keys.first, "seed": first.seed,
        "data": None if first.data is None else first.data.kind,
        "users": first.users.count, "items": first.items.count,
        "replicates": first.replicates, "rounds": first.rounds, "trainings": _trainings(study.sweep.cells), "arms": played,
        "whole": {
            "replicates": whole.replicates, "rounds": whole.rounds, "users": whole.users.count, "items": whole.items.count,
            "cells": [cell.in_words for cell in study.whole.cells],
            "arms_left_out": [arm for arm in all_arms if arm not in played],
            "left_out_in": {cell.in_words: left for cell in study.sweep.cells if (left := _left_out(cell, played))},
        },
        "cells": [cell.in_words for cell in study.sweep.cells], "cells_finished": len(manifests),
        "seconds": round(seconds, 1),           # of all runs, one after the other
        "versions": versions(),
    }
