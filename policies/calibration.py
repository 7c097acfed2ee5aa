"""Calibrated recommendations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from policies.candidates import Candidates
from policies.greedy import GreedySlate

_SMOOTHING = 0.01
"""α: what is missing from a slate costs much, but not infinitely much. The paper's value."""


@dataclass(frozen=True)
class Calibrated:
    """Slates hold topics in the proportions in which the user has taken them.

    Greedily maximises (1 − strength) · Σ_i rel_i − strength · KL(p ‖ q̃) over slates, with p the mean topics of what the user
    has taken, q those of the slate, q̃ = (1 − α) q + α p, α = 0.01, and rel the policy's scores scaled to [0, 1] within the
    user's candidates. Among slates of one length that is the greedy maximisation of a submodular function, so it is at worst
    1 − 1/e of the best.

    Source: Steck 2018 (RecSys), "Calibrated recommendations"; λ there is strength.
    """

    strength: Annotated[float, Interval(ge=0, le=1)] = 0.5
    """Weight of the proportions; 0 = the policy's own order, 1 = relevance does not count."""

    candidates: Annotated[int, Interval(ge=1)] = 100
    """Best items of the policy that are considered."""

    def rerank(self, candidates: Candidates, k: int) -> Tensor:
        relevance, z = candidates.relevance(), candidates.topics()
        p = candidates.tastes()[:, None]                                            # (b, 1, n_topics)
        slate = GreedySlate(candidates.open, k)
        total = torch.zeros_like(p)                                                 # topics picked so far
        for place in range(k):
            q = (1 - _SMOOTHING) / (place + 1) * (total + z) + _SMOOTHING * p       # q̃ with each candidate (b, c, n_topics)
            fit = (p * q.clamp(min=torch.finfo().tiny).log()).sum(-1)               # −KL, up to the entropy of p
            picked = slate.add((1 - self.strength) * relevance + self.strength * fit)
            total = total + z[picked][:, None]
        return slate.places
