"""What users hold in mind (`Round.held`): how far it is from them, and whom they share it with."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor

CAMP = 10
"""Users who, tied by what they hold, make a camp, not a handful of stragglers."""


def apart(one: Tensor, other: Tensor) -> Tensor:
    """Euclidean distance over the last axis, broadcast over the others, float64."""
    return (one.double() - other.double()).square().sum(-1).sqrt()


def distance_to_held(held: Tensor, places: Tensor, items: Tensor) -> Tensor:
    """Mean distance of each user who holds something from what she holds. Geschke et al. (2019). → (n holding,) float64.

    `held` (n, h) item ids, −1 in an empty place; `places` (n, d) of users, `items` (M, d) of items.
    """
    there = held >= 0
    total = (apart(places[:, None], items[held.clamp(min=0)]) * there).sum(1)
    count = there.sum(1)
    return total[count > 0] / count[count > 0]


def pairs_with_common(held: Tensor) -> tuple[Tensor, Tensor]:
    """Ordered pairs of different users who hold a common item. `held` (n, h) as above → (p,) × 2, the first ascending."""
    users, places = (held >= 0).nonzero(as_tuple=True)
    _, item = np.unique(held[users, places].numpy(), return_inverse=True)
    shape = len(held), int(item.max(initial=-1)) + 1
    holds = sp.csr_array((np.ones(len(item), np.int32), (users.numpy(), item)), shape=shape)
    both = (holds @ holds.T).tocoo()
    pairs = both.coords if hasattr(both, "coords") else (both.row, both.col)
    one, other = (torch.from_numpy(end.astype(np.int64)) for end in pairs)
    order = one.argsort(stable=True)
    one, other = one[order], other[order]
    return one[one != other], other[one != other]


def mean_over_others(one: Tensor, other: Tensor, places: Tensor) -> Tensor:
    """Mean distance of each user from those whom she is paired with, for those who are. (p,) × 2, (n, d) → (n paired,)."""
    count = torch.bincount(one, minlength=len(places))
    total = torch.bincount(one, weights=apart(places[one], places[other]), minlength=len(places))
    return total[count > 0] / count[count > 0]


def camps(one: Tensor, other: Tensor, users: int, least: int = CAMP) -> int:
    """Number of connected components with at least so many users. Pairs (p,) × 2 of `users`."""
    tied = sp.coo_array((np.ones(len(one), np.int8), (one.numpy(), other.numpy())), shape=(users, users))
    return int((np.bincount(connected_components(tied, directed=False)[1], minlength=1) >= least).sum())
