"""Who is most like whom, where a measure compares each user with her nearest by some representation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from simulator.measures.between import ROWS_PER_BLOCK


def most_alike(rows: Tensor, luck: Callable[[Tensor], Tensor]) -> Tensor:
    """Return for each user the other one (N,) int64 whose row (N, d) makes the smallest angle with hers.

    Cosines that differ by less than 1e-6 count as equal; of equally like ones it is the one with the most
    `luck(users (b,)) → (b, N)`. A row of zeros is like nobody, and so nobody is more like it than others.
    """
    unit = torch.nn.functional.normalize(rows.double())
    found = []
    for block in torch.arange(len(unit)).split(ROWS_PER_BLOCK):
        likeness = unit[block] @ unit.T
        likeness[torch.arange(len(block)), block] = -torch.inf
        best = likeness >= likeness.amax(1, keepdim=True) - 1e-6
        found.append(luck(block).masked_fill(~best, -torch.inf).argmax(1))
    return torch.cat(found)
