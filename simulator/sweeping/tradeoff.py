"""Utility against diversity over arms and strengths: one front for each world in which policies of several settings live."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from simulator.report.evidence import UTILITY
from simulator.report.style import Drawing, Look, arm_handles, new_figure, title_panel
from simulator.report.tradeoff import (
    DIVERSITIES,
    TradeOff,
    draw_front,
    front_handles,
    front_table,
    in_short,
    mark,
    percent,
    section,
    sentence,
    trade_off,
)
from simulator.report.vocabulary import capital, unit, wording
from simulator.statistics import Interval
from simulator.sweeping.figures import Swept, SweptAxis

MOST_WORLDS = 9  # panels of a figure, and worlds that the answer names
MOST_POINTS = 400  # of a world: with more, resampling takes longer than it tells
COLUMNS = 3


@dataclass(frozen=True)
class Setting:
    """An arm in a cell; `cell` is None for one that is the same in every cell of its world."""

    arm: str
    cell: int | None
    name: str


@dataclass(frozen=True)
class World:
    """The cells in which only what the platform does varies, and what there is to choose from in them."""

    title: str  # empty: there is one
    settings: dict[int, Setting]
    ends: pd.DataFrame  # point, replicate, measure, value
    strength: SweptAxis | None  # what the lines of the figure go along
    paired: bool  # do all cells share their replicates?

    def front(self, measure: str, reference: str | None) -> TradeOff | None:
        names = {point: each.name for point, each in self.settings.items() if each.arm != reference}
        apart = None if self.paired else {point: self.settings[point].cell or 0 for point in names}
        found = trade_off(self.ends, measure, names, apart)
        return None if found is None or len(found.points) < 2 else found


def worlds(swept: Swept) -> list[World]:
    """One for each combination of values of the axes that move anything but policies.

    Where no axis moves policies alone, one numeric axis by itself will do; its cells are other worlds, and so are not paired.
    Empty where there is no number to go along.
    """
    free = [axis for axis in swept.axes if all(_of_policies(key) for key in axis.keys)]
    paired = bool(free)
    if not paired and len(swept.axes) == 1:
        free = list(swept.axes)
    fixed = [axis for axis in swept.axes if axis not in free]
    strengths = [axis for axis in free if axis.numeric and len(axis.values) > 1]
    many = len(swept.finished) * len(swept.arms) > MOST_POINTS
    if not strengths or not swept.finished or many or (swept.sampled and fixed):
        return []
    strength = None if swept.sampled else strengths[0]
    at = swept.levels.loc[swept.finished]
    groups = at.groupby([axis.label for axis in fixed]) if fixed else [((), at)]
    found = []
    for levels, cells in groups:
        title = ", ".join(f"{axis.label} {axis.named(int(level))}" for axis, level in zip(fixed, levels, strict=True))
        found.append(_world(swept, title, [int(cell) for cell in cells.index], free, strength, paired))
    return found


def _of_policies(key: str) -> bool:
    return key == "policies" or key.startswith(("policies.", "policies["))


def _world(
    swept: Swept, title: str, cells: list[int], free: list[SweptAxis], strength: SweptAxis | None, paired: bool
) -> World:
    results = swept.results[swept.results["cell"].isin(cells)]
    settings: dict[int, Setting] = {}
    parts = []
    for arm in swept.arms:
        own = results[results["arm"] == arm]
        there = [cell for cell in cells if cell in set(own["cell"])]
        if paired and len(there) > 1 and _same_everywhere(own):
            there, alike = there[:1], True
        else:
            alike = False
        for cell in there:
            words = ", ".join(f"{axis.label} {axis.named(int(swept.levels.at[cell, axis.label]))}" for axis in free)
            point = len(settings)
            settings[point] = Setting(arm, None if alike else cell, arm if alike else f"{arm}, {words}")
            parts.append(own[own["cell"] == cell].assign(point=point))
    ends = pd.concat(parts, ignore_index=True) if parts else results.assign(point=0)
    return World(title, settings, ends[["point", "replicate", "measure", "value"]], strength, paired)


def _same_everywhere(own: pd.DataFrame) -> bool:
    """Does the axis leave this arm alone? Then it has the very same numbers in all cells."""
    wide = own.pivot(index=["measure", "replicate"], columns="cell", values="value")
    return bool((wide.nunique(axis=1, dropna=False) == 1).all())


# Words -------------------------------------------------------------------------------------------------------


def tradeoff_sentence(swept: Swept, found: list[World]) -> str:
    """The front against the first diversity, of the one world or of each; empty where there is none."""
    measure = _measures(swept)[0] if _measures(swept) else None
    fronts = [(world, front) for world in found if measure and (front := world.front(measure, swept.reference)) is not None]
    if not fronts:
        return ""
    unpaired = "" if all(world.paired for world, _ in fronts) else (
        " The axis changes the world, so these points are not paired, and what differs is not the policies' doing alone."
    )
    if len(fronts) == 1:
        return f"{sentence(fronts[0][1])}{unpaired}"
    told = [f"{world.title}: {_knee(front)}" for world, front in fronts[:MOST_WORLDS]]
    more = f"; {len(fronts) - MOST_WORLDS} more in the table" if len(fronts) > MOST_WORLDS else ""
    what = f"{in_short(fronts[0][1].measure)} and utility"
    return f"The knee of the front of {what}, world by world: {'; '.join(told)}{more}."


def _knee(found: TradeOff) -> str:
    if found.front.knee is None:
        return f"none ({len(found.front.members)} on the front)"
    share = found.front.knee_share[found.front.knee]
    return f"{found.knee}{'' if np.isnan(share) else f' ({percent(share)} of resamples)'}"


def tradeoff_tables(swept: Swept, found: list[World]) -> dict[str, Any] | None:
    """What the template fronts.html needs."""
    return section([(world.title, front) for world, front in _fronts(swept, found)])


def _fronts(swept: Swept, found: list[World]) -> Iterator[tuple[World, TradeOff]]:
    for world in found:
        for measure in _measures(swept):
            front = world.front(measure, swept.reference)
            if front is not None:
                yield world, front


def _measures(swept: Swept) -> list[str]:
    there = set(swept.results["measure"])
    return [measure for measure in DIVERSITIES if measure in there and UTILITY in there]


# Figure ------------------------------------------------------------------------------------------------------


def tradeoff_figure(swept: Swept, look: dict[str, Look], found: list[World]) -> Drawing | None:
    """Utility against three diversities, or, where there are several worlds, against the first one in each."""
    fronts = list(_fronts(swept, found))
    if not fronts:
        return None
    shown = fronts if len(found) == 1 else [each for each in fronts if each[1].measure == fronts[0][1].measure][:MOST_WORLDS]
    rows = math.ceil(len(shown) / COLUMNS)
    figure = new_figure(rows * 2.5 + 0.5)
    grid = figure.subplots(rows, COLUMNS, squeeze=False, sharey=len(found) == 1).ravel().tolist()
    for ax in grid[len(shown):]:
        ax.remove()
    for ax, (world, front) in zip(grid, shown, strict=False):
        _panel(ax, swept, world, front, look)
        words = wording(front.measure)
        title_panel(ax, world.title or words.label)
        ax.set_xlabel(words.axis if world.title else capital(unit(words)))
        ax.margins(0.1)
    for place, (ax, (_, front)) in enumerate(zip(grid, shown, strict=False)):
        draw_front(ax, front)
        if place % COLUMNS == 0:
            ax.set_ylabel(wording(UTILITY).axis)
    arms = [arm for arm in swept.arms if any(arm == each.arm for world, _ in shown for each in world.settings.values())]
    figure.legend(
        handles=[*arm_handles(arms, look, markers=True), *front_handles()], loc="outside upper left", ncols=6, columnspacing=1.4
    )
    table = pd.concat([front_table(front).assign(world=world.title) for world, front in fronts], ignore_index=True)
    return Drawing("tradeoff", "Diversity against utility", _caption(found, len(fronts) > len(shown)),
                   "Scatter charts of utility per user against diversity, over arms and settings. "
                   f"{tradeoff_sentence(swept, found)}", figure, table)  # fmt: skip


def _caption(found: list[World], more: bool) -> str:
    strength = found[0].strength
    lines = "" if strength is None else f" Lines join an arm's settings in the order of {strength.label}, whose ends are named."
    pairing = (
        "The axes move nothing but policies, so all points of a panel share their users and chance." if found[0].paired
        else "The axis moves the world itself, so points are not paired over cells: each cell is resampled by itself."
    )
    rest = " What is not drawn is in the table." if more and len(found) > 1 else ""
    return (
        "Up is more useful, right is more diverse; the front is made of the settings that nothing beats in both. An arm that "
        f"the axes leave alone is one point; a control that sees the truth is no candidate.{lines} {pairing} The knee is the "
        f"point of the front farthest beyond the line between its ends, both measures scaled to the front (Das 1999).{rest}"
    )


def _panel(ax: Axes, swept: Swept, world: World, front: TradeOff, look: dict[str, Look]) -> None:
    off = {point for point, on in zip(front.points, front.front.on_front, strict=True) if not on}
    wide = world.ends[world.ends["measure"].isin((front.measure, UTILITY))].pivot(
        index="replicate", columns=["measure", "point"], values="value"
    )
    both = (front.measure, UTILITY)
    levels = {
        point: tuple(Interval(float(wide[measure, point].mean()), math.nan, math.nan, 1) for measure in both)
        for point in world.settings
        if {(front.measure, point), (UTILITY, point)} <= set(wide.columns)
    }
    for point, (x, y) in levels.items():
        mark(ax, x, y, look[world.settings[point].arm], point not in off, 4.5)
    if world.strength is not None:
        for arm, points in _lines(swept, world, world.strength):
            _line(ax, [(levels[point], name) for point, name in points.items() if point in levels], look[arm])
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def _lines(swept: Swept, world: World, strength: SweptAxis) -> Iterator[tuple[str, Mapping[int, str]]]:
    """The points of each arm with all other axes held, in the order of the strength, with its values in words."""
    others = [axis.label for axis in swept.axes if axis.label != strength.label]
    held: dict[tuple, list[tuple[float, int, str]]] = {}
    for point, setting in world.settings.items():
        if setting.cell is not None:
            level = int(swept.levels.at[setting.cell, strength.label])
            key = (setting.arm, *(swept.levels.at[setting.cell, other] for other in others))
            held.setdefault(key, []).append((float(strength.values[level]), point, strength.named(level)))
    for (arm, *_), points in held.items():
        yield arm, {point: name for _, point, name in sorted(points)}


def _line(ax: Axes, points: list[tuple[tuple[Interval, ...], str]], look: Look) -> None:
    if len(points) < 2:
        return
    x, y = ([level[axis].mean for level, _ in points] for axis in (0, 1))
    ax.plot(x, y, **look.line(), linewidth=0.9)
    for place in (0, -1):
        ax.annotate(points[place][1], (x[place], y[place]), xytext=(4, 3), textcoords="offset points", fontsize=5.5,
                    color=look.colour, zorder=6)  # fmt: skip
