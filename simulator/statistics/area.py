"""One number for a whole course: the area between two curves."""

from __future__ import annotations

import numpy as np
import pandas as pd


def areas_between(differences: pd.DataFrame) -> pd.DataFrame:
    """Signed area between each arm's curve and the baseline's, by the trapezoidal rule: one for each replicate.

    `differences` are paired differences with the columns arm, replicate, round, measure, value. Columns of the result: arm,
    replicate, measure, value (unit of the measure × rounds; above the baseline counts positive), rounds (the length of the
    course). Value / rounds is the mean difference over the course. A curve of a single round has no area and is left out.
    """
    ordered = differences.sort_values("round", kind="stable")
    rows = [
        (*key, float(np.trapezoid(curve["value"], curve["round"])), int(curve["round"].iloc[-1] - curve["round"].iloc[0]))
        for key, curve in ordered.groupby(["arm", "replicate", "measure"])
        if len(curve) > 1
    ]
    return pd.DataFrame(rows, columns=["arm", "replicate", "measure", "value", "rounds"])
