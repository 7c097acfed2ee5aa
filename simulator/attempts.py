"""Attempts at leaving a bubble: who tries, what her bubble is, and when her slates follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from agents.catalog import Catalog
from agents.space import mixture
from agents.users import Users
from simulator.draws import Draws
from simulator.rounds import Round

if TYPE_CHECKING:
    from simulator.events import Escape

FOLLOWED = 0.5
"""Share of a slate that is about other topics than the usual ones, from which on it follows the user out of her bubble."""


@dataclass
class Attempt:
    """The users who try, in every arm: in those without the event they are the same users, who do not try."""

    tries: Tensor                   # (N,) bool
    usual: Tensor                   # (N, T) bool: the topics that together hold at least half of her interests
    taken: Tensor                   # (N,) int64: items mainly about other topics that she took since it began
    effort: Tensor                  # (N,) float32: `taken` before the round in which her slate first followed; ∞: not yet

    def followed(self, slates: Tensor, users: Tensor, topics: Tensor) -> Tensor:
        """Return the share of each slate (n, k), of `users` (n,), that is about other topics than the usual ones (n,)."""
        return (topics[slates].mean(1) * ~self.usual[users]).sum(1)

    def count(self, happened: Round, topics: Tensor) -> None:
        """Take in a round. `topics`: (M, T)."""
        if happened.slate.shape[1]:
            whole = happened.shown if happened.filled is None else happened.shown & happened.filled.all(1)
            users = (self.tries & whole & self.effort.isinf()).nonzero()[:, 0]
            reached = users[self.followed(happened.slate[users], users, topics) >= FOLLOWED]
            self.effort[reached] = self.taken[reached].float()
        other = ~self.usual.gather(1, topics.argmax(1)[happened.items])
        self.taken = self.taken + (happened.taken & other).sum(1)


def chosen(users: Tensor, share: float, draws: Draws, why: str) -> Tensor:
    """Return which of the users (n,) an event is about: the same ones in every round and arm, and more for a larger share."""
    return draws.at(0)(why).uniform(users) < share


def settle(event: Escape, users: Users, items: Catalog, draws: Draws) -> Attempt:
    """Settle who tries, and what is usual for whom, by the interests of now."""
    shares, order = mixture(users.interests, items.space).sort(dim=1, descending=True, stable=True)
    before = shares.cumsum(1) - shares
    usual = torch.zeros(shares.shape, dtype=torch.bool).scatter_(1, order, before < 0.5)
    nothing = torch.zeros(len(users), dtype=torch.int64)
    return Attempt(chosen(users.ids, event.share, draws, "escape"), usual, nothing, torch.full((len(users),), torch.inf))
