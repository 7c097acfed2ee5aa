"""Figures of a sweep: measures along its axes, effects over two axes, effects at sampled points; and the numbers in them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator
from scipy import stats

from simulator.report.evidence import ALPHA, GAMMA, GINI, UTILITY
from simulator.report.style import INK, ORGANIC_COLOUR, Drawing, Look, arm_legend, name_panel, new_figure, title_panel
from simulator.report.vocabulary import capital, number, signed, unit, wording
from simulator.statistics import CONFIDENCE, holm, interval_table, paired_differences
from simulator.sweeping.designs import SAMPLED
from simulator.sweeping.labels import in_words
from simulator.text import shorten

PANEL_HEIGHT = 1.65  # inches
MOST_COLUMNS = 4  # panels beside each other
MOST_TICKS = 8
LOGARITHMIC = 20  # times the lowest value of an axis that its highest must be for a logarithmic scale
DIRECTED, UNDIRECTED = "RdBu", "PuOr"  # colour maps; where a measure has a direction, red is towards a bubble
MISSING = "#F0F0F0"


@dataclass(frozen=True)
class SweptAxis:
    """An axis as the manifest lists it."""

    label: str
    keys: tuple[str, ...]
    values: tuple[Any, ...]
    numeric: bool

    def named(self, level: int) -> str:
        return in_words(self.values[level])


@dataclass(frozen=True)
class Swept:
    """What a sweep left behind. All tables know a cell by its number."""

    manifest: dict[str, Any]
    axes: tuple[SweptAxis, ...]
    directions: tuple[SweptAxis, ...]  # what can be gone along: the axes, or, where they vary together, the cases themselves
    cells: pd.DataFrame  # index cell; folder, status, error
    levels: pd.DataFrame  # index cell; for each axis and direction the place of the cell's value among its values
    results: pd.DataFrame  # cell, arm, replicate, measure, value; the value at the end of a run
    effects: pd.DataFrame  # cell, arm, measure, mean, low, high, n, excludes_zero: paired differences to the baseline

    @property
    def baseline(self) -> str | None:
        return self.manifest["baseline"]

    @property
    def reference(self) -> str | None:
        return self.manifest["reference"]

    @property
    def sampled(self) -> bool:
        return self.manifest["design"] in SAMPLED

    @cached_property
    def arms(self) -> list[str]:
        """The arms of every cell, then those of some cells alone."""
        return list(dict.fromkeys([*self.manifest["arms"], *self.results["arm"]]))

    @property
    def policies(self) -> list[str]:
        """What a platform could run: no baseline, and no control that sees the truth."""
        return [arm for arm in self.arms if arm not in (self.baseline, self.reference)]

    @cached_property
    def finished(self) -> list[int]:
        return [int(cell) for cell in self.cells.index[self.cells["status"] == "finished"]]

    @cached_property
    def measures(self) -> list[str]:
        """The measures that the page tells of: alpha, gamma or else Gini, utility, as far as they are there; else three."""
        there = set(self.results["measure"])
        width = next((measure for measure in (GAMMA, GINI) if measure in there), None)
        chosen = [measure for measure in (ALPHA, width, UTILITY) if measure in there]
        return [str(measure) for measure in chosen] or sorted(there)[:3]

    @cached_property
    def differences(self) -> pd.DataFrame:
        """cell, arm, replicate, measure, value: each arm minus the baseline in the same cell and replicate."""
        return paired_differences(self.results, self.baseline) if self.baseline else self.results.iloc[:0]

    @cached_property
    def replicates(self) -> int:
        """The most replicates that any cell has."""
        return int(self.results.groupby("cell")["replicate"].nunique().max()) if len(self.results) else 0

    def words(self, cell: int) -> str:
        """`drift.rate 0.1, items.topics 5`"""
        return ", ".join(f"{axis.label} {axis.named(self.levels.at[cell, axis.label])}" for axis in self.axes)


# Numbers -----------------------------------------------------------------------------------------------------


def comparable_cells(swept: Swept, axis: SweptAxis) -> dict[int, list[int]]:
    """By level of the axis, the finished cells that have a finished counterpart at every other level that any cell reached.

    Counterparts agree in all other axes, so a difference between two levels is due to this axis alone. Levels that have no
    such cell are not in the result.
    """
    levels = swept.levels.loc[swept.finished]
    others = [other.label for other in swept.directions if other.label != axis.label]
    reached = sorted(levels[axis.label].unique())
    if others:
        complete = levels.groupby(others)[axis.label].transform("nunique") == len(reached)
        levels = levels[complete]
    return {int(level): [int(cell) for cell in rows.index] for level, rows in levels.groupby(axis.label)}


def by_level(table: pd.DataFrame, cells: dict[int, list[int]]) -> pd.DataFrame:
    """Mean of `value` over the cells of each level: rows arm, measure, replicate, one column for each level.

    NaN where one of the level's cells lacks the arm, the measure or the replicate.
    """
    used = [cell for each in cells.values() for cell in each]
    wide = table[table["cell"].isin(used)].pivot(index=["arm", "measure", "replicate"], columns="cell", values="value")
    wide = wide.reindex(columns=used)
    return pd.DataFrame({level: wide[each].mean(axis=1, skipna=False) for level, each in cells.items()}, index=wide.index)


@dataclass(frozen=True)
class Shift:
    """How much an arm's effect differs between two levels of an axis, high minus low in the order of the axis."""

    axis: SweptAxis
    low_level: int
    high_level: int
    low_mean: float  # the effect at each
    high_mean: float
    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def shifts(swept: Swept, arm: str, measure: str) -> list[Shift]:
    """On each axis the two levels between which the arm's effect differs most; the axis with the largest difference first.

    Paired by replicate. The levels are chosen because they differ, so the 95 % t intervals hold for all pairs of levels of all
    axes together (Bonferroni; Dunn 1961). Empty with fewer than two replicates, or where no two levels can be compared.
    """
    per_axis: list[tuple[SweptAxis, pd.DataFrame]] = []
    table = swept.differences
    table = table[(table["arm"] == arm) & (table["measure"] == measure)]
    for axis in swept.directions:
        cells = comparable_cells(swept, axis)
        if len(cells) > 1:
            levels = by_level(table, cells).dropna()  # the replicates that every cell has
            if len(levels) > 1:
                per_axis.append((axis, levels))
    pairs = sum(math.comb(levels.shape[1], 2) for _, levels in per_axis)
    found = []
    for axis, levels in per_axis:
        n = len(levels)
        quantile = float(stats.t.ppf(1 - (1 - CONFIDENCE) / (2 * pairs), n - 1))
        means = levels.mean()
        low, high = max(combinations(levels.columns, 2), key=lambda pair: abs(means[pair[1]] - means[pair[0]]))
        between = levels[high] - levels[low]
        half = quantile * float(between.std()) / math.sqrt(n)
        mean = float(between.mean())
        found.append(Shift(axis, low, high, float(means[low]), float(means[high]), mean, mean - half, mean + half))
    return sorted(found, key=lambda shift: -abs(shift.mean))


