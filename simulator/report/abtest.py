"""What an A/B test in this world would have told its platform, and what is true."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from simulator.report.affected import TITLES
from simulator.report.evidence import Evidence
from simulator.report.style import INK, ORGANIC_COLOUR, Drawing, Look, grid_of_axes, title_panel
from simulator.report.vocabulary import difference, listing
from simulator.statistics import BIAS, EFFECT, ESTIMATE, against_the_truth
from simulator.text import shorten

KIND = "ab_test"
ALL_TITLES = {**TITLES, "takes": ("Items taken", "items")}
MARKERS = {ESTIMATE: ("s", "#CC6677"), EFFECT: ("D", INK)}


def ab_tests(evidence: Evidence, look: dict[str, Look]) -> Drawing | None:
    """The estimate of each A/B test beside the true effect, outcome by outcome."""
    run = evidence.run
    if "served_by" not in run.people:
        return None
    listed = [p for p in run.scenario.get("policies") or [] if isinstance(p, Mapping) and p.get("kind") == KIND]
    tables = [
        against_the_truth(run.people, p["name"], *p["of"]).assign(test=p["name"], now=p["of"][0], tried=p["of"][1])
        for p in listed
    ]
    tables = [table for table in tables if len(table)]
    if not tables:
        return None
    data = pd.concat(tables, ignore_index=True)
    outcomes = [name for name in ALL_TITLES if name in set(data["outcome"])]
    tests = list(dict.fromkeys(data["test"]))
    figure, axes = grid_of_axes(len(outcomes), min(3, len(outcomes)), 0.9 + 0.34 * len(tests), extra=0.4)
    for place, (ax, outcome) in enumerate(zip(axes, outcomes, strict=True)):
        ax.axvline(0, color=ORGANIC_COLOUR, linewidth=0.9)
        for kind, (marker, colour) in MARKERS.items():
            rows = data[(data["outcome"] == outcome) & (data["kind"] == kind)].set_index("test").loc[tests]
            y = [row + (-0.14 if kind == ESTIMATE else 0.14) for row in range(len(tests))]
            half = ((rows["high"] - rows["low"]) / 2).to_numpy(dtype=float)
            ax.errorbar(
                rows["mean"].to_numpy(dtype=float), y, xerr=half, linestyle="none", marker=marker, color=colour, markersize=4,
                elinewidth=0.9, capsize=0,
            )  # fmt: skip
        title, scale = ALL_TITLES[outcome]
        title_panel(ax, title)
        ax.set_xlabel(f"Difference, {scale}")
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        ax.set_yticks(range(len(tests)), [shorten(test, 18) for test in tests] if place % 3 == 0 else [])
        ax.set_ylim(len(tests) - 0.5, -0.5)
        ax.grid(False, axis="y")
        ax.tick_params(axis="y", length=0)
    handles = [
        Line2D([], [], linestyle="none", marker=marker, color=colour, markersize=5, label=label)
        for (marker, colour), label in zip(MARKERS.values(), ("A/B estimate", "True effect"), strict=True)
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=2)
    pairs = data[["now", "tried"]].drop_duplicates().itertuples(index=False)
    compared = listing([f"{tried} instead of {now}" for now, tried in pairs])
    return Drawing(
        "abtest",
        "What an A/B test would have said",
        f"What is tried: {compared}. Squares: the difference between the two groups of users in one world, where both policies "
        "learn from one log: what the platform's own experiment says. "
        "Diamonds: the difference between the world where everybody has the one and the world where everybody has the other: "
        "what deploying it does. Bars are 95 % t intervals over replicates. "
        f"{_told(data, outcomes)}",
        f"Forest plot of A/B estimates and true effects. {_told(data, outcomes)}",
        figure,
        data[["test", "now", "tried", "outcome", "kind", "mean", "low", "high", "sd", "n"]],
    )


def _told(data: pd.DataFrame, outcomes: list[str]) -> str:
    """Where the test is surely wrong, outcome by outcome."""
    rows = data.set_index(["test", "outcome", "kind"])
    said = []
    for test in dict.fromkeys(data["test"]):
        for outcome in outcomes:
            bias = rows.loc[(test, outcome, BIAS)]
            if not (bias["low"] > 0 or bias["high"] < 0):
                continue
            estimate, effect = (
                difference(*rows.loc[(test, outcome, kind), ["mean", "low", "high"]]) for kind in (ESTIMATE, EFFECT)
            )
            said.append(f"{ALL_TITLES[outcome][0]} in {test}: the test says {estimate}, the truth is {effect}.")
    if not said:
        return "For none of these does the interval of the bias, the estimate minus the effect, exclude zero."
    return f"Where the interval of the bias excludes zero: {' '.join(said)}"
