"""network.*: into how many parts the network has fallen, and whether people within a part put up with each other."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from agents.ties import Ties
from simulator.measures.measure import PANEL, Measure
from simulator.measures.network import with_ties
from simulator.measures.observation import Observation


def width_and_gap(interests: Tensor, component: Tensor) -> tuple[float, float]:
    """Largest distance of two users of one component, smallest of two of different ones: of ‖θ_u − θ_v‖₁ / 2.

    (n, T) shares, (n,) → 0 … 1 each; the gap is 0 where there is one component.
    """
    apart = torch.cdist(interests.double(), interests.double(), p=1) / 2
    same = component[:, None] == component
    return float(apart[same].max()), 0.0 if same.all() else float(apart[~same].min())


def segregated(interests: Tensor, component: Tensor, count: int, tolerance: float) -> float:
    """1 if there are `count` ≥ 2 components and nobody is further than the tolerance from anybody in hers, else 0."""
    return float(count >= 2 and width_and_gap(interests, component)[0] <= tolerance)


def _on_panel(function: Callable[[Observation, Tensor, Tensor, int], float]) -> Callable[[Observation], float | None]:
    """Of the panel's interests (n, T) and components (n,), and the number of all components."""

    def value(o: Observation, ties: Ties) -> float | None:
        panel, component = o.frame.panel, ties.components
        if o.round.present is not None:         # ties, and so components, are numbered among those who are there
            panel = (o.round.present.cumsum(0) - 1)[panel[o.round.present[panel]]]
        return function(o, o.interests[panel], component[panel], int(component.max()) + 1) if len(panel) else None

    return with_ties(value)


_COMPONENTS = " Components are weakly connected: tied by who follows whom in either direction, over any number of users."
_DISTANCE = " Distance: the share of interest that would have to change topic."
_SASAHARA = "Sasahara et al. 2021"

SPLITS = [
    Measure(
        "network.components", "Components", "components", "1 … N", 1, None, 1,
        "Number of parts of the network without a tie between them." + _COMPONENTS,
        _SASAHARA,
        with_ties(lambda o, ties: int(ties.components.max()) + 1),
    ),
    Measure(
        "network.component_gap", "Gap between components", "distance", "0 … 1", 0, 1, 1,
        "Smallest distance of two users of different components; 0 with a single one." + _COMPONENTS + _DISTANCE + PANEL,
        _SASAHARA,
        _on_panel(lambda o, interests, component, count: width_and_gap(interests, component)[1]),
    ),
    Measure(
        "network.segregated", "Segregated", "no or yes", "0 or 1", 0, 1, 1,
        "1 if there are at least two components, and in none are two users at a distance above `network.rewiring.tolerance`, "
        "so that nobody has a reason to unfollow anybody; else 0. Its mean over rounds is the share of rounds so."
        + _COMPONENTS + _DISTANCE + PANEL,
        _SASAHARA,
        _on_panel(lambda o, interests, parts, count: segregated(interests, parts, count, o.frame.world.tolerance or 0.0)),
    ),
]  # fmt: skip
