"""Maximal marginal relevance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from policies.candidates import Candidates
from policies.greedy import GreedySlate


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
        relevance, x = candidates.relevance(), candidates.features()
        slate = GreedySlate(candidates.open, k)
        closest = torch.zeros_like(relevance)                                       # max similarity to what is picked
        for place in range(k):
            picked = slate.add((1 - self.strength) * relevance - self.strength * closest)
            likeness = (x * x[picked][:, None]).sum(-1)
            closest = likeness if place == 0 else torch.maximum(closest, likeness)
        return slate.places
