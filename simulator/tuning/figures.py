"""Figures of a tune: how the search went, what the trials trade, and what each knob does."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from simulator.report.load import Arm
from simulator.report.style import INK, Drawing, Look, arm_handles, looks, new_figure
from simulator.report.tradeoff import TradeOff, draw_front, front_handles, front_table, mark, trade_off
from simulator.report.vocabulary import lowered, number, wording
from simulator.statistics import Interval, interval_table
from simulator.sweeping.labels import in_words
from simulator.text import shorten
from simulator.tuning.outcome import Outcome
from simulator.tuning.tuned import Tuned

COLUMNS = 4  # knobs beside each other
FLOOR: dict[str, Any] = {"color": INK, "linestyle": (0, (4, 2)), "linewidth": 0.9, "zorder": 1.9}


def arm_looks(tuned: Tuned) -> dict[str, Look]:
    manifest = tuned.manifest
    arms = [Arm(name, "", False, False, False) for name in manifest["arms"]]
    return looks(arms, manifest["baseline"], manifest["reference"])


def _tried(tuned: Tuned) -> list[tuple[int, Outcome]]:
    return [(place, outcome) for place, outcome in enumerate(tuned.outcomes) if outcome is not None]


def history(tuned: Tuned, look: dict[str, Look]) -> Drawing | None:
    """The goal of each trial in the order of the search, and the best so far."""
    tried = _tried(tuned)
    if not tried:
        return None
    keys, own, of = tuned.keys, look[tuned.keys.arm], look[tuned.keys.floor.of]
    figure = new_figure(2.6)
    ax = figure.subplots()
    there = tried[0][1].goal.mean - tried[0][1].gain.mean
    ax.axhline(there, **of.line(), linewidth=1.0)
    for place, outcome in tried:
        _dot(ax, place + 1, outcome.goal.mean, own, outcome.met)
    so_far, reached = [], -math.inf
    for place, outcome in tried:
        reached = max(reached, keys.sign * outcome.goal.mean) if outcome.met else reached
        so_far.append((place + 1, keys.sign * reached if math.isfinite(reached) else math.nan))
    ax.step(*np.transpose(so_far), where="post", color=own.colour, linewidth=1.1, zorder=2)
    if tuned.best is not None:
        _ring(ax, tuned.best + 1, tuned.outcomes[tuned.best].goal.mean)  # type: ignore[union-attr]
    ax.set_xlabel("Trial")
    ax.set_ylabel(_wrapped(wording(keys.goal).label))
    ax.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    handles = [
        *_dots(own), Line2D([], [], color=own.colour, linewidth=1.1, label="best so far"), _best_handle(),
        Line2D([], [], **of.line(), linewidth=1.0, label=shorten(keys.floor.of)),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper left", ncols=6, columnspacing=1.4)
    rows = [
        {"trial": int(tuned.trials["trial"].iloc[place]), "goal": outcome.goal.mean, "met": outcome.met, "best_so_far": value}
        for (place, outcome), (_, value) in zip(tried, so_far, strict=True)
    ]
    said = "no trial keeps the floor" if tuned.best is None else f"best: trial {tuned.best + 1}"
    return Drawing(
        "history", "The search", f"Each mark is a setting, mean over {tried[0][1].goal.n} replicates, the same in all trials. "
        "The first two are the ends of all ranges.", f"Chart of {wording(keys.goal).label} by trial; {said}.", figure,
        pd.DataFrame(rows),
    )  # fmt: skip


def front_of(tuned: Tuned) -> TradeOff | None:
    """The front over all settings that were tried and the other arms that a platform could run."""
    keys = tuned.keys
    names: dict[str, str] = {}
    parts = []
    for place, _ in _tried(tuned):
        run = f"trial {tuned.trials['trial'].iloc[place]}"
        names[run] = f"{keys.arm}, {tuned.words(place)}"
        parts.append(tuned.run(run).assign(point=run))
    for arm, rows in tuned.run("others").groupby("arm", sort=False):
        if arm != tuned.manifest["reference"]:
            names[f"arm {arm}"] = str(arm)
            parts.append(rows.assign(point=f"arm {arm}"))
    ends = pd.concat(parts, ignore_index=True)
    return trade_off(ends, keys.goal, names, sign=keys.sign, utility=keys.floor.measure)


def bargains(tuned: Tuned, look: dict[str, Look], front: TradeOff | None) -> Drawing | None:
    """All trials and the other arms: the goal against the floor's measure, and the floor."""
    tried = _tried(tuned)
    if front is None or not tried:
        return None
    keys, own = tuned.keys, look[tuned.keys.arm]
    on = {point: bool(there) for point, there in zip(front.points, front.front.on_front, strict=True)}
    figure = new_figure(3.4)
    ax = figure.subplots()
    for place, _ in tried:
        run = f"trial {tuned.trials['trial'].iloc[place]}"
        _dot(ax, *front.at(front.points.index(run)), own, on[run])
    levels = interval_table(tuned.run("others"), ["arm", "measure"]).set_index(["arm", "measure"])
    arms = [arm for arm in tuned.manifest["arms"] if arm != keys.arm and (arm, keys.goal) in levels.index]
    for arm in arms:
        x, y = (_interval(levels, arm, measure) for measure in (keys.goal, keys.floor.measure))
        mark(ax, x, y, look[arm], on.get(f"arm {arm}", True))
    floor = keys.floor.share * levels.loc[(keys.floor.of, keys.floor.measure), "mean"]
    ax.axhline(floor, **FLOOR)
    ax.margins(0.08)
    draw_front(ax, front)
    if tuned.best is not None:
        at = front.at(front.points.index(f"trial {tuned.trials['trial'].iloc[tuned.best]}"))
        ax.plot(*at, marker="s", markersize=10, markerfacecolor="none", markeredgecolor=INK, linestyle="none", zorder=4)
    ax.set_xlabel(wording(keys.goal).axis)
    ax.set_ylabel(wording(keys.floor.measure).axis)
    best_mark = Line2D([], [], marker="s", markersize=7, markerfacecolor="none", markeredgecolor=INK, linestyle="none",
                       label="best over the floor")  # fmt: skip
    shown = arm_handles([keys.arm, *arms], look, markers=True)
    handles = [*shown, *front_handles(), best_mark, Line2D([], [], **FLOOR, label="floor")]
    figure.legend(handles=handles, loc="outside upper left", ncols=5, columnspacing=1.4)
    return Drawing(
        "tradeoff", "What the trials trade",
        f"Up is more of the floor's measure, {'right' if keys.sign > 0 else 'left'} is better in the goal. Marks of {keys.arm} "
        "are settings; crosses of the other arms are 95 % t intervals of their levels. All share their users and chance. "
        "Hollow: another is better in both. The knee is the point of the front farthest beyond the line between its ends "
        "(Das 1999).",
        f"Scatter chart of {wording(keys.floor.measure).label} against {wording(keys.goal).label}: {len(tried)} settings of "
        f"{keys.arm} and {len(arms)} other arms; the floor is at {number(floor)}.",
        figure, front_table(front),
    )  # fmt: skip


