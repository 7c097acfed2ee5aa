"""Who follows whom, as sparse rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor


@dataclass(frozen=True)
class Ties:
    """Row u of `followed` is whom user u follows, in ascending order; it begins at `starts[u]`. A mutual tie stands twice.

    A user is moved by, and hears from, those whom she follows: her friends, for short.
    """

    starts: Tensor                  # (N + 1,) int64, ascending
    followed: Tensor                # (E,) int64 user ids

    @classmethod
    def of_arcs(cls, follower: Tensor, followed: Tensor, n_users: int) -> Self:
        """Return the ties of these arcs (E,), each of which comes once."""
        order = (follower * n_users + followed).argsort()
        counts = torch.bincount(follower, minlength=n_users)
        return cls(torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]), followed[order])

    def __len__(self) -> int:
        return len(self.followed)

    @property
    def n_users(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def counts(self) -> Tensor:
        """Number of users that each user follows (N,)."""
        return self.starts.diff()

    @cached_property
    def follower(self) -> Tensor:
        """Who follows (E,): the other end of `followed`."""
        return torch.repeat_interleave(torch.arange(self.n_users), self.counts)

    @cached_property
    def followers(self) -> Ties:
        """The same ties from the other end: row v is who follows user v."""
        return Ties.of_arcs(self.followed, self.follower, self.n_users)

    @cached_property
    def components(self) -> Tensor:
        """Which weakly connected component each user is in (N,) int64, 0, 1, …: tied in either direction, over any number."""
        return torch.from_numpy(connected_components(self.matrix(), connection="weak")[1]).long()

    def of(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """Return the ties of `users` (b,): the place (e,) of the follower among them, and the place (e,) in `followed`."""
        counts = self.counts[users]
        rows = torch.repeat_interleave(torch.arange(len(users)), counts)
        first = counts.cumsum(0) - counts
        return rows, torch.arange(len(rows)) + (self.starts[users] - first)[rows]

    def contains(self, users: Tensor, others: Tensor) -> Tensor:
        """Return a bool (b,): does users[j] follow others[j]?"""
        if not len(self):
            return torch.zeros(len(users), dtype=torch.bool)
        asked = users * self.n_users + others
        place = torch.searchsorted(self._keys, asked).clamp(max=len(self) - 1)
        return self._keys[place] == asked

    @cached_property
    def _keys(self) -> Tensor:
        return self.follower * self.n_users + self.followed                         # ascending

    def among(self, users: Tensor) -> Ties:
        """The ties of some users (N,) bool with each other; the first of them is user 0."""
        stays = users[self.follower] & users[self.followed]
        number = users.cumsum(0) - 1
        return Ties.of_arcs(number[self.follower[stays]], number[self.followed[stays]], int(users.sum()))

    def matrix(self) -> sp.csr_array:
        """Return A (N, N) float32: 1 where the user of the row follows that of the column."""
        ones = np.ones(len(self), dtype=np.float32)
        return sp.csr_array((ones, self.followed.numpy(), self.starts.numpy()), shape=(self.n_users, self.n_users))


def row_sums(rows: Tensor, values: Tensor, n: int) -> Tensor:
    """Return the sum (n, d) of the `values` (e, d) of each row, `rows` (e,) ascending.

    One after the other in their order, so that a row's sum is the same to the bit whatever rows are summed beside it.
    """
    starts = np.concatenate([[0], np.bincount(rows.numpy(), minlength=n).cumsum()])
    ones = np.ones(len(rows), dtype=values.numpy().dtype)
    return torch.from_numpy(sp.csr_array((ones, np.arange(len(rows)), starts), shape=(n, len(rows))) @ values.numpy())


def first_of_each(rows: Tensor, values: Tensor) -> Tensor:
    """Return the place (r,) of the smallest value (e,) of each row that has one, rows ascending."""
    by_value = values.argsort(stable=True)
    order = by_value[rows[by_value].argsort(stable=True)]
    ordered = rows[order]
    fresh = torch.ones(len(ordered), dtype=torch.bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    return order[fresh]


def rank_in_row(rows: Tensor, values: Tensor) -> Tensor:
    """Return the rank 0, 1, … (e,) of each value (e,) among those of its row, the smallest first."""
    by_value = values.argsort(stable=True)
    order = by_value[rows[by_value].argsort(stable=True)]
    counts = torch.bincount(rows)
    rank = torch.empty_like(rows)
    rank[order] = torch.arange(len(rows)) - (counts.cumsum(0) - counts)[rows[order]]
    return rank
