"""The keys of a scenario that say when there are enough replicates."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

from simulator.keys.measures import MeasureName
from simulator.parts import Section
from simulator.ranges import Count

AUTO = "auto"
"""What `replicates` is when `precision` decides how many there are."""

FIRST_LOOK = 5
"""Replicates that `replicates: auto` begins with: the spread of fewer is too often small by luck."""

RELATIVE = 0.02
"""Half width of an interval that is narrow enough when the scenario does not say, relative to the measure's size."""


class PrecisionKeys(Section):
    """When there are enough replicates: an interval is narrow enough. `replicates` is then the number to begin with."""

    measure: MeasureName = "consumption.alpha"
    """The measure whose differences to the organic arm are to be known, at the end, for every arm but the controls that see
    the truth; without an organic arm, its values."""

    half_width: Annotated[float, Interval(gt=0)] | None = None
    """Half width of the widest 95 % interval that is narrow enough, in units of the measure. null: 2 % of the measure's mean
    in the organic arm."""

    most: Count = 100
    """Replicates after which it ends in any case."""
