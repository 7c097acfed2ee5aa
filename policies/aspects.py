"""Diversification over explicit aspects: the topics that a user cares about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from policies.candidates import Candidates
from policies.greedy import GreedySlate


@dataclass(frozen=True)
class XQuAD:
    """Each place of the slate goes to the candidate that is relevant and about topics of the user's that are not covered yet.

    Greedily picks argmax_i (1 − strength) · rel_i + strength · Σ_a p(a|u) z_ia Π_{j picked} (1 − z_ja), with p(a|u) the mean
    topics of what the user has taken, z_ia the share of topic a in item i, and rel the policy's scores scaled to [0, 1] within
    the user's candidates.

    Source: Santos, Macdonald & Ounis 2010 (WWW), xQuAD; λ there is strength, queries are users, sub-queries topics.
    """

    strength: Annotated[float, Interval(ge=0, le=1)] = 0.5
    """Weight of covering topics; 0 = the policy's own order, 1 = relevance counts only once all is covered."""

    candidates: Annotated[int, Interval(ge=1)] = 100
    """Best items of the policy that are considered."""

    def rerank(self, candidates: Candidates, k: int) -> Tensor:
        relevance, z = candidates.relevance(), candidates.topics()
        slate = GreedySlate(candidates.open, k)
        wanted = candidates.tastes()                                                # p(a|u) Π (1 − z_ja)
        for _ in range(k):
            gain = (z * wanted[:, None]).sum(-1)
            picked = slate.add((1 - self.strength) * relevance + self.strength * gain)
            wanted = wanted * (1 - z[picked])
        return slate.places


@dataclass(frozen=True)
class PM2:
    """Each place of the slate goes to a candidate of the topic that is owed it, as seats of a parliament go to parties.

    Each topic a has votes v_a = p(a|u), the mean topics of what the user has taken, seats s_a so far, and the
    quotient v_a / (2 s_a + 1) of Sainte-Laguë. With a* the topic of the largest quotient and w_a the quotients relative to its,
    the place goes to argmax_i (1 − strength) · rel_i + strength · (focus · z_ia* + (1 − focus) · Σ_{a ≠ a*} w_a z_ia), and the
    seat is shared out by the topics z_ia of the item. rel is the policy's scores scaled to [0, 1] within the user's candidates.

    Source: Dang & Croft 2012 (SIGIR), "Diversity by proportionality", PM-2 (strength 1; focus is λ there). The mixture with
    relevance is ours: there an item's relevance counts only through its topics.
    """

    strength: Annotated[float, Interval(ge=0, le=1)] = 0.5
    """Weight of the proportions; 0 = the policy's own order, 1 = relevance does not count."""

    focus: Annotated[float, Interval(ge=0, le=1)] = 0.5
    """Weight of the topic whose turn it is against all others that an item is about too."""

    candidates: Annotated[int, Interval(ge=1)] = 100
    """Best items of the policy that are considered."""

    def rerank(self, candidates: Candidates, k: int) -> Tensor:
        relevance, z = candidates.relevance(), candidates.topics()
        slate = GreedySlate(candidates.open, k)
        votes = candidates.tastes()
        seats = torch.zeros_like(votes)
        for _ in range(k):
            quotient = votes / (2 * seats + 1)
            most, due = quotient.max(1, keepdim=True)
            weight = (1 - self.focus) * quotient / most.clamp(min=torch.finfo().tiny)
            weight.scatter_(1, due, self.focus)
            worth = (z * weight[:, None]).sum(-1)
            picked = slate.add((1 - self.strength) * relevance + self.strength * worth)
            seats = seats + z[picked]
        return slate.places
