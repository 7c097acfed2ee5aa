"""The dashboard's pictures, in the house style: the two arms side by side at the newest round that both have played."""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from policies.base import Policy
from simulator.arms import Arm
from simulator.controls import Control, Oracle, Organic
from simulator.dashboard.pair import PairModel, WatchedModel
from simulator.dashboard.story import Chapter, interests_now
from simulator.play import topic_names
from simulator.report.load import Arm as ListedArm
from simulator.report.maps import block_order, principal_components
from simulator.report.style import (
    GROUP_COLOURS,
    INK,
    OTHER_COLOUR,
    SEQUENTIAL,
    Look,
    arm_handles,
    house_style,
    looks,
    name_panel,
)
from simulator.report.vocabulary import lowered, number, unit, wording
from simulator.text import shorten

DPI = 150                   # half as much again as the page shows, for screens with small dots
HEAT_ROWS = 300             # more than the picture has lines
NAMED_CORNERS = 6           # topics whose direction the map names
DRAWN_TOPICS = 6            # lines in a story
MORE_COLOURS = ("#77AADD", "#EE8866", "#BBCC33", "#FFAABB", "#AAAA00")      # Tol's "light", when "muted" is used up

_pen = threading.Lock()     # the house style is a setting of the whole process, and every open page draws


@dataclass(frozen=True)
class Picture:
    """A PNG, and what it shows in words."""

    png: bytes
    alt: str


@dataclass(frozen=True)
class Cast:
    """How arms and topics look in all pictures of one page."""

    looks: dict[str, Look]
    topics: tuple[str, ...]
    palette: tuple[str, ...]        # a colour per topic; grey for those that are few people's main topic

    def of(self, model: WatchedModel) -> Look:
        return self.looks[model.platform.arm.name]


def cast(pair: PairModel, arms: Sequence[Arm]) -> Cast:
    """Give every arm the look that it has in reports, and colours first to the topics that most users care for at round 0."""
    listed = [
        ListedArm(
            arm.name, type(arm.policy).__name__.lower(), isinstance(arm.policy, Control) and arm.policy.sees_truth,
            isinstance(arm.policy, Policy) and arm.policy.trains and not arm.frozen, arm.frozen,
        )
        for arm in arms
    ]

    def first(control: type[Control]) -> str | None:
        return next((arm.name for arm in arms if isinstance(arm.policy, control)), None)

    topics = topic_names(pair.left)
    fans = np.bincount(pair.left.start.argmax(1), minlength=len(topics))
    palette = [OTHER_COLOUR] * len(topics)
    for topic, colour in zip(np.argsort(-fans, kind="stable"), (*GROUP_COLOURS, *MORE_COLOURS), strict=False):
        palette[topic] = colour
    return Cast(looks(listed, first(Organic), first(Oracle)), topics, tuple(palette))


def trajectories(pair: PairModel, cast: Cast, measure: str) -> Picture:
    """One measure over the rounds so far, in both arms."""
    words = wording(measure)
    with _pen, house_style():
        figure, (ax,) = _panels(5.0, 3.0, 1, left=0.56, right=0.12, bottom=0.42, top=0.32)
        ends = []
        for model in pair.sides:
            points = [(round, values[measure]) for round, values in curve(pair, model) if measure in values]
            if not points:
                continue
            rounds, values = zip(*points, strict=True)
            ax.plot(rounds, values, **cast.of(model).line())
            ax.plot(rounds[-1:], values[-1:], marker="o", markersize=3.5, color=cast.of(model).colour, zorder=4)
            ends.append(f"{model.platform.arm.name} {number(values[-1])}")
        _round_axis(ax, pair)
        ax.margins(y=0.12)
        ax.yaxis.set_major_locator(MaxNLocator(5))
        ax.set_ylabel(unit(words).capitalize() if words.unit else "")
        if not ends:
            ax.text(0.5, 0.5, "No value yet", transform=ax.transAxes, ha="center", color="#777777")
            ax.set_yticks([])
        _legend(figure, pair, cast)
        return _picture(figure, f"{words.label} over rounds 0 to {pair.round}: {', '.join(ends) or 'not measured yet'}.")


def curve(pair: PairModel, model: WatchedModel) -> list[tuple[int, dict[str, float]]]:
    """Return one arm's measures up to the newest round that both have played."""
    return [entry for entry in model.trajectory if entry[0] <= pair.round]


