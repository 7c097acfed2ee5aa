"""Lists of unequal length, one a row, in one padded block."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_CELLS = 4_000_000
"""Entries compared at once."""


class Padded(NamedTuple):
    """Some rows of a `Ragged`, and which entries mean something."""

    values: Tensor                  # (b, h) int64
    present: Tensor                 # (b, h) bool: False = padding


class Ragged:
    """Rows that grow: `values` is (n_rows, capacity) int32, of which the first `counts[r]` of row r mean something.

    The capacity grows by half when a row is full, so that appending stays cheap.
    """

    def __init__(self, n_rows: int, capacity: int = 16):
        self.values = torch.zeros(n_rows, capacity, dtype=torch.int32)
        self.counts = torch.zeros(n_rows, dtype=torch.int64)

    def append(self, rows: Tensor, values: Tensor) -> None:
        """Add values (n,) to rows (n,), in the order given; a row may come several times."""
        by_row = rows.argsort(stable=True)
        rows, values = rows[by_row], values[by_row]
        added = torch.bincount(rows, minlength=len(self.counts))
        first = added.cumsum(0) - added
        places = self.counts[rows] + torch.arange(len(rows)) - first[rows]
        longest = int(places.max()) + 1 if len(rows) else 0
        width = self.values.shape[1]
        if longest > width:
            wider = torch.zeros(len(self.counts), max(longest, width * 3 // 2), dtype=torch.int32)
            wider[:, :width] = self.values
            self.values = wider
        self.values[rows, places] = values.to(torch.int32)
        self.counts += added

    def of(self, rows: Tensor) -> Padded:
        """Return the lists of rows (b,), padded on the right."""
        counts = self.counts[rows]
        longest = int(counts.max()) if len(rows) else 0
        return Padded(self.values[rows, :longest].long(), torch.arange(longest) < counts[:, None])

    def find(self, rows: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return where `values` (n,) stand in rows (n,): numbers (m,) of those found, and their places (m,)."""
        width = max(int(self.counts[rows].max()), 1) if len(rows) else 1
        found = []
        for which in torch.arange(len(rows)).split(max(_CELLS // width, 1)):
            present = torch.arange(width) < self.counts[rows[which], None]
            there = (self.values[rows[which], :width] == values[which, None]) & present
            number, place = there.nonzero(as_tuple=True)
            found.append((which[number], place))
        which, places = (torch.cat(column) for column in zip(*found, strict=True))
        return which, places

    def drop(self, rows: Tensor, places: Tensor) -> None:
        """Take the entries at `places` (n,) of rows (n,) out; what stands behind them moves up."""
        kept, row = rows.unique(return_inverse=True)
        width = int(self.counts[kept].max()) if len(kept) else 0
        stays = torch.arange(width) < self.counts[kept, None]
        stays[row, places] = False
        self.values[kept, :width] = _moved_up(self.values[kept, :width], stays)
        self.counts[kept] = stays.sum(1)

    def where(self, kept: Tensor) -> Ragged:
        """Return lists of some of the entries: `kept` (n_rows, w) bool, w the longest count."""
        width = kept.shape[1]
        kept = kept & (torch.arange(width) < self.counts[:, None])
        rest = Ragged(len(self.counts))
        rest.values, rest.counts = _moved_up(self.values[:, :width], kept), kept.sum(1)
        return rest


def _moved_up(values: Tensor, stays: Tensor) -> Tensor:
    """Return the entries (b, h) that stay, in their order, at the left of each row; 0 behind them."""
    order = (~stays).to(torch.int8).sort(dim=1, stable=True).indices       # three times as fast as sums and a scatter
    return values.where(stays, 0).gather(1, order)
