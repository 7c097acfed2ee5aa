"""The section `replication` of a scenario or sweep file: the paper, and what it claims about the worlds of the file.

No world depends on it. What it names beyond its own keys (arms, axes, cells) is checked where it is used, in `claims.py`.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from annotated_types import Interval
from pydantic import AfterValidator, Strict, model_validator

from simulator.docs import MOST
from simulator.measures import select
from simulator.parts import Section, problem, wrong
from simulator.ranges import Text, UnitInterval, at_least_one
from simulator.replicating.expressions import NotAnExpression, parse_expression, trends

Status = Literal["text", "code", "rerun", "figure", "second_hand", "memory", "ours", "derived"]

STATUS: dict[Status, str] = {
    "text": "read in the paper's text",
    "code": "read in the authors' code",
    "rerun": "what the authors' code gives when it is run again",
    "figure": "read off the authors' figure",
    "second_hand": "read in somebody else's account of the paper",
    "memory": "remembered, not verified: the sign is likely, the number is not",
    "ours": "measured by an independent implementation of the published model",
    "derived": "a consequence of the published equations, in closed form",
}
"""How a published number is known."""

BRIEFLY: dict[Status, str] = {
    "text": "text", "code": "code", "rerun": "code run again", "figure": "figure", "second_hand": "second hand",
    "memory": "memory", "ours": "independent program", "derived": "closed form",
}
"""The same, where there is no room."""

_PERCENT = re.compile(r"\s*(\d+(?:\.\d*)?)\s*%\s*")

Round = Annotated[int, Interval(ge=0, le=MOST)]


def _is_expression(text: str) -> str:
    try:
        parse_expression(text)
    except NotAnExpression as error:
        raise wrong(problem(str(error))) from None
    return text


def _one_measure(name: str) -> str:
    if "*" in name or len(select([name])) != 1:
        raise wrong(problem(f"must be one measure (got {name!r})"))
    return name


def _relative(value: float | str) -> float | str:
    if isinstance(value, str) and not _PERCENT.fullmatch(value):
        raise wrong(problem(f"must be a number, in units of the value, or a percentage, '3 %' (got {value!r})"))
    if isinstance(value, float | int) and value < 0:
        raise wrong(problem(f"must be at least 0 (got {value:g})"))
    return value


def _of_arms(text: str) -> str:
    if any(True for _ in trends(parse_expression(text))):
        raise wrong(problem("trend is over the arms of a group, which a `study` has"))
    return text


Expression = Annotated[str, AfterValidator(_is_expression), AfterValidator(_of_arms)]
GroupExpression = Annotated[str, AfterValidator(_is_expression)]


class AskedKeys(Section):
    """What an arm's name stands for in the expressions of one row of a table."""

    measure: Annotated[str, AfterValidator(_one_measure)] | None = None
    """The measure that an arm's name stands for in the expressions."""

    round: Round | tuple[Round, Round] | None = None
    """The round that it stands for, or the first and the last of those whose mean it is. Default: the last round."""

    where: Text | None = None
    """The cells of the sweep that it is about, averaged with equal weight: `correlation > 0`. Default: all."""

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, values: Any) -> Any:
        if isinstance(values, dict):
            return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        return values


