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


def _on_ring(function: Callable[[Observation], float | None]) -> Callable[[Observation], float | None]:
    return lambda o: function(o) if o.frame.world.ring and o.n_present else None


def _spread(o: Observation) -> float | None:
    values = spread(o.of_present(o.items.now(torch.arange(o.frame.n_users))), o.frame.n_items)
    values = values[values.isfinite()]
    return mean(values) if len(values) else None


ALONG_RING = [
    Measure(
        "consumption.ring_spread", "Spread over the ring", "share of the ring", "0 … 1/2", 0, 0.5, -1,
        "Mean distance on the ring between two different items that a user took in the window, in lengths of the ring; in "
        "worlds with correlated worths alone." + COUNTED,
        "Aridor, Gonçalves & Sikdar 2020",
        _on_ring(_spread),
    ),
]  # fmt: skip
