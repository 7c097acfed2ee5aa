"""Equity of exposure: do providers get the attention that they merit.

Attention: the place r = 1, 2, … of a slate gets 1/log2(r + 1), as in NDCG and in Singh & Joachims (2018); a slate's sum to 1.
Merit: an item merits of a user's slate what it would get if the k unseen items of highest true utility had all places and
shared them equally, 1/k each: equal attention for what is equally relevant, and relevant is what precision and NDCG call so
here (Diaz et al. 2020). Both are means over users, (M,) float64, and sum to 1.
"""

from __future__ import annotations

import torch
from torch import Tensor


def attention(slates: Tensor, n_items: int) -> Tensor:
    """Share of everybody's attention that each item gets. (n, k) item ids → (M,)."""
    weights = 1 / torch.arange(2, slates.shape[1] + 2, dtype=torch.float64).log2()
    weights = (weights / weights.sum()).expand(slates.shape)
    return torch.bincount(slates.flatten(), weights.flatten(), minlength=n_items) / len(slates)


def merit(best: Tensor, n_items: int) -> Tensor:
    """Share of everybody's attention that each item merits. (n, k) ids of each user's best items → (M,)."""
    return torch.bincount(best.flatten(), minlength=n_items).double() / best.numel()


def inequity(attention: Tensor, merit: Tensor) -> float:
    """Share of all attention that goes to others than merit it: Σ_c |A_c − R_c| / 2. Providers' (C,) × 2 → 0 … 1.

    Biega, Gummadi & Weikum (2018): the L1 distance of attention and relevance, each summed over many rankings, halved here.
    """
    return float((attention - merit).abs().sum()) / 2


def expected_exposure_loss(attention: Tensor, merit: Tensor) -> float:
    """Squared distance of the items' expected exposure from its target: Σ_i (A_i − R_i)². (M,) × 2 → 0 … 2.

    Diaz et al. (2020), with the expectation over users: of a single slate that is always the same, theirs is NDCG in other
    words. So in Wu et al. (2022), for all users and single items.
    """
    return float((attention - merit).square().sum())


def disparate_treatment(attention: Tensor, merit: Tensor, minority: Tensor) -> float | None:
    """Attention that the minority gets per merit, relative to the majority: (A_1/R_1) / (A_0/R_0). (M,) × 3 → 0 … ∞.

    1 = alike, below 1 = the minority gets less than its due. None where a ratio does not exist: one side merits nothing, or the
    majority gets nothing. Singh & Joachims (2018), the disparate treatment ratio.
    """
    shown, due = ((share[minority].sum(), share[~minority].sum()) for share in (attention, merit))
    if due[0] == 0 or due[1] == 0 or shown[1] == 0:
        return None
    return float((shown[0] / due[0]) / (shown[1] / due[1]))
