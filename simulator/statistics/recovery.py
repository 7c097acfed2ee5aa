"""How long an intervention's effect outlives it."""

from __future__ import annotations

import numpy as np
import pandas as pd

LEFT = 0.1
"""Share of its largest size below which an effect counts as gone."""


def recovery_times(differences: pd.DataFrame, at: int, after: int) -> pd.DataFrame:
    """Rounds from the end of an event until its effect is gone, for each measure and replicate.

    `differences`: replicate, round, measure, value: an arm with the event minus the same arm without it. The event begins in
    round `at`; `after` is the first round after it (of one that happens once, `at`). The effect is gone in the first round from
    which on |difference| stays within `LEFT` of its largest size since the event began, up to the end of the run. Columns of
    the result: measure, replicate, peak (the difference of largest size), rounds (0: gone as soon as the event was over; NaN:
    not gone by the end of the run). Measures that the event never moved are left out. Own definition, after the settling time
    of control engineering (to within 10 %).
    """
    rows = []
    for (measure, replicate), course in differences[differences["round"] >= at].groupby(["measure", "replicate"]):
        course = course.sort_values("round")
        size, rounds = course["value"].abs().to_numpy(), course["round"].to_numpy()
        if not len(size) or size.max() == 0:
            continue
        large = np.flatnonzero(size > LEFT * size.max())[-1]
        gone = max(0, int(rounds[large]) + 1 - after) if large + 1 < len(size) else np.nan
        rows.append((measure, replicate, float(course["value"].iloc[int(size.argmax())]), gone))
    return pd.DataFrame(rows, columns=["measure", "replicate", "peak", "rounds"]).astype({"peak": float, "rounds": float})
