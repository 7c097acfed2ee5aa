"""Who is affected: the effects of an arm on single users, taken together by who they were before it began."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import entr, rel_entr

from simulator.statistics.intervals import interval_table
from simulator.statistics.paired import ROUNDING

USER_OUTCOMES = ("drift", "topics_at_end", "diet_topics", "utility_per_round", "takes", "rounds_present")
"""What is compared of a user, where a run has it. drift: JSD (base 2) of her interests from those at the start, Lin 1991;
topics_at_end: exp of the entropy of her interests at the end, Hill 1973; diet_topics: the same of the topics of what she took;
utility_per_round: what that was worth to her; takes: how many items; rounds_present: for how long she stayed."""

CLASSES = 10
SMALLEST_CLASS = 2  # users; one has no spread

_KEYS = ["arm", "replicate", "user"]


def outcomes_of(snapshots: pd.DataFrame) -> pd.DataFrame:
    """What became of each user, as far as snapshots of interests tell.

    `snapshots`: arm, replicate, round, user, group, interests (T shares). Columns of the result: arm, replicate, user, group,
    topics_at_start, topics_at_end, drift, from the first and the last round; empty without two rounds.
    """
    parts = []
    for (arm, replicate), rows in snapshots.groupby(["arm", "replicate"], sort=True):
        first, last = rows["round"].min(), rows["round"].max()
        if first == last:
            continue
        start, end = (rows[rows["round"] == when].sort_values("user") for when in (first, last))
        before, after = (np.stack(part["interests"].to_list()).astype(float) for part in (start, end))
        parts.append(pd.DataFrame({
            "arm": arm, "replicate": replicate, "user": end["user"].to_numpy(), "group": end["group"].to_numpy(),
            "topics_at_start": _effective(before), "topics_at_end": _effective(after), "drift": _divergence(before, after),
        }))  # fmt: skip
    columns = [*_KEYS, "group", "topics_at_start", "topics_at_end", "drift"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def user_effects(people: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Difference of each user's outcomes to the same user's in the baseline arm of the same replicate.

    `people` has one row for each arm, replicate and user: group, topics_at_start, and whichever of `USER_OUTCOMES` a run has
    (NaN: a user without that outcome). Columns of the result: arm, replicate, user, the same outcomes, group, decile (1 … 10,
    by topics_at_start in the baseline: 1 = the tenth with the narrowest interests; equal numbers of users, ties in order of
    id). Decile is NA in a replicate with fewer than 20 users. A replicate that the baseline lacks is left out.
    """
    outcomes = [name for name in USER_OUTCOMES if name in people]
    people = people.sort_values(["replicate", "user"], kind="stable")
    base = people[people["arm"] == baseline]
    traits = base[["replicate", "user", "group"]].assign(decile=_deciles(base))
    paired = people.loc[people["arm"] != baseline, [*_KEYS, *outcomes]].merge(
        base[["replicate", "user", *outcomes]], on=["replicate", "user"], suffixes=("", "_base")
    )
    differences = {}
    for name in outcomes:
        own, other = (paired[column].to_numpy(dtype=float) for column in (name, f"{name}_base"))
        scale = np.maximum(np.abs(own), np.abs(other))
        differences[name] = np.where(np.abs(own - other) <= ROUNDING * scale, 0.0, own - other)
    return paired[_KEYS].assign(**differences).merge(traits, on=["replicate", "user"])


def effects_by_class(effects: pd.DataFrame, by: str) -> pd.DataFrame:
    """Mean effect in each class of users (`by`: "decile" or "group"), with a 95 % t interval.

    Columns: arm, measure, `by`, mean, low, high, sd, n, over. Where several replicates have users, each gives one mean for a
    class and the interval is over replicates. Where only one has, it is a paired t interval over the users of the class: it
    says how much they differ, holds for this one world, and knows nothing of the chance that all its users share.
    """
    keys = ["arm", "measure", by]
    outcomes = [name for name in USER_OUTCOMES if name in effects]
    known = effects.dropna(subset=by)
    over = "replicates"
    if known["replicate"].nunique() < 2:
        over = "users"
    else:
        known = known.groupby(["arm", by, "replicate"], as_index=False, observed=True)[outcomes].mean()
    values = known.melt(id_vars=["arm", by, "replicate"], value_vars=outcomes, var_name="measure").dropna(subset="value")
    return interval_table(values, keys).assign(over=over)


def _effective(shares: np.ndarray) -> np.ndarray:
    """exp(H) of each row. (N, T) → (N,), 1 … T."""
    return np.exp(entr(shares).sum(axis=1))


def _divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Jensen–Shannon divergence of two rows, base 2. (N, T) × 2 → (N,), 0 … 1."""
    middle = (p + q) / 2
    return np.maximum(0, (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=1) / 2 / np.log(2))


def _deciles(base: pd.DataFrame) -> pd.arrays.IntegerArray:
    """Tenths of equal size by rank within a replicate; NA where a tenth would be smaller than `SMALLEST_CLASS`."""
    ranked = base.groupby("replicate")["topics_at_start"]
    rank, size = ranked.rank(method="first").to_numpy(dtype=int) - 1, ranked.transform("size").to_numpy(dtype=int)
    return pd.arrays.IntegerArray(rank * CLASSES // np.maximum(size, 1) + 1, size < CLASSES * SMALLEST_CLASS)
