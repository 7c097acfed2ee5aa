"""How each outcome goes with the size of the model: under the first training, and at the end."""

from __future__ import annotations

from textwrap import fill
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from simulator.report.style import ARM_COLOURS, GROUP_COLOURS, INK, MARKERS, OTHER_COLOUR, Drawing, new_figure, title_panel
from simulator.report.vocabulary import capital, listing
from simulator.studying.answers import LEAST
from simulator.studying.outcome import Outcome, label
from simulator.studying.tables import SIZE

STAGES: dict[str, tuple[Literal["--", "-"], Literal["none", "full"]]] = {
    "one-shot": ("--", "none"), "in the loop": ("-", "full"),
}  # fmt: skip
"""Of each stage: its dashes and how markers are filled."""

COLOURS = (*ARM_COLOURS, GROUP_COLOURS[-2], OTHER_COLOUR)
"""Of groups: dashes tell stages apart, so they cannot tell groups that share a colour. Stages are in ink."""


def draw(outcome: Outcome) -> list[Drawing]:
    """Return the figure of outcomes over parameters: a row for each outcome, a column for each cell. Without sizes, none."""
    table = placed(outcome)
    if table.empty:
        return []
    cells, measured = list(table["cell"].unique()), set(table["measure"])
    outcomes = [name for name in outcome.about["outcomes"] if name in measured]
    groups = [name for name in outcome.about["groups"] if name in set(table["group"])]
    figure = new_figure(1.6 * len(outcomes) + 0.8)
    grid = figure.subplots(len(outcomes), len(cells), squeeze=False, sharex=True)
    for line, measure in zip(grid, outcomes, strict=True):
        for ax, cell in zip(line, cells, strict=True):
            for place, group in enumerate(groups):
                colour = COLOURS[place % len(COLOURS)]
                for stage, (dashes, filled) in STAGES.items():
                    chosen = (table["measure"] == measure) & (table["cell"] == cell) & (table["group"] == group)
                    rows = table[chosen & (table["stage"] == stage)].sort_values("parameters")
                    if rows.empty:
                        continue
                    x, mean = rows["parameters"].to_numpy(float), rows["mean"].to_numpy(float)
                    low, high = (rows[end].fillna(rows["mean"]).to_numpy(float) for end in ("low", "high"))
                    ax.errorbar(
                        x, mean, np.stack([mean - low, high - mean]), color=colour, linestyle=dashes, linewidth=1,
                        marker=MARKERS[place % len(MARKERS)], markersize=3.5, fillstyle=filled, elinewidth=0.7,
                    )
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
            ax.xaxis.set_minor_formatter(NullFormatter())
        line[0].set_ylabel(fill(label(measure), 20), fontsize=7)
    for ax, cell in zip(grid[0], cells, strict=True):
        title_panel(ax, capital(cell) or "All worlds", len(cells))
    figure.supxlabel("Parameters beyond embeddings", fontsize=8)         # under each column they would meet
    looks = [(COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]) for place in range(len(groups))]
    handles = [
        Line2D([], [], color=colour, marker=marker, markersize=3.5, label=group)
        for group, (colour, marker) in zip(groups, looks, strict=True)
    ]
    handles += [Line2D([], [], color=INK, linestyle=dashes, label=stage) for stage, (dashes, _) in STAGES.items()]
    figure.legend(handles=handles, loc="outside upper left", ncols=6)
    return [Drawing(
        "size", "Outcomes by the size of the model",
        "Means over replicates; bars are 95 % t intervals. Hollow, dashed: under the first training; filled: at the end. Of "
        "groups of which at least three arms were played there. Each panel has a scale of its own.",
        f"{listing([label(name) for name in outcomes])} over the number of parameters.", figure, table,
    )]  # fmt: skip


def placed(outcome: Outcome) -> pd.DataFrame:
    """Return the rows of the table of arms that a group places by size, with their group and parameters."""
    arms = outcome.arms
    sizes = arms[(arms["measure"] == SIZE) & (arms["stage"] == "in the loop")]
    sizes = sizes[["cell", "arm", "mean"]].rename(columns={"mean": "parameters"})
    members = pd.DataFrame(
        [(group, arm) for group, names in outcome.about["groups"].items() for arm in names], columns=["group", "arm"]
    )
    found = arms[arms["measure"].isin(outcome.about["outcomes"])].merge(sizes, on=["cell", "arm"]).merge(members, on="arm")
    found = found[found["parameters"] > 0]
    return found[found.groupby(["group", "cell"])["parameters"].transform("nunique") >= LEAST]     # as many as make a trend


def _short(parameters: float) -> str:
    for size, letter in ((1e6, " M"), (1e3, " K")):
        if parameters >= size:
            return f"{parameters / size:g}{letter}"
    return f"{parameters:g}"
