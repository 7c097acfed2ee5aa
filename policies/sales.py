"""What sells among those who buy alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from policies.base import Count, Policy, UnitInterval
from policies.interaction_matrix import unrelated_by_popularity
from policies.log import FeedbackLog, ItemData
from policies.ranking import block_size, top_k


@dataclass
class NeighbourSales(Policy):
    """Users are shown what those took most often whose takes are most like theirs, what is popular anyway less so.

    s_ui = Σ_v c_vi / (Σ_w c_wi)^discount over the `neighbours` users v ≠ u of highest cosine of c_u and c_v, where c_vi is how
    often v took i: every take counts, and neighbours count alike. Her own row is what she has taken by now, the others' are as
    of the last training. Users who are equally alike, and items of equal score, come in random order; items that no neighbour
    took follow by popularity. An item that she took before is shown again where users take things again (`users.repeats`).

    Neighbours are searched whenever slates are made, in time that grows with the square of the number of users.

    Source: Fleder & Hosanagar 2009 (Management Science), "Blockbuster culture's next rise or fall", recommenders r1 (discount
    0) and r2 (discount 1), with 10 neighbours.
    """

    neighbours: Count = 10
    """Most similar users whose takes are counted."""

    discount: UnitInterval = 0.0
    """How far an item's popularity is divided out: 0 = not at all, 1 = the neighbours' share of all its takes counts."""

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        users, taken, _ = log.interactions()
        self.order_ = torch.randperm(log.n_users, generator=rng)                    # which of equals comes first
        place = self.order_.argsort()
        self.sales_ = _counts(place[users], taken, log.n_users, log.n_items)        # (n_users, n_items), in that order
        self.place_ = place
        self.norms_ = torch.from_numpy(np.sqrt(self.sales_.multiply(self.sales_).sum(1))).float()
        total = torch.bincount(taken, minlength=log.n_items).clamp(min=1)
        self.weight_ = total.double() ** -self.discount                             # (n_items,)
        self.tie_ = torch.rand(log.n_items, generator=rng)
        yield None

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        room = 3 * log.n_users              # for how alike all are to each: with places, as float64, as float32
        return torch.cat([self._score(part, log) for part in users.split(block_size(room))])

    def _score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        takes = log.sequence(users)
        rows, places = takes.present.nonzero(as_tuple=True)
        own = _counts(rows, takes.items[rows, places], len(users), log.n_items)
        alike = torch.from_numpy((own @ self.sales_.T).toarray()).float() / self.norms_.clamp(min=1)    # · her own norm
        alike.scatter_(1, self.place_[users, None], 0.0)
        k = min(self.neighbours, log.n_users)
        value, near = top_k(alike, k)
        ends = np.arange(0, near.numel() + 1, k)
        chosen = sp.csr_array(((value > 0).double().numpy().ravel(), near.numpy().ravel(), ends), shape=alike.shape)
        scores = torch.from_numpy((chosen @ self.sales_).toarray()) * self.weight_
        highest = scores.amax(1, keepdim=True)
        scores += (scores > 0) * 1e-6 * highest * self.tie_                         # 1e-6: less than any real difference
        return unrelated_by_popularity(scores.float(), self.popularity_)


def _counts(rows: Tensor, columns: Tensor, n_rows: int, n_columns: int) -> sp.csr_array:
    """Return how often each column goes with each row: sparse (n_rows, n_columns) float64."""
    ones = np.ones(len(rows))
    counts = sp.coo_array((ones, (rows.int().numpy(), columns.int().numpy())), shape=(n_rows, n_columns))
    return counts.tocsr()               # what goes together twice is summed to 2
