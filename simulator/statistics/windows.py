"""Which rows of a trajectory speak of the same time: the rounds of the end, the replicates that came as far."""

from __future__ import annotations

import pandas as pd


def horizon(trajectory: pd.DataFrame) -> int:
    """The last round that any arm in any replicate has reached."""
    return int(trajectory["round"].max()) if len(trajectory) else 0


def end_rounds(last: int) -> range:
    """The last tenth of rounds 1 … `last`, at least one round: what "at the end" means in a report."""
    return range(last - max(1, last // 10) + 1, last + 1)


def end_values(trajectory: pd.DataFrame) -> pd.DataFrame:
    """One value for each arm, replicate and measure: its mean over the end rounds.

    Replicates that did not come to the last round are left out, so that all values speak of the same rounds.
    """
    last = horizon(trajectory)
    reached = trajectory.groupby(["arm", "replicate"])["round"].transform("max") == last
    at_end = trajectory["round"] >= end_rounds(last).start
    return (
        trajectory[reached & at_end].groupby(["arm", "replicate", "measure"], as_index=False)["value"].mean()
    )


def longest_replicates(trajectory: pd.DataFrame) -> pd.DataFrame:
    """The rows of those replicates of each arm that came furthest: a curve rests on the same ones throughout.

    An arm that has not left the warm-up while others have is left out.
    """
    reached = trajectory.groupby(["arm", "replicate"])["round"].transform("max")
    furthest = trajectory.groupby("arm")["round"].transform("max")
    return trajectory[(reached == furthest) & (furthest >= min(1, horizon(trajectory)))]
