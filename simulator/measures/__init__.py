"""What a run is judged by. MEASURES lists every measure; a Recorder computes them round by round."""

from simulator.measures.derived import DERIVED, Derived, derive
from simulator.measures.recorder import DEFAULT, Recorder, select
from simulator.measures.table import MEASURES, Measure

__all__ = ["DEFAULT", "DERIVED", "MEASURES", "Derived", "Measure", "Recorder", "derive", "select"]