def slices(tuned: Tuned, look: dict[str, Look]) -> Drawing | None:
    """What each knob does, the others as they came: the goal, and what is kept of the floor's measure."""
    tried = _tried(tuned)
    if not tried:
        return None
    keys, own, axes = tuned.keys, look[tuned.keys.arm], tuned.manifest["axes"]
    columns = min(COLUMNS, len(axes))
    blocks = math.ceil(len(axes) / COLUMNS)
    figure = new_figure(2 * blocks * 1.75 + 0.4)
    grid = figure.subplots(2 * blocks, columns, squeeze=False, sharey="row")
    rows: list[dict[str, Any]] = []
    for place, axis in enumerate(axes):
        block, column = divmod(place, COLUMNS)
        upper, lower = grid[2 * block, column], grid[2 * block + 1, column]
        x = _positions(tuned, axis)
        for trial, outcome in tried:
            _dot(upper, x[trial], outcome.goal.mean, own, outcome.met)
            _dot(lower, x[trial], 100 * outcome.kept.mean, own, outcome.met)
            rows.append({"axis": axis["label"], "at": tuned.value(trial, axis), "trial": int(tuned.trials["trial"].iloc[trial]),
                         "goal": outcome.goal.mean, "kept": outcome.kept.mean, "met": outcome.met})  # fmt: skip
        if tuned.best is not None:
            best = tuned.outcomes[tuned.best]
            assert best is not None
            _ring(upper, x[tuned.best], best.goal.mean)
            _ring(lower, x[tuned.best], 100 * best.kept.mean)
        lower.axhline(100 * keys.floor.share, **FLOOR)
        lower.set_xlabel(axis["label"])
        for ax in (upper, lower):
            _scale(ax, axis)
        if column == 0:
            upper.set_ylabel(_wrapped(wording(keys.goal).label))
            lower.set_ylabel(_wrapped(f"% of {shorten(keys.floor.of, 12)}'s {lowered(wording(keys.floor.measure).label)}"))
    for ax in grid[2 * (blocks - 1):, len(axes) - (blocks - 1) * COLUMNS:].ravel():
        ax.remove()
    handles = [*_dots(own), _best_handle(), Line2D([], [], **FLOOR, label="floor")]
    figure.legend(handles=handles, loc="outside upper left", ncols=5, columnspacing=1.4)
    return Drawing(
        "slices", "What each knob does",
        "Each mark is a setting that was tried, the other knobs at what they were in it, so a cloud along one knob holds what "
        "the others do.",
        f"Scatter charts of the goal and of the share kept against {', '.join(axis['label'] for axis in axes)}.",
        figure, pd.DataFrame(rows),
    )  # fmt: skip