def rank_correlations(swept: Swept) -> pd.DataFrame:
    """Spearman's ρ over cells between each numeric axis and each policy's mean effect: axis, measure, arm, rho, p, p_holm, n.

    p_holm is adjusted over the axes, for each policy and measure. ρ is NaN where the effect or the axis does not vary.
    """
    rows = []
    for (arm, measure), effects in swept.effects.groupby(["arm", "measure"]):
        if arm not in swept.policies or measure not in swept.measures or len(effects) < 3:
            continue
        for axis in swept.axes:
            x = np.array([axis.values[swept.levels.at[cell, axis.label]] for cell in effects["cell"]], dtype=object)
            if not axis.numeric or len(set(x)) < 2 or effects["mean"].nunique() < 2:
                continue
            found = stats.spearmanr(x.astype(float), effects["mean"].to_numpy(dtype=float))
            rows.append((axis.label, measure, arm, float(found.statistic), float(found.pvalue), len(effects)))
    table = pd.DataFrame(rows, columns=["axis", "measure", "arm", "rho", "p", "n"])
    adjusted = table.groupby(["arm", "measure"])["p"].transform(lambda p: holm(p.to_numpy())) if rows else table["p"]
    return table.assign(p_holm=adjusted)


def rivalries(swept: Swept, measure: str) -> pd.DataFrame:
    """Every two policies in every cell: cell, first, second, mean, low, high, n, p, p_holm; first minus second, by replicate.

    p is of the two-sided paired t test, p_holm adjusted over all rows.
    """
    table = swept.results[swept.results["measure"] == measure]
    parts = []
    for first, second in combinations(swept.policies, 2):
        both = paired_differences(table[table["arm"].isin([first, second])], second)
        if len(both):
            parts.append(interval_table(both, ["cell"]).assign(first=first, second=second))
    if not parts:
        return pd.DataFrame(columns=["cell", "first", "second", "mean", "low", "high", "n", "p", "p_holm"])
    rows = pd.concat(parts, ignore_index=True)
    mean, sd, n = (rows[column].to_numpy(dtype=float) for column in ("mean", "sd", "n"))
    p = np.full(len(rows), np.nan)
    varied, constant = (n > 1) & (sd > 0), (n > 1) & (sd == 0)
    p[varied] = 2 * stats.t.sf(np.abs(mean[varied]) / sd[varied] * np.sqrt(n[varied]), n[varied] - 1)
    p[constant] = np.where(mean[constant] == 0, 1.0, 0.0)
    return rows.assign(p=p, p_holm=holm(p)).drop(columns="sd")


