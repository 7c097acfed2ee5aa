"""Maximal marginal relevance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from policies.candidates import LAST_RESORT, Candidates


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

    def rerank(self, candidates: Candidates, k: int) -> Tensor:
        rows = torch.arange(len(candidates.items))
        relevance, x, seen = candidates.relevance(), candidates.features(), ~candidates.open
        closest = torch.zeros_like(relevance)                                       # max similarity to what is picked
        picked = torch.zeros_like(seen)
        slate = torch.empty(len(rows), k, dtype=torch.int64)
        for place in range(k):
            value = (1 - self.strength) * relevance - self.strength * closest
            best = value.masked_fill(seen, LAST_RESORT).masked_fill(picked, -torch.inf).argmax(1)
            slate[:, place] = best
            picked[rows, best] = True
            likeness = (x * x[rows, best][:, None]).sum(-1)
            closest = likeness if place == 0 else torch.maximum(closest, likeness)
        return slate
