"""Between users: are people becoming alike, or drifting apart.

Narrowing of persons is alpha ↓; homogenisation is beta ↓; fragmentation into separate bubbles is alpha ↓ with
beta ↑; a shrinking public sphere is gamma ↓. The four words mean exactly that everywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from simulator.measures.divergence import entropy

ROWS_PER_BLOCK = 512        # rows of the (N, N) overlap that "all pairs" holds at a time


class Partition(NamedTuple):
    alpha: float            # effective topics within a user
    beta: float             # effective number of distinct diets
    gamma: float            # effective topics of everybody together


def diversity_partition(shares: Tensor, entropies: Tensor | None = None) -> Partition:
    """Splits everybody's diversity (gamma) into that within users (alpha) times that between them (beta).

    alpha = exp(mean_u H(p_u)), gamma = exp(H(p̄)), beta = gamma / alpha; p̄ = mean of p_u, users weighted
    equally. `shares` (n, T), `entropies` (n,) if they are known already. alpha and gamma in 1 … T, beta in
    1 … min(n, T). alpha is not the mean of exp(H): only this alpha divides gamma into an independent beta.
    Jost (2007), Shannon family.
    """
    within = entropy(shares) if entropies is None else entropies
    alpha = float(np.exp(np.mean(within.numpy(), dtype=np.float64)))
    gamma = float(entropy(shares.sum(0, dtype=torch.float64) / len(shares)).exp())
    return Partition(alpha, gamma / alpha, gamma)


def jaccard_of_pairs(a: Tensor, b: Tensor, n_items: int) -> float | None:
    """Mean over pairs of |A ∩ B| / |A ∪ B|, A and B the *sets* of items in row r of `a` and of `b`. 0 … 1.

    (P, L) and (P, L′) item ids in any order, repeats allowed; id `n_items` marks an empty place. Pairs in
    which both sets are empty are left out; None when all are. Chaney et al. (2018).
    """
    # Key 2·item + side: once sorted, an item of both sets is one step from an even key to the next odd one
    keys = np.concatenate([a.numpy().astype(np.int64) * 2, b.numpy().astype(np.int64) * 2 + 1], axis=1)
    if 2 * n_items + 1 <= np.iinfo(np.int32).max:
        keys = keys.astype(np.int32)                                # sorts twice as fast
    keys.sort(axis=1)
    real = keys < 2 * n_items
    before = np.pad(keys[:, :-1], ((0, 0), (1, 0)), constant_values=-2)     # −2 >> 1 = −1: no item
    shared = (real & (keys & 1 == 1) & (keys - before == 1)).sum(1)
    union = (real & (keys >> 1 != before >> 1)).sum(1)
    if not union.any():
        return None
    return float(np.mean(shared[union > 0] / union[union > 0]))


def jaccard_of_all_pairs(items: Tensor, n_items: int) -> float | None:
    """As `jaccard_of_pairs`, over all pairs of different users, exactly. `items` (N, L), `n_items` = empty.

    Sparse products in blocks of rows: time grows with the number of pairs that share an item, so at most
    with N².
    """
    n = len(items)
    users, places = np.nonzero(items.numpy() < n_items)
    took = scipy.sparse.csr_array(
        (np.ones(len(users), dtype=np.int64), (users, items.numpy()[users, places].astype(np.int64))),
        shape=(n, n_items),
    )
    took.sum_duplicates()
    took.data[:] = 1                                                # sets: a repeat counts once
    sizes = np.diff(took.indptr)
    empty = int((sizes == 0).sum())
    pairs = n * (n - 1) // 2 - empty * (empty - 1) // 2
    if pairs == 0:
        return None
    total, transposed = 0.0, took.T.tocsr()
    for start in range(0, n, ROWS_PER_BLOCK):
        overlap = (took[start : start + ROWS_PER_BLOCK] @ transposed).tocoo()
        u, v, shared = overlap.row + start, overlap.col, overlap.data
        once = u < v                                                # each pair once, nobody with herself
        u, v, shared = u[once], v[once], shared[once]
        total += float((shared / (sizes[u] + sizes[v] - shared)).sum())
    return total / pairs
