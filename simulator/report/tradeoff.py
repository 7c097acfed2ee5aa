"""Utility against diversity: the arms that no other beats in both, how sure that is, and where the best bargain lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from simulator.report.evidence import ALPHA, BETA, GAMMA, UTILITY, Evidence
from simulator.report.style import INK, WIDTH, Drawing, Look, arm_handles, new_figure, title_panel
from simulator.report.vocabulary import capital, difference, listing, lowered, number, unit, wording
from simulator.statistics import ENOUGH_TO_RESAMPLE, Dominated, Front, Interval, dominated, pareto_front

DIVERSITIES = (ALPHA, BETA, GAMMA)
NAMED = 6  # points that a sentence names one by one
FRONT_COLOUR = "#9A9A9A"


@dataclass(frozen=True)
class TradeOff:
    """A measure against utility per user, and the front of the points that have both. Its values are signed: more is better."""

    measure: str
    sign: int
    points: tuple[Any, ...]
    names: tuple[str, ...]
    front: Front

    @property
    def knee(self) -> str | None:
        return None if self.front.knee is None else self.names[self.front.knee]

    def at(self, point: int) -> tuple[float, float]:
        """Where a point lies in a figure."""
        diversity, utility = self.front.means[point]
        return self.sign * float(diversity), float(utility)


def direction(measure: str) -> int:
    """Which way is more diverse: +1, −1, or 0 where a measure has no such way. Of the diversities themselves, up."""
    return 1 if measure.rsplit(".", 1)[-1] in ("alpha", "beta", "gamma") else -wording(measure).bubble


def trade_off(
    ends: pd.DataFrame, measure: str, names: Mapping[Any, str], worlds: Mapping[Any, int] | None = None,
    sign: int | None = None, utility: str = UTILITY,
) -> TradeOff | None:
    """The front of the points in `names`, over the replicates that all of them have; None if there are none.

    `ends`: point, replicate, measure, value; points without both measures are left out. `sign`: which way is better, by default
    the more diverse. `worlds`: points of different worlds are not paired, by default all are of one.
    """
    sign = direction(measure) if sign is None else sign
    own = ends[ends["point"].isin(list(names)) & ends["measure"].isin((measure, utility))]
    if not sign or measure == utility or own.empty:
        return None
    wide = own.pivot(index="replicate", columns=["measure", "point"], values="value")
    points = [point for point in names if {(measure, point), (utility, point)} <= set(wide.columns)]
    columns = [[(each, point) for point in points] for each in (measure, utility)]
    wide = wide[[*columns[0], *columns[1]]].dropna()
    if not points or wide.empty:
        return None
    values = np.stack([sign * wide[columns[0]].to_numpy(float), wide[columns[1]].to_numpy(float)], axis=-1).swapaxes(0, 1)
    apart = None if worlds is None else [worlds[point] for point in points]
    return TradeOff(measure, sign, tuple(points), tuple(names[point] for point in points), pareto_front(values, apart))


# Of a run ----------------------------------------------------------------------------------------------------


def arms_trade_off(evidence: Evidence, measure: str) -> TradeOff | None:
    """The front over the arms that a platform could run: controls that see the truth are no candidates."""
    names = {arm.name: arm.name for arm in evidence.run.arms if not arm.control}
    return trade_off(evidence.ends.rename(columns={"arm": "point"}), measure, names)


def trade_offs(evidence: Evidence) -> list[TradeOff]:
    """The fronts against alpha, beta and gamma, then against every other measure of the report's focus that has a direction."""
    measures = dict.fromkeys([*DIVERSITIES, *evidence.focus])
    found = [arms_trade_off(evidence, measure) for measure in measures]
    return [each for each in found if each is not None and len(each.points) > 1]


def best_bargain(evidence: Evidence) -> str:
    """The sentence on the front against the first diversity that there is; empty without one."""
    found = (arms_trade_off(evidence, measure) for measure in DIVERSITIES)
    return next((sentence(each) for each in found if each is not None and len(each.points) > 1), "")


# Words -------------------------------------------------------------------------------------------------------


