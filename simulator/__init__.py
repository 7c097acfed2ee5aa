"""The loop that joins users and recommenders; randomness, scenarios, measures, reports, and the command.

In notebooks and scripts: `from simulator import run, compare, sweep, load, Trajectory`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.api import SweepResult, Trajectory, compare, load, run, sweep

__all__ = ["SweepResult", "Trajectory", "compare", "load", "run", "sweep"]


def __getattr__(name: str) -> Any:
    """Import the interface when it is asked for: it needs torch, which `filterbubble --help` must not wait for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from simulator import api

    return getattr(api, name)
