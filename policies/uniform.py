"""Random slates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from policies.base import Count, Policy
from policies.chance import Draws
from policies.explanation import Explanation, nothing
from policies.log import FeedbackLog, History, ItemData
from policies.ranking import left_by, rank


@dataclass
class Random(Policy):
    """Every unseen item is as likely as any other to be shown, anew each round.

    With `factors`, users are shown somewhat the same: scores are products of random vectors of users and of items, as of a
    model that has not been trained, and an item with a long vector stands high in many lists of a round.

    Source: the usual lower control of recommender evaluation (e.g. Chaney, Stewart & Engelhardt 2018); with `factors`, the
    random recommender in the code of their replication by Lucherini, Sun, Winecoff & Narayanan 2021 (T-RECS).
    """

    factors: Count | None = None
    """Length of the vectors, each entry U(0, 1), drawn anew in each round; null = every user has an order of her own."""

    trains: ClassVar[bool] = False
    reads_features: ClassVar[bool] = True       # none are needed: any item will do

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        return iter(())

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return torch.zeros(len(users), len(self.items_))

    def representations(self) -> Tensor:
        return torch.ones(len(self.untrained_), 1)  # everybody is the same to it

    def explain(self, user: int, items: Tensor, log: FeedbackLog) -> Explanation:
        return nothing(items, torch.zeros(len(items)))

    def rank(
        self, users: Tensor, k: int, log: FeedbackLog, draws: Draws, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw slates without replacement: uniformly, or with `bias` from the Plackett–Luce law, P ∝ exp(bias).

        With `factors`, `bias` comes first and chance decides among what it leaves equal.
        """
        if self.factors is not None:
            luck = partial(self.luck, n_items=log.n_items, draws=draws)
            return rank(lambda block: self.score(block, log), users, k, log, bias, luck=luck)
        left = None if bias is None else left_by(bias)
        if bias is not None and left is None:
            return _by_gumbel(users, k, log, draws, bias)
        return some_unseen(users, k, log, draws, left)

    def luck(self, users: Tensor, n_items: int, draws: Draws) -> Tensor:
        if self.factors is None:
            return super().luck(users, n_items, draws)
        places = torch.arange(self.factors)
        of_users = draws.uniform_pair(users[:, None], places)[1]
        of_items = draws.uniform_pair(-1 - torch.arange(n_items)[:, None], places)[1]       # the same whoever is asked for
        product = torch.zeros(len(users), n_items, dtype=torch.float64)
        for mine, theirs in zip(of_users.T, of_items.T, strict=True):       # in order: a matrix product rounds by block
            product += mine[:, None] * theirs
        return -product


def some_unseen(
    users: Tensor, k: int, log: FeedbackLog, draws: Draws, of: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Draw for each user (b,) k unseen items without replacement: ids (b, k), and 0, or −∞ for others if fewer are left.

    `of` (n,): the items that there are to draw from; None = all.
    """
    slots = 2 * k + 16                      # enough that a user rarely runs out of fresh unseen items
    word = draws.uniform_pair(users[:, None], torch.arange(slots))[1]
    items = (word * (log.n_items if of is None else len(of))).long()
    if of is not None and len(of):
        items = of[items]
    fresh = ~_repeats(items) & ~_seen(items, log.seen(users))
    if of is not None and not len(of):
        fresh[:] = False
    first = (~fresh).to(torch.int8).sort(dim=1, stable=True).indices[:, :k]
    ids, scores = items.gather(1, first), torch.zeros(len(users), k)
    short = fresh.sum(1) < k                # nearly all has been seen: draw from what is left
    if short.any():
        others = None if of is None else torch.full((log.n_items,), -torch.inf).index_fill(0, of, 0)
        ids[short], scores[short] = _by_gumbel(users[short], k, log, draws, others)
    return ids, scores


def _by_gumbel(
    users: Tensor, k: int, log: FeedbackLog, draws: Draws, bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the k items of largest bias + Gumbel noise: exact, at one draw per user and item."""
    items = torch.arange(log.n_items)
    return rank(lambda block: draws.gumbel(block[:, None], items), users, k, log, bias)


def _repeats(items: Tensor) -> Tensor:
    """Return a bool (b, n): has the row held this item further left?"""
    order = items.sort(dim=1, stable=True)
    same = torch.zeros_like(items, dtype=torch.bool)
    same[:, 1:] = order.values[:, 1:] == order.values[:, :-1]
    return torch.zeros_like(same).scatter_(1, order.indices, same)


def _seen(items: Tensor, history: History) -> Tensor:
    """Return a bool (b, n): is the item in the user's history?"""
    seen = torch.zeros_like(items, dtype=torch.bool)
    for taken, present in zip(history.items.T, history.present.T, strict=True):
        seen |= (items == taken[:, None]) & present[:, None]
    return seen
