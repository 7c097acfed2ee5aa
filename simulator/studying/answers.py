"""What the expressions of a study stand for, and the answer to each question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from simulator.replicating.claims import Lookup, NotPlayed, Played
from simulator.replicating.expressions import Reference, evaluate, parse_expression, references, trends
from simulator.replicating.keys import AskedKeys
from simulator.statistics import ENOUGH_TO_RESAMPLE, Interval, bca_interval, t_interval
from simulator.statistics.trends import slopes
from simulator.studying.keys import Group, Kind, QuestionKeys, Sign, StudyKeys
from simulator.sweeping import Cell

SIZE = "training.parameters"
"""The measure whose common logarithm places the arms of a group."""

FIRST = "first"
"""What an expression calls the last round under the first training."""

UNPLAYED = "not played"
"""The answer to a question about arms, cells or rounds that are not there."""

LEAST = 3
"""Arms that a trend rests on, or it is a difference."""

_WORDS: Mapping[Kind, tuple[str, str]] = {
    "prediction": ("as predicted", "the opposite"),
    "control": ("as it must be", "not as it must be"),
    "published": ("agrees", "disagrees"),
}


class Asking(NamedTuple):
    """A row of the study's tables, as the look-up of replications takes it."""

    claim: Any                      # `OneAsked`
    at: None = None


@dataclass(frozen=True)
class OneAsked:
    """What an arm's name stands for in one row."""

    measure: str | None
    round: Any = None
    where: str | None = None
    over: None = None

    @classmethod
    def of(cls, keys: AskedKeys) -> OneAsked:
        return cls(keys.measure, keys.round, keys.where)


@dataclass(frozen=True)
class StudyLookup(Lookup):
    """The same names as in a replication, and groups of arms, and a round that is called first."""

    study: StudyKeys

    @classmethod
    def of(cls, asked: OneAsked, study: StudyKeys, cells: Sequence[Cell], played: Played) -> StudyLookup:
        return cls(Asking(asked), cells, played, study)             # type: ignore[arg-type]

    def span(self, reference: Reference) -> tuple[int, int] | None:
        if reference.given.get("round", self.row.claim.round) == FIRST:
            return self.study.first, self.study.first
        return super().span(reference)

    def trend(self, group: Reference, given: str | None) -> np.ndarray:
        """Return the slope in each replicate over the arms of a group that were played."""
        found = slopes(*self.placed(group, given))
        if not np.isfinite(found).all():
            raise NotPlayed         # all arms are of one size
        return found

    def placed(self, group: Reference, given: str | None = None) -> tuple[np.ndarray, ...]:
        """Return the places of the arms of a group that were played, what is measured of them, and what is `given` (A, R)."""
        measure = group.given.get("measure", self.row.claim.measure)
        columns: list[tuple[np.ndarray, ...]] = []
        for arm, place in self.study.groups[group.arm].items():
            try:
                value = self._of(group, arm, measure)
                at = np.log10(self._of(group, arm, SIZE)) if place is None else np.full(len(value), place)
                columns.append((at, value) if given is None else (at, value, self._of(group, arm, given)))
            except NotPlayed:
                continue
        if len(columns) < LEAST + (given is not None) or len({len(each) for column in columns for each in column}) > 1:
            raise NotPlayed
        return tuple(np.stack(each) for each in zip(*columns, strict=True))

    def _of(self, group: Reference, arm: str, measure: str | None) -> np.ndarray:
        return self.at(Reference(arm, {**group.given, "measure": measure}))


def wanted(text: str, groups: Mapping[str, Group], measure: str | None) -> list[Reference]:
    """Return every arm with a measure that an expression rests on."""
    tree = parse_expression(text)
    found = [Reference(each.arm, {"measure": measure, **each.given}) for each in references(tree)]
    for group, given in trends(tree):
        asked = {"measure": measure, **group.given}
        for arm, place in groups.get(group.arm, {}).items():
            found.append(Reference(arm, asked))
            found += [Reference(arm, {**asked, "measure": SIZE})] if place is None else []
            found += [Reference(arm, {**asked, "measure": given})] if given is not None else []
    return found


