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


def own_counts(items: Tensor, n_items: int) -> Tensor:
    """How often each row holds each of its items, largest first, zeros behind. (n, L), n_items = empty → (n, L) int64."""
    ordered = items.sort(1).values
    another = torch.ones_like(ordered, dtype=torch.bool)
    another[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    which = another.cumsum(1) - 1                               # number of the item within its row
    return torch.zeros_like(which).scatter_add_(1, which, (ordered < n_items).long()).sort(1, descending=True).values


def user_gini(counts: Tensor) -> Tensor:
    """Inequality among the items that each row holds at all: Σ_i (2i − S − 1) x_i / (S Σ x), x sorted. (n, L) → (n,), 0 … 1.

    `counts`: as from `own_counts`, S of them above 0 and at least one. Gini (1912), over what a person consumed: Mauro, Minici
    & Pappalardo (2025).
    """
    distinct = (counts > 0).sum(1, keepdim=True)
    weights = distinct + 1 - 2 * torch.arange(1, counts.shape[1] + 1)           # of the largest first: i = S, S − 1, …
    return (weights * counts).sum(1) / (distinct[:, 0] * counts.sum(1)).double()
