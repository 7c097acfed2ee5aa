"""Negative sampling."""

from __future__ import annotations

import torch
from torch import Tensor

from policies.log import FeedbackLog


class Unseen:
    """Draws items that a user has not taken, each as likely as any other. Exact, without rejection.

    A user's j-th seen item i_j, of ascending i_0 < i_1 < …, has i_j − j unseen ones before it, so her r-th unseen item is r
    plus the number of j with i_j − j ≤ r. The i_j − j of all users stand in one ascending array, for one binary search over
    all draws.
    """

    def __init__(self, log: FeedbackLog):
        users, items = log.pairs()
        order = (users * log.n_items + items).argsort()
        users, items = users[order], items[order]
        self._n_items, self._counts = log.n_items, log.counts()
        self._first = self._counts.cumsum(0) - self._counts
        j = torch.arange(len(users)) - self._first[users]
        self._before = self._key(users, items - j)

    def draw(self, users: Tensor, rng: torch.Generator) -> Tensor:
        """Return one item for each entry of `users` (any shape). Who has seen everything gets any item."""
        left = self._n_items - self._counts[users]
        uniform = torch.rand(users.shape, generator=rng, dtype=torch.float64)
        r = (uniform * left.where(left > 0, self._n_items)).long()
        seen_before = torch.searchsorted(self._before, self._key(users, r), right=True) - self._first[users]
        return r + seen_before.where(left > 0, 0)

    def _key(self, users: Tensor, place: Tensor) -> Tensor:
        return users * (self._n_items + 1) + place
