"""What an A/B test says, against what deploying the one arm instead of the other does to the same users."""

from __future__ import annotations

import pandas as pd

from simulator.statistics.heterogeneity import USER_OUTCOMES
from simulator.statistics.intervals import interval_table

ESTIMATE, EFFECT, BIAS = "A/B estimate", "true effect", "bias"
"""The kinds of a row of `against_the_truth`."""


def against_the_truth(people: pd.DataFrame, test: str, now: str, tried: str) -> pd.DataFrame:
    """The A/B estimate of `tried` − `now`, the true effect, and the bias, their difference, each with its 95 % t interval.

    `people`: arm, replicate, user, served_by (name of the arm whose policy served her) and outcomes; `test`: the arm in which
    `now` and `tried` serve a group of users each. The estimate is the difference of the two groups' means, in one world where
    both policies are at work (Kohavi et al. 2009); the true effect is the difference of the means of all users in the world
    where only `tried`, and in that where only `now` is at work: the total effect of Hudgens & Halloran (2008). One number of
    each per replicate, so the intervals are over replicates and the bias is paired. Columns: outcome, kind, mean, low, high,
    sd, n. Replicates that lack an arm are left out.
    """
    outcomes = [name for name in USER_OUTCOMES if name in people]
    split = people[people["arm"] == test].groupby(["served_by", "replicate"])[outcomes].mean()
    whole = people[people["arm"].isin((now, tried))].groupby(["arm", "replicate"])[outcomes].mean()
    if not all(arm in table.index.get_level_values(0) for table in (split, whole) for arm in (now, tried)):
        return interval_table(pd.DataFrame(columns=["outcome", "kind", "value"]).astype({"value": float}), ["outcome", "kind"])
    estimate, effect = split.loc[tried] - split.loc[now], whole.loc[tried] - whole.loc[now]
    kinds = {ESTIMATE: estimate, EFFECT: effect, BIAS: estimate - effect}
    complete = kinds[BIAS].dropna(how="all").index
    rows = pd.concat([table.loc[complete].melt(var_name="outcome").assign(kind=kind) for kind, table in kinds.items()])
    return interval_table(rows.dropna(subset="value"), ["outcome", "kind"])
