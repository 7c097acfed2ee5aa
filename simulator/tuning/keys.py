"""The keys that a tune file may have, with their ranges, defaults and meaning."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Interval
from pydantic import AfterValidator, model_validator

from simulator.faults import did_you_mean, shown
from simulator.measures import DERIVED, MEASURES
from simulator.parts import Section, problem, wrong
from simulator.ranges import Count, Text

MOST_TRIALS = 10_000


def _measured(name: str) -> str:
    if name in DERIVED:
        raise ValueError(f"{name!r} is made of two arms, and a trial plays one; choose a measure of a single arm")
    if name not in MEASURES:
        raise ValueError(f"there is no measure {shown(name)}{did_you_mean(name, MEASURES, listed=False)}; see `list measures`")
    return name


OneMeasure = Annotated[Text, AfterValidator(_measured)]


class FloorKeys(Section):
    """What must not be given up: a share of what a measure is under another arm, in the same replicates."""

    of: Text
    """The arm that the floor is taken from, and that gains are told against."""

    share: Annotated[float, Interval(gt=0)] = 0.95
    """Share of that arm's value that the tuned arm must reach."""

    measure: OneMeasure = "utility.per_user"
    """The measure, of which more is better."""

    sure: bool = False
    """true: the lower end of the 95 % interval over replicates must reach the floor; false: the mean."""


class TuneKeys(Section):
    """What is tuned, for what, and how long."""

    arm: Text
    """The arm whose keys are tuned."""

    axes: dict[str, Any]
    """Its keys as in `--set` (policies.ARM.…), each with a range {low, high, scale, integer} or a list of values."""

    maximise: OneMeasure | None = None
    """The measure of which there should be as much as the floor allows."""

    minimise: OneMeasure | None = None
    """Or the measure of which there should be as little."""

    floor: FloorKeys
    """What must not be given up for it."""

    trials: Annotated[int, Interval(ge=1, le=MOST_TRIALS)] = 30
    """Settings that are tried."""

    batch: Count = 5
    """Settings that are chosen at a time, before any of them is known, and played side by side."""

    held_out: Annotated[int, Interval(ge=2, le=MOST_TRIALS)] = 10
    """Fresh replicates, which the search has not seen, in which the best setting is played again."""

    seed: Annotated[int, Interval(ge=0, lt=2**32)] | None = None
    """Decides the search. Default: the scenario's seed."""

    @model_validator(mode="after")
    def _one_goal(self) -> TuneKeys:
        if (self.maximise is None) == (self.minimise is None):
            raise wrong(problem("must have one of `maximise` and `minimise`: the measure to tune for"))
        faults = []
        if self.goal == self.floor.measure:
            faults.append(problem(f"is the floor's measure, too: {self.goal!r} cannot be both", (self._goal_key,)))
        if self.floor.of == self.arm:
            faults.append(problem(f"is the tuned arm: a floor is taken from another arm (got {self.arm!r})", ("floor", "of")))
        if not self.axes:
            faults.append(problem("must have at least one entry", ("axes",)))
        if faults:
            raise wrong(*faults)
        return self

    @property
    def _goal_key(self) -> str:
        return "minimise" if self.maximise is None else "maximise"

    @property
    def goal(self) -> str:
        return self.maximise or self.minimise or ""

    @property
    def sign(self) -> int:
        """+1: more of the goal is better; −1: less."""
        return 1 if self.maximise is not None else -1


class TuneFile(Section):
    """A tune file that points at its scenario. (The other kind is a scenario file with a section `tune`.)"""

    title: Text | None = None
    """What this is, in a few words. Default: the scenario's title."""

    question: str | None = None
    """The question that it answers. Default: the scenario's."""

    base: Text | dict[str, Any]
    """The scenario of the arm: a file, seen from the folder of this one, or the scenario itself."""

    set: dict[str, Any] | None = None
    """Changes to the scenario: keys, as in `--set`, and values."""

    tune: Any
    """What is tuned, for what, and how long."""
