"""Where people stand among the topics, at the start and at the end: maps of interests and heat maps."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from simulator.report.evidence import Evidence
from simulator.report.load import Run, interests
from simulator.report.style import (
    GROUP_COLOURS,
    OTHER_COLOUR,
    SEQUENTIAL,
    Drawing,
    Look,
    grid_of_axes,
    name_panel,
)
from simulator.report.vocabulary import listing
from simulator.text import shorten

COLUMNS = 4
SHOWN_USERS = 2000  # dots in one panel of a map; more would only hide each other
NAMED_TOPICS = 40  # in a caption
HEAT_ROWS = 400  # rows in one heat map; more than the paper can print


@dataclass(frozen=True)
class Panel:
    """The same users in one arm at one round."""

    arm: str | None  # None: the start, which all arms share
    title: str
    interests: np.ndarray  # (N, T), rows on the simplex


@dataclass(frozen=True)
class Snapshots:
    """The same users at the start and, in each arm, at the end."""

    users: np.ndarray  # (N,) user ids
    groups: np.ndarray  # (N,)
    start: np.ndarray  # (N, T) interests that decide order and colour: those of the first panel
    panels: list[Panel]
    replicate: int
    rounds: tuple[int, int]  # first and last

    @property
    def main_topic(self) -> np.ndarray:
        """The topic of each user's largest interest at the start: (N,)."""
        return self.start.argmax(axis=1)


def snapshots(run: Run) -> Snapshots | None:
    """Line up the users of the first replicate, at the first and the last recorded round, if they are two.

    When all arms start from one state, as they should, it is one panel; otherwise each arm has its own.
    """
    if run.users.empty:
        return None
    replicate = int(run.users["replicate"].min())
    table = run.users[run.users["replicate"] == replicate]
    first, last = int(table["round"].min()), int(table["round"].max())
    if first == last:
        return None
    table = table.sort_values(["arm", "round", "user"], kind="stable")
    at = {(str(arm), int(when)): rows for (arm, when), rows in table.groupby(["arm", "round"], sort=False)}
    arms = [arm.name for arm in run.arms if (arm.name, first) in at and (arm.name, last) in at]
    if not arms:
        return None
    head = at[arms[0], first]
    users = head["user"].to_numpy()
    arms = [
        a
        for a in arms
        if all(np.array_equal(at[a, when]["user"].to_numpy(), users) for when in (first, last))
    ]
    starts = {arm: interests(at[arm, first]) for arm in arms}
    ends = {arm: interests(at[arm, last]) for arm in arms}
    start = starts[arms[0]]
    if all(np.array_equal(start, other) for other in starts.values()):
        panels = [Panel(None, "Start, all arms", start)]
        panels += [Panel(arm, f"{shorten(arm, 18)}, end", ends[arm]) for arm in arms]
    else:
        panels = []
        for arm in arms:
            panels.append(Panel(arm, f"{shorten(arm, 18)}, start", starts[arm]))
            panels.append(Panel(arm, f"{shorten(arm, 18)}, end", ends[arm]))
    return Snapshots(users, head["group"].to_numpy(), start, panels, replicate, (first, last))


def interest_map(evidence: Evidence, look: dict[str, Look], seen: Snapshots | None) -> Drawing | None:
    """Each user a dot: in a triangle for three topics, else on the first two principal components."""
    if seen is None or seen.start.shape[1] < 2:
        return None
    topics = topic_names(evidence.run, seen.start.shape[1])
    ternary = len(topics) == 3
    if ternary:
        places, axis_labels, where = [project_ternary(panel.interests) for panel in seen.panels], ("", ""), ""
    else:
        places, axis_labels, where = _principal_places(seen)
    colours, legend, coloured_by = _colours(seen, topics)
    shown = _spread(len(seen.users), SHOWN_USERS)
    figure, axes = grid_of_axes(len(seen.panels), min(COLUMNS, len(seen.panels)), 1.85, extra=0.7)
    pooled = np.concatenate(places)
    for place, (ax, panel, dots) in enumerate(zip(axes, seen.panels, places, strict=True)):
        name_panel(ax, panel.title, look[panel.arm] if panel.arm else None)
        ax.scatter(
            dots[shown, 0],
            dots[shown, 1],
            c=colours[shown],
            s=7,
            linewidths=0,
            alpha=0.8,
            zorder=3,
            rasterized=True,
        )
        if ternary:
            _triangle(ax, topics)
        else:
            _frame(ax, pooled)
            ax.set_xlabel(axis_labels[0] if place + COLUMNS >= len(axes) else "")
            ax.set_ylabel(axis_labels[1] if place % COLUMNS == 0 else "")
    figure.legend(
        handles=legend,
        loc="outside lower left",
        ncols=min(5, len(legend)),
        handletextpad=0.2,
        title=coloured_by,
        alignment="left",
        title_fontsize=7,
    )
    rows = [
        pd.DataFrame(
            {
                "arm": panel.arm or "",
                "panel": panel.title,
                "user": seen.users[shown],
                "group": seen.groups[shown],
                "main_topic_at_start": [topics[t] for t in seen.main_topic[shown]],
                "x": dots[shown, 0],
                "y": dots[shown, 1],
            }
        )
        for panel, dots in zip(seen.panels, places, strict=True)
    ]
    how = (
        "A dot in a corner is interested in that topic alone, a dot in the middle in all three alike."
        if ternary
        else "The map is a principal component analysis of the interests at the start and the end, all arms "
        f"together, so all panels have the same axes; {where}."
    )
    return Drawing(
        "interests",
        "Where people's interests lie at the start and at the end",
        f"Each dot is one user of replicate {seen.replicate + 1}, at rounds {seen.rounds[0]} and "
        f"{seen.rounds[1]}; {coloured_by[0].lower()}{coloured_by[1:]}. {how} Dots that pull together have "
        "become alike; clusters that pull apart are separate "
        f"bubbles.{_sampled(len(shown), len(seen.users), 'dots')}",
        f"{len(seen.panels)} scatter panels of {len(shown)} users' interests: "
        f"{listing([panel.title for panel in seen.panels])}.",
        figure,
        pd.concat(rows, ignore_index=True),
    )


