"""Slates that are filled place by place, for all users of a block at once."""

from __future__ import annotations

import torch
from torch import Tensor

from policies.candidates import LAST_RESORT


class GreedySlate:
    """k places, each going to the candidate that is worth most given those above it.

    Equal worth: the policy's order decides. Seen candidates get a place only when nothing else is left.
    """

    def __init__(self, open: Tensor, k: int):
        self._seen = ~open                                                          # (b, c)
        self._picked = torch.zeros_like(open)
        self._rows = torch.arange(len(open))
        self._filled = 0
        self.places = torch.empty(len(open), k, dtype=torch.int64)                  # in the candidate lists, best first

    def add(self, worth: Tensor) -> tuple[Tensor, Tensor]:
        """Fill the next place by `worth` (b, c), finite and above −10⁶; return the index (rows, places) of what was picked."""
        best = worth.masked_fill(self._seen, LAST_RESORT).masked_fill(self._picked, -torch.inf).argmax(1)
        self._picked[self._rows, best] = True
        self.places[:, self._filled] = best
        self._filled += 1
        return self._rows, best
