"""What a study has left in its folder, in words and tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from simulator.measures import MEASURES
from simulator.plain import count
from simulator.replicating.keys import STATUS
from simulator.report.markdown import KEYS
from simulator.report.vocabulary import number, wording
from simulator.studying.answers import UNPLAYED
from simulator.studying.execution import TABLES
from simulator.studying.tables import FLOP, NDCG, SIZE, STAGES

_TEXT = {"kind", "ask", "of", "measure", "expect", "answer", "source", "known", "cell", "group", "stage", "arm", "part"}

SURE = 0.05
"""Level of the adjusted p values under which a trend is marked."""

MARKS = {KEYS["bubble"]: "into a bubble", KEYS["open"]: "away from a bubble", "▲": "up", "▼": "down"}
"""What marks a trend that is shown to lead somewhere: up and down of what a bubble may push either way."""


class Table(NamedTuple):
    """A table for people."""

    title: str
    head: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Outcome:
    """A study that was played, or a part of it."""

    folder: Path
    about: dict[str, Any]
    answers: pd.DataFrame
    trends: pd.DataFrame
    arms: pd.DataFrame
    due_to: pd.DataFrame

    @property
    def broken(self) -> int:
        """Return how many controls did not come out as they must."""
        return int(((self.answers["kind"] == "control") & (self.answers["answer"] == "not as it must be")).sum())

    def summary(self, kind: str) -> str:
        """Return how the questions of a kind came out, in a few words."""
        found = self.answers.loc[self.answers["kind"] == kind, "answer"].str.split(":").str[0]
        return ", ".join(f"{count} {words}" for words, count in found.value_counts(sort=False).items())

    def in_short(self, kind: str) -> dict[str, str]:
        """Return the answer to each question of one kind that was played, and the estimate that it rests on."""
        asked = self.answers[(self.answers["kind"] == kind) & self.answers["mean"].notna()]
        return {_ask(row): f"{row['answer']}: {_estimate(row)}" for row in asked.to_dict("records")}

    def unplayed(self, kind: str) -> list[str]:
        """Return the questions of one kind about what was not played."""
        found = self.answers[(self.answers["kind"] == kind) & (self.answers["answer"] == UNPLAYED)]
        return [_ask(row) for row in found.to_dict("records")]

    def questions(self, kind: str) -> Table:
        """Return the questions of one kind with their answers, but for those about what was not played."""
        titles = {"prediction": "Predictions", "control": "Controls", "published": "What others have found"}
        rows = []
        asked = self.answers[(self.answers["kind"] == kind) & (self.answers["answer"] != UNPLAYED)]
        for row in asked.to_dict("records"):
            known = STATUS.get(row["known"], "")
            p = "" if pd.isna(row["p"]) else _p(row["p"])
            rows.append([_ask(row), row["answer"], _estimate(row), p, {"either": "–"}.get(row["expect"], row["expect"]),
                         row["measure"], row["of"], *([known] if kind == "published" else [])])
        head = ["question", "answer", "mean [95 % interval]", "p", "expected", "measure", "value",
                *(["how it is known"] if kind == "published" else [])]
        return Table(titles[kind], head, rows)

    @cached_property
    def headline(self) -> Table | None:
        """Return what size does over the first group of arms: rows are cells and stages, columns the outcomes."""
        group, outcomes = next(iter(self.about["groups"]), None), self.about["outcomes"]
        told = self.trends[(self.trends["group"] == group) & self.trends["stage"].isin(list(STAGES))]
        rows = []
        for (cell, stage), part in told.groupby(["cell", "stage"], sort=False):
            by_measure = {row["measure"]: f"{_mark(row)} {_estimate(row)}".strip() for row in part.to_dict("records")}
            rows.append([str(cell) or "all worlds", str(stage), *(by_measure.get(name, "–") for name in outcomes)])
        return Table("What size changes", ["world", "stage", *map(label, outcomes)], rows) if rows else None

    @property
    def verdict(self) -> str:
        """Say of how many trends of the headline it is shown where they lead; nothing without a headline."""
        if self.headline is None:
            return ""
        cells = [cell for row in self.headline.rows for cell in row[2:] if cell != "–"]
        shown = [f"{number} {MARKS[mark]}" for mark in MARKS if (number := sum(cell[0] == mark for cell in cells))]
        return f"Of {count(len(cells), 'trend')}, shown to lead: {', '.join(shown) or 'none'}."

    @cached_property
    def trend_tables(self) -> list[Table]:
        """Return the trends, one table for each cell: rows are groups at each stage, columns the outcomes."""
        tables, outcomes = [], self.about["outcomes"]
        for cell, of_cell in self.trends.groupby("cell", sort=False):
            rows = []
            for (group, stage), part in of_cell.groupby(["group", "stage"], sort=False):
                by_measure = {row["measure"]: row for row in part.to_dict("records")}
                cells = [
                    "–" if row is None else _estimate(row) + (" *" if row["p_holm"] < SURE else "")
                    for row in map(by_measure.get, outcomes)
                ]
                rows.append([str(group), str(stage), *cells])
            tables.append(Table(str(cell) or "all worlds", ["group", "stage", *map(label, outcomes)], rows))
        return tables

    @cached_property
    def arm_tables(self) -> list[Table]:
        """Return the arms, one table for each cell: size, compute, accuracy and outcomes at the start and at the end."""
        tables, outcomes = [], self.about["outcomes"]
        head = ["arm", "parameters", "FLOP, first training", "FLOP, all", "NDCG, first", "NDCG, end",
                *(f"{label(name)}, {stage}" for name in outcomes for stage in ("first", "end"))]
        for cell, of_cell in self.arms.groupby("cell", sort=False):
            rows = []
            for arm, part in of_cell.groupby("arm", sort=False):
                at = {(row["stage"], row["measure"]): row["mean"] for row in part.to_dict("records")}
                stages = ("one-shot", "in the loop")
                value = [_flop(at.get((stages[1], SIZE))), *(_flop(at.get((stage, FLOP))) for stage in stages)]
                value += [_short(at.get((stage, name))) for name in (NDCG, *outcomes) for stage in stages]
                rows.append([str(arm), *value])
            tables.append(Table(str(cell) or "all worlds", head, rows))
        return tables

    @cached_property
    def due_to_tables(self) -> list[Table]:
        """Return what the change of each outcome is due to, one table for each cell."""
        tables = []
        for cell, of_cell in self.due_to.groupby("cell", sort=False):
            rows = []
            for (arm, measure), part in of_cell.groupby(["arm", "measure"], sort=False):
                by_part = {row["part"]: _estimate(row) for row in part.to_dict("records")}
                rows.append([str(arm), label(str(measure)), *by_part.values()])
                head = ["arm", "outcome", *by_part]
            tables.append(Table(str(cell) or "all worlds", head, rows))
        return tables


def load_outcome(folder: Path) -> Outcome:
    """Read the folder of a study."""
    tables = {}
    for name in TABLES:
        frame = pd.read_csv(folder / f"{name}.csv", dtype=dict.fromkeys(_TEXT, str))
        text = [column for column in frame if column in _TEXT]
        tables[name] = frame.fillna(dict.fromkeys(text, ""))
    return Outcome(folder, json.loads((folder / "study.json").read_text(encoding="utf-8")), **tables)


def _ask(row: dict[str, Any]) -> str:
    return f"{row['source']}: {row['ask']}" if row["source"] else str(row["ask"])


def label(measure: str) -> str:
    return MEASURES[measure].label if measure in MEASURES else measure


def _estimate(row: dict[str, Any]) -> str:
    if pd.isna(row["mean"]):
        return "–"
    if pd.isna(row["low"]):
        return _short(row["mean"])
    return f"{_short(row['mean'])} [{_short(row['low'])}, {_short(row['high'])}]"


def _mark(row: dict[str, Any]) -> str:
    """Say which way a trend leads, where that is shown, by one of the `MARKS`."""
    if not row["p_holm"] < SURE:
        return ""
    bubble = wording(row["measure"]).bubble
    if not bubble:
        return "▲" if row["mean"] > 0 else "▼"
    return KEYS["bubble" if row["mean"] * bubble > 0 else "open"]


def _short(value: float | None) -> str:
    return "–" if value is None or pd.isna(value) else f"{value:.3g}"


def _flop(value: float | None) -> str:
    return "–" if value is None or pd.isna(value) else number(value) if value < 1e6 else f"{value:.2e}"


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"{value:.3f}"




