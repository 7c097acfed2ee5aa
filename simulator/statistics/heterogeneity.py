"""Who is affected: the effects of an arm on single users, taken together by who they were before it began."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import entr, rel_entr

from simulator.statistics.intervals import interval_table
from simulator.statistics.paired import paired_differences

USER_OUTCOMES = ("interests.drift", "interests.effective_topics")
"""JSD (base 2) of a user's interests from those at the start, Lin 1991; exp of the entropy of her interests, Hill 1973."""

CLASSES = 10
SMALLEST_CLASS = 2  # users; one has no spread


def user_effects(users: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Difference of each user's outcomes at the last snapshot to the same user's in the baseline arm.

    `users` is a run's table of snapshots: arm, replicate, round, user, group, interests (T shares). Columns of the result: arm,
    replicate, user, measure (one of `USER_OUTCOMES`), value, group, decile (1 … 10, by effective topics at the first snapshot
    of the baseline: 1 = the tenth with the narrowest interests; equal numbers of users, ties in order of id). Decile is NA in
    a replicate with fewer than 20 users. Without two snapshots of the baseline the result is empty.
    """
    outcomes, traits = [], []
    for (arm, replicate), rows in users.groupby(["arm", "replicate"], sort=True):
        first, last = rows["round"].min(), rows["round"].max()
        if first == last:
            continue
        start, end = (rows[rows["round"] == when].sort_values("user") for when in (first, last))
        before, after = (np.stack(part["interests"].to_list()).astype(float) for part in (start, end))
        own = {"arm": arm, "replicate": replicate, "user": end["user"].to_numpy()}
        for measure, value in zip(USER_OUTCOMES, (_divergence(before, after), _effective(after)), strict=True):
            outcomes.append(pd.DataFrame({**own, "measure": measure, "value": value}))
        if arm == baseline:
            keys = {"replicate": replicate, "user": start["user"].to_numpy(), "group": start["group"].to_numpy()}
            traits.append(pd.DataFrame({**keys, "decile": _deciles(_effective(before))}))
    if not traits:
        return pd.DataFrame(columns=["arm", "replicate", "user", "measure", "value", "group", "decile"])
    differences = paired_differences(pd.concat(outcomes, ignore_index=True), baseline)
    return differences.merge(pd.concat(traits, ignore_index=True), on=["replicate", "user"])


def effects_by_class(effects: pd.DataFrame, by: str) -> pd.DataFrame:
    """Mean effect in each class of users (`by`: "decile" or "group"), with a 95 % t interval.

    Columns: arm, measure, `by`, mean, low, high, sd, n, over. Where several replicates have users, each gives one mean for a
    class and the interval is over replicates. Where only one has, it is a paired t interval over the users of the class: it
    says how much they differ, holds for this one world, and knows nothing of the chance that all its users share.
    """
    keys = ["arm", "measure", by]
    known = effects.dropna(subset=by)
    if known["replicate"].nunique() < 2:
        return interval_table(known, keys).assign(over="users")
    means = known.groupby([*keys, "replicate"], as_index=False)["value"].mean()
    return interval_table(means, keys).assign(over="replicates")


def _effective(shares: np.ndarray) -> np.ndarray:
    """exp(H) of each row. (N, T) → (N,), 1 … T."""
    return np.exp(entr(shares).sum(axis=1))


def _divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Jensen–Shannon divergence of two rows, base 2. (N, T) × 2 → (N,), 0 … 1."""
    middle = (p + q) / 2
    return np.maximum(0, (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=1) / 2 / np.log(2))


def _deciles(trait: np.ndarray) -> pd.arrays.IntegerArray:
    """Tenths of equal size by rank. (N,) → (N,) of 1 … 10, NA where a tenth would be smaller than `SMALLEST_CLASS`."""
    if len(trait) < CLASSES * SMALLEST_CLASS:
        return pd.array([pd.NA] * len(trait), dtype="Int64")
    rank = np.argsort(np.argsort(trait, kind="stable"), kind="stable")
    return pd.array(rank * CLASSES // len(trait) + 1, dtype="Int64")
