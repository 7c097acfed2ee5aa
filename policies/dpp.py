"""Determinantal point process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from policies.candidates import Candidates
from policies.greedy import GreedySlate

_OWN = 0.01
"""Share of an item's variance that no other item has. Features of d dimensions span no volume of more than d items; with a
little of its own in each item, places after the d-th still go to what is least represented."""

_SMALLEST = 1e-9
"""Least residual variance: below it an item adds nothing but rounding."""


@dataclass(frozen=True)
class DPP:
    """Slates are those whose items, as vectors as long as they are relevant, span the largest volume.

    Greedily maximises log det L_R over slates R, with the kernel L = diag(q) S diag(q), q_i = exp(α rel_i) and
    α = (1 − strength) / (2 strength); in other words it picks argmax_i (1 − strength) · rel_i + strength · ln d_i², where d_i²
    is the part of S_ii that the items picked so far leave unexplained, kept up to date by an incremental Cholesky
    factorisation in O(c k) per place. rel is the policy's scores scaled to [0, 1] within the user's candidates, S the cosine of
    item features, its off-diagonal times 0.99.

    Source: Chen, Zhang & Zhou 2018 (NeurIPS), "Fast greedy MAP inference for determinantal point process to improve
    recommendation diversity" (θ there is 1 − strength); the factor on the off-diagonal as in Wilhelm et al. 2018 (CIKM),
    "Practical diversified recommendations on YouTube with determinantal point processes".
    """

    strength: Annotated[float, Interval(ge=0, le=1)] = 0.5
    """Weight of the volume; 0 = the policy's own order, 1 = relevance does not count after the first place."""

    candidates: Annotated[int, Interval(ge=1)] = 100
    """Best items of the policy that are considered."""

    def rerank(self, candidates: Candidates, k: int) -> Tensor:
        relevance, x = candidates.relevance(), candidates.features()
        slate = GreedySlate(candidates.open, k)
        left = torch.ones(relevance.shape, dtype=torch.float64)                     # d_i²
        rows = torch.zeros(*relevance.shape, k, dtype=torch.float64)                # rows c_i of the Cholesky factor
        for place in range(k):
            picked = slate.add((1 - self.strength) * relevance + self.strength * left.log())
            similarity = (1 - _OWN) * (x * x[picked][:, None]).sum(-1)
            explained = (rows[..., :place] * rows[picked][:, None, :place]).sum(-1)
            new = (similarity - explained) / left[picked].sqrt()[:, None]           # e_i; that of a picked item is never read
            rows[..., place] = new
            left = (left - new.square()).clamp(min=_SMALLEST)
        return slate.places