# Figures -----------------------------------------------------------------------------------------------------


def lines(swept: Swept, look: dict[str, Look], axis: SweptAxis) -> Drawing | None:
    """Small multiples: a row for each measure, its value along one axis; the other axis, if there is one, in columns."""
    others = [other for other in swept.directions if other.label != axis.label]
    split = others[0] if len(others) == 1 and len(others[0].values) <= MOST_COLUMNS else None
    everywhere = comparable_cells(swept, axis)
    if not everywhere:
        return None
    if split is None:
        panels = {"": everywhere}
    else:
        at = swept.levels.loc[swept.finished]
        panels = {
            f"{split.label} {split.named(level)}": {
                int(own): [int(cell) for cell in rows.index] for own, rows in at[at[split.label] == level].groupby(axis.label)
            }
            for level in sorted(at[split.label].unique())
        }
    parts = []
    for title, cells in panels.items():
        levels = by_level(swept.results, cells).rename_axis(columns="level").stack().rename("value").dropna().reset_index()
        parts.append(interval_table(levels, ["arm", "measure", "level"]).assign(panel=title))
    table = pd.concat(parts, ignore_index=True)
    table = table[table["measure"].isin(swept.measures)]
    if table.empty:
        return None
    averaged = (
        f" Averaged over the values of {' and '.join(other.label for other in others)}, each with the same weight."
        if others and split is None else ""
    )
    if split is None and sum(map(len, everywhere.values())) < len(swept.finished):
        averaged += f" Cells without a finished counterpart at every value of {axis.label} are left out."
    arms = [arm for arm in swept.arms if arm in set(table["arm"])]
    return Drawing(
        f"along_{_file_name(axis.label)}",
        f"Along {axis.label}",
        f"Each mark is the mean over replicates at the end of the run; {_interval_words(swept)}.{averaged} Replicates share "
        "their users and chance, so differences between arms are known better than these intervals suggest.",
        f"Charts of {len(swept.measures)} measures against {axis.label}, from {axis.named(0)} to {axis.named(-1)}, one line "
        f"per arm. {_told(swept, table, axis)}",
        _line_figure(swept, look, axis, table, list(panels), arms),
        _csv(table, axis, split),
    )


def _line_figure(
    swept: Swept, look: dict[str, Look], axis: SweptAxis, table: pd.DataFrame, titles: Sequence[str], arms: Sequence[str]
) -> Any:
    """Rows are measures and columns panels; where there is one panel a measure, the measures stand beside each other."""
    measures = [measure for measure in swept.measures if measure in set(table["measure"])]
    beside = len(titles) == 1
    shape = (1, len(measures)) if beside else (len(measures), len(titles))
    figure = new_figure(shape[0] * PANEL_HEIGHT + 0.45)
    grid = figure.subplots(*shape, squeeze=False, sharey=False if beside else "row")
    for at, measure in enumerate(measures):
        for column, title in enumerate(titles):
            ax = grid[0, at] if beside else grid[at, column]
            panel = table[(table["measure"] == measure) & (table["panel"] == title)]
            for place, arm in enumerate(arms):
                rows = panel[panel["arm"] == arm].sort_values("level")
                _arm_line(ax, rows, look[arm], axis, _dodge(place, len(arms)))
            _scale(ax, axis)
            words = wording(measure)
            if beside:
                title_panel(ax, words.label)
                ax.set_ylabel(capital(unit(words)))
            else:
                if at == 0:
                    title_panel(ax, title)
                if column == 0:
                    ax.set_ylabel(_two_lines(words.label))
            if beside or at == len(measures) - 1:
                ax.set_xlabel(axis.label)
            ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
            ax.margins(y=0.08)
    arm_legend(figure, arms, look)
    return figure


