"""What becomes of real users' profiles: of what was on record at the start, and what was added since.

A profile is everything that a user has taken: the real log that the platform began with, and all rounds up to now, whatever the
window. Only worlds that begin with a real log have profiles. The largest and the smallest group are those of `World.group`
that have at least `FEWEST` users, as women and men where the log says.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agents.wants import wanted
from simulator.measures.divergence import kullback_leibler
from simulator.measures.groups import FEWEST
from simulator.rounds import Round, World

SMOOTHING = 0.01
"""Share of the one distribution that is mixed into the other, so that no topic is missing in it: Steck 2018's α."""


class Profiles:
    """Topic masses and counts of everything taken, and how much of what users want they have got."""

    def __init__(self, world: World) -> None:
        assert world.past is not None
        users, items = world.past                               # (2, n)
        n, m = len(world.interests), len(world.topics)
        self.world = world
        self.start = torch.zeros(n, world.topics.shape[1], dtype=torch.float64)     # Σ z_i of each user at the start
        self.start.index_add_(0, users, world.topics[items].double())
        self.now = self.start
        self.known = torch.bincount(users, minlength=n), torch.bincount(items, minlength=m)      # of each user, of each item
        self.found = torch.zeros(n, dtype=torch.int64), torch.zeros(m, dtype=torch.int64)        # wanted, and taken since
        self.left = torch.zeros(n, dtype=torch.int64)           # wanted by each user and not taken before the newest round

    def push(self, round: Round, topics: Tensor) -> None:
        """Let a round enter; `topics` (n, T): Σ z_i of what each user took in it."""
        self.now = self.now + topics
        wants = self.world.wants
        if wants is None:
            return
        of_users, of_items = self.found
        self.left = (wants < len(self.world.topics)).sum(1) - of_users
        got = round.taken & wanted(wants, round.items)
        if round.again is not None:
            got &= ~round.again
        self.found = of_users + got.sum(1), of_items + torch.bincount(round.items[got], minlength=len(of_items))

    def shift(self, users: Tensor | None = None) -> float | None:
        """Mean over users (n,) of KL(p_0 ‖ p), p_0 their topic shares at the start and p those of now, smoothed by p_0."""
        chosen = self.start.sum(1) > 0
        if users is not None:
            chosen &= users
        if not chosen.any():
            return None
        first, now = (_shares(mass[chosen]) for mass in (self.start, self.now))
        return float(kullback_leibler(first, (1 - SMOOTHING) * now + SMOOTHING * first).mean())

    def toward(self, ours: Tensor, theirs: Tensor) -> float:
        """KL(p ‖ q), p the mean topic shares of some users (n,) by now, q those of others at the start, smoothed by p."""
        p, q = _shares(self.now[ours]).mean(0), _shares(self.start[theirs]).mean(0)
        return float(kullback_leibler(p, (1 - SMOOTHING) * q + SMOOTHING * p))

    def got(self, of: int) -> float | None:
        """Mean over users (0) or items (1) of the share on record of the interactions of each in the real log."""
        wants = self.world.wants
        if wants is None:
            return None
        m = len(self.world.topics)
        total = ((wants < m).sum(1), torch.bincount(wants[wants < m], minlength=m))[of] + self.known[of]
        have = self.known[of] + self.found[of]
        return float((have[total > 0].double() / total[total > 0]).mean())


def _shares(mass: Tensor) -> Tensor:
    return mass / mass.sum(-1, keepdim=True)


def extremes(group: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return who is in the largest group and who in the smallest (n,) bool, of those of `FEWEST` users; None without two."""
    size = torch.bincount(group)
    numbers = (size >= FEWEST).nonzero()[:, 0]
    if len(numbers) < 2:
        return None
    sizes = size[numbers]
    return group == numbers[sizes.argmax()], group == numbers[len(sizes) - 1 - sizes.flip(0).argmin()]


def mean_profile_popularity(popularity: Tensor, n_users: int) -> float:
    """Mean over all that is on record of the share of users who took it: Σ n_i² / (N Σ n_i). (M,) → 1/N … 1."""
    count = popularity.double()
    return float(count.square().sum() / (n_users * count.sum()))
