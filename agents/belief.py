"""What users believe that items are worth to them, before and after they have tried some: Gaussian beliefs, updated exactly.

Items stand on a ring, item j in place j, and what they are worth is the more alike the fewer steps they are apart: the prior
correlation of items d steps apart is R = ρ^d. What an item is worth is the sum of two independent parts of this correlation: a
user's own, of mean `expected` and variance `doubt` for her, and the quality of the items, the same for everybody, of mean 0.
After items C were tried, S = R − R_·C R_CC⁻¹ R_C· of the correlation is left, and of what was found out, the same weights
R_·C R_CC⁻¹ go into the mean of each part: they do not depend on the variances. So one memory serves users who are told the
quality of items and users who are not.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_KNOWN = 1e-9
"""An item of which so little of the prior variance is left is known: float64 has no more to say of it."""


class Belief(NamedTuple):
    """What n users have learnt of M items. R − Σ_s l_s l_sᵀ is what is left of the prior correlation."""

    own: Tensor                     # (n, M) float64: by how much an item is worth more to her than she expected
    quality: Tensor                 # (n, M) float64: mean of its quality, for who is not told it
    explained: Tensor               # (n, M) float64: share of the prior variance that is gone, Σ_s l_s²
    factors: Tensor                 # (n, t, M) float64: l_s

    def left(self) -> Tensor:
        """Return the share of the prior variance that is left (n, M), 0 … 1."""
        return (1 - self.explained).clamp(min=0)


def nothing_learnt(users: int, items: int) -> Tensor:
    """Return the memory (n, 3, M) of users who have tried nothing."""
    return torch.zeros(users, 3, items, dtype=torch.float64)


def unpacked(memory: Tensor) -> Belief:
    """Return the belief that a memory (n, 3 + t, M) holds."""
    own, quality, explained = memory[:, :3].unbind(1)
    return Belief(own, quality, explained, memory[:, 3:])


def tried(memory: Tensor, item: Tensor, tries: Tensor, own: Tensor, quality: Tensor, decay: Tensor) -> Tensor:
    """Return the memory (n, 3 + t + 1, M) of users who tried one item (n,) each, if they did (n,), and found out its worth.

    `own` (n,): by how much it was worth more to her than she had expected at first; `quality` (n,). `decay`: that
    of the ring. One step of a Cholesky factorisation: O(M · t) for a user who has tried t items before.
    """
    belief = unpacked(memory)
    users, places = torch.arange(len(item)), torch.arange(len(decay))
    column = decay[(places - item[:, None]) % len(decay)]       # R_·c (n, M)
    for factor in belief.factors.unbind(1):         # in order, not as a product, to be the same for one user and for many
        column = column - factor * factor[users, item, None]
    rest = column[users, item]
    learns = tries & (rest > _KNOWN)
    weight = (column / rest[:, None]).where(learns[:, None], 0)
    factor = (column / rest.sqrt()[:, None]).where(learns[:, None], 0)
    known = torch.stack([
        belief.own + weight * (own - belief.own[users, item])[:, None],
        belief.quality + weight * (quality - belief.quality[users, item])[:, None],
        belief.explained + factor**2,
    ], 1)
    return torch.cat([known, belief.factors, *([factor[:, None]] if learns.any() else [])], 1)
