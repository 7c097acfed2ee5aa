"""Who follows whom, at the start and at the end: a picture of the network for each arm."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from simulator.report.evidence import Evidence
from simulator.report.maps import COLUMNS, Snapshots, topic_names
from simulator.report.style import GROUP_COLOURS, OTHER_COLOUR, Drawing, Look, grid_of_axes, name_panel
from simulator.report.vocabulary import listing
from simulator.text import shorten

SHOWN_USERS = 400  # of a larger network those near a few users; more would be a tangle
SEEDS = 8
ITERATIONS = 60


def network_map(evidence: Evidence, look: dict[str, Look], seen: Snapshots | None) -> Drawing | None:
    """Each user a dot, each tie a line; users who are tied stand near each other, coloured by their main topic of the time."""
    table = evidence.run.edges
    if seen is None or table is None:
        return None
    topics = topic_names(evidence.run, seen.start.shape[1])
    first, last = seen.rounds
    begin = _arcs(table, next(panel.arm for panel in seen.panels if panel.arm), first)
    shown = neighbourhood(begin, len(seen.users), SHOWN_USERS)
    place = np.full(len(seen.users), -1)
    place[shown] = np.arange(len(shown))
    at_start = layout(_among(begin, place), len(shown))
    figure, axes = grid_of_axes(len(seen.panels), min(COLUMNS, len(seen.panels)), 2.0, extra=0.55)
    main = [panel.interests[shown].argmax(axis=1) for panel in seen.panels]
    counts = np.bincount(np.concatenate(main), minlength=len(topics))
    common = [int(topic) for topic in np.argsort(-counts, kind="stable") if counts[topic]]
    colour = dict(zip(common, GROUP_COLOURS, strict=False))
    rows = []
    for ax, panel, topic in zip(axes, seen.panels, main, strict=True):
        ends = panel.arm is not None and not panel.title.endswith("start")
        pairs = _among(_arcs(table, panel.arm, last) if ends else begin, place)
        dots = layout(pairs, len(shown), at_start) if ends else at_start
        name_panel(ax, panel.title, look[panel.arm] if panel.arm else None)
        ax.add_collection(LineCollection(dots[pairs], colors="#9A9A9A", linewidths=0.3, alpha=0.35, zorder=1, rasterized=True))
        ax.scatter(
            dots[:, 0], dots[:, 1], c=[colour.get(int(each), OTHER_COLOUR) for each in topic], s=9, linewidths=0, zorder=3,
            rasterized=True,
        )
        _frame(ax, dots)
        rows.append(pd.DataFrame({
            "arm": panel.arm or "", "panel": panel.title, "user": seen.users[shown],
            "main_topic": [topics[each] for each in topic], "x": dots[:, 0], "y": dots[:, 1],
            "ties": np.bincount(pairs.ravel(), minlength=len(shown)),
        }))
    figure.legend(handles=_legend(colour, topics, main), loc="outside lower left", ncols=5, handletextpad=0.2,
                  title="Coloured by main topic at that time", alignment="left", title_fontsize=7)
    sampled = "" if len(shown) == len(seen.users) else (
        f" Of {len(seen.users):,} users {len(shown):,} are drawn, those around {SEEDS} users in all parts of the network, with "
        "the ties among them."
    )
    return Drawing(
        "network",
        "Who follows whom at the start and at the end",
        f"Each dot is one user of replicate {seen.replicate + 1}, at rounds {first} and {last}, each line a tie between two, "
        "in whatever direction. A spring layout pulls those who are tied together and pushes others apart, so only nearness "
        "has a meaning, not direction; each end begins from the places of the start. Clumps of one colour that hang together "
        f"by few lines are circles of like minds.{sampled}",
        f"{len(seen.panels)} drawings of a network of {len(shown)} users: {listing([panel.title for panel in seen.panels])}.",
        figure,
        pd.concat(rows, ignore_index=True),
    )


def neighbourhood(arcs: np.ndarray, users: int, most: int) -> np.ndarray:
    """At most `most` users (n,), ascending: all, or those nearest to a few users evenly spread over their numbers."""
    if users <= most:
        return np.arange(users)
    import networkx as nx  # slow to import

    graph = nx.Graph(arcs.tolist())
    graph.add_nodes_from(range(users))
    found = list(dict.fromkeys(np.linspace(0, users - 1, SEEDS).round().astype(int).tolist()))
    known = set(found)
    for user in found:                          # grows as it is read: breadth first from all of them
        for friend in sorted(graph[user]):
            if friend not in known and len(found) < most:
                known.add(friend)
                found.append(friend)
    rest = (user for user in range(users) if user not in known)
    return np.sort([*found, *(next(rest) for _ in range(most - len(found)))])


def layout(pairs: np.ndarray, users: int, start: np.ndarray | None = None) -> np.ndarray:
    """Places (users, 2) by springs (Fruchterman & Reingold 1991), the same each time."""
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(range(users))
    graph.add_edges_from(pairs.tolist())
    begin = None if start is None else dict(enumerate(start))
    places = nx.spring_layout(graph, pos=begin, iterations=ITERATIONS, seed=0)
    return np.array([places[user] for user in range(users)]).reshape(-1, 2)


def _arcs(table: pd.DataFrame, arm: str | None, round: int) -> np.ndarray:
    rows = table[(table["arm"] == arm) & (table["round"] == round)]
    return rows[["follower", "followed"]].to_numpy(dtype=np.int64)


def _among(arcs: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Pairs (e, 2) of places of users who are tied, each once."""
    pairs = np.sort(place[arcs], axis=1)
    return np.unique(pairs[pairs[:, 0] >= 0], axis=0)


def _frame(ax: Axes, dots: np.ndarray) -> None:
    """Frame what is not astray: springs push users without ties very far."""
    low, high = np.quantile(dots, (0.01, 0.99), axis=0)
    middle, reach = (low + high) / 2, max(0.56 * float((high - low).max()), 1e-6)
    ax.set_xlim(middle[0] - reach, middle[0] + reach)
    ax.set_ylim(middle[1] - reach, middle[1] + reach)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def _legend(colour: dict[int, str], topics: tuple[str, ...], main: list[np.ndarray]) -> list[Line2D]:
    others = {int(topic) for each in main for topic in each} - set(colour)
    entries = [(shorten(topics[topic], 22), shade) for topic, shade in colour.items()]
    if others:
        entries.append((f"{len(others)} others", OTHER_COLOUR))
    return [
        Line2D([], [], linestyle="none", marker="o", markersize=4.5, markeredgewidth=0, color=shade, label=label)
        for label, shade in entries
    ]
