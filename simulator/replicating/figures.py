"""The paper's figure next to ours, and every level beside what counts as the same."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from itertools import chain, count, takewhile
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from simulator.replicating.outcome import Outcome
from simulator.report.style import ARM_COLOURS, DASHES, INK, MARKERS, Drawing, legend_above, new_figure
from simulator.report.vocabulary import MINUS, capital, wording
from simulator.text import shorten

LEVELS = "levels"   # the name of the figure of all levels

_BAND = "#E4E4E4"
_ROW = 0.24         # inches of a row in a figure of rows
_LETTERS = 56       # in a line of a row's label
_BESIDE = 36        # in a line of what stands beside an axis
_FAR = 5.0          # half bands: what lies further out is drawn at the edge
_TICKS = 0.07       # of an axis: values that lie closer than that are not all written below it


class Published(NamedTuple):
    """A figure of the paper, and the levels here that belong to it."""

    name: str           # file name without ending
    title: str
    rows: pd.DataFrame
    lines: bool         # do they follow something that is a number?


def draw(outcome: Outcome) -> list[Drawing]:
    """Return the figures: each published one with the same here, and one of all levels."""
    drawings = [(_lines if each.lines else _dots)(each) for each in published(outcome)]
    whole = _all_levels(_levels(outcome))
    return drawings if whole is None else [*drawings, whole]


def published(outcome: Outcome) -> list[Published]:
    """Return the published figures that two levels or more belong to; those that follow a number apart from the others."""
    levels = _levels(outcome)
    levels = levels[levels["published"].notna()]
    points = levels.groupby(["figure", "claim", "over"])["at"].transform("nunique")
    follows = (levels["over"] != "") & levels["at"].map(_is_number).astype(bool) & (points > 1)
    found: list[Published] = []
    for (name, over), rows in levels[follows].groupby(["figure", "over"], sort=False):
        found.append(Published(_free(found, name, over), name, rows, lines=True))
    for name, rows in levels[~follows & (levels["figure"] != "")].groupby("figure", sort=False):
        if len(rows) > 1:
            found.append(Published(_free(found, name, "levels"), name, rows, lines=False))
    return found


def _levels(outcome: Outcome) -> pd.DataFrame:
    """Return the levels that were played."""
    return outcome.claims[(outcome.claims["kind"] == "level") & (outcome.claims["inside"] != "not played")]


def _lines(figure_of: Published) -> Drawing:
    """Draw what was published on the left, what is measured here with its intervals on the right."""
    rows = figure_of.rows.assign(x=figure_of.rows["at"].astype(float))
    figure = new_figure(2.6)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    lines = [(key, line) for key, line in rows.groupby(["claim", "of"], sort=False)]
    handles = []
    for place, (label, (_, line)) in enumerate(zip(_names([key for key, _ in lines]), lines, strict=True)):
        style = {"color": ARM_COLOURS[place % len(ARM_COLOURS)], "linestyle": DASHES[place // len(ARM_COLOURS) % len(DASHES)],
                 "marker": MARKERS[place % len(MARKERS)], "markersize": 3}
        handles += left.plot(line["x"], line["published"], label=label, **style)
        right.plot(line["x"], line["mean"], **style)
        right.fill_between(line["x"], line["low"].fillna(line["mean"]), line["high"].fillna(line["mean"]),
                           color=style["color"], alpha=0.2, linewidth=0)
    over = rows["over"].iloc[0]
    for ax, title in ((left, "Published"), (right, "Here")):
        ax.set_title(title)
        ax.set_xlabel(capital(over))
        _tick_at(ax, np.unique(rows["x"]))
    left.set_ylabel("\n".join(textwrap.wrap(_quantity(rows), _BESIDE)))
    legend_above(figure, handles)
    return _drawing(
        figure_of, figure, "Left what was published, right what is measured here; bands: 95 % t intervals over replicates.",
        f"Two panels over {over}: published values and values measured here.",
    )


def _dots(figure_of: Published) -> Drawing:
    """Draw a row for each level: its published value and what counts as the same, and what is measured here."""
    rows = figure_of.rows
    figure = new_figure(0.8 + _ROW * len(rows))
    ax: Axes = figure.subplots()
    for place, row in enumerate(rows.to_dict("records")):
        if not np.isnan(row["band_low"]):
            ax.barh(place, row["band_high"] - row["band_low"], left=row["band_low"], height=0.8, color=_BAND, zorder=0)
        ax.plot(row["published"], place, marker="D", markerfacecolor="white", color=INK, markersize=4)
        ax.plot([row["low"], row["high"]], [place, place], color=ARM_COLOURS[0], linewidth=1.2)
        ax.plot(row["mean"], place, marker="o", color=ARM_COLOURS[0], markersize=3.5)
    _name_rows(ax, rows)
    ax.use_sticky_edges = False         # a mark at the end of a bar is not cut
    ax.margins(x=0.03)
    ax.set_xlabel(_quantity(rows))
    legend_above(figure, [
        Line2D([], [], color=INK, linestyle="none", marker="D", markerfacecolor="white", markersize=4, label="Published"),
        Line2D([], [], color=ARM_COLOURS[0], linestyle="none", marker="o", markersize=3.5, label="Here"),
        *([Patch(color=_BAND, label="Counts as the same")] if rows["band_low"].notna().any() else []),
    ])
    return _drawing(
        figure_of, figure, "Published values and what is measured here, with 95 % t intervals over replicates.",
        f"{len(rows)} rows: published values and values measured here.",
    )


def _drawing(figure_of: Published, figure: Any, caption: str, alt: str) -> Drawing:
    columns = ["claim", "of", "over", "at", "published", "mean", "low", "high", "replicates"]
    title = f"{figure_of.title or 'Published'}, and the same here"
    return Drawing(figure_of.name, title, caption, alt, figure, figure_of.rows[columns])


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
    for place, row in enumerate(rows.to_dict("records")):
        place_of = {key: _scaled(row, row[key]) for key in ("mean", "low", "high")}
        colour = ARM_COLOURS[0] if row["inside"] == "yes" else ARM_COLOURS[1]
        if not np.isnan(place_of["low"]):
            ax.plot([place_of["low"], place_of["high"]], [place, place], color=colour, linewidth=1.2)
        ax.plot(place_of["mean"], place, marker="o" if row["inside"] == "yes" else "X", color=colour, markersize=4)
    _name_rows(ax, rows)
    ax.set_xlim(-_FAR, _FAR)
    ax.set_xlabel("Distance from the published value, in tolerances")
    data = rows[["claim", "over", "at", "published", "mean", "low", "high", "band_low", "band_high", "inside"]]
    return Drawing(
        LEVELS, "Every level beside what counts as the same",
        "Dots: means over replicates, bars: 95 % t intervals, in units of the tolerance; grey: what counts as published. "
        f"What lies more than {_FAR:g} tolerances out is drawn at the edge.",
        f"{len(rows)} measured levels in units of their tolerance.", figure, data,
    )  # fmt: skip


def _names(lines: Sequence[tuple[str, str]]) -> list[str]:
    """Return what lines are called, each a (claim, expression): by their arms, if these are one each, else by their claims.

    Of claims that begin alike only the rest is told, as the title of the figure says what they are about.
    """
    arms = [of for _, of in lines]
    if all(of.isidentifier() for of in arms) and len(set(arms)) == len(arms) > 1:
        return arms
    claims = [claim for claim, _ in lines]
    words = [claim.split() for claim in claims]
    alike = sum(1 for _ in takewhile(lambda same: len(set(same)) == 1, zip(*words, strict=False))) if len(claims) > 1 else 0
    rest = [" ".join(each[alike:]) for each in words]
    return [shorten(claim, 110) for claim in (rest if all(rest) else claims)]


def _quantity(rows: pd.DataFrame) -> str:
    """Return what the axis of the values says: the measure, where all of them are one as it stands."""
    measures = set(rows["measure"])
    plain = len(measures) == 1 and measures != {""} and all(of.isidentifier() for of in rows["of"])
    return wording(measures.pop()).axis if plain else ""


def _name_rows(ax: Axes, rows: pd.DataFrame) -> None:
    """Name the rows of a figure by their claims, from the top down."""
    told = zip(rows["claim"], rows["over"], rows["at"], strict=True)
    labels = [_in_two_lines(claim, f", {over} {at}" if over else "") for claim, over, at in told]
    ax.set_yticks(range(len(labels)), labels, linespacing=1.05)
    ax.set_ylim(len(labels) - 0.5, -0.5)


def _in_two_lines(claim: str, where: str) -> str:
    """Return a label of a row: on one line if it fits, else on two, cut where even these are too short."""
    first, *more = textwrap.wrap(shorten(claim, 2 * _LETTERS - 10 - len(where)) + where, _LETTERS)
    return "\n".join([first, " ".join(more)]) if more else first


def _tick_at(ax: Axes, values: np.ndarray) -> None:
    """Write the values themselves below an axis, if there is room for all of them."""
    if np.diff(values).min() >= _TICKS * (values[-1] - values[0]):
        ax.set_xticks(values, [f"{value:g}".replace("-", MINUS) for value in values])


def _scaled(row: dict[str, Any], value: float) -> float:
    return float(np.clip((value - row["middle"]) / row["half"], -_FAR, _FAR))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _free(found: Sequence[Published], name: str, more: str) -> str:
    """Return a file name for a figure, with `more` in it, and a number, where others have the same."""
    taken = {each.name for each in found} | {LEVELS}
    texts = chain([name or "published", f"{name} {more}"], (f"{name} {more} {number}" for number in count(2)))
    return next(file for file in map(_file_name, texts) if file not in taken)


def _file_name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "figure"
