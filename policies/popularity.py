"""What everybody takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Interval
from torch import Tensor

from policies.base import Count, Policy
from policies.chance import Draws
from policies.explanation import Explanation, nothing
from policies.log import FeedbackLog, ItemData


@dataclass
class Popularity(Policy):
    """Everybody is shown what was taken most, of what she has not taken yet.

    s_i = Σ over interactions with i of decay^(age in rounds), over the last `window` rounds. Ties are broken at random at
    each retraining, the same way for all users.

    Source: the "most popular" baseline; with a window, Ji, Sun, Zhang & Li 2020 (SIGIR), "A re-visit of the popularity
    baseline in recommender systems".
    """

    window: Count | None = None
    """Rounds that count, the newest included; null = all."""

    decay: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """Weight of an interaction relative to one of the round after it."""

    scores: Literal["ranks", "counts"] = "ranks"
    """What explorers and re-rankers see of it: an item's place in the ranking, from 1 down to 0, or its s_i. The ranking is the
    same."""

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        _, taken, rounds = log.interactions()
        age = (rounds.max() - rounds) if len(rounds) else rounds
        weight = self.decay ** age.to(torch.float64)
        if self.window is not None:
            weight[age >= self.window] = 0
        count = torch.bincount(taken, weights=weight, minlength=log.n_items)
        # Ranks can be scores where counts will not do: a random tie-break cannot overturn even the smallest decayed difference.
        shuffled = torch.randperm(log.n_items, generator=rng)
        self.ranking_ = shuffled[count[shuffled].argsort(descending=True, stable=True)]
        self.score_ = torch.empty(log.n_items)
        self.score_[self.ranking_] = torch.linspace(1, 0, log.n_items)
        if self.scores == "counts":
            self.score_ = (count + _LEAST * self.score_ * least_difference(count)).float()
        yield None

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return self.score_.repeat(len(users), 1)

    def unknown(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return torch.zeros(len(users), dtype=torch.bool)        # the ranking is everybody's, with or without a history

    def representations(self) -> Tensor:
        return torch.ones(len(self.untrained_), 1)              # everybody is the same to it

    def explain(self, user: int, items: Tensor, log: FeedbackLog) -> Explanation:
        return nothing(items, self.score_[items])

    def rank(
        self, users: Tensor, k: int, log: FeedbackLog, draws: Draws, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """All users share one ranking, so each user's list is found from the places of her seen items in it, in O(h log h).

        With r_0 < r_1 < … the places of the seen items, r_j − j unseen items stand before r_j; so the t-th unseen item has
        place t + #{j: r_j − j ≤ t}.
        """
        if bias is not None:
            return super().rank(users, k, log, draws, bias)
        place = torch.empty_like(self.ranking_)
        place[self.ranking_] = torch.arange(log.n_items)
        history = log.seen(users)
        seen = place[history.items].masked_fill(~history.present, 2 * log.n_items + k).sort(1).values
        unseen_before = seen - torch.arange(seen.shape[1])
        t = torch.arange(k).expand(len(users), -1).contiguous()
        places = t + torch.searchsorted(unseen_before, t, right=True)
        if len(places) and int(places.max()) >= log.n_items:        # somebody has fewer than k unseen items
            return super().rank(users, k, log, draws, bias)
        ids = self.ranking_[places]
        return ids, self.score_[ids]


_LEAST = 1e-3
"""Share of the least difference between two counts by which equal ones are told apart."""


def least_difference(count: Tensor) -> Tensor:
    """Return the least difference between unequal entries; 1 if all are equal."""
    steps = count.unique().diff()
    return steps.min() if len(steps) else torch.ones(())
