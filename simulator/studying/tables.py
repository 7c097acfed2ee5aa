"""The tables of a study: its arms, the trends of its outcomes over its groups, and what changes are due to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from simulator.replicating.claims import NotPlayed, Played
from simulator.replicating.expressions import Reference
from simulator.statistics import PARTS, TOTAL, attribute, frozen_twins, holm, interval_table, t_interval
from simulator.statistics.trends import turn
from simulator.studying.answers import FIRST, SIZE, Estimate, OneAsked, StudyLookup, estimate, values_of
from simulator.studying.keys import StudyKeys
from simulator.sweeping import Cell
from simulator.sweeping.cells import words

STAGES = {"one-shot": "trend({group}(round='first'))", "in the loop": "trend({group})",
          "change": "trend({group}) - trend({group}(round='first'))"}
"""What is estimated of each outcome over each group: under the first training, at the end, and the difference."""

ADJUSTED = "one-shot, adjusted"
"""One-shot in a regression on what is given, too. Not in the loop, where an arm is judged by what it has shown itself."""

FLOP, NDCG = "training.flop", "training.ndcg"


def trend_table(study: StudyKeys, cells: Sequence[Cell], played: Played) -> pd.DataFrame:
    """Return the trend of each outcome over each group in each cell, at each stage: columns cell, group, stage, measure, mean,
    low, high, bca_low, bca_high, p, replicates, turn, p_holm.

    `turn`: 1 if the arms are shown to lie along a U, −1 along an inverted one, else 0 (see `turn`). `p_holm` is adjusted over
    the primary outcomes of one cell, group and stage; NaN of others. Where nothing is played beyond the first training there is
    one-shot alone.
    """
    stages = dict(STAGES)
    if study.given is not None:
        stages[ADJUSTED] = f"trend({{group}}(round='first'), given={study.given!r})"
    rows = []
    for cell in cells:
        loops = cell.scenario.rounds > study.first
        for group in study.groups:
            for stage, text in stages.items():
                if not (loops or stage.startswith("one-shot")):
                    continue
                for measure in (*study.outcomes, *study.secondary):
                    asked = OneAsked(measure)
                    try:
                        values = values_of(text.format(group=group), asked, study, [cell], played)
                    except NotPlayed:
                        continue
                    turns = _turn(StudyLookup.of(asked, study, [cell], played), group, stage)
                    rows.append((words(cell.values), group, stage, measure, *estimate(values), turns))
    table = pd.DataFrame(rows, columns=["cell", "group", "stage", "measure", *Estimate._fields, "turn"])
    primary = table[table["measure"].isin(study.outcomes)]
    family = primary.groupby(["cell", "group", "stage"], sort=False)["p"]
    return table.assign(p_holm=family.transform(lambda p: holm(p.to_numpy(dtype=float))) if len(primary) else np.nan)


def _turn(look: StudyLookup, group: str, stage: str) -> int:
    """Do the arms themselves lie along a U? Of a difference, and beside what is given, there are no arms to look at."""
    if stage not in ("one-shot", "in the loop"):
        return 0
    places, values = look.placed(Reference(group, {"round": FIRST} if stage == "one-shot" else {}))
    return turn(places, values)


def arm_table(study: StudyKeys, cells: Sequence[Cell], played: Played) -> pd.DataFrame:
    """Return what each arm is and came to in each cell: columns cell, arm, stage, measure, mean, low, high, replicates.

    Of size, compute and accuracy, and of all outcomes, under the first training and at the end.
    """
    rows, measures = [], dict.fromkeys((SIZE, FLOP, NDCG, *study.outcomes, *study.secondary))
    for cell in cells:
        for arm in cell.scenario.policies:
            for stage, asked in (("one-shot", FIRST), ("in the loop", None)):
                for measure in measures:
                    try:
                        values = values_of(_quoted(arm.name), OneAsked(measure, asked), study, [cell], played)
                    except NotPlayed:
                        continue
                    found = t_interval(values)
                    rows.append((words(cell.values), arm.name, stage, measure, found.mean, found.low, found.high, found.n))
    return pd.DataFrame(rows, columns=["cell", "arm", "stage", "measure", "mean", "low", "high", "replicates"])


def _quoted(arm: str) -> str:
    if not arm.isidentifier():
        raise NotPlayed             # such a name cannot stand in an expression
    return arm


def due_to(study: StudyKeys, cells: Sequence[Cell], trajectories: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Return what the change of each outcome is due to, in the arms that have a frozen twin: columns cell, arm, measure, part,
    mean, sd, n, low, high (see `attribute`). Without an organic arm there is nothing to tell.
    """
    columns = ["cell", "arm", "measure", "part", "mean", "sd", "n", "low", "high"]
    found = list(_parts(study, cells, trajectories))
    return pd.concat(found)[columns] if found else pd.DataFrame(columns=columns)


def _parts(study: StudyKeys, cells: Sequence[Cell], trajectories: Mapping[int, pd.DataFrame]) -> Iterator[pd.DataFrame]:
    for cell in cells:
        policies = cell.scenario.model_dump(mode="json")["policies"]
        organic = next((arm["name"] for arm in policies if arm["kind"] == "organic"), None)
        twins = frozen_twins(policies)
        if cell.number not in trajectories or organic is None or not twins:
            continue
        trajectory = trajectories[cell.number]
        parts = attribute(trajectory[trajectory["measure"].isin(study.outcomes)], organic, twins)
        if parts.empty:
            continue
        table = interval_table(parts, ["arm", "measure", "part"])
        order = {part: place for place, part in enumerate((*PARTS, TOTAL))}
        table = table.iloc[np.lexsort((table["part"].map(order), table["measure"], table["arm"]))]
        yield table.assign(cell=words(cell.values))