def interest_heat_maps(evidence: Evidence, look: dict[str, Look], seen: Snapshots | None) -> Drawing | None:
    """Users × topics, the same users in the same order in every panel."""
    if seen is None:
        return None
    topics = topic_names(evidence.run, seen.start.shape[1])
    order = block_order(seen.start)
    order = order[_spread(len(order), HEAT_ROWS)]
    top = max(float(np.quantile(panel.interests, 0.995)) for panel in seen.panels)
    figure, axes = grid_of_axes(len(seen.panels), min(COLUMNS, len(seen.panels)), 2.1, extra=0.5)
    for place, (ax, panel) in enumerate(zip(axes, seen.panels, strict=True)):
        name_panel(ax, panel.title, look[panel.arm] if panel.arm else None)
        image = ax.imshow(
            panel.interests[order], aspect="auto", cmap=SEQUENTIAL, vmin=0, vmax=top, interpolation="none"
        )
        ax.grid(False)
        ax.set_xlabel("Topic")
        ax.set_ylabel("User" if place % COLUMNS == 0 else "")
        ax.set_yticks([])
        step = max(1, -(-len(topics) // 5))
        ax.set_xticks(range(0, len(topics), step), [str(t + 1) for t in range(0, len(topics), step)])
    bar = figure.colorbar(image, ax=axes, location="bottom", fraction=0.03, aspect=60, pad=0.02, extend="max")
    bar.set_label("Share of a user's interest")
    bar.outline.set_linewidth(0.4)
    rows = [
        pd.DataFrame(panel.interests[order], columns=list(topics)).assign(
            arm=panel.arm or "", panel=panel.title, user=seen.users[order]
        )
        for panel in seen.panels
    ]
    data = pd.concat(rows, ignore_index=True)
    return Drawing(
        "heatmaps",
        "Users by topics",
        "Each row is one user and each column one topic; a dark cell is a large share of that user's "
        "interest. Rows are sorted once, by the main topic at the start, so that blocks show, and stand in "
        "the same order in every panel: a block that fades has lost its topic, a column that darkens from "
        f"top to bottom draws everybody. Replicate {seen.replicate + 1}, rounds {seen.rounds[0]} and "
        f"{seen.rounds[1]}; the colour scale ends at the 99.5th "
        f"percentile.{_sampled(len(order), len(seen.users), 'rows')}{_numbered(topics)}",
        f"{len(seen.panels)} heat maps of {len(order)} users by {len(topics)} topics: "
        f"{listing([panel.title for panel in seen.panels])}.",
        figure,
        data[["arm", "panel", "user", *topics]],
    )


def project_ternary(shares: np.ndarray) -> np.ndarray:
    """Points of the 3-simplex in the plane: corners (0, 0), (1, 0), (1/2, √3/2). (N, 3) → (N, 2)."""
    return np.column_stack([shares[:, 1] + shares[:, 2] / 2, shares[:, 2] * np.sqrt(3) / 2])


def principal_components(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (T,), the first two principal axes (T, 2), and the shares of the variance they explain (2,).

    An axis points where its largest loading is positive, so the map does not flip from one call to the next.
    """
    mean = rows.mean(axis=0)
    centred = rows - mean
    variances, axes = np.linalg.eigh(centred.T @ centred)  # ascending
    axes = axes[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    total = variances.sum()
    return mean, axes, variances[::-1][:2].clip(0) / total if total > 0 else np.zeros(axes.shape[1])


def block_order(start: np.ndarray) -> np.ndarray:
    """Users by main topic, and within it by how much of their interest it takes, most first: (N,) rows."""
    return np.lexsort((-start.max(axis=1), start.argmax(axis=1)))


def _principal_places(seen: Snapshots) -> tuple[list[np.ndarray], tuple[str, str], str]:
    mean, axes, explained = principal_components(np.concatenate([panel.interests for panel in seen.panels]))
    labels = tuple(f"PC {i + 1} ({share:.0%})" for i, share in enumerate(explained))
    return (
        [(panel.interests - mean) @ axes for panel in seen.panels],
        (labels[0], labels[1]),
        f"the two axes hold {explained.sum():.0%} of the variance, so distances on the map are approximate",
    )


def _colours(seen: Snapshots, topics: tuple[str, ...]) -> tuple[np.ndarray, list[Line2D], str]:
    """A colour for each user, the legend, and what the colour means; classes beyond the palette are grey."""
    groups = np.array([f"group {int(group) + 1}" if str(group).isdecimal() else str(group) for group in seen.groups])
    if 1 < len(np.unique(groups)) <= len(GROUP_COLOURS):
        classes, coloured_by = groups, "Coloured by group of users"
    else:
        classes, coloured_by = (
            np.array(topics, dtype=object)[seen.main_topic],
            "Coloured by main topic at the start",
        )
    names, counts = np.unique(classes.astype(str), return_counts=True)
    ranked = [str(name) for name in names[np.argsort(-counts, kind="stable")]]
    palette = dict(zip(ranked, GROUP_COLOURS, strict=False))
    entries = [(shorten(name, 22), colour) for name, colour in palette.items()]
    if len(ranked) > len(palette):
        entries.append((f"{len(ranked) - len(palette)} others", OTHER_COLOUR))
    handles = [
        Line2D(
            [], [], linestyle="none", marker="o", markersize=4.5, markeredgewidth=0, color=colour, label=label
        )
        for label, colour in entries
    ]
    return np.array([palette.get(str(name), OTHER_COLOUR) for name in classes]), handles, coloured_by


def topic_names(run: Run, count: int) -> tuple[str, ...]:
    return run.topics if len(run.topics) == count else tuple(f"topic {t + 1}" for t in range(count))


def _spread(count: int, most: int) -> np.ndarray:
    """At most `most` of `count` places, evenly spread."""
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).round().astype(int)


def _sampled(shown: int, users: int, what: str) -> str:
    return "" if shown == users else f" Of {users:,} users {shown:,} {what} are drawn, evenly spread."


def _numbered(topics: tuple[str, ...]) -> str:
    """What the numbers of topics on an axis stand for, unless they are called by them."""
    if all(re.fullmatch(r"topic[ _-]?\d+", topic, re.IGNORECASE) for topic in topics):
        return ""
    named = ", ".join(f"{t + 1} {shorten(name, 30)}" for t, name in enumerate(topics[:NAMED_TOPICS]))
    return f" Topics: {named}{'.' if len(topics) <= NAMED_TOPICS else ' …'}"


def _triangle(ax: Axes, topics: tuple[str, ...]) -> None:
    height = np.sqrt(3) / 2
    ax.set_axis_off()
    ax.set_aspect("equal")
    ax.set_xlim(-0.08, 1.08)
    ax.set_ylim(-0.16, height + 0.12)
    for share in (0.25, 0.5, 0.75):
        for k in range(3):
            ends = np.zeros((2, 3))
            ends[:, k] = share
            ends[0, (k + 1) % 3] = ends[1, (k + 2) % 3] = 1 - share
            ax.plot(*project_ternary(ends).T, color="#E0E0E0", linewidth=0.5, zorder=1)
    ax.plot([0, 1, 0.5, 0], [0, 0, height, 0], color="#222222", linewidth=0.7, zorder=2)
    names = [shorten(topic, 16) for topic in topics]
    ax.text(0, -0.04, names[0], ha="left", va="top", fontsize=6.5)
    ax.text(1, -0.04, names[1], ha="right", va="top", fontsize=6.5)
    ax.text(0.5, height + 0.03, names[2], ha="center", va="bottom", fontsize=6.5)


def _frame(ax: Axes, pooled: np.ndarray) -> None:
    """Square limits that hold every dot of every panel: on a map a distance is as long down as across."""
    low, high = pooled.min(axis=0), pooled.max(axis=0)
    reach = max(0.53 * float((high - low).max()), 1e-9)
    x, y = (low + high) / 2
    ax.set_xlim(x - reach, x + reach)
    ax.set_ylim(y - reach, y + reach)
    ax.set_aspect("equal")
    ax.locator_params(nbins=4)