def sentence(found: TradeOff) -> str:
    """Who is on the front, where its knee is, and who is off it because of whom; hedged by resampling."""
    front, resampled = found.front, not np.isnan(found.front.share).any()
    members = [f"{found.names[m]}{f' ({percent(front.share[m])})' if resampled else ''}" for m in front.members]
    start = f"On the front of {in_short(found.measure)} and utility, where no other is better in both: {_some(members)}"
    hedge = f" (in brackets: share of bootstrap resamples of {front.replicates} replicates)" if resampled else ""
    if found.front.knee is not None:
        sure = f" ({percent(front.knee_share[found.front.knee])})" if resampled else ""
        bend = f"; the knee, past which more of either costs most of the other, is {found.knee}{sure}"
    else:
        bend = f"; {no_knee(found)}"
    losers = [
        f"{found.names[each.point]}, by {found.names[each.by]}{'' if each.shown else ', which chance alone might do'}"
        for each in dominated(front)
    ]
    off = f". Beaten in both: {_some(losers, '; ')}" if losers else ""
    return f"{start}{hedge}{bend}{off}."


def in_short(measure: str) -> str:
    """A measure in a sentence: alpha, or its label."""
    return measure.rsplit(".", 1)[-1] if measure in DIVERSITIES else lowered(wording(measure).label)


def no_knee(found: TradeOff) -> str:
    """Why a front has none."""
    count = len(found.front.members)
    if count < 3:
        return f"no knee, with {'one point' if count == 1 else f'{count} points'} on it"
    return "no knee: no point lies beyond the straight line between its ends"


def percent(share: float) -> str:
    """A share in words, 100 % and 0 % only where it is all or none."""
    if np.isnan(share):
        return "–"
    if 0 < share < 0.01 or 0.99 < share < 1:
        return "< 1 %" if share < 0.5 else "> 99 %"
    return f"{100 * share:.0f} %"


def _some(words: Sequence[str], separator: str = ", ") -> str:
    named = list(words[:NAMED]) + ([f"{len(words) - NAMED} more"] if len(words) > NAMED else [])
    return listing(named) if separator == ", " else separator.join(named)


def front_rows(found: TradeOff) -> list[dict[str, Any]]:
    """A front for a table, in words: its points from the most diverse on, then what is off it and by whom."""
    beaten = {each.point: each for each in dominated(found.front)}
    return [_row(found, point, beaten.get(point)) for point in [*found.front.members, *beaten]]


def _row(found: TradeOff, point: int, beaten: Dominated | None) -> dict[str, Any]:
    front, (x, y) = found.front, found.at(point)
    return {
        "name": found.names[point], "x": number(x), "y": number(y), "on_front": beaten is None,
        "share": percent(front.share[point]), "knee": point == front.knee, "knee_share": percent(front.knee_share[point]),
        "by": "" if beaten is None else found.names[beaten.by],
        "diversity": "" if beaten is None else _signed(beaten.ahead[0], found.sign),
        "utility": "" if beaten is None else _signed(beaten.ahead[1], 1), "shown": beaten is not None and beaten.shown,
    }  # fmt: skip


def _signed(interval: Interval, sign: int) -> str:
    low, high = sorted((sign * interval.low, sign * interval.high))
    return difference(sign * interval.mean, low, high)


def front_summary(found: TradeOff, where: str = "") -> dict[str, str]:
    """A front in a line of a table; `where`: in which world."""
    front, resampled = found.front, not np.isnan(found.front.share).any()
    told = [f"{found.names[m]}{f' {percent(front.share[m])}' if resampled else ''}" for m in front.members]
    sure = "" if front.knee is None or not resampled else f" {percent(front.knee_share[front.knee])}"
    return {
        "label": wording(found.measure).label, "where": where, "way": "more" if found.sign > 0 else "less",
        "members": ", ".join(told), "knee": f"{found.knee}{sure}" if found.knee else "–",
    }  # fmt: skip


def section(fronts: Sequence[tuple[str, TradeOff]]) -> dict[str, Any] | None:
    """What the template fronts.html needs: the first front point by point, and every front, with its world, in a line."""
    if not fronts:
        return None
    where, first = fronts[0]
    return {
        "first": wording(first.measure), "where": where, "rows": front_rows(first),
        "all": [front_summary(found, world) for world, found in fronts],
        "resampled": first.front.replicates >= ENOUGH_TO_RESAMPLE, "n": first.front.replicates,
    }  # fmt: skip


