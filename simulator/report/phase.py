"""Phase plot: how diversity within people and between people move together, one path per arm."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from simulator.report.evidence import Evidence
from simulator.report.style import INK, Drawing, Look, arm_legend, new_figure
from simulator.report.vocabulary import capital, listing, number, unit, wording

SPACES = {"consumption": "What people take", "interests": "What people like"}
CONTOUR_COLOUR = "#C4C4C4"
CONTOUR_TEXT = "#6E6E6E"
COLUMNS = ["space", "arm", "round", "alpha", "alpha_low", "alpha_high", "beta", "beta_low", "beta_high", "gamma"]


def phase_plot(evidence: Evidence, look: dict[str, Look]) -> Drawing | None:
    """Alpha across, beta up, over all rounds; grey lines join points of one gamma = alpha · beta (Jost 2007)."""
    paths = {space: path for space in SPACES if len(path := _paths(evidence, space))}
    if not paths:
        return None
    data = pd.concat(paths.values(), ignore_index=True)[COLUMNS]
    arms = [arm.name for arm in evidence.run.arms if arm.name in set(data["arm"])]
    figure = new_figure(3.4)
    axes = figure.subplots(1, len(paths), squeeze=False)[0]
    for ax, (space, path) in zip(axes, paths.items(), strict=True):
        for arm in arms:
            _path(ax, path[path["arm"] == arm].sort_values("round"), look[arm])
        alpha, beta = wording(f"{space}.alpha"), wording(f"{space}.beta")
        ax.set_title(SPACES[space], pad=12)     # above the names of the grey lines
        ax.set_xlabel(f"{alpha.label}, {unit(alpha)}")
        ax.set_ylabel(f"{beta.label}, {unit(beta)}")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        ax.margins(0.1)
        ax.grid(False)
        _contours(ax)
    arm_legend(figure, arms, look, markers=True)
    return Drawing(
        "phase",
        "Within people and between people",
        "Each path is one arm, from the ring (the start) to the mark (the end), means over replicates, one point per round. To "
        "the left each person is narrower; downwards people are more alike; to the upper left they are fragmented into "
        "separate bubbles. Along a grey line gamma = alpha · beta, the number written beside it, is the same: a path that "
        f"crosses the lines to the lower left shrinks the public sphere. {_spaces(list(paths))}",
        f"Phase plots of beta against alpha over {evidence.last} rounds. {_ends(data, arms)}",
        figure,
        data,
    )


def _paths(evidence: Evidence, space: str) -> pd.DataFrame:
    """The rounds that have both alpha and beta, with their intervals over replicates."""
    curves = evidence.curves[["arm", "round", "measure", "mean", "low", "high"]]
    alpha, beta = (
        curves[curves["measure"] == f"{space}.{which}"].drop(columns="measure").rename(
            columns={"mean": which, "low": f"{which}_low", "high": f"{which}_high"}
        )
        for which in ("alpha", "beta")
    )  # fmt: skip
    both = alpha.merge(beta, on=["arm", "round"]).dropna(subset=["alpha", "beta"])
    return both.assign(space=space, gamma=both["alpha"] * both["beta"])


def _path(ax: Axes, path: pd.DataFrame, look: Look) -> None:
    x, y = path["alpha"].to_numpy(dtype=float), path["beta"].to_numpy(dtype=float)
    if len(x) == 0:
        return
    on_top = 3 + look.order / 100
    ax.plot(x, y, color=look.colour, linestyle=look.dash, linewidth=1.1, zorder=on_top)
    ax.plot(x[:1], y[:1], marker="o", markersize=8, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=0.7, zorder=6)
    ax.plot(
        x[-1:], y[-1:], marker=look.marker, markersize=8 if look.marker == "*" else 6, markerfacecolor=look.colour,
        markeredgecolor="white", markeredgewidth=0.5, zorder=on_top + 1,
    )  # fmt: skip


def _contours(ax: Axes) -> None:
    """Lines of equal gamma over what the axes show, each named where it leaves on the right, else at the top."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    left, bottom = max(left, 1e-9), max(bottom, 1e-9)
    x = np.linspace(left, right, 200)
    for gamma in MaxNLocator(9, steps=[1, 2, 2.5, 5, 10]).tick_values(left * bottom, right * top):
        if not left * bottom < gamma < right * top:
            continue
        ax.plot(x, gamma / x, color=CONTOUR_COLOUR, linewidth=0.5, zorder=1)
        if bottom < gamma / right < top:
            place, aside, across, down = (right, gamma / right), (2, 0), "left", "center"
        elif left < gamma / top < right:
            place, aside, across, down = (gamma / top, top), (0, 1), "center", "bottom"
        else:
            continue
        ax.annotate(
            f"γ {gamma:.3g}", place, aside, textcoords="offset points", ha=across, va=down, fontsize=5.5, color=CONTOUR_TEXT,
            annotation_clip=False,
        )  # fmt: skip
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)


def _spaces(spaces: list[str]) -> str:
    told = [f"{capital(space)} is {SPACES[space][:1].lower()}{SPACES[space][1:]}" for space in spaces]
    return f"{'; '.join(told)}; the axes begin where the paths do, not at 0."


def _ends(data: pd.DataFrame, arms: list[str]) -> str:
    """Where each path begins and ends, for those who do not see the picture."""
    rows = data[data["space"] == data["space"].iloc[0]].sort_values("round").groupby("arm")[["alpha", "beta"]]
    start, end = rows.first(), rows.last()
    told = [
        f"{arm} from ({number(start.at[arm, 'alpha'])}, {number(start.at[arm, 'beta'])}) to ({number(end.at[arm, 'alpha'])}, "
        f"{number(end.at[arm, 'beta'])})"
        for arm in arms if arm in start.index
    ]  # fmt: skip
    return f"{capital(str(data['space'].iloc[0]))}, (alpha, beta): {listing(told)}."
