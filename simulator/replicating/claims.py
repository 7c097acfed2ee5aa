"""Claims, one row each: what they ask of the cells of a file, what is wrong with them, and what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from simulator.faults import Fault, did_you_mean, shown
from simulator.measures import select
from simulator.overrides import Changed
from simulator.replicating.expressions import FUNCTIONS, NotAnExpression, Reference, evaluate, parse_expression, references
from simulator.replicating.keys import ClaimKeys, ReplicationKeys
from simulator.report.vocabulary import number
from simulator.statistics import t_interval
from simulator.sweeping.axes import content
from simulator.sweeping.cells import Cell
from simulator.sweeping.constraints import ConstraintError, parse_constraint
from simulator.sweeping.source import fault_at
from simulator.sweeping.sweep import Sweep

SIGNIFICANT = 0.05
"""One-sided level of the sign test of an order."""


class Row(NamedTuple):
    """A claim at one of the values that it goes over."""

    place: int                      # of the claim in the file
    claim: ClaimKeys
    at: Any                         # round, or value of the axis; None: the claim goes over nothing
    paper: float | None


SHOWN = "shown"
"""What a level is that is not judged: the published value is printed and drawn beside ours."""


class Verdict(NamedTuple):
    """What a row came to. The columns of claims.csv."""

    claim: str
    figure: str
    status: str
    over: str                       # "round", an axis, or nothing
    at: str
    kind: str                       # level or order
    of: str                         # the expression, or the expressions in order
    paper: str
    measured: str
    low: float                      # of the 95 % interval; of an order: of the smallest paired difference
    high: float
    replicates: int
    tolerance: str
    inside: str                     # yes, no, shown (not judged), or not played
    p: float                        # of an order: the largest p of the sign tests between neighbours
    mean: float                     # measured, as a number; of an order the smallest mean difference
    published: float
    band_low: float
    band_high: float
    discrepancy: str
    measure: str = ""               # that an arm's name stands for, if it is one for the whole claim


def rows(keys: ReplicationKeys) -> list[Row]:
    """Return all rows of the table, in the order of the file."""
    table = []
    for place, claim in enumerate(keys.claims):
        values: tuple[Any, ...] = (None,) if claim.at is None else claim.at
        papers = claim.paper if isinstance(claim.paper, tuple) else (claim.paper,) * len(values)
        table += [Row(place, claim, at, paper) for at, paper in zip(values, papers, strict=True)]
    return table


class NotPlayed(Exception):
    """What a claim asks for is not among what was played."""


Table = tuple[np.ndarray, np.ndarray]
"""Rounds (t,), ascending, and the values in each of them (t, replicates)."""


class Played:
    """What was measured in the cells that were played, which are known by their values of the axes."""

    def __init__(self, cells: Sequence[Cell], trajectories: Mapping[int, pd.DataFrame]) -> None:
        """`trajectories`: of each cell's number, with the index (measure, arm, round, replicate)."""
        self._trajectories = {content(cell.values): trajectories[cell.number] for cell in cells if cell.number in trajectories}
        self._tables: dict[tuple[str, str | None, str], Table | None] = {}

    def table(self, cell: Cell, measure: str | None, arm: str) -> Table:
        """Return the values of a measure in an arm of a cell, or say that it was `NotPlayed`."""
        key = content(cell.values), measure, arm
        if key not in self._tables:
            self._tables[key] = self._read(*key)
        table = self._tables[key]
        if table is None:
            raise NotPlayed
        return table

    def _read(self, cell: str, measure: str | None, arm: str) -> Table | None:
        trajectory = self._trajectories.get(cell)
        if trajectory is None:
            return None
        try:
            values = trajectory.loc[measure, arm].unstack("replicate")
        except KeyError:
            return None
        return values.index.to_numpy(), values.to_numpy()


