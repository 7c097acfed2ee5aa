"""What lies between a policy's scores and a slate: a longer list of its best items, with all that is public about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from policies.chance import Draws
from policies.log import FeedbackLog, ItemData

LAST_RESORT = -1e6
"""Value of a seen item: below that of any unseen one, above that of what the slate already holds."""


@dataclass(frozen=True)
class Candidates:
    """The best items of a policy for a block of users, c ≥ k each, best first."""

    users: Tensor                   # (b,) int64
    items: Tensor                   # (b, c) int64, no item twice in a row
    scores: Tensor                  # (b, c) float32; −inf = has been seen, to be shown only when nothing else is left
    catalogue: ItemData
    log: FeedbackLog                # as it is now
    popularity: Tensor              # (n_items,) float32: interactions in the training log

    @property
    def open(self) -> Tensor:
        """Return a bool (b, c): not seen yet."""
        return self.scores > -torch.inf

    def relevance(self) -> Tensor:
        """Return the scores scaled to [0, 1] within each user's candidates (b, c); 0 for seen items."""
        low = self.scores.where(self.open, torch.inf).amin(1, keepdim=True)
        high = self.scores.amax(1, keepdim=True)
        return ((self.scores - low) / (high - low).clamp(min=1e-12)).where(self.open, 0)

    def topics(self) -> Tensor:
        """Return the candidates' topics (b, c, n_topics), on the simplex."""
        return self.catalogue.topics[self.items]

    def features(self) -> Tensor:
        """Return the candidates' features (b, c, d), of length 1."""
        return self.catalogue.features[self.items]

    def tastes(self) -> Tensor:
        """Return the mean topics (b, n_topics) of what each user has taken; the catalogue's for who has taken nothing."""
        history = self.log.history(self.users)
        taken = self.catalogue.topics[history.items] * history.present[..., None]
        count = history.present.sum(1, keepdim=True)
        topics, available = self.catalogue.topics, self.catalogue.available
        everything = topics if available is None or not available.any() else topics[available]
        return (taken.sum(1) / count.clamp(min=1)).where(count > 0, everything.mean(0))


class Reranker(Protocol):
    """Chooses and orders a slate from a policy's longer list. `candidates`: how long that list is."""

    @property
    def candidates(self) -> int: ...

    def rerank(self, candidates: Candidates, k: int) -> Tensor:
        """Return places (b, k) in the candidate lists, best first, none twice; seen items only when nothing else is left."""
        ...


class Explorer:
    """Shows some items not because they are best but to learn about them, or for chance's sake.

    It may change the scores that the slate is made by, or the finished slate; both do nothing here. `candidates`: how long
    a list it needs; 0 = no longer than the slate.
    """

    candidates: int = 0

    def perturb(self, candidates: Candidates, draws: Draws) -> Tensor:
        """Return the scores (b, c) by which to order the candidates; −inf stays −inf."""
        return candidates.scores

    def replace(self, slates: Tensor, candidates: Candidates, draws: Draws) -> Tensor:
        """Return item ids (b, k) to show instead of the slates (b, k)."""
        return slates