def front_table(found: TradeOff) -> pd.DataFrame:
    """A front as numbers, a row for each point: name, diversity (the measure), x and utility (means), on_front, share, knee,
    knee_share, dominated_by, and how far that is ahead in each (its value minus the point's, with 95 % bounds), n."""
    front = found.front
    by = {each.point: each for each in dominated(front)}
    rows = []
    for point, name in enumerate(found.names):
        x, y = found.at(point)
        row = {
            "name": name, "diversity": found.measure, "x": x, "utility": y, "on_front": bool(front.on_front[point]),
            "share": front.share[point], "knee": point == front.knee, "knee_share": front.knee_share[point],
            "dominated_by": found.names[by[point].by] if point in by else "",
        }  # fmt: skip
        for label, place, sign in (("x", 0, found.sign), ("utility", 1, 1)):
            mean, low, high = np.nan, np.nan, np.nan
            if point in by:
                ahead = by[point].ahead[place]
                mean, (low, high) = sign * ahead.mean, sorted((sign * ahead.low, sign * ahead.high))
            row |= {f"{label}_ahead": mean, f"{label}_ahead_low": low, f"{label}_ahead_high": high}
        rows.append(row | {"n": front.replicates})
    return pd.DataFrame(rows)


def fronts_table(evidence: Evidence) -> pd.DataFrame:
    """All fronts of a run, one below the other, as `front_table` gives them; without columns if there is none."""
    tables = [front_table(found) for found in trade_offs(evidence)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


# Figures -----------------------------------------------------------------------------------------------------


def mark(ax: Axes, x: Interval, y: Interval, look: Look, on_front: bool, size: float = 5.5) -> None:
    """A point of an arm with its crosses; hollow where it is off the front."""
    several = np.isfinite(x.low) and np.isfinite(y.low)
    ax.errorbar(
        x.mean, y.mean, xerr=(x.high - x.low) / 2 if several else None, yerr=(y.high - y.low) / 2 if several else None,
        color=look.colour, marker=look.marker, markersize=size if look.marker != "*" else 1.5 * size, elinewidth=0.9, capsize=0,
        markerfacecolor=look.colour if on_front else "white", markeredgecolor="white" if on_front else look.colour,
        markeredgewidth=0.5 if on_front else 1.1, linestyle="none", zorder=3 + look.order / 100,
    )  # fmt: skip


def draw_front(ax: Axes, found: TradeOff) -> None:
    """The edge of what the points reach, to the borders of the panel as they are now, and a ring around the knee."""
    limits = ax.get_xlim(), ax.get_ylim()
    corners = [found.at(point) for point in reversed(found.front.members)]  # from the most useful to the most diverse
    start = limits[0][0] if found.sign > 0 else limits[0][1]
    path = [(start, corners[0][1]), corners[0]]
    for before, corner in pairwise(corners):
        path += [(before[0], corner[1]), corner]
    path.append((corners[-1][0], limits[1][0]))
    ax.plot(*np.transpose(path), color=FRONT_COLOUR, linewidth=1.0, zorder=1.8, solid_joinstyle="miter")
    if found.front.knee is not None:
        ax.plot(*found.at(found.front.knee), marker="o", markersize=12, markerfacecolor="none", markeredgecolor=INK,
                markeredgewidth=0.9, linestyle="none", zorder=4)  # fmt: skip
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])


def front_handles() -> list[Line2D]:
    """Legend entries for what `draw_front` and hollow marks mean."""
    rings = [
        Line2D([], [], marker="o", markersize=size, markeredgecolor=INK, markeredgewidth=width, markerfacecolor="none",
               linestyle="none", label=label)
        for label, size, width in (("knee", 8, 0.9), ("off the front", 4.5, 1.1))
    ]  # fmt: skip
    return [Line2D([], [], color=FRONT_COLOUR, linewidth=1.0, label="Pareto front"), *rings]


