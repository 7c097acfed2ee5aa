"""Sensitivity: which keys of a scenario its results depend on, by Morris screening or Sobol' indices, each with intervals.

The points of either design are cells of a sweep; what is analysed is the mean over replicates that each cell comes to.
"""

from __future__ import annotations

from simulator.sensitivity.indices import morris_indices, sobol_indices
from simulator.sensitivity.variance import Variance, variance_parts

__all__ = ["Variance", "morris_indices", "sobol_indices", "variance_parts"]