def _positions(tuned: Tuned, axis: dict[str, Any]) -> list[float]:
    column = tuned.trials[axis["label"]]
    return [float(value) if axis["numeric"] else float(axis["values"].index(_as_words(value))) for value in column]


def _as_words(value: Any) -> str:
    return in_words(value.item() if hasattr(value, "item") else value)


def _wrapped(label: str) -> str:
    return "\n".join(textwrap.wrap(label, 24))


def _scale(ax: Axes, axis: dict[str, Any]) -> None:
    if not axis["numeric"]:
        ax.set_xticks(range(len(axis["values"])), [shorten(value, 14) for value in axis["values"]])
        ax.set_xlim(-0.5, len(axis["values"]) - 0.5)
    elif axis["scale"] == "log":
        ax.set_xscale("log")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(6))


def _interval(levels: pd.DataFrame, arm: str, measure: str) -> Interval:
    row = levels.loc[(arm, measure)]
    return Interval(float(row["mean"]), float(row["low"]), float(row["high"]), int(row["n"]))


def _dot(ax: Axes, x: float, y: float, look: Look, full: bool) -> None:
    inside, edge = (look.colour, "white") if full else ("white", look.colour)
    ax.plot(x, y, linestyle="none", marker=look.marker, markersize=4.5, markerfacecolor=inside, markeredgecolor=edge,
            markeredgewidth=0.4 if full else 0.9, zorder=3)  # fmt: skip


def _dots(look: Look) -> list[Line2D]:
    return [
        Line2D([], [], linestyle="none", marker=look.marker, markersize=4.5, markerfacecolor=inside,
               markeredgecolor=look.colour, label=label)
        for label, inside in (("keeps the floor", look.colour), ("does not", "white"))
    ]  # fmt: skip


def _ring(ax: Axes, x: float, y: float) -> None:
    ax.plot(x, y, marker="o", markersize=10, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=0.9, linestyle="none",
            zorder=4)  # fmt: skip


def _best_handle() -> Line2D:
    return Line2D([], [], marker="o", markersize=8, markerfacecolor="none", markeredgecolor=INK, linestyle="none", label="best")
