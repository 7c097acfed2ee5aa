"""Measures of one arm against the oracle arm: made from the finished trajectories, not during a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd


@dataclass(frozen=True)
class Derived:
    """A measure of an arm made of `base` in that arm and in the oracle arm, same replicate and round."""

    name: str
    label: str
    unit: str
    range: str
    lower: float | None
    upper: float | None
    bubble: Literal[-1, 0, 1]
    description: str
    source: str
    base: str
    function: Callable[[pd.Series, pd.Series], pd.Series]   # (arm, oracle) → values; NaN where there is none


DERIVED: dict[str, Derived] = {
    measure.name: measure
    for measure in [
        Derived(
            "consumption.homogenisation_vs_ideal", "Homogenisation against the ideal", "Jaccard",
            "−1 … 1", -1, 1, 1,
            "mean_jaccard minus that of the oracle arm, same pairs, same round: overlap beyond what the "
            "users' own interests call for.",
            "Chaney et al. 2018",
            "consumption.mean_jaccard",
            lambda arm, oracle: arm - oracle,
        ),
        Derived(
            "utility.relative", "Utility relative to the oracle", "ratio", "any", None, None, 0,
            "utility.per_user divided by that of the oracle arm, same round; none where the oracle's is 0.",
            "Chaney et al. 2018",
            "utility.per_user",
            lambda arm, oracle: arm / oracle.where(oracle != 0),
        ),
    ]
}  # fmt: skip

KEYS = ["replicate", "round"]
COLUMNS = ["arm", "replicate", "round", "measure", "value"]


def derive(table: pd.DataFrame, oracle: str) -> pd.DataFrame:
    """The extra rows: every derived measure of every arm, the oracle included, where both values exist.

    `table` and the result have the columns arm, replicate, round, measure, value; `oracle` is the arm's name.
    """
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise ValueError(f"table: columns missing: {', '.join(missing)}")
    arms = list(table["arm"].unique())
    if oracle not in arms:
        raise ValueError(f"oracle: no arm named {oracle!r}; the arms are {', '.join(map(repr, arms))}")
    extra = []
    for measure in DERIVED.values():
        base = table[table["measure"] == measure.base]
        ideal = base.loc[base["arm"] == oracle, [*KEYS, "value"]]
        both = base.merge(ideal, on=KEYS, suffixes=("", "_oracle"), validate="many_to_one")
        both["value"] = measure.function(both["value"], both["value_oracle"])
        extra.append(both.assign(measure=measure.name).dropna(subset="value")[COLUMNS])
    return pd.concat(extra, ignore_index=True)
