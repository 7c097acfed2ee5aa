"""Measures of one arm against a control: made from the finished trajectories, not during a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd


@dataclass(frozen=True)
class Derived:
    """A measure of an arm made of `base` in that arm and of a measure of a control, same replicate and round."""

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
    function: Callable[[pd.Series, pd.Series], pd.Series]   # (arm, control) → values; NaN where there is none
    control: Literal["oracle", "organic"] = "oracle"
    other: str = ""                                         # the measure of the control; empty: `base`


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
        Derived(
            "exposure.amplification", "Amplification of the topic", "ratio", "0 … ∞", 0, None, 0,
            "Share of what was shown that is about the watched topic (`measures.topic`), divided by its share of what the same "
            "users take without a recommender, same round; above 1: amplified. None where they take nothing of it.",
            "after Huszár et al. 2022 (PNAS), amplification against a control group without personalisation",
            "exposure.topic_share",
            lambda arm, organic: arm / organic.where(organic != 0),
            control="organic", other="consumption.topic_share",
        ),
    ]
}  # fmt: skip

KEYS = ["replicate", "round"]
COLUMNS = ["arm", "replicate", "round", "measure", "value"]


def derive(table: pd.DataFrame, oracle: str | None = None, organic: str | None = None) -> pd.DataFrame:
    """The extra rows: every derived measure of every arm, the control included, where both values exist.

    `table` and the result have the columns arm, replicate, round, measure, value; `oracle` and `organic` are names of arms.
    """
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise ValueError(f"table: columns missing: {', '.join(missing)}")
    arms, controls = list(table["arm"].unique()), {"oracle": oracle, "organic": organic}
    for name, control in controls.items():
        if control is not None and control not in arms:
            raise ValueError(f"{name}: no arm named {control!r}; the arms are {', '.join(map(repr, arms))}")
    extra = [table.iloc[:0][COLUMNS]]
    for measure in DERIVED.values():
        control = controls[measure.control]
        if control is None:
            continue
        base = table[table["measure"] == measure.base]
        against = table[(table["measure"] == (measure.other or measure.base)) & (table["arm"] == control)]
        both = base.merge(against[[*KEYS, "value"]], on=KEYS, suffixes=("", "_control"), validate="many_to_one")
        both["value"] = measure.function(both["value"], both["value_control"])
        extra.append(both.assign(measure=measure.name).dropna(subset="value")[COLUMNS])
    return pd.concat(extra, ignore_index=True)
