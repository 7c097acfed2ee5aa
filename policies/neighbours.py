"""Neighbourhood recommenders: what is taken by the same people, and what people with the same items take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
import torch
from annotated_types import Interval
from torch import Tensor

from policies.base import Count, Policy
from policies.explanation import Explanation
from policies.interaction_matrix import history_matrix, interaction_matrix, unrelated_by_popularity
from policies.item_to_item import ItemToItem
from policies.log import FeedbackLog, ItemData
from policies.ranking import block_size, top_k


@dataclass
class ItemKNN(ItemToItem):
    """Users are shown the items that were taken by the same people as the items that they took.

    s_ui = Σ_j w_ij over all items j that the user has taken by now, with w_ij = n_ij / (√(n_i n_j) + shrink), or 0 unless they
    are neighbours. n_i users took i and n_ij took both, so this is the cosine of the columns of the interaction matrix. Equally
    similar items at the edge of a neighbourhood are let in at random; items without any similarity to her own follow by
    popularity.

    Source: Sarwar, Karypis, Konstan & Riedl 2001 (WWW), "Item-based collaborative filtering recommendation algorithms"
    (neighbours of what is shown); Deshpande & Karypis 2004 (TOIS), "Item-based top-N recommendation algorithms" (of what was
    taken). `shrink` as in Ferrari Dacrema et al. 2021 (TOIS), "A troubling analysis of reproducibility and progress in
    recommender systems research".
    """

    neighbours: Count = 100
    """Most similar items that are kept of each item."""

    neighbours_of: Literal["shown", "taken"] = "shown"
    """shown: w_ij counts if j is among the neighbours of i, the item to be shown. taken: if i is among the neighbours of j, the
    item taken; few items are in many neighbourhoods, so half as many get shown (MovieLens 100K)."""

    shrink: Annotated[float, Interval(ge=0)] = 0.0
    """Damps similarities, the more the fewer users they rest on; 0 = not at all. A dense log needs none. On a young platform
    two items with one user each, the same, would be as similar as can be, and lead: with 10 interactions per user of
    MovieLens 100K, 20 brings NDCG@10 from .27 to .49."""

    normalise: bool = False
    """Scale the similarities of an item's neighbours to sum to 1. shown: s_ui is the share of i's neighbourhood that the user
    has taken (Sarwar et al.), which brings up items of few users. taken: items with close neighbours do not outweigh the
    others (Deshpande & Karypis)."""

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        order = torch.randperm(log.n_items, generator=rng)
        shuffled = Sets.of(interaction_matrix(log).T.tocsr()[order.numpy()])
        near = nearest(shuffled.rows, torch.arange(log.n_items), shuffled, self.neighbours, self.shrink)
        if self.normalise:
            near.data /= np.repeat(near.sum(1), np.diff(near.indptr))
        place = order.argsort().numpy()
        near = near[place][:, place]                                                # row i: the neighbours of item i
        self.weights_ = near.T.tocsr() if self.neighbours_of == "shown" else near   # row j holds w_ij
        yield None


@dataclass
class UserKNN(Policy):
    """Users are shown what the users took whose items are most like theirs.

    s_ui = Σ_v w_uv x_vi over the `neighbours` users v most similar to u, x_vi = 1 if v took i, and
    w_uv = n_uv / (√(n_u n_v) + shrink): u has n_u items and shares n_uv with v, so this is the cosine of the rows of the
    interaction matrix. Her own row is what she has taken by now, the others' are as of the last training. Equally similar users
    at the edge of the neighbourhood are let in at random; items that no neighbour took follow by popularity.

    Nothing is condensed in training: neighbours are searched whenever slates are made, in time that grows with the square of
    the number of users.

    Source: Resnick et al. 1994 (CSCW), GroupLens; Herlocker, Konstan, Borchers & Riedl 1999 (SIGIR), "An algorithmic framework
    for performing collaborative filtering"; for implicit feedback and `shrink` as in Ferrari Dacrema et al. 2021 (TOIS), "A
    troubling analysis of reproducibility and progress in recommender systems research".
    """

    neighbours: Count = 100
    """Most similar users whose items are counted."""

    shrink: Annotated[float, Interval(ge=0)] = 0.0
    """Damps similarities, the more the fewer items they rest on; 0 = not at all."""

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        order = torch.randperm(log.n_users, generator=rng)
        self.others_ = Sets.of(interaction_matrix(log)[order.numpy()])
        self.place_ = order.argsort()                                               # of each user in others_
        yield None

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return unrelated_by_popularity(self._neighbours(users, log) @ self.others_.rows, self.popularity_)

    def explain(self, user: int, items: Tensor, log: FeedbackLog) -> Explanation:
        """Exactly, given her neighbours: n_uv counts the items that she shares with v, so each of them carries its share of
        w_uv into the scores of what v took.
        """
        asked = torch.tensor([user])
        history = log.history(asked).items[0]
        near = self._neighbours(asked, log)                                         # (1, n_users)
        took = self.others_.rows[near.indices]                                      # (neighbours, n_items)
        shared = took[:, history.numpy()]
        weight = near.data / np.maximum(shared.sum(1), 1)
        parts = torch.from_numpy((took[:, items.numpy()].T @ (shared * weight[:, None])).toarray())
        return Explanation("exact", "history", history, parts, self.score(asked, log)[0, items] - parts.sum(1))

    def _neighbours(self, users: Tensor, log: FeedbackLog) -> sp.csr_array:
        return nearest(history_matrix(users, log), self.place_[users], self.others_, self.neighbours, self.shrink)


class Sets(NamedTuple):
    """Sparse rows of zeros and ones, in the forms in which their overlap with other rows is found fast."""

    rows: sp.csr_array              # (n, d)
    columns: sp.csr_array           # (d, n): the transpose, by its rows
    sizes: Tensor                   # (n,) float32: ones in each row

    @classmethod
    def of(cls, rows: sp.csr_array) -> Self:
        return cls(rows, rows.T.tocsr(), sizes(rows))


def sizes(rows: sp.csr_array) -> Tensor:
    """Return the number of ones in each row (n,), as float32."""
    return torch.from_numpy(np.diff(rows.indptr).astype(np.float32))


def nearest(queries: sp.csr_array, own: Tensor, sets: Sets, k: int, shrink: float) -> sp.csr_array:
    """Return the k largest similarities of each query (q, d) to the n sets: sparse (q, n), fewer where fewer are above 0.

    Similarity is the overlap divided by √(size · size) + shrink. `own` (q,) is each query's own place among the sets, which is
    left out. Only a block of queries stands in memory against all sets.
    """
    n = sets.rows.shape[0]
    k = min(k, n)
    values = np.empty((queries.shape[0], k), dtype=np.float32)
    places = np.empty((queries.shape[0], k), dtype=np.int32)
    for start in range(0, queries.shape[0], block_size(n)):
        rows = slice(start, start + block_size(n))
        block = queries[rows]
        similarity = torch.from_numpy((block @ sets.columns).toarray())             # (b, n): overlaps at first
        similarity /= (sizes(block)[:, None] * sets.sizes).clamp_(min=1).sqrt_().add_(shrink)
        similarity.scatter_(1, own[rows, None], 0.0)
        values[rows], places[rows] = (found.numpy() for found in top_k(similarity, k))
    starts = np.arange(0, values.size + 1, k)
    similarity = sp.csr_array((values.ravel(), places.ravel(), starts), shape=(queries.shape[0], n))
    similarity.eliminate_zeros()
    return similarity
