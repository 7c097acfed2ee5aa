"""Random walks on the graph of who took what: SALSA, a neighbour of one item, and personalised PageRank."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import scipy.sparse as sp
import torch
from annotated_types import Interval
from torch import Tensor

from policies.base import Count, Policy
from policies.chance import Draws
from policies.interaction_matrix import history_matrix, interaction_matrix
from policies.log import FeedbackLog, ItemData
from policies.ranking import block_size, rank

_NEVER = 1e-30
"""Chance of what a walk does not come to: shown when nothing else is left."""


@dataclass
class Walk(Policy):
    """Shows what a random walk from the items of a user comes to."""

    how: ClassVar[Literal["drawn", "best"]] = "drawn"
    """drawn: an item is shown with the probability that the walk ends there; best: the one where it most likely ends."""

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        taken = interaction_matrix(log).astype(np.float64)
        self.from_users_ = _stochastic(taken)                       # (n_users, n_items): to one of her items
        self.from_items_ = _stochastic(taken.T.tocsr())             # (n_items, n_users): to one of who took it
        yield None

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        """Return where the walk of each user ends (b, n_items): probabilities."""
        own = _stochastic(history_matrix(users, log).astype(np.float64))
        parts = torch.arange(len(users)).split(block_size(log.n_users))         # on its way a walk is at users, too
        return torch.cat([torch.from_numpy(self._ends(own[part.numpy()])).float() for part in parts])

    @abstractmethod
    def _ends(self, own: sp.csr_array) -> np.ndarray:
        raise NotImplementedError

    def rank(
        self, users: Tensor, k: int, log: FeedbackLog, draws: Draws, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        if self.how == "best":
            return super().rank(users, k, log, draws, bias)
        items = torch.arange(log.n_items)

        def score(block: Tensor) -> Tensor:
            # The largest log probability + Gumbel noise is a draw.
            scores = self.score(block, log).clamp(min=_NEVER).log() + draws.gumbel(block[:, None], items)
            scores[self.unknown(block, log)] = self.popularity_
            return scores

        return rank(score, users, k, log, bias)


@dataclass
class SALSA(Walk):
    """Users are shown what somebody took who took something that they took: three random steps.

    From one of the user's items, each alike, to one of its users, each alike, to one of his items, each alike; an item is shown
    with the probability that these steps end there.

    Source: SimpleSALSA of Dandekar, Goel & Lee 2013 (PNAS), "Biased assimilation, homophily, and the dynamics of polarization",
    after Lempel & Moran 2001 (ACM TOIS), "SALSA: the stochastic approach for link-structure analysis".
    """

    def _ends(self, own: sp.csr_array) -> np.ndarray:
        return np.asarray((own @ self.from_items_ @ self.from_users_).todense())


@dataclass
class NearestItem(Walk):
    """Users are shown the item most similar to one of theirs, each of them as likely.

    Most similar is the other item with the largest cosine of columns n_ij / √(n_i n_j), n_ij users having taken both; between
    equals the probability is shared.

    Source: SimpleICF of Dandekar, Goel & Lee 2013 (PNAS), "Biased assimilation, homophily, and the dynamics of polarization".
    """

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        taken = interaction_matrix(log).astype(np.float64).tocsc()
        both = (taken.T @ taken).tocoo()
        length = np.sqrt(np.maximum((taken.T @ taken).diagonal(), 1))
        one, other = both.row, both.col
        cosine = np.where(one == other, 0, both.data / (length[one] * length[other]))
        most = np.zeros(both.shape[0])
        np.maximum.at(most, one, cosine)
        nearest = (cosine > 0) & (cosine >= most[one] * (1 - 1e-12))
        links = (np.ones(int(nearest.sum())), (one[nearest], other[nearest]))
        self.nearest_ = _stochastic(sp.csr_array(links, shape=both.shape))      # (n_items, n_items)
        yield None

    def _ends(self, own: sp.csr_array) -> np.ndarray:
        return np.asarray((own @ self.nearest_).todense())


@dataclass
class PageRank(Walk):
    """Users are shown the items where a random walk most often is that starts from them and keeps coming back to them.

    The walk goes from a user to one of her items, from an item to one of its users, each alike, and with chance `restart` at
    each item back to the user it started from. An item's score is how often the walk is there in the long run.

    Source: personalised PageRank, Haveliwala 2002 (WWW), "Topic-sensitive PageRank"; SimplePPR of Dandekar, Goel & Lee 2013
    (PNAS), "Biased assimilation, homophily, and the dynamics of polarization", which shows the one item of highest score.
    """

    how: ClassVar[Literal["drawn", "best"]] = "best"

    restart: Annotated[float, Interval(gt=0, le=1)] = 0.15
    """Chance to begin anew at each item."""

    steps: Count = 30
    """Steps to other users that are followed; (1 − restart)^steps of the walk is left out."""

    def _ends(self, own: sp.csr_array) -> np.ndarray:
        start = np.asarray(own.todense())
        here, total = start, np.zeros_like(start)
        for step in range(self.steps + 1):
            total += self.restart * (1 - self.restart) ** step * here
            here = np.asarray((here @ self.from_items_) @ self.from_users_)
        return total


def _stochastic(matrix: sp.csr_array) -> sp.csr_array:
    """Return a matrix with rows scaled to sum to 1; empty rows stay so."""
    total = np.asarray(matrix.sum(1)).ravel()
    scaled = sp.csr_array(matrix, copy=True)
    scaled.data = scaled.data / np.repeat(np.maximum(total, 1e-300), np.diff(scaled.indptr))
    return scaled