@dataclass(frozen=True)
class Lookup:
    """What the names in a claim's expressions stand for, at one of the values that it goes over."""

    row: Row
    cells: Sequence[Cell]           # all that the file has, played or not
    played: Played

    def at(self, reference: Reference) -> np.ndarray:
        return np.mean([values.mean(0) for _, values in self._tables(reference, self.span(reference))], axis=0)

    def slope(self, reference: Reference, first: int, last: int) -> np.ndarray:
        slopes = []
        for rounds, values in self._tables(reference, (first, last)):
            time = rounds - rounds.mean()
            slopes.append(time @ values / (time**2).sum())
        return np.mean(slopes, axis=0)

    def trend(self, group: Reference, given: str | None) -> np.ndarray:
        raise NotPlayed             # a replication has no groups of arms, and its keys say so; a study has

    def span(self, reference: Reference) -> tuple[int, int] | None:
        """Return the first and the last round that a reference is about; None: the last that there is."""
        over = self.row.at if self.row.claim.over == "round" else None
        asked = reference.given.get("round", over if over is not None else self.row.claim.round)
        if asked is None:
            return None
        first, last = (asked, asked) if isinstance(asked, int | float) else asked
        return int(first), int(last)

    def _tables(self, reference: Reference, span: tuple[int, int] | None) -> list[Table]:
        """Return the rounds and the values of the measure in the arm, a table for each cell that is meant.

        A mean over some of the cells is not the mean over all: if one of them was not played, nothing is said.
        """
        measure = reference.given.get("measure", self.row.claim.measure)
        found = []
        for cell in chosen(self.row, reference, self.cells):
            rounds, values = self.played.table(cell, measure, reference.arm)
            first, last = span or (rounds[-1],) * 2
            if not {first, last} <= set(rounds):
                raise NotPlayed
            asked = (rounds >= first) & (rounds <= last)
            found.append((rounds[asked], values[asked]))
        if not found or len({values.shape[1] for _, values in found}) > 1:
            raise NotPlayed
        return found


