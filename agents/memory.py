"""What each user remembers having taken."""

from __future__ import annotations

import torch
from torch import Tensor

_PLACES = 32
"""Remembered items compared at once."""


class Memory:
    """The items that each user has taken, in order: an append-only ragged array in a padded block.

    Rows are users. `items` is (n_users, capacity) int32, of which the first `counts[u]` of row u mean something;
    the capacity grows by half when a row is full, so that appending stays cheap.
    """

    def __init__(self, n_users: int, capacity: int = 16):
        self.items = torch.zeros(n_users, capacity, dtype=torch.int32)
        self.counts = torch.zeros(n_users, dtype=torch.int64)

    def append(self, rows: Tensor, items: Tensor) -> None:
        """Add items (n,) to rows (n,), in the order given; a row may come several times."""
        order = rows.argsort(stable=True)
        rows, items = rows[order], items[order]
        added = torch.bincount(rows, minlength=len(self.counts))
        places = self.counts[rows] + torch.arange(len(rows)) - (added.cumsum(0) - added)[rows]
        longest = int(places.max()) + 1 if len(rows) else 0
        if longest > self.items.shape[1]:
            grown = torch.zeros(len(self.counts), max(longest, self.items.shape[1] * 3 // 2), dtype=torch.int32)
            grown[:, : self.items.shape[1]] = self.items
            self.items = grown
        self.items[rows, places] = items.to(torch.int32)
        self.counts += added

    def contains(self, rows: Tensor, items: Tensor) -> Tensor:
        """Return a bool (b,): has user rows[j] taken items[j]?"""
        found = torch.zeros(len(rows), dtype=torch.bool)
        items, counts = items.to(torch.int32), self.counts[rows]
        open_ = torch.arange(len(rows))                 # those whose memory reaches this far: few, far back
        for start in range(0, self.items.shape[1], _PLACES):
            open_ = open_[counts[open_] > start]
            if not len(open_):
                break
            remembered = self.items[rows[open_], start : start + _PLACES]
            real = torch.arange(start, start + remembered.shape[1]) < counts[open_, None]
            found[open_] |= ((remembered == items[open_, None]) & real).any(1)
        return found