def interest_map(pair: PairModel, cast: Cast, row: int) -> Picture:
    """Each watched user a dot, on the first two principal components of the interests at round 0, which stay as they are."""
    mean, axes, explained = principal_components(pair.left.start.astype(np.float64))
    dots = [(interests_now(model, pair.round) - mean) @ axes for model in pair.sides]
    start = (pair.left.start - mean) @ axes
    colours = np.array(cast.palette)[pair.left.start.argmax(1)]
    size = float(np.clip(2500 / len(start), 4, 16))
    with _pen, house_style():
        figure, panels = _panels(5.0, 2.8, 2, left=0.24, right=0.05, bottom=0.26, top=0.22, between=0.1)
        for place, (ax, model, now) in enumerate(zip(panels, pair.sides, dots, strict=True)):
            name_panel(ax, model.platform.arm.name, cast.of(model))
            ax.scatter(now[:, 0], now[:, 1], c=colours, s=size, linewidths=0, alpha=0.75, zorder=3)
            path = np.array([start[row], *((happened.interests[row] - mean) @ axes for happened in model.diary[: pair.round])])
            ax.plot(*path.T, color=INK, linewidth=0.9, zorder=5)
            ax.scatter(path[-1, 0], path[-1, 1], s=34, facecolors="none", edgecolors=INK, linewidths=1.3, zorder=6)
            _corners(ax, (np.eye(len(mean)) - mean) @ axes, cast, _frame(ax, [start, *dots]))
            ax.set_xlabel(f"PC 1 ({explained[0]:.0%} of variance)")
            ax.set_ylabel(f"PC 2 ({explained[1]:.0%})" if place == 0 else "")
        arms = " and ".join(model.platform.arm.name for model in pair.sides)
        return _picture(figure, f"Maps of {len(start)} users' interests after round {pair.round}: {arms}; one user is marked.")


def _frame(ax: Axes, clouds: Sequence[np.ndarray]) -> float:
    """Set square limits around everything, in coarse steps, so that they seldom move; return half their width."""
    pooled = np.concatenate(clouds)
    first = clouds[0]
    x, y = (first.min(0) + first.max(0)) / 2
    step = max(float(np.ptp(first, axis=0).max()) / 2, 1e-6) * 1.12
    reach = step * 1.15 ** max(0, math.ceil(math.log(max(float(np.abs(pooled - (x, y)).max()) / step, 1), 1.15)))
    ax.set_xlim(x - reach, x + reach)
    ax.set_ylim(y - reach, y + reach)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    return reach


def _corners(ax: Axes, corners: np.ndarray, cast: Cast, reach: float) -> None:
    """Name the topics that stand out on the map, where their corner is or in its direction; none on top of another."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    centre = np.array([(left + right) / 2, (low + high) / 2])
    named: list[np.ndarray] = []
    for topic in np.argsort(-np.hypot(*(corners - centre).T)):
        away = corners[topic] - centre
        place = centre + away * min(1.0, 0.88 * reach / max(float(np.abs(away).max()), 1e-9))
        if len(named) == NAMED_CORNERS:
            break
        if any(abs(place[0] - other[0]) < 0.55 * reach and abs(place[1] - other[1]) < 0.14 * reach for other in named):
            continue
        named.append(place)
        side = (place[0] - centre[0]) / reach
        ax.text(
            place[0], place[1], shorten(cast.topics[topic], 14), fontsize=6.5, zorder=7, va="center",
            ha="right" if side > 0.4 else "left" if side < -0.4 else "center",
            bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": cast.palette[topic], "linewidth": 0.9, "pad": 1.4},
        )


def heat_maps(pair: PairModel, cast: Cast) -> Picture:
    """Users by topics, the same users in the same order and the same shades in both arms and in all rounds."""
    order = block_order(pair.left.start)
    order = order[np.linspace(0, len(order) - 1, min(len(order), HEAT_ROWS)).round().astype(int)]
    top = max(float(np.quantile(pair.left.start, 0.995)), 1e-6)
    n_topics, names = len(cast.topics), [abbreviation(topic) for topic in cast.topics]
    step = -(-n_topics // (12 if max(map(len, names)) < 3 else 7))      # as many names as stand side by side
    with _pen, house_style():
        figure, panels = _panels(5.0, 2.8, 2, left=0.24, right=0.68, bottom=0.42, top=0.22, between=0.1)
        for place, (ax, model) in enumerate(zip(panels, pair.sides, strict=True)):
            name_panel(ax, model.platform.arm.name, cast.of(model))
            image = ax.imshow(
                interests_now(model, pair.round)[order], aspect="auto", cmap=SEQUENTIAL, vmin=0, vmax=top, interpolation="none"
            )
            ax.grid(False)
            ax.set_yticks([])
            ax.set_ylabel("User" if place == 0 else "")
            ax.set_xticks(range(0, n_topics, step), names[::step])
            ax.set_xlabel("Topic")
        low, high = panels[0].get_position().y0, panels[0].get_position().y1
        bar = figure.colorbar(image, cax=figure.add_axes((4.42 / 5.0, low, 0.08 / 5.0, high - low)), extend="max")
        bar.set_label("Share of a user's interest")
        bar.outline.set_linewidth(0.4)
        arms = " and ".join(model.platform.arm.name for model in pair.sides)
        return _picture(figure, f"Heat maps of {len(order)} users by {n_topics} topics after round {pair.round}: {arms}.")


def told_topics(pair: PairModel, chapters: Sequence[Sequence[Chapter]], row: int) -> list[int]:
    """The topics of one user's story: those that ever were her largest interests, in either arm, the largest first."""
    everything = np.stack([pair.left.start[row], *(chapter.interests for side in chapters for chapter in side)])
    return np.argsort(-everything.max(0), kind="stable")[:DRAWN_TOPICS].tolist()


