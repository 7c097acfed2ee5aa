"""consumption.*: how far apart on the ring things stand that a user takes, in worlds whose items stand on one (`Ring`)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from simulator.measures.measure import COUNTED, Measure
from simulator.measures.observation import Observation, mean


def ring_distance(one: Tensor, other: Tensor, items: int) -> Tensor:
    """Steps between places of a ring, the shorter way: min(|n − m|, N − |n − m|)."""
    ahead = (one - other).abs()
    return torch.minimum(ahead, items - ahead)


def spread(taken: Tensor, items: int) -> Tensor:
    """Mean ring distance over the pairs of different items of each list, divided by the length of the ring.

    `taken` (n, h) int64, `items` in an empty place → (n,) float64; NaN for lists of fewer than two.
    """
    there = taken < items
    both = there[:, :, None] & there[:, None]
    total = (ring_distance(taken[:, :, None], taken[:, None], items) * both).sum((1, 2)).double()
    count = there.sum(1).double()
    return total / (count * (count - 1)) / items


def steps(taken: Tensor, newest: int, items: int) -> Tensor:
    """Ring distance between each take among the last `newest` places of each list and the take before it, however far back.

    `taken` (n, h) int64, oldest first, `items` in an empty place → (s,) int64; a first take makes no step.
    """
    there, places = taken < items, torch.arange(taken.shape[1])
    last = torch.where(there, places, -1).cummax(1).values                      # of the takes up to a place
    before = torch.cat([torch.full_like(last[:, :1], -1), last[:, :-1]], 1)     # of those before it
    user, place = (there & (before >= 0) & (places >= taken.shape[1] - newest)).nonzero(as_tuple=True)
    return ring_distance(taken[user, place], taken[user, before[user, place]], items)


def _on_ring(function: Callable[[Observation], float | None]) -> Callable[[Observation], float | None]:
    return lambda o: function(o) if o.frame.world.ring and o.n_present else None


def _spread(o: Observation) -> float | None:
    values = spread(o.of_present(o.items.now(torch.arange(o.frame.n_users))), o.frame.n_items)
    values = values[values.isfinite()]
    return mean(values) if len(values) else None


def _step(o: Observation) -> float | None:
    values = steps(o.of_present(o.items.now(torch.arange(o.frame.n_users))).long(), o.round.items.shape[1], o.frame.n_items)
    return mean(values) if len(values) else None


ALONG_RING = [
    Measure(
        "consumption.ring_step", "Step along the ring", "steps", "0 … M/2", 0, None, -1,
        "Mean distance on the ring between what a user took this round and what she took before it, the last that is still in "
        "the window; in worlds with correlated worths alone.",
        "Aridor, Gonçalves & Sikdar 2020",
        _on_ring(_step),
    ),
    Measure(
        "consumption.ring_spread", "Spread over the ring", "share of the ring", "0 … 1/2", 0, 0.5, -1,
        "Mean distance on the ring between two different items that a user took in the window, in lengths of the ring; in "
        "worlds with correlated worths alone." + COUNTED,
        "Aridor, Gonçalves & Sikdar 2020",
        _on_ring(_spread),
    ),
]  # fmt: skip
