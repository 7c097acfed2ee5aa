"""Re-ranking for diversity, over any policy: the RERANKERS table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol

import torch
from annotated_types import Interval
from torch import Tensor

_LAST_RESORT = -1e6
"""Value of a seen item: below that of any unseen one, above that of what the slate already holds."""


class Reranker(Protocol):
    """Chooses and orders a slate from a policy's longer list. `candidates`: how long that list is."""

    @property
    def candidates(self) -> int: ...

    def rerank(self, items: Tensor, scores: Tensor, features: Tensor, k: int) -> Tensor: ...


@dataclass(frozen=True)
class MMR:
    """Each place of the slate goes to the candidate that is relevant and unlike those above it.

    Greedily picks argmax_i (1 − strength) · rel_i − strength · max_{j picked} s(i, j), with rel the policy's scores scaled to
    [0, 1] within the user's candidates and s the cosine of item features.

    Source: Carbonell & Goldstein 1998 (SIGIR), maximal marginal relevance; λ there is 1 − strength.
    """

    strength: Annotated[float, Interval(ge=0, le=1)] = 0.5
    """Weight of being different; 0 = the policy's own order, 1 = relevance does not count after the first place."""

    candidates: Annotated[int, Interval(ge=1)] = 100
    """Best items of the policy that are considered."""

    def rerank(self, items: Tensor, scores: Tensor, features: Tensor, k: int) -> Tensor:
        """Return places (b, k) in the candidate lists `items` (b, c), best first; `features` (n_items, d) of length 1.

        Candidates of score −∞ (already seen) are taken only when nothing else is left.
        """
        rows = torch.arange(len(items))
        open_ = scores > -torch.inf
        low = scores.where(open_, torch.inf).amin(1, keepdim=True)
        high = scores.amax(1, keepdim=True)
        relevance = ((scores - low) / (high - low).clamp(min=1e-12)).where(open_, 0)
        x = features[items]                                                         # (b, c, d)
        closest = torch.zeros_like(scores)                                          # max similarity to what is picked
        picked = torch.zeros_like(open_)
        slate = torch.empty(len(items), k, dtype=torch.int64)
        for place in range(k):
            value = (1 - self.strength) * relevance - self.strength * closest
            best = value.masked_fill(~open_, _LAST_RESORT).masked_fill(picked, -torch.inf).argmax(1)
            slate[:, place] = best
            picked[rows, best] = True
            likeness = (x * x[rows, best][:, None]).sum(-1)
            closest = likeness if place == 0 else torch.maximum(closest, likeness)
        return slate


RERANKERS: dict[str, type[Reranker]] = {"mmr": MMR}
