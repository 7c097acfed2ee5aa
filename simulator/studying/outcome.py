"""What a study has left in its folder, in words and tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from simulator.measures import MEASURES
from simulator.replicating.keys import STATUS
from simulator.report.markdown import KEYS
from simulator.report.vocabulary import wording
from simulator.studying.answers import UNPLAYED
from simulator.studying.execution import TABLES
from simulator.studying.tables import FLOP, NDCG, SIZE, STAGES

_TEXT = {"kind", "ask", "of", "measure", "expect", "answer", "source", "known", "cell", "group", "stage", "arm", "part"}

SURE = 0.05
"""Level of the adjusted p values under which a trend is marked."""

TURNS = {1: "∪", -1: "∩", 0: ""}
"""What follows a trend whose arms are shown to turn on the way."""

NOTHING = "nothing is shown"
"""What is said where no trend is marked."""

TITLES = {"prediction": "Predictions", "contrast": "Contrasts", "control": "Controls", "published": "What others have found"}
"""Of each kind of question."""


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
        rows = []
        asked = self.answers[(self.answers["kind"] == kind) & (self.answers["answer"] != UNPLAYED)]
        for row in asked.to_dict("records"):
            p = "" if pd.isna(row["p"]) else _p(row["p"])
            expected = [] if kind == "contrast" else [{"either": "–"}.get(row["expect"], row["expect"])]
            known = [STATUS.get(row["known"], "")] if kind == "published" else []
            rows.append([_ask(row), row["answer"], _estimate(row), p, *expected, row["measure"], *known])
        head = ["question", "answer", "mean [95 % interval]", "p", *([] if kind == "contrast" else ["expected"]), "measure",
                *(["how it is known"] if kind == "published" else [])]
        return Table(TITLES[kind], head, rows)

    @cached_property
    def expressions(self) -> Table:
        """Return what was computed for each question that was answered."""
        asked = self.answers[self.answers["mean"].notna()]
        rows = [[_ask(row), f"`{row['of']}`", row["measure"] or "–"] for row in asked.to_dict("records")]
        return Table("What was computed", ["question", "value", "measure"], rows)

    @cached_property
    def headline(self) -> Table | None:
        """Return what size does over the first group of arms: rows are cells and stages, columns the primary outcomes."""
        group, outcomes = next(iter(self.about["groups"]), None), self.about["outcomes"]
        told = self.trends[(self.trends["group"] == group) & self.trends["stage"].isin(list(STAGES))]
        rows = []
        for (cell, stage), part in told.groupby(["cell", "stage"], sort=False):
            by_measure = {row["measure"]: f"{_mark(row)} {_trend(row)}".strip() for row in part.to_dict("records")}
            rows.append([str(cell) or "all worlds", str(stage), *(by_measure.get(name, "–") for name in outcomes)])
        return Table("What size changes", ["cell", "stage", *map(label, outcomes)], rows) if rows else None

    @property
    def verdicts(self) -> dict[str, str]:
        """Say of each cell and stage of the headline which outcomes are shown to go where, and of what changes if any are."""
        group = next(iter(self.about["groups"]), None)
        told = self.trends[(self.trends["group"] == group) & self.trends["measure"].isin(self.about["outcomes"])]
        found: dict[str, str] = {}
        for cell, of_cell in told.groupby("cell", sort=False):
            shown = {stage: _shown(of_cell[of_cell["stage"] == stage].to_dict("records"))
                     for stage in STAGES if (of_cell["stage"] == stage).any()}
            told_of = [f"{stage}, {words}" for stage, words in shown.items() if stage != "change" or words != NOTHING]
            found[str(cell) or "all worlds"] = "; ".join(told_of)
        return found

    @cached_property
    def trend_tables(self) -> list[Table]:
        """Return the trends of the primary outcomes, one table for each cell: rows are groups at each stage."""
        return self._trends_of(self.about["outcomes"])

    @cached_property
    def secondary_tables(self) -> list[Table]:
        """Return the trends of the other outcomes in the same form."""
        return self._trends_of(self.about["secondary"])

    def _trends_of(self, outcomes: list[str]) -> list[Table]:
        tables, steps = [], self.about["steps"]
        told = self.trends[self.trends["measure"].isin(outcomes)]
        for cell, of_cell in told.groupby("cell", sort=False):
            rows = []
            for (group, stage), part in of_cell.groupby(["group", "stage"], sort=False):
                estimates = part.to_dict("records")
                by_measure = {row["measure"]: _trend(row) + (" *" if row["p_holm"] < SURE else "") for row in estimates}
                named = f"{group}, per {steps[str(group)]}" if group in steps else str(group)
                rows.append([named, str(stage), *(by_measure.get(name, "–") for name in outcomes)])
            tables.append(Table(str(cell) or "all worlds", ["group", "stage", *map(label, outcomes)], rows))
        return tables

    @cached_property
    def arm_tables(self) -> list[Table]:
        """Return the arms, one table for each cell: size, compute, accuracy and primary outcomes, first and at the end."""
        head = ["parameters beyond embeddings", "FLOP, first training", "FLOP, all"]
        at = [("in the loop", SIZE), ("one-shot", FLOP), ("in the loop", FLOP)]
        return self._arms_with(head, at, [NDCG, *self.about["outcomes"]])

    @cached_property
    def further_tables(self) -> list[Table]:
        """Return the other outcomes of the arms in the same form."""
        return self._arms_with([], [], self.about["secondary"]) if self.about["secondary"] else []

    def _arms_with(self, head: list[str], at: list[tuple[str, str]], measures: list[str]) -> list[Table]:
        """Arms with some numbers under `head`, each of a stage and a measure, and with `measures` first and at the end."""
        tables, stages = [], {"first": "one-shot", "end": "in the loop"}
        columns = ["arm", *head, *(f"{label(name)}, {title}" for name in measures for title in stages)]
        for cell, of_cell in self.arms.groupby("cell", sort=False):
            rows = []
            for arm, part in of_cell.groupby("arm", sort=False):
                mean = {(row["stage"], row["measure"]): row["mean"] for row in part.to_dict("records")}
                row = [_flop(mean.get(each)) for each in at]
                row += [_short(mean.get((stage, name))) for name in measures for stage in stages.values()]
                rows.append([str(arm), *row])
            tables.append(Table(str(cell) or "all worlds", columns, rows))
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


def _trend(row: dict[str, Any]) -> str:
    """An estimate, and whether the arms lie along a line at all."""
    return f"{_estimate(row)} {TURNS[int(row['turn'])]}".strip()


def _shown(rows: list[dict[str, Any]]) -> str:
    """Say which trends lead where, and which of them are shown to be no lines."""
    told = [f"{label(row['measure'])} {_mark(row)} {_trend(row)}" for row in rows if _mark(row)]
    return ", ".join(told) or NOTHING


def _mark(row: dict[str, Any]) -> str:
    """Say which way a trend leads, where that is shown: into a bubble or away from one, or up or down where either may be."""
    if not row["p_holm"] < SURE:
        return ""
    bubble = wording(row["measure"]).bubble
    if not bubble:
        return "▲" if row["mean"] > 0 else "▼"
    return KEYS["bubble" if row["mean"] * bubble > 0 else "open"]


def _short(value: float | None) -> str:
    return "–" if value is None or pd.isna(value) else f"{value:.3g}"


def _flop(value: float | None) -> str:
    if value is None or pd.isna(value):
        return "–"
    return f"{value:,.0f}" if value < 1e6 else f"{value:.2e}"


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"{value:.3f}"