def chosen(row: Row, reference: Reference, cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells that a reference in a row is about. May raise `ConstraintError`."""
    claim = row.claim
    wanted = {name: value for name, value in reference.given.items() if name not in ("round", "measure")}
    if claim.over not in (None, "round"):
        wanted = {claim.over: row.at} | wanted
    kept = [cell for cell in cells if all(cell.values.get(name) == value for name, value in wanted.items())]
    if claim.where is None or not cells:
        return kept
    condition = parse_constraint(claim.where, cells[0].values)
    return [cell for cell in kept if condition.holds(cell.values)]


def judge(row: Row, cells: Sequence[Cell], played: Played) -> Verdict:
    """Say what a row came to. `cells`: all that the file has, played or not.

    A level is as published if the band of its tolerance and the 95 % t interval of the mean over replicates have a point in
    common. An order holds if each of its values is smaller than the next by a one-sided sign test over replicates, which share
    their worlds (Dixon & Mood 1946, JASA; equal pairs are left out), at p < .05.
    """
    look = Lookup(row, cells, played)
    try:
        return _level(row, look) if row.claim.value is not None else _order(row, look)
    except NotPlayed:
        paper = "" if row.paper is None else number(row.paper)
        nan = float("nan")
        return _verdict(row, paper=paper, measured="", low=nan, high=nan, replicates=0, tolerance="", inside="not played",
                        p=nan, mean=nan, published=nan if row.paper is None else row.paper, band=(nan, nan))


def _level(row: Row, look: Lookup) -> Verdict:
    claim = row.claim
    assert claim.value is not None
    values = np.atleast_1d(evaluate(parse_expression(claim.value), look))
    found, (low, high) = t_interval(values), claim.band_of(row.paper)
    ends = (found.low, found.high) if found.n > 1 else (found.mean, found.mean)
    inside = "yes" if ends[0] <= high and ends[1] >= low else "no"
    return _verdict(
        row, paper="" if row.paper is None else f"{row.paper:g}", measured=f"{found.mean:.5g}", low=found.low, high=found.high,
        replicates=found.n, tolerance=_tolerance(claim), inside=inside if claim.judged else SHOWN, p=float("nan"),
        mean=found.mean, published=float("nan") if row.paper is None else row.paper, band=(low, high),
    )


def _tolerance(claim: ClaimKeys) -> str:
    if claim.band is not None:
        return " to ".join(map(number, claim.band))
    if claim.tolerance is None:
        return ""
    return f"±{claim.tolerance}" if isinstance(claim.tolerance, str) else f"±{claim.tolerance:g}"


def _order(row: Row, look: Lookup) -> Verdict:
    claim = row.claim
    assert claim.order is not None
    values = [np.atleast_1d(evaluate(parse_expression(str(each)), look)) for each in claim.order]
    n = max(map(len, values))
    differences = [np.broadcast_to(b, n) - np.broadcast_to(a, n) for a, b in pairwise(values)]
    p = max(sign_test(each) for each in differences)
    share = float(np.min([np.mean(each > 0) for each in differences]))
    smallest = min((t_interval(each) for each in differences), key=lambda found: found.mean)
    holds = p < SIGNIFICANT and (claim.share is None or share >= claim.share)
    return _verdict(
        row, paper=" < ".join(map(_term, claim.order)), measured=" < ".join(f"{each.mean():.4g}" for each in values),
        low=smallest.low, high=smallest.high, replicates=n,
        tolerance="sign test" + ("" if claim.share is None else f", in {claim.share:.0%} of pairs"),
        inside="yes" if holds else "no", p=p, mean=smallest.mean, published=float("nan"), band=(float("nan"), float("nan")),
    )


def sign_test(differences: np.ndarray) -> float:
    """Return the one-sided p of the sign test that differences tend to be positive; 1 if all are zero."""
    up, down = int((differences > 0).sum()), int((differences < 0).sum())
    return float(stats.binomtest(up, up + down, alternative="greater").pvalue) if up + down else 1.0


def _verdict(row: Row, *, band: tuple[float, float], **found: Any) -> Verdict:
    claim = row.claim
    of = claim.value if claim.value is not None else " < ".join(_term(each) for each in claim.order or ())
    at = "" if row.at is None else f"{row.at:g}" if isinstance(row.at, int | float) else str(row.at)
    return Verdict(
        claim=claim.claim, figure=claim.figure, status=claim.status, over=claim.over or "", at=at,
        kind="level" if claim.value is not None else "order", of=of, band_low=band[0], band_high=band[1],
        discrepancy=claim.discrepancy or "", measure=claim.measure or "", **found,
    )


def _term(each: str | float) -> str:
    return each if isinstance(each, str) else f"{each:g}"


# ---- what is wrong with claims, beyond their own keys


def faults_of(keys: ReplicationKeys, sweep: Sweep, document: Changed) -> list[Fault]:
    """Return what claims name that the worlds of the file do not have: arms, measures, rounds, axes and cells."""
    found: dict[tuple[int, str], Fault] = {}
    for row in rows(keys):
        for key, message in _wrong(row, sweep):
            loc = ("replication", "claims", row.place, key)
            found.setdefault((row.place, message), fault_at(document, loc, message))
    return list(found.values())


def _wrong(row: Row, sweep: Sweep) -> Iterator[tuple[str, str]]:
    claim, axes = row.claim, [axis.label for axis in sweep.axes]
    if claim.over is not None and claim.over not in ("round", *axes):
        yield "over", f"{claim.over!r} is neither `round` nor an axis{did_you_mean(claim.over, ['round', *axes])}"
        return
    texts = [claim.value] if claim.value is not None else [str(each) for each in claim.order or ()]
    key = "value" if claim.value is not None else "order"
    for text in texts:
        for reference in references(parse_expression(text)):
            yield from ((key, message) for message in _wrong_reference(row, reference, sweep))


def _wrong_reference(row: Row, reference: Reference, sweep: Sweep) -> Iterator[str]:
    axes = [axis.label for axis in sweep.axes]
    arms = {cell.number: [arm.name for arm in cell.scenario.policies] for cell in sweep.cells}
    if not any(reference.arm in names for names in arms.values()):
        yield f"there is no arm {reference.arm!r}{did_you_mean(reference.arm, (*sweep.arms, *FUNCTIONS))}"
        return
    for name in reference.given:
        if name not in ("round", "measure", *axes):
            yield f"{name!r} is neither `round`, `measure` nor an axis{did_you_mean(name, axes)}"
            return
    measure = reference.given.get("measure", row.claim.measure)
    if measure is None:
        yield f"of which measure? add `measure:`, or write {reference.arm}(measure='…')"
        return
    try:
        cells = chosen(row, reference, sweep.cells)
    except ConstraintError as error:
        yield f"`where`: {error}"
        return
    if not cells:
        yield f"no cell is meant by {row.claim.where or ''}{'' if row.at is None else f' {row.claim.over} {shown(row.at)}'}"
        return
    if lacking := next((cell for cell in cells if reference.arm not in arms[cell.number]), None):
        yield f"there is no arm {reference.arm!r} in the cell {lacking.in_words}"
    settings = ((cell.scenario.measures.names, cell.scenario.measures.every, cell.scenario.rounds) for cell in cells)
    for names, every, rounds in dict.fromkeys(settings):
        if measure not in select(names):
            yield f"{measure!r} is not one of `measures.names`"
        for round in Lookup(row, cells, Played((), {})).span(reference) or ():
            if round > rounds or (round % every and round != rounds):
                yield f"round {round} is not measured: there are {rounds} rounds, and those are measured that {every} divides"


__all__ = ["NotAnExpression", "Played", "Row", "Verdict", "faults_of", "judge", "rows", "sign_test"]