def diversity_against_utility(evidence: Evidence, look: dict[str, Look]) -> Drawing | None:
    """One point per arm at the end, for each of three diversities; crosses are intervals over replicates."""
    diversities = [measure for measure in DIVERSITIES if evidence.arms_with(measure, UTILITY)]
    if not diversities:
        return None
    arms = evidence.arms_with(UTILITY, diversities[0])
    figure = new_figure(3.0, width=WIDTH)
    axes = figure.subplots(1, len(diversities), sharey=True, squeeze=False)[0]
    fronts = {measure: found for measure in diversities if (found := arms_trade_off(evidence, measure)) is not None}
    rows = []
    for ax, measure in zip(axes, diversities, strict=True):
        off = _off_front(fronts.get(measure))
        for arm in arms:
            x, y = evidence.level(arm, measure), evidence.level(arm, UTILITY)
            if x is None or y is None:
                continue
            mark(ax, x, y, look[arm], arm not in off)
            rows.append((arm, measure, x.mean, x.low, x.high, y.mean, y.low, y.high, x.n))
        words = wording(measure)
        title_panel(ax, words.label)
        ax.set_xlabel(capital(unit(words)))
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        ax.margins(0.08)
    for ax, measure in zip(axes, diversities, strict=True):  # when all points are there: the panels share their height
        if measure in fronts:
            draw_front(ax, fronts[measure])
    axes[0].set_ylabel(wording(UTILITY).axis)
    figure.legend(
        handles=[*arm_handles(arms, look, markers=True), *front_handles()], loc="outside upper left", ncols=6, columnspacing=1.4
    )
    best = max(arms, key=lambda arm: evidence.mean_at_end(arm, UTILITY))
    widest = max(arms, key=lambda arm: evidence.mean_at_end(arm, diversities[0]))
    return Drawing(
        "tradeoff",
        "Diversity against utility",
        f"{_HOW_TO_READ} Each mark is the mean over {evidence.end}; {_crosses(evidence)}. Alpha is the effective number of "
        "topics in one person's diet, gamma in everybody's together, beta = gamma / alpha how many distinct diets there are "
        "(more of them with a lower alpha is fragmentation).",
        f"Scatter charts of utility per user against diversity, one mark per arm. Most useful: {best} "
        f"({number(evidence.mean_at_end(best, UTILITY))}); largest {lowered(wording(diversities[0]).label)}: "
        f"{widest} ({number(evidence.mean_at_end(widest, diversities[0]))}). "
        + " ".join(f"Front of {lowered(wording(m).label)}: {', '.join(f.names[i] for i in f.front.members)}."
                   for m, f in fronts.items()),
        figure,
        _with_fronts(rows, fronts),
    )  # fmt: skip


_HOW_TO_READ = (
    "Up is more useful, right is more diverse: an arm to the upper right of another is better in both, and the front is made "
    "of those that have nothing there. Controls that see the truth are no candidates. The knee is the point of the front "
    "farthest beyond the line between its ends, both measures scaled to the front (Das 1999)."
)


def _crosses(evidence: Evidence) -> str:
    if evidence.replicates < 2:
        return "one replicate has no interval, so there are no crosses"
    return (
        f"crosses are 95 % t intervals over {evidence.replicates} replicates, which hold the differences between replicates "
        "that all arms share (the paired differences of the verdict do not)"
    )


def _off_front(found: TradeOff | None) -> set[str]:
    return set() if found is None else {name for name, on in zip(found.names, found.front.on_front, strict=True) if not on}


def _with_fronts(rows: list[tuple], fronts: dict[str, TradeOff]) -> pd.DataFrame:
    columns = ["arm", "diversity", "x", "x_low", "x_high", "utility", "utility_low", "utility_high", "n"]
    data = pd.DataFrame(rows, columns=columns)
    if not fronts:
        return data
    tables = pd.concat([front_table(found) for found in fronts.values()], ignore_index=True)
    more = tables.drop(columns=["x", "utility", "n"]).rename(columns={"name": "arm"})
    return data.merge(more, on=["arm", "diversity"], how="left")


def fronts_section(evidence: Evidence) -> dict[str, Any] | None:
    """What the page says beside the figure."""
    return section([("", found) for found in trade_offs(evidence)])