def _arm_line(ax: Axes, rows: pd.DataFrame, look: Look, axis: SweptAxis, dodge: float) -> None:
    if rows.empty:
        return
    places = rows["level"].to_numpy(dtype=int)
    x = np.array([float(axis.values[place]) for place in places]) if axis.numeric else places + dodge
    mean, low, high = (rows[column].to_numpy(dtype=float) for column in ("mean", "low", "high"))
    several = np.isfinite(low).any()
    ax.errorbar(
        x, mean, yerr=np.vstack([mean - low, high - mean]) if several else None, color=look.colour,
        linestyle=look.dash if axis.numeric else "none", marker=look.marker, markersize=3.4 if look.marker != "*" else 5.5,
        markeredgecolor="white", markeredgewidth=0.3, elinewidth=0.9, zorder=2.5 + look.order / 100,
    )  # fmt: skip


def _dodge(place: int, arms: int) -> float:
    """How far aside an arm stands where all arms would stand on one word."""
    return (place - (arms - 1) / 2) * min(0.12, 0.6 / arms)


def _scale(ax: Axes, axis: SweptAxis, every: bool = True) -> None:
    """The horizontal axis: its own values as ticks, as long as they are few; words in their order."""
    if not axis.numeric:
        places = list(range(len(axis.values)))
        names = [shorten(axis.named(place), 28) for place in places]
        if len(places) <= MOST_COLUMNS:
            ax.set_xticks(places, ["\n".join(textwrap.wrap(name, 14)) for name in names])
        else:
            ax.set_xticks(places, names, rotation=30, ha="right", rotation_mode="anchor")
        ax.set_xlim(-0.5, len(places) - 0.5)
        return
    values = sorted(float(value) for value in axis.values)
    logarithmic = values[0] > 0 and values[-1] / values[0] >= LOGARITHMIC
    if logarithmic:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 3), numticks=MOST_TICKS))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(lambda value, _: in_words(float(value)))
    if every and len(values) <= MOST_TICKS:
        ax.xaxis.set_major_locator(FixedLocator(values))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(lambda value, _: in_words(float(value)))
    elif not logarithmic:
        ax.xaxis.set_major_locator(MaxNLocator(5))


def _told(swept: Swept, table: pd.DataFrame, axis: SweptAxis) -> str:
    measure = swept.measures[0]
    rows = table[table["measure"] == measure]
    low, high = rows.loc[rows["mean"].idxmin()], rows.loc[rows["mean"].idxmax()]
    return (
        f"{wording(measure).label} runs from {number(low['mean'])} ({low['arm']}, {axis.label} {axis.named(low['level'])}) to "
        f"{number(high['mean'])} ({high['arm']}, {axis.label} {axis.named(high['level'])})."
    )


def _csv(table: pd.DataFrame, axis: SweptAxis, split: SweptAxis | None) -> pd.DataFrame:
    shown = table.assign(axis=axis.label, level=[axis.named(level) for level in table["level"]])
    shown = shown.rename(columns={"level": "at"})
    columns = ["axis", "at", *(["panel"] if split is not None else []), "arm", "measure", "mean", "low", "high", "sd", "n"]
    return shown[columns]


