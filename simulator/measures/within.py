"""Within a user: how narrow is one person's diet. Rows of `shares` are p_u, one user's topic shares.

Their entropies H(p_u) are `divergence.entropy`.
"""

from __future__ import annotations

import torch
from torch import Tensor


def effective_topics(entropies: Tensor) -> Tensor:
    """Number of equally frequent topics that would give this entropy: exp(H(p_u)). (n,) → (n,), 1 … T.

    Hill number of order 1. Hill (1973); Jost (2006).
    """
    return entropies.exp()


def simpson_topics(shares: Tensor) -> Tensor:
    """Effective number of topics that gives rare ones less weight: 1 / Σ_t p_ut². (n, T) → (n,), 1 … T.

    Hill number of order 2. Hill (1973); Jost (2006).
    """
    return 1 / shares.square().sum(-1)


def gini_simpson(shares: Tensor) -> Tensor:
    """Chance that two draws from the diet differ in topic: 1 − Σ_t p_ut². (n, T) → (n,), 0 … 1 − 1/T.

    Simpson (1949).
    """
    return 1 - shares.square().sum(-1)


def topic_coverage(met: Tensor) -> Tensor:
    """Share of all topics that lead at least one item of the diet. `met` (n, T) bool → (n,), 0 … 1."""
    return met.sum(-1, dtype=torch.float64) / met.shape[-1]
