"""Distances between distributions. Rows are distributions over the last axis; 0 · log 0 = 0 throughout."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def entropy(p: Tensor) -> Tensor:
    """How evenly spread a distribution is: H(p) = −Σ_t p_t ln p_t, in nats. (…, T) → (…), 0 … ln T.

    Shannon (1948).
    """
    # p · ln(max(p, tiny)) is exactly 0 at p = 0, and twice as fast as torch.special.entr
    return -(p * p.clamp_min(torch.finfo(p.dtype).tiny).log()).sum(-1)


def kullback_leibler(p: Tensor, q: Tensor) -> Tensor:
    """KL(p ‖ q) = Σ_t p_t ln(p_t / q_t), in nats. (…, T), (…, T) → (…), 0 … ∞ (∞ where q_t = 0 < p_t).

    Kullback & Leibler (1951).
    """
    return (p * (p / q).log()).where(p > 0, 0).sum(-1).clamp_min(0)


def jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    """Half-way divergence, base 2: (KL(p ‖ m) + KL(q ‖ m)) / 2, m = (p + q) / 2. (…, T) × 2 → (…), 0 … 1.

    Summed as ½ Σ_t m_t f(x_t), x = (p − q) / 2m, f(x) = (1 + x) ln(1 + x) + (1 − x) ln(1 − x) ≥ 0: the same
    number, but the small divergence of two similar rows is not lost as the difference of two large entropies.
    Lin (1991).
    """
    m = (p + q) / 2
    x = (p - q) / (2 * m).clamp_min(torch.finfo(p.dtype).tiny)          # −1 … 1; 0 where both are 0
    # Clamped because 0 · ln 0 is to be 0; torch.special.xlog1py knows that, and is ten times slower
    lowest = torch.finfo(p.dtype).eps - 1
    f = (1 + x) * x.clamp_min(lowest).log1p() + (1 - x) * (-x).clamp_min(lowest).log1p()
    return ((m * f).sum(-1) / (2 * math.log(2))).clamp(0, 1)
