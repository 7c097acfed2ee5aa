"""Two plain rules: what is famous counts less, and no topic gets more than its places."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from policies.candidates import Candidates
from policies.greedy import GreedySlate


@dataclass(frozen=True)
class PopularityDiscount:
    """The best of the candidates are shown in an order in which the less popular ones move up.

    Sorts by (1 − strength) · rel_i − strength · f_i, with f_i = ln(1 + interactions with i) and rel_i the policy's score, both
    scaled to [0, 1] within the user's candidates.

    Source: Adomavicius & Kwon 2012 (TKDE), item popularity-based ranking among the items that are predicted to be liked
    (strength 1); as a trade-off with relevance, Abdollahpouri, Burke & Mobasher 2019 (FLAIRS), "Managing popularity bias in
    recommender systems with personalized re-ranking".
    """

    strength: Annotated[float, Interval(ge=0, le=1)] = 0.5
    """Weight of being unknown; 0 = the policy's own order, 1 = the least popular candidates."""

    candidates: Annotated[int, Interval(ge=1)] = 100
    """Best items of the policy that are considered."""

    def rerank(self, candidates: Candidates, k: int) -> Tensor:
        open = candidates.open
        fame = candidates.popularity[candidates.items].log1p()
        low = fame.where(open, torch.inf).amin(1, keepdim=True)
        high = fame.where(open, -torch.inf).amax(1, keepdim=True)
        fame = (fame - low) / (high - low).clamp(min=1e-6)
        worth = (1 - self.strength) * candidates.relevance() - self.strength * fame
        return worth.where(open, -torch.inf).sort(dim=1, descending=True, stable=True).indices[:, :k]


@dataclass(frozen=True)
class TopicQuota:
    """No topic gets more than a set number of places in a slate.

    Each place goes to the best candidate whose main topic has fewer than ⌈k (1 − strength (1 − 1/T))⌉ places yet, of T topics;
    if there is none, to the best candidate. Of all slates that keep to the quota, this is the one of the highest total score.

    Source: Celis, Straszak & Vishnoi 2018 (ICALP), "Ranking with fairness constraints": upper bounds for disjoint groups, for
    which the greedy choice is optimal.
    """

    strength: Annotated[float, Interval(ge=0, le=1)] = 0.5
    """How tight the quota is; 0 = none: the policy's own order, 1 = an equal share for every topic."""

    candidates: Annotated[int, Interval(ge=1)] = 100
    """Best items of the policy that are considered."""

    def rerank(self, candidates: Candidates, k: int) -> Tensor:
        relevance, topic = candidates.relevance(), candidates.topics().argmax(-1)
        n_topics = candidates.catalogue.topics.shape[1]
        quota = math.ceil(round(k * (1 - self.strength * (1 - 1 / n_topics)), 6))   # 6: 3.0000000004 is 3
        slate = GreedySlate(candidates.open, k)
        places = torch.zeros(len(topic), n_topics, dtype=torch.int64)
        for _ in range(k):
            full = places.gather(1, topic) >= quota
            rows, best = slate.add(relevance - full.float() * 2)                    # relevance spans no more than 1
            places[rows, topic[rows, best]] += 1
        return slate.places
