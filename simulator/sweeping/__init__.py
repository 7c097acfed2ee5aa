"""Sweeps: one file in, many scenarios out, each a cell of a design over any keys. Nothing is played here."""

from __future__ import annotations

from simulator.sweeping.cells import Cell
from simulator.sweeping.designs import Range
from simulator.sweeping.loading import load_sweep
from simulator.sweeping.sweep import Axis, Sweep

__all__ = ["Axis", "Cell", "Range", "Sweep", "load_sweep"]
