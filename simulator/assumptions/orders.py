"""Does the order of the arms hold under other assumptions? On tidy tables: no files, no figures, no simulation.

A world is a cell of the sweep, known by its number; the base is the world of the scenario as it stands. `ends` has the columns
cell, arm, replicate, value: one measure at the end of each run. `toward` is the sign of the direction that rank 1 lies in:
−1 where the lowest value is first, 1 where the highest is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats
from scipy.stats.contingency import association

from simulator.statistics import holm, interval_table, paired_differences
from simulator.statistics.paired import ROUNDING

HOLDS, UNDECIDED, FLIPS, EMERGES = "holds", "undecided", "flips", "emerges"
"""What a world says of a pair's order in the base; `emerges`: the base does not decide it, and this world does."""

RANKED = ["cell", "arm", "mean", "low", "high", "n", "rank"]
ORDERED = [
    "cell", "first", "second", "base_mean", "base_low", "base_high", "mean", "low", "high", "n", "p", "p_holm", "verdict",
]  # fmt: skip


def rankings(ends: pd.DataFrame, arms: Sequence[str], baseline: str, toward: int) -> pd.DataFrame:
    """Each arm's paired difference to the baseline in each world, and its rank by that: cell, arm, mean, low, high, n, rank.

    Rank 1 is the furthest in the direction `toward`; equals share the best rank (1, 2, 2, 4). The baseline itself is ranked,
    with a difference of 0 by definition, which has no interval (NaN). The bounds are of the 95 % t interval over replicates.
    """
    own = ends[ends["arm"].isin([*arms, baseline])]
    effects = interval_table(paired_differences(own, baseline), ["cell", "arm"])
    there = own[own["arm"] == baseline].groupby("cell", as_index=False)["value"].count().rename(columns={"value": "n"})
    table = pd.concat([effects, there.assign(arm=baseline, mean=0.0, low=np.nan, high=np.nan)], ignore_index=True)
    if table.empty:
        return pd.DataFrame({"cell": np.array([], dtype=int)}).reindex(columns=RANKED)
    ranks = [
        pd.Series(stats.rankdata(-toward * rows["mean"], method="min").astype(int), rows.index)
        for _, rows in table.groupby("cell")
    ]
    table["rank"] = pd.concat(ranks)
    table["place"] = table["arm"].map({arm: place for place, arm in enumerate(arms)})
    return table.sort_values(["cell", "rank", "place"], ignore_index=True)[RANKED]


def orders(ends: pd.DataFrame, ranked: pd.DataFrame, base: int) -> pd.DataFrame:
    """Every two arms in every world: their paired difference, and what it says of their order in the base.

    `first` is the arm of the pair that ranks better in the base by its mean. mean, low, high: first − second, paired by
    replicate, with the 95 % t interval; base_mean, base_low, base_high: the same in the base world. The verdict goes by the
    intervals: `holds` and `flips` where both exclude zero, on the same side and on opposite sides; `emerges` where only this
    world's does; `undecided` where this world's does not. p: two-sided paired t test (Student 1908; scipy.stats.ttest_1samp);
    p_holm: adjusted over the pairs of the world (Holm 1979). Without the base there are no rows.
    """
    usual = ranked.loc[ranked["cell"] == base, "arm"].tolist()
    own = ends[ends["arm"].isin(usual)]
    parts = [_pair(own, first, second) for first, second in combinations(usual, 2)]
    if not parts:
        return pd.DataFrame({"cell": np.array([], dtype=int)}).reindex(columns=ORDERED)
    table = pd.concat(parts, ignore_index=True)
    at_base = table[table["cell"] == base].set_index(["first", "second"])[["mean", "low", "high"]].add_prefix("base_")
    table = table.join(at_base, on=["first", "second"])
    here, there = _side(table["low"], table["high"]), _side(table["base_low"], table["base_high"])
    verdict = np.select(
        [here == 0, there == 0, here == there], [UNDECIDED, EMERGES, HOLDS], default=FLIPS
    )
    adjusted = table.groupby("cell")["p"].transform(lambda p: holm(p.to_numpy()))
    return table.assign(p_holm=adjusted, verdict=verdict).sort_values("cell", kind="stable", ignore_index=True)[ORDERED]


