"""What a remedy brings and costs, which of two is better in both, and whether that holds elsewhere. On tidy tables: no files.

A cell is a world under one set of assumptions, known by its number. `ends` has the columns cell, arm, replicate, measure,
value: the value at the end of each run. Two measures are compared, a diversity and a utility; `sign` is +1 where more of the
diversity is better, −1 where less is. All differences are paired by replicate, with 95 % t intervals (Student 1908), each for
itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from simulator.statistics import holm, paired_differences, tested_differences
from simulator.statistics.paired import ROUNDING

HOLDS, UNDECIDED, TURNS = "holds", "undecided", "turns"
"""What another cell says of an order: the same, nothing, or the opposite."""

EFFECTS = ["cell", "arm", "of", "measure", "mean", "low", "high", "n", "p", "p_holm", "share"]
PAIRS = [
    "cell", "first", "second", "diversity", "diversity_low", "diversity_high", "utility", "utility_low", "utility_high", "n",
    "p", "p_holm", "relation", "shown",
]  # fmt: skip
SURVIVAL = ["cell", "what", "base", HOLDS, UNDECIDED, TURNS, "tau"]


def effects(ends: pd.DataFrame, compared_with: Mapping[str, str], measures: Sequence[str]) -> pd.DataFrame:
    """Each remedy minus the arm without it, by cell and measure: cell, arm, of, measure, mean, low, high, n, p, p_holm, share.

    p: two-sided paired t test; p_holm: adjusted over all remedies and measures of the cell (Holm 1979); share: the mean
    difference as a share of the mean of the arm without it (NaN where that is not above zero).
    """
    parts = []
    own = ends[ends["measure"].isin(measures)]
    for of in dict.fromkeys(compared_with.values()):
        arms = [arm for arm, other in compared_with.items() if other == of]
        differences = paired_differences(own[own["arm"].isin([*arms, of])], of)
        if len(differences):
            level = own[own["arm"] == of].groupby(["cell", "measure"])["value"].mean().rename("level")
            table = tested_differences(differences, ["cell", "arm", "measure"]).join(level, on=["cell", "measure"])
            share = (table["mean"] / table["level"]).where(table["level"] > 0)
            parts.append(table.assign(of=of, share=share))
    if not parts:
        return pd.DataFrame(columns=EFFECTS)
    table = pd.concat(parts, ignore_index=True)
    table["p_holm"] = table.groupby("cell")["p"].transform(lambda p: holm(p.to_numpy()))
    table["place"] = table["arm"].map({arm: place for place, arm in enumerate(compared_with)})
    return table.sort_values(["cell", "place", "measure"], ignore_index=True)[EFFECTS]


def pairs(ends: pd.DataFrame, arms: Sequence[str], diversity: str, utility: str, sign: int) -> pd.DataFrame:
    """Every two arms in every cell that has both: how far `first` is ahead of `second` in each measure, and which dominates.

    diversity, utility: mean difference, positive where `first` is better, with 95 % bounds. relation: 1 where `first` is at
    least as good in both means and better in one (Pareto), −1 where `second` is, 0 where each is better in one. shown: it
    dominates, and both intervals lie on its side of zero (an intersection–union test: Berger 1982). p: the larger of the two
    p values of the paired t tests, which is that test's; p_holm: adjusted over all pairs of the cell (Holm 1979).
    """
    parts = []
    for cell, table in _wide(ends, arms, diversity, utility, sign).items():
        there = [arm for arm in arms if {(diversity, arm), (utility, arm)} <= set(table.columns)]
        if len(there) > 1:
            parts.append(_pairs(table, there, diversity, utility).assign(cell=cell))
    return pd.concat(parts, ignore_index=True)[PAIRS] if parts else pd.DataFrame(columns=PAIRS)


def _wide(ends: pd.DataFrame, arms: Sequence[str], diversity: str, utility: str, sign: int) -> dict[int, pd.DataFrame]:
    """By cell: index replicate, columns (measure, arm); more is better."""
    own = ends[ends["arm"].isin(list(arms)) & ends["measure"].isin((diversity, utility))].astype({"measure": str, "arm": str})
    own = own.assign(value=own["value"].where(own["measure"] == utility, sign * own["value"]))
    return {
        int(cell): rows.pivot(index="replicate", columns=["measure", "arm"], values="value")
        for cell, rows in own.groupby("cell")
    }


def _pairs(table: pd.DataFrame, arms: Sequence[str], diversity: str, utility: str) -> pd.DataFrame:
    """The pairs of one cell."""
    first, second = np.array(list(combinations(range(len(arms)), 2))).T
    found: dict[str, pd.DataFrame] = {}
    for name, measure in (("diversity", diversity), ("utility", utility)):
        values = table[[(measure, arm) for arm in arms]].to_numpy(dtype=float).T          # (arms, replicates)
        differences = values[first] - values[second]
        scale = np.maximum(np.abs(values[first]), np.abs(values[second]))
        differences[np.abs(differences) <= ROUNDING * scale] = 0.0
        places, replicates = np.nonzero(~np.isnan(differences))
        tidy = pd.DataFrame({"pair": places, "value": differences[places, replicates]})
        found[name] = tested_differences(tidy, ["pair"]).set_index("pair").reindex(range(len(first)))
    rows = pd.DataFrame({"first": np.array(arms, dtype=object)[first], "second": np.array(arms, dtype=object)[second]})
    for name, own in found.items():
        columns = {"mean": name, "low": f"{name}_low", "high": f"{name}_high"}
        rows = rows.join(own[list(columns)].rename(columns=columns))
    means = np.stack([np.sign(own["mean"].to_numpy(dtype=float)) for own in found.values()])
    sides = np.stack([sides_of(own["low"], own["high"]) for own in found.values()])
    relation = np.where(means.min(0) * means.max(0) < 0, 0, np.sign(means.sum(0))).astype(int)
    p = np.stack([own["p"].to_numpy(dtype=float) for own in found.values()]).max(0)
    return rows.assign(
        n=found["diversity"]["n"], p=p, p_holm=holm(p), relation=relation, shown=(relation != 0) & (sides == relation).all(0),
    )


def sides_of(low: pd.Series, high: pd.Series) -> np.ndarray:
    """The side of zero that each interval lies on: −1, 1, or 0 where it holds zero or there is none."""
    return np.where(low > 0, 1, np.where(high < 0, -1, 0))


def survival(compared: pd.DataFrame, base_of: Mapping[int, int]) -> pd.DataFrame:
    """Of the orders that the world as it stands shows, how many hold, are undecided or turn in each other cell of it.

    `compared`: as `pairs` gives it; `base_of`: the base of each other cell. Three kinds of orders, `what`: `domination` (both
    intervals on one side in the base: it holds where both lie there again, turns where one lies on the other side),
    `diversity` and `utility` (one interval). base: how many orders the base shows among the pairs that the other cell has.
    tau: Kendall's τ-b between the arms' orders by their mean differences (Kendall 1945), NaN for domination.
    """
    by_cell = {int(cell): rows.set_index(["first", "second"]) for cell, rows in compared.groupby("cell")}
    rows = []
    for cell, base in base_of.items():
        if cell not in by_cell or base not in by_cell:
            continue
        here, there = by_cell[cell], by_cell[base]
        there = there.loc[there.index.intersection(here.index)]
        here = here.loc[there.index]
        sides = {
            (name, which): sides_of(own[f"{name}_low"], own[f"{name}_high"])
            for which, own in (("here", here), ("base", there)) for name in ("diversity", "utility")
        }  # fmt: skip
        for name in ("diversity", "utility"):
            told = sides[name, "base"] != 0
            now, before = sides[name, "here"][told], sides[name, "base"][told]
            rows.append((cell, name, int(told.sum()), *_counts(now == before, now == -before), _tau(here[name], there[name])))
        told = there["shown"].to_numpy(dtype=bool)
        before = there["relation"].to_numpy(dtype=int)[told]
        now = np.stack([sides[name, "here"][told] for name in ("diversity", "utility")])
        rows.append((cell, "domination", int(told.sum()), *_counts((now == before).all(0), (now == -before).any(0)), np.nan))
    return pd.DataFrame(rows, columns=SURVIVAL)


def _counts(holds: np.ndarray, turns: np.ndarray) -> tuple[int, int, int]:
    return int(holds.sum()), int((~holds & ~turns).sum()), int(turns.sum())


def _tau(here: pd.Series, there: pd.Series) -> float:
    """Kendall's τ-b of two rankings, from the mean differences of all their pairs."""
    a, b = np.sign(here.to_numpy(dtype=float)), np.sign(there.to_numpy(dtype=float))
    scale = np.sqrt((a != 0).sum() * (b != 0).sum())
    return float((a * b).sum() / scale) if scale else float("nan")


def dominating(compared: pd.DataFrame, kinds: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Which kind of remedy dominates which in each cell: cell, by, over, settings, of, holm.

    settings: how many settings of `over` are shown to be dominated by some setting of `by`; of: how many there are; holm: how
    many are so after Holm's adjustment. Kinds without any are not listed.
    """
    kind_of = {arm: kind for kind, arms in kinds.items() for arm in arms}
    shown = compared[compared["shown"].astype(bool)]
    first = shown["relation"] > 0
    table = pd.DataFrame({
        "cell": shown["cell"], "winner": shown["first"].where(first, shown["second"]),
        "loser": shown["second"].where(first, shown["first"]), "holds": shown["p_holm"] < 0.05,
    })  # fmt: skip
    table = table.assign(by=table["winner"].map(kind_of), over=table["loser"].map(kind_of)).dropna(subset=["by", "over"])
    table = table[table["by"] != table["over"]]
    rows = [
        (cell, by, over, own["loser"].nunique(), len(kinds[over]), own.loc[own["holds"], "loser"].nunique())
        for (cell, by, over), own in table.groupby(["cell", "by", "over"], sort=False)
    ]
    return pd.DataFrame(rows, columns=["cell", "by", "over", "settings", "of", "holm"])
