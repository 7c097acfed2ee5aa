"""The paper's figure next to ours, and every level beside what counts as the same."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from simulator.replicating.outcome import Outcome
from simulator.report.style import ARM_COLOURS, DASHES, INK, MARKERS, Drawing, new_figure
from simulator.report.vocabulary import capital, shorten

_ROW = 0.2          # inches of a row in the figure of levels
_FAR = 5.0          # half bands: what lies further out is drawn at the edge


def draw(outcome: Outcome) -> list[Drawing]:
    """Return the figures: one for each published figure that claims follow along something, and one of all levels."""
    levels = outcome.claims[(outcome.claims["kind"] == "level") & (outcome.claims["inside"] != "not played")]
    along = levels[(levels["over"] != "") & levels["published"].notna() & levels["at"].map(_is_number)]
    groups = along.groupby(["figure", "over"], sort=False)
    drawings = [_pair(name, rows) for (name, _), rows in groups if rows["at"].nunique() > 1]
    whole = _all_levels(levels)
    return drawings if whole is None else [*drawings, whole]


def _pair(name: str, rows: pd.DataFrame) -> Drawing:
    """Draw what was published on the left, what is measured here with its intervals on the right."""
    rows = rows.assign(x=rows["at"].astype(float))
    figure = new_figure(2.6)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    for place, ((claim, of), line) in enumerate(rows.groupby(["claim", "of"], sort=False)):
        style = {"color": ARM_COLOURS[place % len(ARM_COLOURS)], "linestyle": DASHES[place // len(ARM_COLOURS) % len(DASHES)],
                 "marker": MARKERS[place % len(MARKERS)], "markersize": 3}
        label = f"{shorten(claim, 34)}" if not of.isidentifier() else f"{of}"
        left.plot(line["x"], line["published"], label=label, **style)
        right.plot(line["x"], line["mean"], **style)
        right.fill_between(line["x"], line["low"].fillna(line["mean"]), line["high"].fillna(line["mean"]),
                           color=style["color"], alpha=0.2, linewidth=0)
    over = rows["over"].iloc[0]
    for ax, title in ((left, "Published"), (right, "Here")):
        ax.set_title(title)
        ax.set_xlabel(capital(over))
    figure.legend(loc="outside upper left", ncols=4)
    return Drawing(
        _file_name(name or "published"), f"{name or 'Published'}, and the same here",
        "Left what was published, right what is measured here; bands: 95 % t intervals over replicates.",
        f"Two panels over {over}: published values and values measured here.", figure,
        rows[["claim", "of", "over", "at", "published", "mean", "low", "high", "replicates"]],
    )  # fmt: skip


def _all_levels(rows: pd.DataFrame) -> Drawing | None:
    """Draw how far each level is from the middle of its band, in half bands: inside is between −1 and 1."""
    middle, half = (rows["band_low"] + rows["band_high"]) / 2, (rows["band_high"] - rows["band_low"]) / 2
    rows = rows.assign(middle=middle, half=half)[half > 0]
    if rows.empty:
        return None
    figure = new_figure(0.7 + _ROW * len(rows))
    ax: Axes = figure.subplots()
    ax.axvspan(-1, 1, color="#EDEDED", zorder=0)
    ax.axvline(0, color=INK, linewidth=0.6, zorder=1)
    labels = []
    for place, row in enumerate(rows.to_dict("records")):
        place_of = {key: _scaled(row, row[key]) for key in ("mean", "low", "high")}
        colour = ARM_COLOURS[0] if row["inside"] == "yes" else ARM_COLOURS[1]
        if not np.isnan(place_of["low"]):
            ax.plot([place_of["low"], place_of["high"]], [place, place], color=colour, linewidth=1.2)
        ax.plot(place_of["mean"], place, marker="o" if row["inside"] == "yes" else "X", color=colour, markersize=4)
        where = f", {row['over']} {row['at']}" if row["over"] else ""
        labels.append(shorten(row["claim"], 60 - len(where)) + where)
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.set_xlim(-_FAR, _FAR)
    ax.set_xlabel("Distance from the published value, in tolerances")
    data = rows[["claim", "over", "at", "published", "mean", "low", "high", "band_low", "band_high", "inside"]]
    return Drawing(
        "levels", "Every level beside what counts as the same",
        "Dots: means over replicates, bars: 95 % t intervals, in units of the tolerance; grey: what counts as published. "
        f"What lies more than {_FAR:g} tolerances out is drawn at the edge.",
        f"{len(rows)} measured levels in units of their tolerance.", figure, data,
    )  # fmt: skip


def _scaled(row: dict[str, Any], value: float) -> float:
    return float(np.clip((value - row["middle"]) / row["half"], -_FAR, _FAR))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _file_name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "figure"