class ClaimKeys(AskedKeys):
    """One thing that a paper claims, and how it is measured here: a level, or an order.

    In an expression an arm's name stands for the claim's `measure` in that arm at its `round`, one value for each replicate;
    `oracle(round=5)`, `oracle(measure='utility.mean')` or `oracle(correlation=0.5)`, an axis, stand for another one.
    There are + − * / **, comparisons (1 or 0), abs, sqrt, log, exp, atan, tan, min, max, spearman(a, b, c), the rank
    correlation of values with the order that they are written in, and slope(arm, first, last), the least squares slope over
    these rounds.
    """

    claim: Text
    """What is claimed, in words."""

    figure: str = ""
    """Where in the paper: a figure, a table, an equation. Claims of one figure that go over something are drawn together."""

    status: Status
    """How the published number is known."""

    over: Text | None = None
    """`round`, or an axis of the sweep: there is a row for each value in `at`."""

    at: tuple[float | str, ...] | None = None
    """The rounds, or the values of the axis."""

    value: Expression | None = None
    """A level: what is measured."""

    paper: float | tuple[float, ...] | None = None
    """The published value, or one for each in `at`."""

    tolerance: Annotated[float | str, AfterValidator(_relative)] | None = None
    """How far from it still counts as the same: '3 %', or in units of the value."""

    band: tuple[float, float] | None = None
    """Instead of a tolerance: the lowest and the highest value that count as the same."""

    judged: bool = True
    """false: it is printed beside ours and not compared with it, being of another world, or a limit, or what was set."""

    order: tuple[Expression | float, ...] | None = None
    """Instead of a level: two values or more, the smallest first. A number may be among them: [0, slope(oracle, 2, 19)]."""

    share: UnitInterval | None = None
    """Of an order: the least share of replicates in which it has to hold, beside the sign test."""

    discrepancy: Text | None = None
    """Why this is known not to come out as published; the row stays, and is not counted as a failure."""

    @model_validator(mode="after")
    def _is_a_level_or_an_order(self) -> ClaimKeys:
        faults = []
        if (self.value is None) == (self.order is None):
            raise wrong(problem("has either a `value`, a level, or an `order`"))
        if (self.over is None) != (self.at is None):
            faults.append(problem("`over` and `at` go together: over what, and at which of its values"))
        if self.order is not None:
            if len(self.order) < 2:
                faults.append(problem("must have at least two entries", ("order",)))
            faults += [problem("is of a level, and this is an `order`", (key,))
                       for key in ("paper", "tolerance", "band") if getattr(self, key) is not None]
            if not self.judged:
                faults.append(problem("an order is judged: leave it out", ("judged",)))
        else:
            if self.share is not None:
                faults.append(problem("is of an `order`, and this is a level", ("share",)))
            if not self.judged:
                if self.paper is None:
                    faults.append(problem("needs `paper`, the published value to draw", ("judged",)))
                faults += [problem("is for what is judged", (key,))
                           for key in ("tolerance", "band", "discrepancy") if getattr(self, key) is not None]
            elif (self.tolerance is None) == (self.band is None):
                faults.append(problem("a level has either a `tolerance` or a `band`"))
            if self.tolerance is not None and self.paper is None:
                faults.append(problem("needs `paper`, the published value", ("tolerance",)))
            if self.band is not None and self.band[0] > self.band[1]:
                faults.append(problem(f"must be the lowest and the highest (got {list(self.band)})", ("band",)))
            many = isinstance(self.paper, tuple)
            if many and len(self.paper or ()) != len(self.at or ()):                # type: ignore[arg-type]
                wanted = f"one for each in `at`, {len(self.at)}" if self.at else "one number, without `at`"
                faults.append(problem(f"must be {wanted} (got {len(self.paper)})", ("paper",)))     # type: ignore[arg-type]
        if self.over == "round" and any(not isinstance(each, float | int) or each != int(each) for each in self.at or ()):
            faults.append(problem("must be rounds", ("at",)))
        if faults:
            raise wrong(*faults)
        return self

    def band_of(self, paper: float | None) -> tuple[float, float]:
        """Return the values that count as the published one; not a number where none is asked for."""
        if not self.judged:
            return math.nan, math.nan
        if self.band is not None:
            return self.band
        assert paper is not None            # a tolerance is around something
        assert self.tolerance is not None
        if isinstance(self.tolerance, str):
            found = _PERCENT.fullmatch(self.tolerance)
            assert found is not None
            half = abs(paper) * float(found.group(1)) / 100
        else:
            half = self.tolerance
        return paper - half, paper + half


class ReplicationKeys(Section):
    """A published result that this file replicates: what the paper claims, and what counts as the same."""

    paper: Text
    """Authors, year, title."""

    venue: Text
    """Where it was published."""

    doi: str = ""
    """Its DOI or arXiv number, if known for sure."""

    notes: Annotated[tuple[Text, ...], Strict(False)] = ()
    """What to know: how the world of the paper is said here, and where paper, figures and code disagree."""

    caveats: Annotated[tuple[Text, ...], Strict(False)] = ()
    """What to know before one counts it as reproduced: what was looked at twice, chosen after a look, or is not judged."""

    claims: Annotated[tuple[ClaimKeys, ...], Strict(False), AfterValidator(at_least_one)]
    """What it claims."""

    quick: dict[str, Any] | None = None
    """Changes for `--quick`, as in `--set`: fewer replicates, rounds or cells. Claims about what is left out are not judged."""
