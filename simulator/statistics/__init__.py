"""Statistics of runs, on tidy tables and plain arrays: no files, no figures, no simulation.

A replicate is one independent repetition of the whole experiment, so intervals are taken over replicates. Arms of one
replicate share every random draw, so what is compared are paired differences. A tidy table has the columns arm, replicate,
round, measure, value, one row for each number.
"""

from __future__ import annotations

from simulator.statistics.area import areas_between
from simulator.statistics.attribution import PARTS, TOTAL, attribute, change_of, frozen_twins
from simulator.statistics.bands import Band, band, band_table
from simulator.statistics.experiment import BIAS, EFFECT, ESTIMATE, against_the_truth
from simulator.statistics.heterogeneity import USER_OUTCOMES, effects_by_class, outcomes_of, user_effects
from simulator.statistics.intervals import (
    CONFIDENCE,
    ENOUGH_TO_RESAMPLE,
    RESAMPLES,
    Interval,
    bca_bounds,
    bca_interval,
    interval_table,
    t_interval,
)
from simulator.statistics.multiplicity import holm
from simulator.statistics.paired import paired_differences, paired_effects, tested_differences
from simulator.statistics.pareto import Dominated, Front, dominated, pareto_front
from simulator.statistics.precision import enough, replicates_needed, standard_error
from simulator.statistics.recovery import LEFT, recovery_times
from simulator.statistics.windows import end_rounds, end_values, horizon, longest_replicates

__all__ = [
    "BIAS",
    "CONFIDENCE",
    "EFFECT",
    "ENOUGH_TO_RESAMPLE",
    "ESTIMATE",
    "LEFT",
    "PARTS",
    "RESAMPLES",
    "TOTAL",
    "USER_OUTCOMES",
    "Band",
    "Dominated",
    "Front",
    "Interval",
    "against_the_truth",
    "areas_between",
    "attribute",
    "band",
    "band_table",
    "bca_bounds",
    "bca_interval",
    "change_of",
    "dominated",
    "effects_by_class",
    "end_rounds",
    "end_values",
    "enough",
    "frozen_twins",
    "holm",
    "horizon",
    "interval_table",
    "longest_replicates",
    "outcomes_of",
    "paired_differences",
    "paired_effects",
    "pareto_front",
    "recovery_times",
    "replicates_needed",
    "standard_error",
    "t_interval",
    "tested_differences",
    "user_effects",
]