def _pair(ends: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    differences = paired_differences(ends[ends["arm"].isin([first, second])], second)
    table = interval_table(differences, ["cell"])
    values = dict(iter(differences.groupby("cell")["value"]))
    p = [_p(values[cell].to_numpy(dtype=float)) for cell in table["cell"]]
    return table.assign(first=first, second=second, p=p).drop(columns="sd")


def _p(differences: np.ndarray) -> float:
    """p of the two-sided test that these differences have mean zero. Equal ones (but for rounding) have no spread."""
    if len(differences) < 2:
        return float("nan")
    largest = np.abs(differences).max()
    if np.ptp(differences) <= ROUNDING * largest:
        return 1.0 if largest == 0 else 0.0
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def _side(low: pd.Series, high: pd.Series) -> np.ndarray:
    """The side of zero that an interval lies on: −1, 1, or 0 where it holds zero or there is none."""
    return np.where(low > 0, 1, np.where(high < 0, -1, 0))


def worlds(ranked: pd.DataFrame, ordered: pd.DataFrame, levels: pd.DataFrame, base: int) -> pd.DataFrame:
    """What each world says: its assumptions, its ranking against the base's, and how many pairs hold, flip, …

    `levels`: index cell, a column for each assumption. Columns: cell; the assumptions; swaps, how many of them differ from the
    base; tau, Kendall's τ-b between the arms' differences here and in the base (Kendall 1945; scipy.stats.kendalltau), NaN
    where all arms are equal; first, the arm of rank 1, empty where several share it; clear, whether the intervals of all its
    differences to the others exclude zero; holds, undecided, flips, emerges; holm, the flips with p_holm < 0.05; largest, the
    greatest distance of an arm from the baseline.
    """
    means = ranked.pivot(index="arm", columns="cell", values="mean")
    rows = []
    for cell, own in ranked.groupby("cell"):
        pair = ordered[ordered["cell"] == cell]
        best = own.loc[own["rank"] == 1, "arm"].tolist()
        both = means[[base, cell]].dropna() if cell != base else means[[base, base]].dropna()
        tau = stats.kendalltau(both.iloc[:, 0], both.iloc[:, 1]).statistic if len(both) > 1 else np.nan
        sides = _side(pair["low"], pair["high"])
        led = pair[(pair["first"] == best[0]) | (pair["second"] == best[0])] if len(best) == 1 else pair.iloc[:0]
        verdicts = pair["verdict"].value_counts()
        rows.append({
            "cell": cell, **levels.loc[cell].to_dict(), "swaps": int((levels.loc[cell] != levels.loc[base]).sum()),
            "tau": float(tau), "first": best[0] if len(best) == 1 else "",
            "clear": bool(len(led) and (sides[pair.index.get_indexer(led.index)] != 0).all()),
            **{verdict: int(verdicts.get(verdict, 0)) for verdict in (HOLDS, UNDECIDED, FLIPS, EMERGES)},
            "holm": int(((pair["verdict"] == FLIPS) & (pair["p_holm"] < 0.05)).sum()),
            "largest": float(own["mean"].abs().max()),
        })  # fmt: skip
    return pd.DataFrame(rows)


def pairs(ordered: pd.DataFrame) -> pd.DataFrame:
    """In how many worlds each pair's order holds, is undecided, flips or emerges, in the order of the base's ranking.

    Columns: first, second, worlds, decided (does the base decide it?), holds, undecided, flips; and, for a pair that the base
    does not decide, above and below: in how many worlds first − second is shown to be positive, and negative.
    """
    rows = []
    for (first, second), own in ordered.groupby(["first", "second"], sort=False):
        count = own["verdict"].value_counts()
        emerging = own[own["verdict"] == EMERGES]
        start = own.iloc[0]
        rows.append({
            "first": first, "second": second, "worlds": len(own),
            "decided": bool(start["base_low"] > 0 or start["base_high"] < 0),
            **{verdict: int(count.get(verdict, 0)) for verdict in (HOLDS, UNDECIDED, FLIPS)},
            "above": int((emerging["mean"] > 0).sum()), "below": int((emerging["mean"] < 0).sum()),
        })  # fmt: skip
    columns = ["first", "second", "worlds", "decided", HOLDS, UNDECIDED, FLIPS, "above", "below"]
    return pd.DataFrame(rows, columns=columns)


def levels(ordered: pd.DataFrame, assumed: pd.DataFrame, base: int) -> pd.DataFrame:
    """Which assumption the flips go with: for each level of each, how many orders of the base hold, are undecided, or flip.

    Counted are the pairs that the base decides, once in each world but the base. `assumed`: index cell, a column for each
    assumption. Columns: assumption, level, base (is it the base's?), worlds, holds, undecided, flips; alone, the flips in the
    world that differs from the base in this level only (missing: that world is not there); association, of the assumption:
    Cramér's V between its level and whether an order flips (Cramér 1946; scipy.stats.contingency.association), 0 … 1, NaN
    where nothing flips, all does, or there is one level.
    """
    counted = ordered[(ordered["cell"] != base) & ((ordered["base_low"] > 0) | (ordered["base_high"] < 0))]
    flips = counted["verdict"] == FLIPS
    rows = []
    for assumption in assumed.columns:
        others = [other for other in assumed.columns if other != assumption]
        level = counted["cell"].map(assumed[assumption])
        table = pd.crosstab(level, flips).to_numpy()
        strength = float(association(table, method="cramer")) if min(table.shape) > 1 else np.nan
        for name in dict.fromkeys(assumed[assumption]):
            own = counted[level == name]
            count = own["verdict"].value_counts()
            only = assumed.index[
                (assumed[assumption] == name) & (assumed[others] == assumed.loc[base, others]).all(axis=1)
            ]
            here = name == assumed.at[base, assumption]
            alone = int((ordered.loc[ordered["cell"] == only[0], "verdict"] == FLIPS).sum()) if len(only) and not here else None
            rows.append({
                "assumption": assumption, "level": name, "base": here, "worlds": int(own["cell"].nunique()),
                **{verdict: int(count.get(verdict, 0)) for verdict in (HOLDS, UNDECIDED, FLIPS)},
                "alone": alone, "association": strength,
            })  # fmt: skip
    return pd.DataFrame(rows).astype({"alone": "Int64"})
