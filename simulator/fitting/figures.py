"""Figures of a fit: the six facts, simulated against real; their distances on the yardstick of real halves; the posterior."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from simulator.fitting.facts import FACTS, GRID
from simulator.fitting.fitted import Fitted
from simulator.report.style import ARM_COLOURS, INK, OTHER_COLOUR, Drawing, grid_of_axes, new_figure, title_panel
from simulator.text import shorten

REAL: dict[str, Any] = {"color": INK, "linewidth": 1.6, "zorder": 3}
SEEN: dict[str, Any] = {"color": INK, "linewidth": 0.8, "linestyle": (0, (1, 1.2)), "zorder": 3.1}
WORLDS: dict[str, tuple[str, str, str]] = {
    "fitted": ("fitted values", ARM_COLOURS[0], "o"),
    "posterior": ("draws of the posterior", ARM_COLOURS[2], "D"),
    "before": ("values of the file", ARM_COLOURS[1], "s"),
}
"""What each world is called, its colour and its mark."""


def six_facts(fitted: Fitted) -> Drawing:
    """A panel for each fact: both real halves, and the replicates of the fitted and of the unfitted world."""
    figure, axes = grid_of_axes(len(FACTS), 3, 1.95, extra=0.35)
    rows = []
    for ax, (name, fact) in zip(axes, FACTS.items(), strict=True):
        title_panel(ax, fact.label)
        for world in ("before", "fitted"):
            for values in fitted.values(world, name):
                ax.plot(*_line(name, values), color=WORLDS[world][1], linewidth=0.7, alpha=0.55, zorder=2)
        for world, look in (("unseen", REAL), ("seen", SEEN)):
            for values in fitted.values(world, name):
                ax.plot(*_line(name, values), **look)
        ax.set_xlabel(fact.axis[0].upper() + fact.axis[1:])
        ax.set_ylabel({"popularity": "Share of takes", "novelty": "New topics, share"}.get(name, "Share of users"))
        if name == "overlap":
            ax.set_ylabel("Share of pairs")
        if fact.form == "distribution":
            ax.set_xlim(*_ends(fitted, name))
        ax.xaxis.set_major_locator(MaxNLocator(5))
        rows.append(fitted.facts[fitted.facts["fact"] == name])
    handles = [
        Line2D([], [], **REAL, label="real users, not seen by the search"),
        Line2D([], [], **SEEN, label="real users, fitted to"),
        *(Line2D([], [], color=WORLDS[world][1], linewidth=1.2, label=f"simulated: {WORLDS[world][0]}")
          for world in ("fitted", "before") if world in fitted.worlds),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper left", ncols=4, columnspacing=1.2)
    depth = fitted.manifest["fit"]["depth"]
    return Drawing(
        "facts", "The six facts", f"All compare {depth} takes per user, so that no history looks diverse because it is long. "
        "Popularity: Lorenz curve of the catalogue. Novelty: mean over users. The others are cumulative distributions over "
        "users, or over pairs of users. A thin line is a replicate.",
        "Six charts, each of one fact of the real and of the simulated users.", figure, pd.concat(rows),
    )  # fmt: skip


def _line(name: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if name == "popularity":
        return GRID, values
    if FACTS[name].form == "curve":
        return np.arange(2, len(values) + 2), values
    return values, (np.arange(len(values)) + 0.5) / max(len(values), 1)


def _ends(fitted: Fitted, name: str) -> tuple[float, float]:
    """The part of the axis where nearly all real and fitted users are."""
    there = [values for world in ("unseen", "seen", "fitted") for values in fitted.values(world, name) if len(values)]
    low, high = min(np.quantile(each, 0.005) for each in there), max(np.quantile(each, 0.995) for each in there)
    room = 0.04 * (high - low) or 1.0
    return float(low - room), float(high + room)


def yardstick(fitted: Fitted) -> Drawing:
    """Each fact's distance beside those between halves of the real log, on a scale on which the limit is 1."""
    figure = new_figure(0.42 * len(FACTS) + 1.0)
    ax = figure.subplots()
    rows = []
    for row, name in enumerate(FACTS):
        limit = fitted.verdict("real", name).limit
        halves = fitted.halves[name].to_numpy(float) / limit
        low, middle, high = np.quantile(halves, [0.05, 0.5, 0.95])
        ax.barh(row, high - low, left=low, height=0.56, color=OTHER_COLOUR, zorder=1)
        ax.vlines(middle, row - 0.28, row + 0.28, color="white", linewidth=1.2, zorder=1.5)
        for step, world in enumerate(world for world in WORLDS if world in fitted.worlds):
            verdict = fitted.verdict(world, name)
            place = row + 0.2 * (step - 1)
            there = verdict.distances[np.isfinite(verdict.distances)] / limit
            _, colour, marker = WORLDS[world]
            if len(there):
                ax.hlines(place, there.min(), there.max(), color=colour, linewidth=0.9, zorder=2)
            if math.isfinite(verdict.distance):
                ax.plot(verdict.distance / limit, place, marker=marker, markersize=4.5, color=colour, markeredgecolor="white",
                        markeredgewidth=0.4, zorder=3)  # fmt: skip
            rows += [{"fact": name, "world": world, "replicate": number, "distance": distance, "limit": limit}
                     for number, distance in enumerate(verdict.distances)]  # fmt: skip
    ax.axvline(1, color=INK, linewidth=0.8, linestyle=(0, (4, 2)))
    ax.set_xscale("log")
    ax.set_yticks(range(len(FACTS)), [fact.label for fact in FACTS.values()])
    ax.set_ylim(len(FACTS) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("Distance from unseen real users, relative to the limit (log scale)")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    handles = [
        Patch(facecolor=OTHER_COLOUR, label="halves of the real log, 5 to 95 %"),
        *(Line2D([], [], linestyle="none", marker=WORLDS[world][2], color=WORLDS[world][1], markersize=4.5,
                 label=WORLDS[world][0]) for world in WORLDS if world in fitted.worlds),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper left", ncols=4, columnspacing=1.2)
    return Drawing(
        "yardstick", "How far off, on the yardstick of real halves",
        "Grey: how far two random halves of the real users are apart, with their median in white. A mark is the median over "
        "replicates, its bar their range. Left of the dashed line a world is no farther from real users than 95 % of real "
        "halves are from each other: the fact is met.",
        "Chart of distances by fact; grey bars for real halves, marks for the simulated worlds.", figure, pd.DataFrame(rows),
    )  # fmt: skip


def parameters(fitted: Fitted) -> Drawing | None:
    """A panel for each key: the draws of its posterior within its range, the fitted value and the file's."""
    if fitted.posterior is None:
        return None
    axes_of = fitted.manifest["axes"]
    figure, panels = grid_of_axes(len(axes_of), min(4, len(axes_of)), 1.45, extra=0.35)
    for ax, axis in zip(panels, axes_of, strict=True):
        title_panel(ax, shorten(".".join(axis["key"].split(".")[-2:]), 26))
        _posterior(ax, fitted, axis)
    handles = [
        Patch(facecolor=ARM_COLOURS[2], alpha=0.5, label="posterior"),
        Line2D([], [], color=INK, linewidth=0.8, linestyle=(0, (1, 1.2)), label="before the fit: even over the range"),
        Line2D([], [], color=ARM_COLOURS[0], linewidth=1.4, label="fitted value"),
        Line2D([], [], color=ARM_COLOURS[1], linewidth=1.4, label="value of the file"),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper left", ncols=4, columnspacing=1.2)
    return Drawing(
        "parameters", "What is known of the parameters",
        "Draws of the posterior, over the whole range that was searched. A key whose draws fill its range is hardly known from "
        "these facts; one that leans on an end may belong beyond it.",
        f"Histograms of the posterior of {len(axes_of)} keys.", figure, fitted.posterior,
    )  # fmt: skip


def _posterior(ax: Axes, fitted: Fitted, axis: dict[str, Any]) -> None:
    assert fitted.posterior is not None
    low, high, log = axis["low"], axis["high"], axis["scale"] == "log"
    bins = np.geomspace(low, high, 13) if log else np.linspace(low, high, 13)
    counts, _ = np.histogram(fitted.posterior[axis["key"]].clip(low, high), bins)
    ax.stairs(counts / max(counts.sum(), 1), bins, fill=True, color=ARM_COLOURS[2], alpha=0.5)
    ax.hlines(1 / 12, low, high, color=INK, linewidth=0.8, linestyle=(0, (1, 1.2)))
    for held, colour in ((fitted.manifest["before"], ARM_COLOURS[1]), (fitted.manifest["fitted"], ARM_COLOURS[0])):
        value = (held or {}).get(axis["key"])
        if value is not None and low <= value <= high:
            ax.axvline(value, color=colour, linewidth=1.4)
    if log:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.xaxis.set_minor_formatter(lambda value, _: "")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.set_xlim(low, high)
    ax.set_yticks([])
    ax.grid(visible=False)
