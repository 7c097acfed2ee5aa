"""How good a policy is at predicting what users take next, on interactions kept out of its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from policies.log import FeedbackLog

MOST_HELD_OUT = 1000
"""At most so many users give their newest item to validation: enough for ±0.015 on recall, and cheap at any scale."""


@dataclass(frozen=True)
class Epoch:
    """One pass of training. Losses are per example; None where the policy minimises none."""

    epoch: int
    train_loss: float | None
    validation_loss: float | None
    recall: float | None            # share of held-out items among the k best unseen; None if nothing was held out
    ndcg: float | None              # 1 / log2(1 + rank) of the held-out item if among the k best, else 0
    k: int
    kept: bool = True               # the weights of this epoch are those that training ended with
    train_recall: float | None = None       # of what was learnt from, all items ranked; only where validation is given
    train_ndcg: float | None = None
    parameters: int | None = None           # weights beyond embeddings (see `Size`); None: of no network
    flop: float | None = None               # floating-point operations of this pass; None: not counted

    def better_than(self, other: Epoch) -> bool:
        """Is the held-out NDCG higher, or as high with a lower loss? Of two epochs with something held out."""

        def merit(epoch: Epoch) -> tuple[float, float]:
            return epoch.ndcg or 0.0, -(epoch.validation_loss or 0.0)

        return merit(self) > merit(other)


class Size(NamedTuple):
    """How many weights a policy has learnt."""

    total: int
    beyond_embeddings: int          # without those of which each item, user, token or position has its own


class HeldOut(NamedTuple):
    """Interactions kept out of training: parallel columns, any number per user."""

    users: Tensor                   # (h,) int64
    items: Tensor                   # (h,) int64


def hold_out(log: FeedbackLog, share: float, since: int | None, rng: torch.Generator) -> tuple[FeedbackLog, HeldOut]:
    """Split a log into what to train on and what to validate on.

    A random `share` of the users whose newest interaction is of round `since` or later (what an earlier training, whose
    weights may be kept, has not seen) and who have an older one to be known by lose that newest interaction to validation.
    Leave-one-out by time, as in Kang & McAuley 2018.
    """
    users, items, rounds = log.interactions()
    newest = torch.zeros(log.n_users, dtype=torch.int64)        # place in the log of each user's newest interaction
    newest.scatter_reduce_(0, users, torch.arange(len(users)), "amax")
    eligible = (log.counts() >= 2).nonzero()[:, 0]
    if since is not None:
        eligible = eligible[rounds[newest[eligible]] >= since]
    n_held = min(round(share * len(eligible)), MOST_HELD_OUT)
    chosen = eligible[torch.randperm(len(eligible), generator=rng)[:n_held]].sort().values
    held = newest[chosen]
    return log.without(held), HeldOut(users[held], items[held])


class Accuracy(NamedTuple):
    """How well rankings find held-out items: means over users who have any."""

    recall: float                   # share of a user's held-out items that are among the k best
    ndcg: float                     # Σ 1 / log2(1 + rank) over those found, relative to the best possible order
    hit: float                      # 1 if any is found, else 0


def accuracy(ranked: Tensor, held: HeldOut, users: Tensor | None = None) -> Accuracy:
    """Score the rankings (n, k) of `users` (n,), by default the distinct held-out users in ascending order.

    DCG has binary gains; the best possible order has min(k, number of held-out items) hits on top.

    Source: Järvelin & Kekäläinen 2002 (TOIS), normalised discounted cumulative gain; the discount 1 / log2(1 + rank) as in
    Burges et al. 2005 (ICML).
    """
    if users is None:
        users = held.users.unique()
    k, n_items = ranked.shape[1], int(max(held.items.max(), ranked.max())) + 1
    relevant = torch.isin(users[:, None] * n_items + ranked, held.users * n_items + held.items)     # (n, k)
    count = torch.bincount(held.users, minlength=int(users.max()) + 1)[users]
    discount = 1 / torch.log2(torch.arange(k) + 2.0)
    ideal = discount.cumsum(0)[count.clamp(max=k) - 1]
    found = relevant.float()
    return Accuracy(
        (found.sum(1) / count).mean().item(), ((found * discount).sum(1) / ideal).mean().item(), found.amax(1).mean().item()
    )
