"""Exploration over any policy: the EXPLORERS table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from policies.candidates import Candidates, Explorer
from policies.chance import Draws
from policies.uniform import some_unseen


@dataclass(frozen=True)
class EpsilonGreedy(Explorer):
    """Each place of the finished slate goes, with chance ε, to an unseen item drawn at random from the whole catalogue.

    All items that the user has not taken are as likely, but for those that keep another place of the slate.

    Source: Sutton & Barto 2018, "Reinforcement learning", ch. 2; per place of a slate as in Schnabel, Bennett, Dumais &
    Joachims 2018 (WSDM), "Short-term satisfaction and long-term coverage".
    """

    epsilon: Annotated[float, Interval(ge=0, le=1)] = 0.1
    """Chance per place; 0 = the policy's own slate, 1 = a random slate."""

    def replace(self, slates: Tensor, candidates: Candidates, draws: Draws) -> Tensor:
        k, users = slates.shape[1], candidates.users
        chance, _ = draws.uniform_pair(users[:, None], _PLACES + torch.arange(k))
        given = chance < self.epsilon                                               # (b, k)
        available = candidates.catalogue.available
        of = None if available is None else available.nonzero()[:, 0]
        others, value = some_unseen(users, min(2 * k, candidates.log.n_items), candidates.log, draws, of)
        kept = ((others[:, :, None] == slates[:, None]) & ~given[:, None]).any(2)
        fresh = (value > -torch.inf) & ~kept        # of 2 k, as many as are given away, or all that are left
        first = (~fresh).to(torch.int8).sort(dim=1, stable=True).indices[:, :k]
        others, fresh = (each.gather(1, first) for each in (others, fresh))
        # The n-th place given away gets the n-th other. If there are too few, the last places keep what they have: seen items.
        turn = (given.cumsum(1) - 1).clamp(min=0)
        return others.gather(1, turn).where(given & fresh.gather(1, turn), slates)


_PLACES = 1_000_000
"""Slots of the draws that decide which places are given away: beyond those that draw the items."""


@dataclass(frozen=True)
class Boltzmann(Explorer):
    """Slates are drawn, not sorted: the better an item's score, the likelier it is shown, and shown early.

    A slate is a sample without replacement from P(i) ∝ exp(rel_i / τ) over the policy's best `candidates`, with rel the
    scores scaled to [0, 1] within them. It is drawn as the largest values of rel_i + τ · Gumbel noise.

    Source: Sutton & Barto 1998, "Reinforcement learning", sect. 2.3 (soft-max action selection); Kool, van Hoof & Welling
    2019 (ICML) for the Gumbel top-k.
    """

    temperature: Annotated[float, Interval(ge=0)] = 0.1
    """τ; 0 = the policy's own order, large = all candidates alike."""

    candidates: Annotated[int, Interval(ge=1)] = 100
    """Best items of the policy that are drawn from."""

    def perturb(self, candidates: Candidates, draws: Draws) -> Tensor:
        noise = draws.gumbel(candidates.users[:, None], candidates.items)
        return (candidates.relevance() + self.temperature * noise).where(candidates.open, -torch.inf)


@dataclass(frozen=True)
class Proportional(Explorer):
    """Slates are drawn in proportion to scores: what is twice as far above the worst candidate is shown twice as often.

    A slate is a sample without replacement from P(i) ∝ rel_i over the policy's best `candidates`, with rel the scores scaled to
    [0, 1] within them: the worst of them is shown only when nothing else is left. It is drawn as the largest values of
    ln rel_i + Gumbel noise.

    Source: the recommended choice of Mauro, Minici & Pappalardo 2025, "The urban impact of AI", who draw one of twenty venues;
    Kool, van Hoof & Welling 2019 (ICML) for the Gumbel top-k.
    """

    candidates: Annotated[int, Interval(ge=1)] = 20
    """Best items of the policy that are drawn from."""

    def perturb(self, candidates: Candidates, draws: Draws) -> Tensor:
        noise = draws.gumbel(candidates.users[:, None], candidates.items)
        return (candidates.relevance().clamp(min=_NEXT_TO_NOTHING).log() + noise).where(candidates.open, -torch.inf)


_NEXT_TO_NOTHING = 1e-30
"""A relevance that no noise lifts above one that counts."""

EXPLORERS: dict[str, type[Explorer]] = {"epsilon_greedy": EpsilonGreedy, "boltzmann": Boltzmann, "proportional": Proportional}
