"""Figures of swapped assumptions: the matrix of rankings, and the orders by assumption; and the numbers in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from simulator.assumptions.orders import FLIPS, HOLDS, UNDECIDED
from simulator.assumptions.survey import Survey
from simulator.report.style import INK, Drawing, Look, arm_legend, new_figure, title_panel
from simulator.report.vocabulary import lowered, number
from simulator.sweeping.figures import MISSING
from simulator.text import shorten

ROW = 0.3  # inches of height of a world
VERDICTS = {HOLDS: ("#9FC5DF", "order as in the base"), UNDECIDED: ("#E4E4E4", "undecided"), FLIPS: ("#C05A10", "flips")}
FLIPPED = "#FDEADB"  # ground of a world in which an order of the base flips
TITLES = {"choice": "Choice model", "drift": "Drift model", "retrain": "Retrained every … rounds"}
FAINT = "#6B6B6B"


def swap_matrix(survey: Survey, look: dict[str, Look]) -> Drawing:
    """Every world as a tile: rows are choice × drift, columns retraining; in it the arms from rank 1 on."""
    across = "retrain" if "retrain" in survey.assumptions else survey.assumptions[-1]
    down = [assumption for assumption in survey.assumptions if assumption != across]
    axis = {axis.label: axis for axis in survey.swept.axes}
    columns = [axis[across].named(level) for level in range(len(axis[across].values))]
    rows = list(dict.fromkeys(survey.assumed[down].sort_index().itertuples(index=False, name=None)))
    arms = survey.arms
    figure = new_figure(len(rows) * ROW + 0.95)
    ax = figure.subplots()
    ax.grid(visible=False)
    known = survey.worlds.set_index("cell")
    for cell, place in survey.assumed.iterrows():
        x, y = columns.index(place[across]), rows.index(tuple(place[down]))
        if cell in known.index:
            _tile(ax, x, y, survey, int(cell), known.loc[cell], look)
        else:
            ax.add_patch(Rectangle((x - 0.48, y - 0.42), 0.96, 0.84, facecolor=MISSING, edgecolor="none"))
            ax.text(x, y, "not played to the end", ha="center", va="center", fontsize=6, color=FAINT)
    played = {(columns.index(place[across]), rows.index(tuple(place[down]))) for _, place in survey.assumed.iterrows()}
    for x, y in {(x, y) for x in range(len(columns)) for y in range(len(rows))} - played:
        ax.text(x, y, "left out", ha="center", va="center", fontsize=6, color=FAINT)
    ax.set_xlim(-0.5, len(columns) - 0.5)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), [" × ".join(shorten(part, 24) for part in row) for row in rows])
    for at in range(1, len(rows)):
        if rows[at][0] != rows[at - 1][0]:
            ax.axhline(at - 0.5, color=INK, linewidth=0.5)
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.set_xlabel(TITLES[across])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    arm_legend(figure, [arm for arm in arms if arm in set(survey.ranked["arm"])], look, markers=True)
    turned = survey.worlds[survey.worlds[FLIPS] > 0]
    end = {-1: "the lowest", 1: "the highest"}[survey.toward]
    table = survey.ranked.merge(
        survey.worlds[["cell", *survey.assumptions, "tau", FLIPS]], on="cell", how="left"
    )
    return Drawing(
        "swap_matrix",
        "The swap matrix",
        f"Each tile is one world, and its marks are the arms in their order there, from {end} {lowered(survey.words.label)} on "
        "the left. A line under marks joins neighbours that the world does not tell apart, each from the next (the 95 % "
        "interval of their paired difference includes zero). Orange: an order of the base flips there; on the right, how many "
        "do, and Kendall's τ to the base's ranking. The dark frame is the base.",
        f"Matrix of the ranking of {len(arms)} arms in {len(known)} worlds; in {len(turned)} an order of the base flips.",
        figure,
        table[["cell", *survey.assumptions, "rank", "arm", "mean", "low", "high", "n", "tau", FLIPS]],
    )


def _tile(ax: Axes, x: int, y: int, survey: Survey, cell: int, world: pd.Series, look: dict[str, Look]) -> None:
    flips, base = int(world[FLIPS]), cell == survey.base
    edge, width = (INK, 1.6) if base else ("#C05A10", 1.0) if flips else ("#E2E2E2", 0.5)
    ax.add_patch(
        Rectangle((x - 0.48, y - 0.42), 0.96, 0.84, facecolor=FLIPPED if flips else "white", edgecolor=edge, linewidth=width)
    )
    order = survey.ranked.loc[survey.ranked["cell"] == cell, "arm"].tolist()
    step = min(0.11, 0.66 / max(1, len(order)))
    places = x - 0.43 + step * (0.5 + np.arange(len(order)))
    for arm, place in zip(order, places, strict=True):
        own = look[arm]
        ax.plot(place, y - 0.06, linestyle="none", marker=own.marker, markersize=5.2, color=own.colour,
                markeredgecolor="white", markeredgewidth=0.4)  # fmt: skip
    for start, stop in _alike(survey, cell, order):
        ax.plot(places[[start, stop]] + np.array([-0.3, 0.3]) * step, [y + 0.27] * 2, color=INK, linewidth=1.1,
                solid_capstyle="butt")  # fmt: skip
    told = "base" if base else f"τ {number(world['tau'], 2)}"
    ax.text(x + 0.455, y - 0.14, told, ha="right", va="center", fontsize=5.8, color=INK if base else FAINT,
            weight="bold" if base else "normal")  # fmt: skip
    if flips:
        ax.text(x + 0.455, y + 0.2, f"{flips} flip{'s' if flips > 1 else ''}", ha="right", va="center", fontsize=5.8,
                color="#8A3B00", weight="bold")  # fmt: skip


def _alike(survey: Survey, cell: int, order: Sequence[str]) -> list[tuple[int, int]]:
    """Runs of neighbours in a ranking that the world does not tell apart: each with the next; as places from and to."""
    own = survey.orders[survey.orders["cell"] == cell]
    open_ = {frozenset(pair) for pair in own.loc[(own["low"] <= 0) & (own["high"] >= 0), ["first", "second"]].to_numpy()}
    runs: list[tuple[int, int]] = []
    for place in range(len(order) - 1):
        if frozenset(order[place : place + 2]) in open_:
            if runs and runs[-1][1] == place:
                runs[-1] = (runs[-1][0], place + 1)
            else:
                runs.append((place, place + 1))
    return runs


def orders_by_assumption(survey: Survey) -> Drawing:
    """For each level of each assumption: the share of the base's orders that hold there, are undecided, or flip."""
    table = survey.levels
    counts = [len(table[table["assumption"] == assumption]) for assumption in survey.assumptions]
    figure = new_figure(max(counts) * 0.24 + 0.75)
    grid = figure.subplots(1, len(counts), squeeze=False)[0]
    for ax, assumption in zip(grid, survey.assumptions, strict=True):
        _bars(ax, table[table["assumption"] == assumption], max(counts))
        title_panel(ax, TITLES[assumption])
    figure.legend(
        handles=[Patch(facecolor=colour, label=label) for colour, label in VERDICTS.values()], loc="outside upper left", ncols=3
    )
    most = table.loc[table[FLIPS].idxmax()]
    return Drawing(
        "orders_by_assumption",
        "Orders by assumption",
        "For each level, all worlds that have it but the base: the share of the base's orders that are the same there, are "
        "undecided, or flip. The number is how many flip, of all that are counted. Counted are the pairs of arms that the base "
        "tells apart. * the level of the base.",
        f"Bars of orders that hold, are undecided and flip, for each level of {', '.join(survey.assumptions)}. Most flip under "
        f"{most['assumption']} {most['level']}: {most[FLIPS]}.",
        figure,
        table,
    )


def _bars(ax: Axes, table: pd.DataFrame, most: int) -> None:
    total = table[list(VERDICTS)].sum(axis=1).to_numpy(dtype=float)
    y, left = np.arange(len(table)), np.zeros(len(table))
    for verdict, (colour, _) in VERDICTS.items():
        share = np.divide(table[verdict].to_numpy(dtype=float), total, out=np.zeros(len(table)), where=total > 0)
        ax.barh(y, share, left=left, height=0.68, color=colour, edgecolor="white", linewidth=0.4)
        left += share
    for place, row in enumerate(table.to_dict("records")):
        told = f"{row[FLIPS]} of {int(total[place])}" if total[place] else "–"
        ax.text(1.02, place, told, va="center", fontsize=6, color=INK)
    starred = table["level"].map(lambda name: shorten(name, 22)) + table["base"].map({True: "*", False: ""})
    ax.set_yticks(y, starred.tolist())
    ax.set_ylim(most - 0.4, -0.6)
    ax.set_xlim(0, 1.28)
    ax.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
