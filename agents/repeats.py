"""Taking again what one has taken before."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.memory import Memory
from agents.users import Users

_CHUNK = 1024
"""Weights are worked out by so many, so that they are the same bits for however long a memory."""


@dataclass(frozen=True)
class Repeats:
    """People come back to what they took before, sooner to what they took lately, and to what they took often.

    An item may be taken again `after` so many rounds. Each of a user's own finds is, with probability `share`, something that
    she took before: the take i places back among all her takes, drawn ∝ i^(−recency), so that an item taken n times has n
    chances. Takes that are too fresh to be repeated are left out of the draw; if there are no others, the find stays new.

    With ρ, the share is no constant: a find is new with probability ρ S^(−γ), S the number of different items that she has
    taken, so the more somebody knows, the less she explores. With recency 0 that is exploration and preferential return.

    Source: after Anderson, Kumar, Tomkins & Vassilvitskii 2014 (WWW), "The dynamics of repeat consumption": their copying model
    with weights by recency, which comes back to an earlier position of the sequence; and Benson, Kumar & Tomkins 2016 (WWW),
    "Modeling user consumption sequences"; ρ and γ: Song, Koren, Wang & Barabási 2010 (Nature Physics), "Modelling the scaling
    properties of human mobility". That one tires of what one had is left to models of drift.
    """

    after: int                      # ≥ 1: rounds from a take of an item to the next that there may be; 1 = the next round
    share: float = 0.0              # in [0, 1]: share of a user's own finds that she has taken before
    recency: float = 1.0            # ≥ 0: how much sooner she comes back to what she took lately; 0 = to any take alike
    rho: float | None = None        # in [0, 1]: chance of something new to who knows one item; None: the share is fixed
    gamma: float = 0.21             # ≥ 0: how fast that chance falls with the number of items known; 0 = not at all

    def fresh_since(self, round: int) -> int:
        """Return the round since which what was taken may not be taken again in `round`."""
        return round - self.after + 1

    def meet(
        self, users: Users, items: Catalog, memory: Memory, finds: Tensor, noticed: Tensor, round: int, draws: Draws
    ) -> tuple[Tensor, Tensor]:
        """Return finds (n, a) and which are noticed (n, a), some of the finds replaced by what the user took before."""
        if not self.share and self.rho is None:
            return finds, noticed
        rows, slots = noticed.nonzero(as_tuple=True)
        old = memory.before(self.fresh_since(round))                # (n,): takes that may be repeated, the first of each row
        asks, quantile = draws("repeat").uniform_pair(users.ids[rows], slots)
        share = self.share if self.rho is None else self._share_of_who_knows(memory.distinct(), self.rho)[rows]
        comes_back = (asks < share) & (old[rows] > 0)
        rows, slots, quantile = rows[comes_back], slots[comes_back], quantile[comes_back]
        count = memory.counts[rows]
        total = self._weights(int(count.max()) if len(count) else 0)
        nearest = count - old[rows]                                 # places back to the newest that may be repeated, less 1
        target = total[nearest] + quantile * (total[count] - total[nearest])
        back = torch.minimum(torch.searchsorted(total, target, right=True).maximum(nearest + 1), count)
        finds, noticed = finds.clone(), noticed.clone()
        finds[rows, slots] = memory.items[rows, count - back].long()
        if items.available is not None:
            noticed[rows, slots] = items.available[finds[rows, slots]]
        return finds, noticed

    def _share_of_who_knows(self, items: Tensor, rho: float) -> Tensor:
        """Return how often users who have taken so many different items (n,) come back to one of them (n,) float64."""
        return 1 - rho * items.clamp(min=1).double() ** -self.gamma

    def _weights(self, longest: int) -> Tensor:
        """Return the sums of the weights of the first i places back, i = 0, 1, … `longest` or more, float64."""
        places = torch.arange(1, (longest // _CHUNK + 1) * _CHUNK + 1, dtype=torch.float64)
        return torch.cat([torch.zeros(1, dtype=torch.float64), (places**-self.recency).cumsum(0)])