def heat_maps(swept: Swept, look: dict[str, Look], measure: str) -> Drawing | None:
    """A measure's effects over two axes: a panel for each policy, one colour scale for all."""
    effects = swept.effects[(swept.effects["measure"] == measure) & swept.effects["arm"].isin(swept.policies)]
    if effects.empty:
        return None
    x, y = sorted(swept.axes, key=lambda axis: -len(axis.values))       # the longer axis runs across
    arms = [arm for arm in swept.policies if arm in set(effects["arm"])]
    columns = min(3 if len(x.values) <= 5 else 2, len(arms))
    rows = -(-len(arms) // columns)
    figure = new_figure(rows * (0.75 + 0.36 * len(y.values)) + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    largest = float(effects["mean"].abs().max()) or 1.0
    words = wording(measure)
    name = UNDIRECTED if words.bubble == 0 else DIRECTED if words.bubble < 0 else f"{DIRECTED}_r"
    colours, norm = mpl.colormaps[name], Normalize(-largest, largest)
    decimals = max(0, 2 - math.floor(math.log10(largest)))      # three digits of the largest
    for ax, arm in zip(grid, arms, strict=False):
        name_panel(ax, arm, look[arm])
        _heat_map(ax, swept, effects[effects["arm"] == arm], x, y, ScalarMappable(norm, colours), decimals)
    for ax in grid[len(arms):]:
        ax.remove()
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=grid[: len(arms)], shrink=0.9, aspect=20 * rows, pad=0.02)
    bar.set_label(f"Difference, {unit(words)}")
    bar.outline.set_linewidth(0.4)
    bar.locator = MaxNLocator(5, symmetric=True)
    strongest = effects.loc[effects["mean"].abs().idxmax()]
    direction = "" if words.bubble == 0 else " Red is towards a bubble, blue away from one."
    marked = (
        " Hatched: the 95 % interval includes zero." if swept.replicates > 1
        else " One replicate has no interval, so nothing is told from chance."
    )
    return Drawing(
        f"effects_{_file_name(measure)}",
        f"{words.label}: difference to {swept.baseline}",
        f"Each policy minus {swept.baseline} in the same cell and replicate, at the end of the run, by {x.label} and {y.label}."
        f"{direction}{marked} Grey: not played to the end.",
        f"Heat maps of {words.label} over {x.label} and {y.label}, one for each of {len(arms)} policies. Largest: "
        f"{signed(strongest['mean'])} under {strongest['arm']} at {swept.words(int(strongest['cell']))}.",
        figure,
        _by_cell(swept, effects),
    )


def _heat_map(
    ax: Axes, swept: Swept, effects: pd.DataFrame, x: SweptAxis, y: SweptAxis, colours: ScalarMappable, decimals: int
) -> None:
    ax.set_facecolor(MISSING)
    ax.grid(visible=False)
    for effect in effects.to_dict("records"):
        column, row = (int(swept.levels.at[effect["cell"], axis.label]) for axis in (x, y))
        colour = colours.to_rgba(effect["mean"])
        ink = "white" if np.dot(colour[:3], (0.2126, 0.7152, 0.0722)) < 0.5 else INK
        undecided = math.isfinite(effect["low"]) and not effect["excludes_zero"]
        tile = Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, edgecolor="white", linewidth=0.8)
        if undecided:       # a hatch is drawn in the colour of the edge
            tile.set(edgecolor=(INK, 0.35), linewidth=0, hatch="////")
        ax.add_patch(tile)
        if len(x.values) <= MOST_TICKS:
            box = {"boxstyle": "square,pad=0.15", "facecolor": colour, "edgecolor": "none"} if undecided else None
            ax.text(column, row, signed(effect["mean"], decimals), ha="center", va="center", fontsize=6, color=ink,
                    bbox=box)  # fmt: skip
    for axis, set_ticks, set_label in ((x, ax.set_xticks, ax.set_xlabel), (y, ax.set_yticks, ax.set_ylabel)):
        step = -(-len(axis.values) // (2 * MOST_TICKS))
        places = list(range(0, len(axis.values), step))
        set_ticks(places, [shorten(axis.named(place), 14) for place in places])
        set_label(axis.label)
    ax.set_xlim(-0.5, len(x.values) - 0.5)
    ax.set_ylim(-0.5, len(y.values) - 0.5)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def scatter(swept: Swept, look: dict[str, Look], correlations: pd.DataFrame) -> Drawing | None:
    """Effects at sampled points: a row for each measure, a column for each axis, a mark for each cell and policy."""
    effects = swept.effects[swept.effects["measure"].isin(swept.measures) & swept.effects["arm"].isin(swept.policies)]
    if effects.empty:
        return None
    measures = [measure for measure in swept.measures if measure in set(effects["measure"])]
    arms = [arm for arm in swept.policies if arm in set(effects["arm"])]
    figure = new_figure(len(measures) * (PANEL_HEIGHT + 0.2) + 0.4)
    grid = figure.subplots(len(measures), len(swept.axes), squeeze=False, sharey="row")
    rho = {(row.axis, row.measure, row.arm): row.rho for row in correlations.itertuples()}
    for (row, column), ax in np.ndenumerate(grid):
        measure, axis = measures[row], swept.axes[column]
        ax.axhline(0, color=ORGANIC_COLOUR, linewidth=0.9)
        handles = []
        for place, arm in enumerate(arms):
            rows = effects[(effects["measure"] == measure) & (effects["arm"] == arm)]
            places = swept.levels.loc[rows["cell"], axis.label].to_numpy(dtype=int)
            dodge = _dodge(place, len(arms))
            x = np.array([float(axis.values[level]) for level in places]) if axis.numeric else places + dodge
            mean, low, high = (rows[name].to_numpy(dtype=float) for name in ("mean", "low", "high"))
            ax.vlines(x, low, high, color=look[arm].colour, linewidth=0.6, alpha=0.35)
            ax.plot(x, mean, linestyle="none", marker=look[arm].marker, markersize=3.6, color=look[arm].colour,
                    markeredgecolor="white", markeredgewidth=0.3)  # fmt: skip
            if (found := rho.get((axis.label, measure, arm))) is not None:
                handles.append(Line2D([], [], linestyle="none", marker=look[arm].marker, markersize=3.6,
                                      color=look[arm].colour, label=f"ρ {signed(found, 2)}"))  # fmt: skip
        if handles:
            ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=min(3, len(handles)), fontsize=6,
                      handletextpad=0.1, columnspacing=0.8, borderaxespad=0.1)  # fmt: skip
        _scale(ax, axis, every=False)
        if column == 0:
            ax.set_ylabel(_two_lines(f"{wording(measure).label}, difference"))
        if row == len(measures) - 1:
            ax.set_xlabel(axis.label)
        ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    arm_legend(figure, arms, look, markers=True)
    strongest = correlations.loc[correlations["rho"].abs().idxmax()] if len(correlations) else None
    told = "" if strongest is None else (
        f" Strongest rank correlation: {signed(strongest['rho'], 2)} between {strongest['axis']} and "
        f"{wording(strongest['measure']).label} under {strongest['arm']}."
    )
    uncertain = "thin lines are 95 % t intervals" if swept.replicates > 1 else "one replicate has no interval"
    return Drawing(
        "effects_by_axis",
        f"Difference to {swept.baseline} at the sampled points",
        f"A mark is one policy in one cell, minus {swept.baseline}, at the end of the run; {uncertain}. All axes vary at once, "
        "so a cloud along one axis holds what the others do. ρ is Spearman's rank correlation over cells: it finds what only "
        "rises or only falls.",
        f"Scatter charts of effects against {', '.join(axis.label for axis in swept.axes)}.{told}",
        figure,
        _by_cell(swept, effects),
    )


def _by_cell(swept: Swept, effects: pd.DataFrame) -> pd.DataFrame:
    """Effects with the values of the axes beside the number of the cell, and without what tables of a page do not need."""
    at = {
        axis.label: [axis.values[place] for place in swept.levels.loc[effects["cell"], axis.label]] for axis in swept.axes
    }
    table = effects[["cell", "arm", "measure", "mean", "low", "high", "n", "excludes_zero"]].reset_index(drop=True)
    return pd.concat([table[["cell"]], pd.DataFrame(at), table.drop(columns="cell")], axis=1)


def _interval_words(swept: Swept) -> str:
    if swept.replicates < 2:
        return "one replicate has no interval"
    return f"bars are 95 % t intervals over {swept.replicates} replicates"


def _two_lines(text: str) -> str:
    """A label broken near its middle, so that it fits beside a low panel."""
    words = text.split()
    if len(text) <= 22 or len(words) < 2:
        return text
    cut = min(range(1, len(words)), key=lambda at: abs(len(" ".join(words[:at])) - len(text) / 2))
    return f"{' '.join(words[:cut])}\n{' '.join(words[cut:])}"


def _file_name(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in text)
