"""The assumption-swap matrix: one question under every choice model, drift model and retraining interval.

A conclusion that turns round when another published model of people takes the place of the one assumed is a conclusion about
that model. To swap assumptions and look whether the answer survives is robustness analysis (Levins 1966, "The strategy of model
building in population biology"; for agent-based models Grimm & Berger 2016, "Robustness analysis").
"""

from __future__ import annotations

from simulator.assumptions.report import write_assumptions_report
from simulator.assumptions.survey import NotAssumptions
from simulator.assumptions.swaps import LeftOut, Swapped, swap

__all__ = ["LeftOut", "NotAssumptions", "Swapped", "swap", "write_assumptions_report"]