class Answer(NamedTuple):
    """What a question came to. The columns of answers.csv."""

    kind: str
    ask: str
    of: str                         # the expression
    measure: str
    expect: str
    mean: float
    low: float                      # of the 95 % t interval over replicates
    high: float
    bca_low: float                  # of the bootstrap interval; NaN under five replicates
    bca_high: float
    p: float                        # two-sided t test that it is zero
    replicates: int
    answer: str
    source: str
    known: str                      # how what was published is known


def _compares_stages(keys: QuestionKeys) -> bool:
    asked = wanted(keys.value or "0", {}, keys.measure) + [group for group, _ in trends(parse_expression(keys.value or "0"))]
    return len({reference.given.get("round", keys.round) == FIRST for reference in asked}) > 1


class Estimate(NamedTuple):
    """A mean over replicates, with its intervals and the p value of the t test that it is zero."""

    mean: float
    low: float                      # of the 95 % t interval
    high: float
    bca_low: float                  # of the bootstrap interval; NaN under five replicates
    bca_high: float
    p: float
    replicates: int


def answer(keys: QuestionKeys, study: StudyKeys, cells: Sequence[Cell], played: Played, loops: bool = True) -> Answer:
    """Say what a question came to, by its 95 % interval: on which side of zero it lies, or that it does not say.

    `loops`: was anything played beyond the first training? Else nothing can be said of what the loop adds.
    """
    unanswered = Answer(
        keys.kind, keys.ask, keys.value or "", keys.measure or "", keys.expect, *(float("nan"),) * 6, 0, UNPLAYED,
        keys.source, keys.status or "",
    )  # fmt: skip
    if keys.value is None:
        return unanswered._replace(answer=f"not comparable: {keys.incomparable}")
    if not loops and _compares_stages(keys):
        return unanswered
    try:
        found = estimate(values_of(keys.value, OneAsked.of(keys), study, cells, played))
    except NotPlayed:
        return unanswered
    words = in_words(Interval(found.mean, found.low, found.high, found.replicates), keys.expect, keys.kind)
    return unanswered._replace(**found._asdict(), answer=words)


def values_of(text: str, asked: OneAsked, study: StudyKeys, cells: Sequence[Cell], played: Played) -> np.ndarray:
    """Return what an expression comes to in each replicate (R,). May raise `NotPlayed`."""
    return np.atleast_1d(evaluate(parse_expression(text), StudyLookup.of(asked, study, cells, played)))


def estimate(values: np.ndarray) -> Estimate:
    """Return what values (R,) come to."""
    found, nan = t_interval(values), float("nan")
    bca = bca_interval(values) if len(values) >= ENOUGH_TO_RESAMPLE else None
    ends = (nan, nan) if bca is None else (bca.low, bca.high)
    return Estimate(found.mean, found.low, found.high, *ends, p_value(values), found.n)


def p_value(values: np.ndarray) -> float:
    """Return the two-sided p of the t test that the mean is zero; NaN of one value. Equal values leave no doubt."""
    if len(values) < 2:
        return float("nan")
    if np.ptp(values) == 0:
        return 1.0 if values[0] == 0 else 0.0
    return float(stats.ttest_1samp(values, 0.0).pvalue)


def in_words(found: Interval, expect: Sign, kind: Kind) -> str:
    """Say on which side of zero an interval lies, in the words of what was expected."""
    if found.n < 2:
        return "one replicate has no interval"
    none = found.low <= 0 <= found.high
    sign = "positive" if found.low > 0 else "negative"
    if expect == "either":
        return "undecided" if none else sign
    right, wrong = _WORDS[kind]
    if expect == "zero":
        return "covers zero" if none else wrong
    return "undecided" if none else right if sign == expect else wrong
