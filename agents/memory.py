"""What each user remembers having taken."""

from __future__ import annotations

import torch
from torch import Tensor

_PLACES = 32
"""Remembered items compared at once."""

_BEFORE_ALL = torch.iinfo(torch.int32).min
"""A round before any in which something was taken."""

_CELLS_PER_QUESTION = 4
"""A table of all users and items is made when it, and what is remembered, have at most so many cells for each question."""


class Memory:
    """The items that each user has taken, in order: an append-only ragged array in a padded block.

    Rows are users. `items` is (n_users, capacity) int32, of which the first `counts[u]` of row u mean something;
    the capacity grows by half when a row is full, so that appending stays cheap. A `dated` memory also knows in which round
    each item was taken, never a later before an earlier one, and may hold an item several times.
    """

    def __init__(self, n_users: int, capacity: int = 16, dated: bool = False):
        self.items = torch.zeros(n_users, capacity, dtype=torch.int32)
        self.rounds = torch.zeros_like(self.items) if dated else None       # beside the items
        self.counts = torch.zeros(n_users, dtype=torch.int64)

    def append(self, rows: Tensor, items: Tensor, round: int = 0) -> None:
        """Add items (n,) that were taken in a round to rows (n,), in the order given; a row may come several times."""
        order = rows.argsort(stable=True)
        rows, items = rows[order], items[order]
        added = torch.bincount(rows, minlength=len(self.counts))
        places = self.counts[rows] + torch.arange(len(rows)) - (added.cumsum(0) - added)[rows]
        longest = int(places.max()) + 1 if len(rows) else 0
        if longest > self.items.shape[1]:
            width = max(longest, self.items.shape[1] * 3 // 2)
            self.items = _widened(self.items, width)
            self.rounds = None if self.rounds is None else _widened(self.rounds, width)
        self.items[rows, places] = items.to(torch.int32)
        if self.rounds is not None:
            self.rounds[rows, places] = round
        self.counts += added

    def contains(self, rows: Tensor, items: Tensor, since: int | None = None) -> Tensor:
        """Return a bool (b,): has user rows[j] taken items[j], ever or `since` some round?"""
        if not len(rows):
            return torch.zeros(0, dtype=torch.bool)
        width, (n_users, capacity) = 1 + max(int(self.items.max()), int(items.max())), self.items.shape
        if n_users * (capacity + width) <= _CELLS_PER_QUESTION * len(rows):
            return self._table(width, since)[rows, items]
        items = items.to(torch.int32)
        if self.rounds is None:
            return self._ever(rows, items)
        return self._lately(rows, items, _BEFORE_ALL if since is None else since)

    def _table(self, width: int, since: int | None) -> Tensor:
        """Return a bool (n_users, width): which items each user has taken, ever or `since` some round."""
        real = torch.arange(self.items.shape[1]) < self.counts[:, None]
        if since is not None:
            assert self.rounds is not None
            real &= self.rounds >= since
        users, places = real.nonzero(as_tuple=True)
        table = torch.zeros(len(self.counts), width, dtype=torch.bool)
        table[users, self.items[users, places].long()] = True
        return table

    def _ever(self, rows: Tensor, items: Tensor) -> Tensor:
        """`contains` over the whole memory, oldest first."""
        found, counts = torch.zeros(len(rows), dtype=torch.bool), self.counts[rows]
        open_ = torch.arange(len(rows))                 # those whose memory reaches this far: few, far back
        for start in range(0, self.items.shape[1], _PLACES):
            open_ = open_[(counts[open_] > start) & ~found[open_]]
            if not len(open_):
                break
            remembered = self.items[rows[open_], start : start + _PLACES]
            real = torch.arange(start, start + remembered.shape[1]) < counts[open_, None]
            found[open_] |= ((remembered == items[open_, None]) & real).any(1)
        return found

    def _lately(self, rows: Tensor, items: Tensor, since: int) -> Tensor:
        """`contains` over what was taken `since` some round, newest first: what is older than that is not looked at.

        What somebody takes time and again is found soon, however long her memory.
        """
        assert self.rounds is not None
        found, counts = torch.zeros(len(rows), dtype=torch.bool), self.counts[rows]
        open_ = torch.arange(len(rows))                 # those whose newest places so far are all of these rounds
        for back in range(0, self.items.shape[1], _PLACES):
            places = counts[open_, None] - 1 - torch.arange(back, back + _PLACES)
            there, places = places >= 0, places.clamp(min=0)
            fresh = there & (self.rounds[rows[open_, None], places] >= since)
            found[open_] |= ((self.items[rows[open_, None], places] == items[open_, None]) & fresh).any(1)
            open_ = open_[fresh[:, -1] & ~found[open_]]
            if not len(open_):
                break
        return found

    def distinct(self) -> Tensor:
        """Return how many different items each user has taken (n_users,)."""
        width = int(self.counts.max()) if len(self.counts) else 0
        real = torch.arange(width) < self.counts[:, None]
        ordered = self.items[:, :width].where(real, -1).sort(1).values        # what means nothing comes first
        another = ordered.diff(dim=1, prepend=ordered.new_full((len(ordered), 1), -1)) != 0
        return another.sum(1)

    def before(self, round: int) -> Tensor:
        """Return how many of the items of each user (n_users,), the first so many, were taken before some round."""
        assert self.rounds is not None
        width = int(self.counts.max()) if len(self.counts) else 0
        return ((self.rounds[:, :width] < round) & (torch.arange(width) < self.counts[:, None])).sum(1)


def _widened(block: Tensor, width: int) -> Tensor:
    wider = torch.zeros(len(block), width, dtype=block.dtype)
    wider[:, : block.shape[1]] = block
    return wider
