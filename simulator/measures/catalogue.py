"""Across the catalogue: who gets seen. `counts` (M,): how often each item was shown or consumed, zeros in."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from simulator.measures.divergence import entropy


def gini(counts: Tensor) -> float:
    """Inequality over the *whole* population: Σ_i (2i − n − 1) x_i / (n Σ x), x sorted. (n,) → 0 … 1 − 1/n.

    Items that nobody saw count with 0; for the Gini of the others alone see `gini_present`: another measure.
    Gini (1912); Fleder & Hosanagar (2009).
    """
    x = np.sort(counts.numpy())             # ten times faster than torch's
    n = len(x)
    rank = np.arange(1, n + 1)
    return float(((2 * rank - n - 1) * x).sum() / (n * x.sum()))


def gini_present(counts: Tensor) -> float:
    """Inequality among the items that were seen at all: `gini` over counts > 0.

    Grows with the mere length of a history, because a longer one reaches further into the tail: compare equal
    windows only.
    """
    return gini(counts[counts > 0])


def shannon_items(counts: Tensor) -> float:
    """Entropy of item shares x_i = counts_i / Σ counts: H(x), in nats. (M,) → 0 … ln M."""
    return float(entropy(counts.double() / counts.sum()))


def effective_items(counts: Tensor) -> float:
    """Number of equally frequent items with the same entropy: exp(H(x)). (M,) → 1 … M. Hill (1973)."""
    return math.exp(shannon_items(counts))


def herfindahl(counts: Tensor) -> float:
    """Chance that two draws show the same item: Σ_i x_i². (M,) → 1/M … 1. Herfindahl (1950)."""
    return float((counts.double() / counts.sum()).square().sum())


def coverage(counts: Tensor) -> float:
    """Share of the catalogue that was seen at least once: #{i: x_i > 0} / M. Adomavicius & Kwon (2012)."""
    return float((counts > 0).double().mean())


def top_share(counts: Tensor, q: float) -> float:
    """Share that goes to the top ⌈q·M⌉ items. (M,) → q … 1."""
    # 1e-9: the floating-point product 0.1 · 30 = 3.0000000000000004 must not ask for a fourth item
    top = max(1, math.ceil(q * len(counts) - 1e-9))
    return float(counts.double().topk(top).values.sum() / counts.sum())


def self_information(popularity: Tensor, n_users: int) -> Tensor:
    """How unlikely a random user is to know each item: −log2(n_i / N). (M,) → (M,) bits.

    n_i = distinct users who consumed item i, 1/2 if nobody did. 0 (everybody) … log2(2N).
    Zhou et al. (2010); Vargas & Castells (2011).
    """
    return -(popularity.double().clamp_min(0.5) / n_users).log2()


def popularity_lift(slates: Tensor, profiles: Tensor) -> float:
    """How much more popular slates are than what the same users consume: (mean a_u − mean b_u) / mean b_u.

    a_u = mean n_i over user u's slate, b_u = mean n_i over her profile; both (n,). −1 … ∞, 0 = no lift. The
    group's means are divided, not averaged ratios, so one user with an obscure profile does not decide the
    number. Abdollahpouri et al. (2019); Mansoury et al. (2020).
    """
    a, b = float(slates.double().mean()), float(profiles.double().mean())
    return (a - b) / b


def by_creator(counts: Tensor, creators: Tensor) -> Tensor:
    """Exposure of each creator: the sum over her items. (M,), (M,) ids → (n_creators,) float64."""
    return torch.bincount(creators, weights=counts.double())
