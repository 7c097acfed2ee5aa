"""The keys that a sweep file may have, with their ranges, defaults and meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from annotated_types import Interval
from pydantic import model_validator
from pydantic_core import InitErrorDetails

from simulator.faults import shown
from simulator.parts import Section, problem, wrong
from simulator.ranges import Text
from simulator.sweeping.designs import POWERS_OF_TWO, SAMPLED, SENSITIVITY, Design, Range, block_size
from simulator.sweeping.remedy_keys import RemedyKeys

MOST_CELLS = 10_000


class AxisKeys(Section):
    """One axis. A bare list: its values."""

    label: Text | None = None
    """What tables and figures call it. Default: the shortest end of the key that no other axis has."""

    values: list[Any] | dict[str, Any] | None = None
    """The values, in order; or names and the values that they stand for."""

    low: float | None = None
    """The lowest value of a range, for the designs that sample."""

    high: float | None = None
    """The highest value of a range."""

    scale: Literal["linear", "log"] | None = None
    """Whether the range is sampled evenly, or evenly in its logarithm. Default: linear."""

    integer: bool | None = None
    """Whole numbers only. Default: false."""

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, value: Any) -> Any:
        if isinstance(value, list):
            return {"values": value}
        if not isinstance(value, Mapping):
            forms = "must be a list of values, or a mapping with `values`, or with `low` and `high`"
            raise wrong(problem(f"{forms} (got {shown(value)})"))
        return value

    @model_validator(mode="after")
    def _values_or_range(self) -> AxisKeys:
        given = [key for key in ("low", "high", "scale", "integer") if getattr(self, key) is not None]
        if self.values is not None:
            if given:
                raise wrong(*(problem("is for a range, and there are `values`", (key,)) for key in given))
            if not self.values:
                raise wrong(problem("must have at least one entry", ("values",)))
            return self
        if self.low is None or self.high is None:
            raise wrong(problem("must have `values`, or `low` and `high`"))
        faults = []
        if not self.low < self.high:
            faults.append(problem(f"must be greater than `low`, {self.low:.10g} (got {self.high:.10g})", ("high",)))
        if self.scale == "log" and self.low <= 0:
            faults.append(problem(f"must be greater than 0 on a log scale (got {self.low:.10g})", ("low",)))
        for key, end in (("low", self.low), ("high", self.high)):
            if self.integer and not end.is_integer():
                faults.append(problem(f"must be a whole number, as the axis is `integer` (got {end:.10g})", (key,)))
        if faults:
            raise wrong(*faults)
        return self

    @property
    def range(self) -> Range | None:
        if self.low is None or self.high is None:
            return None
        kind = int if self.integer else float
        return Range(kind(self.low), kind(self.high), self.scale or "linear", bool(self.integer))


class SweepKeys(Section):
    """What varies, and how its values are combined."""

    design: Design | None = None
    """grid: each value with each; fraction: each of all axes but the last with each, the last one's values in turn; cases:
    those listed; latin_hypercube, sobol: `samples` points; morris, saltelli: the points of Morris screening and of Sobol'
    indices, for `filterbubble sensitivity`. Default: grid, or cases."""

    axes: dict[str, Any] | None = None
    """Keys as in `--set`, each with its values or its range. A name that is no key: keys that move together."""

    cases: list[dict[str, Any]] | None = None
    """Instead of axes: mappings of keys to values, each a cell."""

    samples: Annotated[int, Interval(ge=1, le=MOST_CELLS)] | None = None
    """Number of points, trajectories (morris) or base samples (saltelli); for sobol and saltelli a power of two."""

    seed: Annotated[int, Interval(ge=0, lt=2**63)] | None = None
    """Decides the points of a design that samples. Default: the scenario's seed."""

    draws: Literal["shared", "own"] = "shared"
    """shared: chance is the same in all cells, those of the scenario's seed, so that differences between cells are sharp. own:
    each cell has draws of its own, made from that seed and its values, so that means over cells are; arms of a cell stay
    paired."""

    where: Text | list[Text] | None = None
    """Conditions that a cell has to meet: `users.drift.rate < 0.1 and mf.factors <= 64`."""

    @model_validator(mode="after")
    def _design_fits(self) -> SweepKeys:
        faults = []
        if self.axes is None and self.cases is None:
            raise wrong(problem("has no `axes`: say what varies, as in {axes: {users.drift.rate: [0.01, 0.1]}}"))
        if self.axes is not None and self.cases is not None:
            faults.append(problem("stand in place of `axes`: leave out one of the two", ("cases",)))
        elif self.cases is not None and self.chosen != "cases":
            faults.append(problem(f"lists cases only if there are `axes`: leave it out (got {self.chosen!r})", ("design",)))
        elif self.cases is None and self.chosen == "cases":
            faults.append(problem("'cases' needs a list of `cases`, each a mapping of keys to values", ("design",)))
        elif self.chosen == "fraction" and len(self.axes or {}) < 2:
            message = "'fraction' leaves out combinations of the last axis with others: needs two axes"
            faults.append(problem(message, ("design",)))
        for key in ("axes", "cases"):
            if getattr(self, key) is not None and not getattr(self, key):
                faults.append(problem("must have at least one entry", (key,)))
        for place, case in enumerate(self.cases or []):
            if not case:
                faults.append(problem("sets no key", ("cases", place)))
        sampled = self.chosen in SAMPLED
        if sampled and self.samples is None:
            what = {"morris": "trajectories", "saltelli": "base samples"}.get(self.chosen, "points")
            faults.append(problem(f"{self.chosen!r} needs `samples`, the number of {what}", ("design",)))
        if self.chosen in POWERS_OF_TWO and self.samples is not None and self.samples & (self.samples - 1):
            below = 1 << (self.samples.bit_length() - 1)
            message = f"must be a power of two, or Sobol' points are out of balance: {below} or {2 * below}"
            faults.append(problem(f"{message} (got {self.samples})", ("samples",)))
        if self.chosen in SENSITIVITY:
            faults += self._blocks()
        if not sampled:
            faults += [
                problem(f"is for a design that samples, {' or '.join(SAMPLED)}; this is {self.chosen!r}", (key,))
                for key in ("samples", "seed")
                if getattr(self, key) is not None
            ]
        if faults:
            raise wrong(*faults)
        return self

    def _blocks(self) -> Iterator[InitErrorDetails]:
        """What is wrong with a design whose points belong together."""
        if self.where is not None:
            message = f"{self.chosen!r} compares points that belong together, which a condition would part: leave it out"
            yield problem(message, ("where",))
        if self.samples == 1:
            yield problem("must be at least 2, as one sample has no interval (got 1)", ("samples",))
        each = block_size(self.chosen, len(self.axes or {}))
        if self.samples is not None and self.samples * each > MOST_CELLS:
            times = f"{self.samples:,} × {each} points are {self.samples * each:,}"
            yield problem(f"{times}; a sweep has at most {MOST_CELLS:,} cells", ("samples",))

    @property
    def chosen(self) -> Design:
        return self.design or ("grid" if self.cases is None else "cases")


class FileKeys(Section):
    """A sweep file that points at its scenario. (The other kind is a scenario file with a section `sweep`.)"""

    title: Text | None = None
    """What this is, in a few words. Default: the scenario's title."""

    question: str | None = None
    """The question that it answers. Default: the scenario's."""

    base: Text | dict[str, Any] | None = None
    """The scenario that the axes vary: a file, seen from the folder of this one, or the scenario itself."""

    worlds: list[Text] | dict[str, Text | dict[str, Any]] | None = None
    """Instead of `base`: several scenarios, each of which the axes vary; files, or names and what each stands for. The world
    is an axis of its own, called `world`."""

    set: dict[str, Any] | None = None
    """Changes to the scenario in every cell: keys, as in `--set`, and values."""

    remedies: RemedyKeys | None = None
    """Which arms are remedies for what another arm does: the report is then about them, world by world."""

    quick: dict[str, Any] | None = None
    """Changes for `--quick`, as in `--set`: fewer rounds, users, replicates, arms or worlds."""

    sweep: Any
    """What varies, and how its values are combined."""
