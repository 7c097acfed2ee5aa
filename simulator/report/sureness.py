"""How sure the effects are: the error that comes of so few replicates, and what more of them would buy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from simulator.report.evidence import VERDICT, Evidence
from simulator.report.vocabulary import listing, lowered, number, wording
from simulator.statistics import ENOUGH_TO_RESAMPLE, RESAMPLES, replicates_needed

MANY = 10_000  # replicates that nobody is asked for


@dataclass(frozen=True)
class Doubt:
    """How exactly one difference is known."""

    half_width: str
    standard_error: str
    to_tell: str  # replicates that would tell a difference of this size from zero; empty where these do


@dataclass(frozen=True)
class Sureness:
    """What the section on certainty says: sentences, and a table of measures by arms."""

    sentences: list[str]
    arms: list[str]
    rows: dict[str, list[Doubt | None]]  # by measure; one for each arm, None where it has no such difference
    data: pd.DataFrame


def sureness(evidence: Evidence) -> Sureness | None:
    """The exactness of the policies' differences in the focus measures; None where there are no intervals."""
    effects = evidence.effects
    if effects.empty or int(effects["n"].max()) < 2:
        return None
    compared = [arm.name for arm in evidence.compared]
    measures = [m for m in evidence.focus if m in set(effects["measure"])]
    chosen = effects[effects["arm"].isin(compared) & effects["measure"].isin(measures) & (effects["n"] > 1)]
    if chosen.empty:
        return None
    half = (chosen["high"] - chosen["low"]) / 2
    data = chosen[["arm", "measure", "mean", "sd", "n"]].assign(
        standard_error=chosen["sd"] / chosen["n"] ** 0.5,
        half_width=half,
        replicates_to_halve=[_needed(sd, h / 2) for sd, h in zip(chosen["sd"], half, strict=True)],
        replicates_to_tell=[
            math.nan if sure else _needed(sd, abs(mean))
            for sd, mean, sure in zip(chosen["sd"], chosen["mean"], chosen["excludes_zero"], strict=True)
        ],
    )
    arms = [arm for arm in compared if arm in set(data["arm"])]
    cells = {(row["arm"], row["measure"]): _doubt(row) for row in data.to_dict("records")}
    return Sureness(
        sentences=[_halving(data), *_agreement(evidence, compared)],
        arms=arms,
        rows={m: [cells.get((arm, m)) for arm in arms] for m in measures},
        data=data,
    )


def _needed(sd: float, half_width: float) -> float:
    return replicates_needed(sd, half_width) if half_width > 0 else math.nan


def _doubt(row: dict) -> Doubt:
    to_tell = row["replicates_to_tell"]
    told = "" if math.isnan(to_tell) else f"> {MANY:,}" if to_tell > MANY else f"{int(to_tell):,}"
    return Doubt(number(row["half_width"]), number(row["standard_error"]), told)


def _halving(data: pd.DataFrame) -> str:
    """The number is the same for all differences of equally many replicates: spread and width shrink together."""
    known = data.dropna(subset="replicates_to_halve")
    if known.empty:
        return "Every replicate gives the same differences, so there is nothing that more of them would make more exact."
    worst = known.loc[known["replicates_to_halve"].idxmax()]
    return (
        f"To halve these intervals takes about {int(worst['replicates_to_halve']):,} replicates in place of "
        f"{int(worst['n'])}: run again with --replicates {int(worst['replicates_to_halve'])}."
    )


def _agreement(evidence: Evidence, compared: list[str]) -> list[str]:
    """Whether an interval that assumes no normal distribution finds the same differences."""
    effects = evidence.effects
    told = effects["arm"].isin(compared) & effects["measure"].isin([*VERDICT, *evidence.focus])
    both = effects[told].dropna(subset="bca_low")
    if both.empty:
        return [
            f"Under {ENOUGH_TO_RESAMPLE} replicates a bootstrap has too little to draw from, so all intervals are t intervals: "
            "they take the differences for normally distributed over replicates."
        ]
    resampled = (both["bca_low"] > 0) | (both["bca_high"] < 0)
    apart = both[resampled != both["excludes_zero"]]
    how = f"BCa bootstrap intervals ({RESAMPLES:,} resamples), which assume no normal distribution,"
    if apart.empty:
        every = f"all {len(both)} differences" if len(both) > 1 else "the one difference"
        return [f"{how} say the same as the t intervals of whether zero is excluded, in {every} of the verdict and the focus."]
    named = [f"{lowered(wording(m).label)} under {arm}" for arm, m in zip(apart["arm"], apart["measure"], strict=True)]
    return [
        f"{how} disagree with the t intervals on whether zero is excluded in {len(apart)} of {len(both)} differences: "
        f"{listing(named)}. Take these as undecided; with few replicates bootstrap intervals are a little too short."
    ]