def interests_of(pair: PairModel, cast: Cast, chapters: Sequence[Sequence[Chapter]], row: int, user: int) -> Picture:
    """How one user's largest interests moved, in both arms on one scale."""
    drawn = told_topics(pair, chapters, row)
    colours = [cast.palette[topic] for topic in drawn]
    dashes: list[Any] = ["-" if colour not in colours[:place] else (0, (2, 1.2)) for place, colour in enumerate(colours)]
    with _pen, house_style():
        figure, panels = _panels(10.4, 2.1, 2, left=0.5, right=1.3, bottom=0.4, top=0.22, between=0.2)
        panels[1].sharey(panels[0])
        panels[1].tick_params(labelleft=False)
        for place, (ax, model, told) in enumerate(zip(panels, pair.sides, chapters, strict=True)):
            name_panel(ax, model.platform.arm.name, cast.of(model))
            shares = np.stack([model.start[row], *(chapter.interests for chapter in told)])[:, drawn]
            for topic, colour, dash in zip(shares.T, colours, dashes, strict=True):
                ax.plot(range(len(shares)), topic, color=colour, linestyle=dash, marker="o", markersize=1.6)
            _round_axis(ax, pair)
            ax.yaxis.set_major_locator(MaxNLocator(5))
            ax.set_ylabel("Share of her interest" if place == 0 else "")
        panels[0].set_ylim(bottom=0)
        handles = [
            Line2D([], [], color=colour, linestyle=dash, label=shorten(cast.topics[topic], 18))
            for topic, colour, dash in zip(drawn, colours, dashes, strict=True)
        ]
        figure.legend(handles=handles, loc="center right", title="Topic", alignment="left", title_fontsize=7)
        return _picture(figure, f"Interests of user {user} in rounds 0 to {pair.round}, under both arms.")


def abbreviation(topic: str) -> str:
    """A topic in three letters; a numbered one by its number."""
    word = topic.split()[-1]
    return word if word.isdecimal() or len(topic) <= 3 else topic[:3]


def _legend(figure: Figure, pair: PairModel, cast: Cast) -> None:
    handles = arm_handles(dict.fromkeys(model.platform.arm.name for model in pair.sides), cast.looks)
    figure.legend(handles=handles, loc="upper left", ncols=2, columnspacing=1.6)


def _round_axis(ax: Axes, pair: PairModel) -> None:
    """All rounds of the scenario, whether they have been played or not."""
    rounds = pair.scenario.rounds
    ax.set_xlim(-0.012 * rounds, rounds)
    ax.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10], integer=True))
    ax.set_xlabel("Round")


def _panels(
    width: float, height: float, columns: int, left: float, right: float, bottom: float, top: float, between: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """A figure and a row of panels. Lengths in inches are given, not found: finding them takes half of the time."""
    figure = Figure(figsize=(width, height))
    panel = (width - left - right - between * (columns - 1)) / columns
    grid = figure.add_gridspec(
        1, columns, left=left / width, right=1 - right / width, bottom=bottom / height, top=1 - top / height,
        wspace=between / panel,
    )
    return figure, [figure.add_subplot(grid[0, column]) for column in range(columns)]


def _picture(figure: Figure, alt: str) -> Picture:
    buffer = io.BytesIO()
    figure.set_dpi(DPI)
    FigureCanvasAgg(figure).print_png(buffer)
    return Picture(buffer.getvalue(), alt)


def label(measure: str) -> str:
    """A measure for a list: its family, and what it is called."""
    return f"{measure.partition('.')[0].capitalize()}: {lowered(wording(measure).label)}"
