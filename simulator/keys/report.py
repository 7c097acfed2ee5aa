"""The keys of a scenario that say what a run leaves behind to look at."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Interval
from pydantic import Strict

from simulator.keys.measures import MeasureName
from simulator.parts import Section


class ReportKeys(Section):
    """What a run leaves behind to look at."""

    about: Annotated[tuple[MeasureName, ...], Strict(False)] = ()
    """The measures that the scenario's question is about: the answer tells of them first. `*` stands for anything."""

    focus: Annotated[tuple[MeasureName, ...], Strict(False)] = (
        "exposure.alpha",
        "exposure.gini",
        "exposure.miscalibration",
        "consumption.alpha",
        "consumption.beta",
        "consumption.gamma",
        "consumption.gini",
        "consumption.mean_jaccard",
        "interests.alpha",
        "interests.beta",
        "interests.drift",
        "utility.per_user",
    )
    """The measures that the report is about; `*` stands for anything."""

    formats: Annotated[tuple[Literal["svg", "png"], ...], Strict(False)] = ("svg", "png")
    """The forms in which figures are saved."""

    snapshots: Annotated[tuple[Annotated[int, Interval(ge=0)], ...], Strict(False)] = ()
    """Rounds in which every user's interests are saved, beside round 0 and the last: as they were before that round's drift."""

    log: bool = False
    """Save what the platform logged in the first replicate."""
