"""Figures of a study of remedies: the front of every world, and where the remedies lie on it under other assumptions."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from simulator.remedies.pairs import HOLDS, TURNS, UNDECIDED
from simulator.remedies.study import Study
from simulator.report.load import Arm
from simulator.report.style import INK, ORGANIC_COLOUR, Drawing, Look, arm_handles, looks, new_figure, title_panel
from simulator.report.tradeoff import TradeOff, draw_front, front_handles, front_table, in_short
from simulator.report.vocabulary import lowered, wording
from simulator.text import shorten

COLUMNS = 2
SMALLEST, LARGEST = 3.4, 6.6            # of the marks of a kind, from its weakest setting to its strongest
ON, OFF, UNKNOWN = "#3B7DA8", "#E4E4E4", "white"
VERDICTS = {
    HOLDS: ("#9FC5DF", "as in the world as it stands"), UNDECIDED: ("#E4E4E4", "undecided"), TURNS: ("#C05A10", "turned"),
}  # fmt: skip


def look_of_kinds(study: Study) -> dict[str, Look]:
    """A look for each kind of remedy, and ink for the arms without one."""
    kinds = looks([Arm(kind, "", False, False, False) for kind in study.kinds], None, None)
    plain = [arm for arm in study.policies if study.kind_of[arm] == arm]
    return {**{arm: Look(INK, "-", "*" if place == 0 else "P", 40 + place) for place, arm in enumerate(plain)}, **kinds}


def fronts(study: Study, look: dict[str, Look]) -> Drawing | None:
    """A panel for each world: utility against diversity, a line for each kind of remedy, and the front."""
    shown = [(world, study.fronts[world.name][0]) for world in study.played if study.fronts[world.name]]
    if not shown:
        return None
    columns = min(COLUMNS, len(shown))
    figure = new_figure(math.ceil(len(shown) / columns) * 2.9 + 0.8)
    grid = figure.subplots(math.ceil(len(shown) / columns), columns, squeeze=False).ravel().tolist()
    for ax in grid[len(shown):]:
        ax.remove()
    words, cost = wording(study.keys.diversity), wording(study.keys.utility)
    for place, (ax, (world, found)) in enumerate(zip(grid, shown, strict=False)):
        _panel(ax, study, world.base, found, look)
        title_panel(ax, world.name)
        ax.set_xlabel(words.axis)
        if place % columns == 0:
            ax.set_ylabel(cost.axis)
        ax.margins(0.07)
    for ax, (_, found) in zip(grid, shown, strict=False):
        draw_front(ax, found)
    baseline = [] if study.swept.baseline is None else [
        Line2D([], [], marker="x", color=ORGANIC_COLOUR, linestyle="none", markersize=5, label=study.swept.baseline)
    ]  # fmt: skip
    names = [name for name in look if name in study.kinds or name in study.policies]
    figure.legend(handles=[*arm_handles(names, look, markers=True), *baseline, *front_handles()], loc="outside upper left",
                  ncols=6, columnspacing=1.2)  # fmt: skip
    tables = [front_table(found).assign(world=world.name) for world, found in shown]
    table = pd.concat(tables, ignore_index=True)
    table.insert(1, "kind", table["name"].map(study.kind_of))
    away = "right" if study.sign > 0 else "left"
    return Drawing(
        "fronts",
        "The front of every world",
        f"Up is more useful, {away} is less of a bubble. A mark is an arm's mean over {study.swept.replicates} replicates; "
        "lines join the settings of a remedy, and marks grow with its strength. Hollow: something is better in both means. The "
        f"front is of what a platform could run; {study.swept.baseline or 'a control'} is no candidate. Intervals of the "
        "differences are in the tables: what all arms of a replicate share does not count in them, and would in crosses here.",
        f"Scatter charts of {lowered(cost.label)} against {lowered(words.label)}, one for each world. "
        + " ".join(f"{world.name}: on the front {', '.join(_members(found))}." for world, found in shown),
        figure,
        table,
    )  # fmt: skip


def _members(found: TradeOff) -> list[str]:
    return [found.names[point] for point in found.front.members]


def _panel(ax: Axes, study: Study, cell: int, found: TradeOff, look: dict[str, Look]) -> None:
    at = {name: found.at(point) for point, name in enumerate(found.names)}
    on = {name for name, there in zip(found.names, found.front.on_front, strict=True) if there}
    for kind, arms in study.kinds.items():
        there = [arm for arm in arms if arm in at]
        if len(there) > 1:
            ax.plot(*np.transpose([at[arm] for arm in there]), **look[kind].line(), linewidth=0.7, alpha=0.75)
        sizes = np.linspace(SMALLEST, LARGEST, len(arms)) if len(arms) > 1 else [(SMALLEST + LARGEST) / 2]
        for arm, size in zip(arms, sizes, strict=True):
            if arm in at:
                _mark(ax, at[arm], look[kind], arm in on, float(size))
    for arm in at:
        if study.kind_of[arm] == arm:
            _mark(ax, at[arm], look[arm], arm in on, 9.0 if look[arm].marker == "*" else 6.0)
    own = study.swept.results
    own = own[(own["cell"] == cell) & (own["arm"] == study.swept.baseline)].groupby("measure")["value"].mean()
    if {found.measure, study.keys.utility} <= set(own.index):
        ax.plot(own[found.measure], own[study.keys.utility], marker="x", color=ORGANIC_COLOUR, markersize=5, linestyle="none")
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def _mark(ax: Axes, place: tuple[float, float], look: Look, on: bool, size: float) -> None:
    ax.plot(*place, marker=look.marker, markersize=size, color=look.colour, linestyle="none", zorder=3 + look.order / 100,
            markerfacecolor=look.colour if on else "white", markeredgecolor="white" if on else look.colour,
            markeredgewidth=0.4 if on else 0.9)  # fmt: skip


def places(study: Study) -> Drawing | None:
    """Rows: the remedies that are played everywhere; columns: the cells of each world; dark: on the front there."""
    table = study.memberships
    if table.empty:
        return None
    arms = [arm for arm in study.swapped if arm in table.index]
    worlds = [(world, [cell for cell in (world.base, *world.others) if cell in table.columns]) for world in study.played]
    worlds = [(world, cells) for world, cells in worlds if len(cells) > 1]
    figure = new_figure(len(arms) * 0.2 + 1.75)
    grid = figure.subplots(1, len(worlds), squeeze=False, sharey=True, width_ratios=[len(cells) for _, cells in worlds])[0]
    for ax, (world, cells) in zip(grid, worlds, strict=True):
        for x, cell in enumerate(cells):
            for y, arm in enumerate(arms):
                there = table.at[arm, cell]
                colour = UNKNOWN if pd.isna(there) else ON if there else OFF
                ax.add_patch(Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, facecolor=colour, edgecolor="none"))
        ax.add_patch(Rectangle((-0.5, -0.5), 1, len(arms), facecolor="none", edgecolor=INK, linewidth=1.1))
        ax.set_xlim(-0.55, len(cells) - 0.45)
        ax.set_ylim(len(arms) - 0.45, -0.55)
        ax.set_xticks(range(len(cells)), [shorten(study.assumptions(cell), 30) for cell in cells], rotation=90)
        ax.set_yticks(range(len(arms)), arms)
        ax.tick_params(length=0)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        title_panel(ax, world.name)
    figure.legend(handles=[Patch(facecolor=ON, label="on the front"), Patch(facecolor=OFF, label="beaten in both means")],
                  loc="outside upper left", ncols=2)  # fmt: skip
    tidy = table.loc[arms].rename_axis("arm").reset_index().melt("arm", var_name="cell", value_name="on_front")
    named = {cell: world.name for world, cells in worlds for cell in cells}
    tidy = tidy.assign(world=tidy["cell"].map(named), assumptions=[study.assumptions(int(cell)) for cell in tidy["cell"]])
    counts = {arm: int(table.loc[arm].fillna(False).astype(bool).sum()) for arm in arms}
    return Drawing(
        "places",
        "On the front, under which assumptions",
        "Each column is a world under some assumptions, the framed one as it stands. On the front of "
        f"{in_short(study.keys.diversity)} and {lowered(wording(study.keys.utility).label)} is what none of these {len(arms)} "
        "arms beats in both means; the front of all arms may leave it out. Means alone decide here: how sure an order is, the "
        "table below says.",
        "Matrix of arms by world and assumptions. On the front, of "
        f"{len(table.columns)}: {', '.join(f'{arm} {times}' for arm, times in counts.items())}.",
        figure,
        tidy,
    )  # fmt: skip


def orders(study: Study) -> Drawing | None:
    """For each world under other assumptions: the share of the orders of the base that hold there, are undecided, or turn."""
    table = study.survival
    if table.empty:
        return None
    cells = list(dict.fromkeys(table["cell"]))
    names = {cell: f"{world.name}: {study.assumptions(cell)}" for world in study.played for cell in world.others}
    kinds = {
        "domination": "Better in both", "diversity": f"By {in_short(study.keys.diversity)}",
        "utility": f"By {lowered(wording(study.keys.utility).label)}",
    }  # fmt: skip
    figure = new_figure(len(cells) * 0.24 + 0.85)
    grid = figure.subplots(1, len(kinds), sharey=True)
    for ax, (what, title) in zip(grid, kinds.items(), strict=True):
        own = table[table["what"] == what].set_index("cell").loc[cells]
        total = own[list(VERDICTS)].sum(axis=1).to_numpy(dtype=float)
        left = np.zeros(len(own))
        for verdict, (colour, _) in VERDICTS.items():
            share = np.divide(own[verdict].to_numpy(dtype=float), total, out=np.zeros(len(own)), where=total > 0)
            ax.barh(range(len(own)), share, left=left, height=0.68, color=colour, edgecolor="white", linewidth=0.4)
            left += share
        for y, (turned, base) in enumerate(zip(own[TURNS], own["base"], strict=True)):
            ax.text(1.02, y, f"{turned} of {base}" if base else "none", va="center", fontsize=6, color=INK)
        ax.set_yticks(range(len(own)), [shorten(names[cell], 40) for cell in cells])
        ax.set_ylim(len(own) - 0.4, -0.6)
        ax.set_xlim(0, 1.28)
        ax.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
        ax.tick_params(length=0)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        title_panel(ax, title)
    handles = [Patch(facecolor=colour, label=label) for colour, label in VERDICTS.values()]
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    told = {what: (int(own[TURNS].sum()), int(own["base"].sum())) for what, own in table.groupby("what")}
    return Drawing(
        "orders",
        "Which orders survive",
        "Of the pairs of arms that a world as it stands tells apart: the share whose order is the same under others, "
        "is undecided, or is turned round. The number is how many are turned, of how many. Better in both: both intervals lie "
        "on one side of zero; turned is such a pair where one lies on the other. Intervals are of 95 %, each for itself.",
        "Bars of orders that hold, are undecided and are turned. Turned: "
        + "; ".join(f"{kinds[what]} {turned} of {base}" for what, (turned, base) in told.items()) + ".",
        figure,
        table.assign(world=table["cell"].map(names)),
    )  # fmt: skip
