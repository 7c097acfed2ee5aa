"""Figures of a sensitivity analysis: tornado plots and µ*–σ charts of Morris, bars of Sobol' indices."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from simulator.report.style import GROUP_COLOURS, INK, MARKERS, OTHER_COLOUR, Drawing, Look, grid_of_axes, name_panel
from simulator.report.vocabulary import listing, number, unit, wording
from simulator.sensitivity.sentences import BENDS, estimate, outcome_words
from simulator.sensitivity.study import Estimate, Key, Study
from simulator.text import shorten

COLUMNS = 3  # panels beside each other
KEY_HEIGHT = 0.27  # inches
BAR = 0.62  # of that
LETTERS = 24  # of a key's name
WAYS = {1: ("Rises with the key", GROUP_COLOURS[1]), -1: ("Falls as the key rises", GROUP_COLOURS[4]),
        0: ("No direction shown", OTHER_COLOUR)}  # fmt: skip
TOTAL, FIRST = GROUP_COLOURS[1], GROUP_COLOURS[6]


def draw(study: Study, look: dict[str, Look], measure: str) -> list[Drawing]:
    """All figures of a measure."""
    if study.method == "morris":
        return [tornado(study, look, measure), morris_scatter(study, look, measure)]
    return [sobol_bars(study, look, measure)]


def tornado(study: Study, look: dict[str, Look], measure: str) -> Drawing:
    """µ* of each key with its interval, a panel for each arm; the colour says the sign of µ."""
    figure, panels = _panels(study, look, measure)
    for ax, keys in panels:
        for place, key in keys.items():
            _bar(ax, place, key.size, BAR, WAYS[key.direction][1])
            _noise(ax, place, key)
            if not math.isnan(key.bend):
                ax.text(1.02, place, number(key.bend, 1), transform=ax.get_yaxis_transform(), va="center", fontsize=6)
        ax.text(1.02, -0.75, "σ/µ*", transform=ax.get_yaxis_transform(), va="center", fontsize=6)
    _finish(panels, f"µ*, {unit(wording(measure))}")
    handles = [Patch(facecolor=colour, label=words) for words, colour in WAYS.values()]
    figure.legend(handles=[*handles, *_noise_handle(study)], loc="outside upper left", ncols=4, columnspacing=1.2)
    return Drawing(
        f"tornado_{_file_name(measure)}",
        f"{wording(measure).label}: how much each key matters",
        f"µ*, the mean absolute elementary effect on {_outcome(study, measure)} (Campolongo et al. 2007): its change per "
        f"whole range of the key. Whiskers are 95 % intervals over resampled trajectories.{_noise_words(study)} The colour is "
        "the sign of µ where its own 95 % interval excludes zero and the key has an order. At the right σ/µ*: the larger, the "
        "more a key bends, turns or interacts.",
        f"Bar charts of µ* by key, one for each of {len(study.arms(measure))} arms. {_told(study, measure)}",
        figure, _data(study, measure),
    )  # fmt: skip


def sobol_bars(study: Study, look: dict[str, Look], measure: str) -> Drawing:
    """S1 and ST of each key with their intervals, a panel for each arm."""
    figure, panels = _panels(study, look, measure)
    for ax, keys in panels:
        for place, key in keys.items():
            _bar(ax, place - BAR / 4, key.size, BAR / 2, TOTAL)
            _bar(ax, place + BAR / 4, key.found["S1"], BAR / 2, FIRST)
            _noise(ax, place, key)
        ax.axvline(0, color=INK, linewidth=0.6)
    _finish(panels, "Share of the variance")
    handles = [Patch(facecolor=TOTAL, label="ST, with its interactions"), Patch(facecolor=FIRST, label="S1, by itself")]
    figure.legend(handles=[*handles, *_noise_handle(study)], loc="outside upper left", ncols=4, columnspacing=1.2)
    return Drawing(
        f"sobol_{_file_name(measure)}",
        f"{wording(measure).label}: which keys its variance comes from",
        f"Sobol' indices of {_outcome(study, measure)} (Sobol' 2001; Saltelli et al. 2010). Whiskers are 95 % intervals over "
        f"resampled base samples.{_noise_words(study)} What ST has over S1 are interactions with other keys. By chance, "
        "estimates may leave 0 to 1 where base samples are few.",
        f"Bar charts of S1 and ST by key, one for each of {len(study.arms(measure))} arms. {_told(study, measure)}",
        figure, _data(study, measure),
    )  # fmt: skip


def morris_scatter(study: Study, look: dict[str, Look], measure: str) -> Drawing:
    """µ* against σ: a mark for each key, a panel for each arm."""
    arms = study.arms(measure)
    columns = min(COLUMNS, len(arms))
    figure, axes = grid_of_axes(len(arms), columns, 2.1, extra=0.45)
    labels = [axis.label for axis in study.swept.axes]
    colours = {label: GROUP_COLOURS[place % len(GROUP_COLOURS)] for place, label in enumerate(labels)}
    marks = {label: MARKERS[place % len(MARKERS)] for place, label in enumerate(labels)}
    for ax, arm in zip(axes, arms, strict=True):
        name_panel(ax, arm, look.get(arm))
        keys = study.keys(arm, measure)
        right = max((key.size.high for key in keys), default=0) * 1.08 or 1.0
        top = max((key.found["sigma"].value for key in keys), default=0) * 1.2 or 1.0
        for limit, _ in BENDS:
            _ray(ax, limit, right, top)
        for key in keys:
            sigma, colour = key.found["sigma"].value, colours[key.label]
            ax.hlines(sigma, max(0.0, key.size.low), key.size.high, color=colour, linewidth=0.9)
            ax.plot(key.size.value, sigma, linestyle="none", marker=marks[key.label], markersize=5, color=colour,
                    markeredgecolor="white", markeredgewidth=0.4, clip_on=False)  # fmt: skip
        ax.set(xlim=(0, right), ylim=(0, top), xlabel=f"µ*, {unit(wording(measure))}")
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.yaxis.set_major_locator(MaxNLocator(4))
    for ax in axes[::columns]:
        ax.set_ylabel("σ, same unit")
    handles = [
        Line2D([], [], linestyle="none", marker=marks[label], color=colours[label], markersize=5, label=shorten(label))
        for label in labels
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=4, handletextpad=0.1, columnspacing=1.2)
    return Drawing(
        f"morris_{_file_name(measure)}",
        f"{wording(measure).label}: size against irregularity",
        f"Each mark is a key: to the right it matters more for {_outcome(study, measure)}; higher up, what it does hangs more "
        "on where it starts and on the other keys. Dotted lines are σ/µ* of 0.1, 0.5 and 1: below 0.1 a key acts almost in a "
        "straight line and alone, below 1 in almost one direction, above 1 it bends, turns or interacts (Garcia Sanchez et al. "
        "2014). Bars are 95 % intervals of µ*.",
        f"Charts of µ* against σ, one for each of {len(arms)} arms. {_told(study, measure)}",
        figure, _data(study, measure),
    )  # fmt: skip


def _panels(study: Study, look: dict[str, Look], measure: str) -> tuple[Figure, list[tuple[Axes, dict[int, Key]]]]:
    """A panel for each arm with its keys by their place from above, the same in all; names at the left of each row."""
    arms, order = study.arms(measure), study.ranking(measure)
    columns = min(COLUMNS, len(arms))
    figure, axes = grid_of_axes(len(arms), columns, 0.75 + KEY_HEIGHT * len(order), extra=0.35)
    panels = []
    for number_of_panel, (ax, arm) in enumerate(zip(axes, arms, strict=True)):
        name_panel(ax, arm, look.get(arm))
        names = [shorten(label, LETTERS) for label in order] if number_of_panel % columns == 0 else [""] * len(order)
        ax.set_yticks(range(len(order)), names)
        ax.set_ylim(len(order) - 0.45, -1.1)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", visible=False)
        panels.append((ax, {order.index(key.label): key for key in study.keys(arm, measure)}))
    return figure, panels


def _finish(panels: list[tuple[Axes, dict[int, Key]]], label: str) -> None:
    """One scale for all panels: bars of different arms are compared."""
    ends = [end for ax, _ in panels for end in ax.dataLim.intervalx if math.isfinite(end)]
    right, left = max([*ends, 0.0]), min([*ends, 0.0])
    room = 0.04 * (right - left) or 1.0
    for ax, _ in panels:
        ax.set_xlim(left - room if left < 0 else 0, right + room)
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.set_xlabel(label)


def _bar(ax: Axes, place: float, found: Estimate, height: float, colour: str) -> None:
    ax.barh(place, found.value, height=height, color=colour)
    if not math.isnan(found.low):
        ax.hlines(place, found.low, found.high, color=INK, linewidth=0.8)


def _noise(ax: Axes, place: int, key: Key) -> None:
    if key.noise > 0:
        ax.vlines(key.noise, place - BAR / 2 - 0.08, place + BAR / 2 + 0.08, color=INK, linewidth=1.1, linestyle=(0, (1, 1)))


def _noise_handle(study: Study) -> list[Line2D]:
    chance = Line2D([], [], color=INK, linewidth=1.1, linestyle=(0, (1, 1)), label="Chance alone")
    return [chance] if study.swept.replicates > 1 else []


def _noise_words(study: Study) -> str:
    if study.swept.replicates < 2:
        return ""
    return " The dotted mark is what chance between replicates alone would give."


def _ray(ax: Axes, slope: float, right: float, top: float) -> None:
    """The line on which σ/µ* is `slope`, named at its end."""
    x = min(right, top / slope)
    ax.plot([0, x], [0, slope * x], color=INK, linewidth=0.6, linestyle=(0, (1, 1.5)), zorder=1)
    beside = (1, 0) if x == right else (3, -4)
    ax.annotate(f"{slope:g}", (x, slope * x), xytext=beside, textcoords="offset points", fontsize=6, color=INK, va="center",
                annotation_clip=False)  # fmt: skip


def _outcome(study: Study, measure: str) -> str:
    return f"the {outcome_words(study, measure)} at the end of the run"


def _told(study: Study, measure: str) -> str:
    firsts = [f"{keys[0].label} under {arm}, {estimate(keys[0].size)}" for arm in study.arms(measure)
              if (keys := study.keys(arm, measure))]  # fmt: skip
    return f"Largest: {listing(firsts)}." if firsts else ""


def _data(study: Study, measure: str) -> pd.DataFrame:
    rows = study.indices
    own = rows[(rows["measure"] == measure) & (rows["outcome"] == study.outcome(measure))]
    return own[own["arm"].isin(study.arms(measure))]


def _file_name(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in text)
