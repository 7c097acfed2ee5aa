"""Curves over rounds: the measures themselves, and their paired differences to the organic arm."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from simulator.report.evidence import Evidence
from simulator.report.style import ORGANIC_COLOUR, Drawing, Look, arm_legend, grid_of_axes, title_panel
from simulator.report.vocabulary import Wording, capital, listing, lowered, number, signed, unit, wording

PANELS_IN_A_ROW = 3
PANEL_HEIGHT = 1.75  # inches
BANDED_ARMS = 8
SUPPLY = ("creators.active", "creators.reached", "creators.available", "creators.alpha", "creators.beta", "creators.vendi")
TOLD = 6  # measures in the text for those who do not see the picture
COLUMNS = ["arm", "measure", "round", "mean", "low", "high", "n"]
BAND_COLUMNS = [*COLUMNS[:-1], "pointwise_low", "pointwise_high", "n"]


def focus_trajectories(evidence: Evidence, look: dict[str, Look]) -> Drawing | None:
    """The measures that the scenario asks to draw, over all rounds."""
    return trajectories(evidence, look, evidence.focus, "trajectories", "How each measure develops")


def supply_trajectories(evidence: Evidence, look: dict[str, Look]) -> Drawing | None:
    """Who goes on creating and how varied it is, in worlds with creators."""
    there = [measure for measure in SUPPLY if measure in set(evidence.measures)]
    if not there:
        return None
    return trajectories(evidence, look, there, "supply", "Who goes on creating, and how varied it is")


def family_trajectories(evidence: Evidence, look: dict[str, Look]) -> list[Drawing]:
    """Every measure of the run: one figure for each family (the part of the name before the dot)."""
    families: dict[str, list[str]] = {}
    for measure in evidence.measures:
        families.setdefault(measure.partition(".")[0], []).append(measure)
    drawings = (
        trajectories(evidence, look, measures, f"all_{_file_name(family)}", f"All measures: {family}")
        for family, measures in families.items()
    )
    return [drawing for drawing in drawings if drawing is not None]


def trajectories(
    evidence: Evidence, look: dict[str, Look], measures: Sequence[str], name: str, title: str
) -> Drawing | None:
    """Small multiples: one panel per measure, one line per arm, a band over replicates."""
    curves = evidence.curves[evidence.curves["measure"].isin(measures)]
    if curves.empty:
        return None
    extremes = [text for measure in measures[:TOLD] if (text := _extremes(evidence, measure))]
    return Drawing(
        name,
        title,
        f"Lines are means over replicates, one value per round{_window(evidence)}. {_band(evidence)}"
        f"{_round_zero(curves)} What slates show begins with round 1.",
        f"Line charts over {evidence.last} rounds. At the end: {'; '.join(extremes)}.",
        small_multiples(evidence, look, curves, measures),
        curves[COLUMNS],
    )


def _round_zero(curves: pd.DataFrame) -> str:
    return " Round 0 is the last round of the warm-up, which all arms share." if (curves["round"] == 0).any() else ""


def difference_curves(evidence: Evidence, look: dict[str, Look]) -> Drawing | None:
    """What the recommender did: each arm minus organic, in the same replicate and round."""
    measures = [m for m in evidence.focus if m in set(evidence.difference_curves["measure"])]
    curves = evidence.difference_curves[evidence.difference_curves["measure"].isin(measures)]
    if curves.empty:
        return None
    extremes = [text for measure in measures[:TOLD] if (text := _extreme_effects(evidence, measure))]
    return Drawing(
        "differences",
        "Difference to the same users without a recommender",
        f"Each arm minus {evidence.run.baseline}, paired by replicate: the same users, items and random "
        f"draws, so what differs is the policy's doing. The grey line of zero is {evidence.run.baseline}; "
        f"above it the measure is higher than without a recommender. {_band(evidence, simultaneous=True)}",
        f"Line charts of differences to {evidence.run.baseline}. At the end: {'; '.join(extremes)}.",
        small_multiples(evidence, look, curves, measures, differences=True),
        curves[BAND_COLUMNS],
    )


def small_multiples(
    evidence: Evidence,
    look: dict[str, Look],
    curves: pd.DataFrame,
    measures: Sequence[str],
    differences: bool = False,
) -> Figure:
    """One panel for each measure, all arms in it; `differences` draws the line of zero."""
    present = set(curves["arm"])
    bands = len(evidence.run.arms) <= BANDED_ARMS
    arms = [arm.name for arm in evidence.run.arms if arm.name in present]
    figure, axes = grid_of_axes(len(measures), min(PANELS_IN_A_ROW, len(measures)), PANEL_HEIGHT)
    for ax, measure in zip(axes, measures, strict=True):
        panel = curves[curves["measure"] == measure]
        if differences:
            ax.axhline(0, color=ORGANIC_COLOUR, linewidth=0.9)
        for arm in arms:
            _line(ax, panel[panel["arm"] == arm].sort_values("round"), look[arm], bands)
        words = wording(measure)
        _dress(ax, words, evidence.last)
        ax.set_ylabel(f"Difference, {unit(words)}" if differences else capital(unit(words)))
    arm_legend(figure, arms, look)
    return figure


def _line(ax: Axes, curve: pd.DataFrame, look: Look, band: bool) -> None:
    rounds = curve["round"].to_numpy(dtype=int)
    if len(rounds) == 1:  # a single round is a point: a line of one round shows nothing
        ax.plot(rounds, curve["mean"].to_numpy(dtype=float), marker=look.marker, color=look.colour)
        return
    ax.plot(rounds, curve["mean"].to_numpy(dtype=float), **look.line())
    if band and curve["low"].notna().any():
        ax.fill_between(
            rounds,
            curve["low"].to_numpy(dtype=float),
            curve["high"].to_numpy(dtype=float),
            facecolor=(look.colour, 0.1),
            edgecolor=(look.colour, 0.45),
            linewidth=0.35,
            zorder=2,
        )


def _dress(ax: Axes, measure: Wording, last: int) -> None:
    title_panel(ax, measure.label)
    ax.set_xlabel("Round")
    ax.set_xlim(0, max(1, last))
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    ax.margins(y=0.08)


def _window(evidence: Evidence) -> str:
    """What a value of a round is taken over, where the scenario says it in a number of rounds."""
    window = (evidence.run.scenario.get("measures") or {}).get("window")
    if not isinstance(window, int) or window < 2:
        return ""
    return f" (exposure and consumption over the {window} rounds that end with it)"


def _band(evidence: Evidence, simultaneous: bool = False) -> str:
    early = (
        ""
        if evidence.run.finished
        else " Replicates that stopped earlier than others of their arm are left out."
    )
    if evidence.replicates < 2:
        return f"One replicate has no interval, so there are no bands.{early}"
    if len(evidence.run.arms) > BANDED_ARMS:
        return f"With more than {BANDED_ARMS} arms bands would hide the lines; they are in the CSV.{early}"
    if simultaneous:
        return (
            f"Bands are simultaneous 95 % bands over {evidence.replicates} replicates: they hold for a whole curve at once, so "
            "wherever one leaves zero the arm differs there. The narrower intervals of single rounds are in the "
            f"CSV.{early}"
        )
    return f"Bands are 95 % t intervals of the mean over {evidence.replicates} replicates, for each round by itself.{early}"


def _extremes(evidence: Evidence, measure: str) -> str | None:
    found = {
        arm: level.mean for arm in evidence.arms_with(measure) if (level := evidence.level(arm, measure))
    }
    if not found:
        return None
    low, high = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
    label = lowered(wording(measure).label)
    if low == high:
        return f"{label} is {number(found[low])} ({low})"
    return f"{label} runs from {number(found[low])} ({low}) to {number(found[high])} ({high})"


def _extreme_effects(evidence: Evidence, measure: str) -> str | None:
    found = {
        arm.name: effect.mean
        for arm in evidence.run.arms
        if (effect := evidence.effect(arm.name, measure)) is not None
    }
    if not found:
        return None
    low, high = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
    ends = [f"{signed(found[arm])} under {arm}" for arm in dict.fromkeys([low, high])]
    return f"{wording(measure).label} at the end: {listing(ends)}"


def _file_name(family: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in family)
