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
SMALL = 1_000_000           # cells of a table of users by items, or by users, that costs less than sparse bookkeeping


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


def item_sets(items: Tensor, n_items: int) -> scipy.sparse.csr_array:
    """The *sets* of items in the rows of `items` (N, L) as a 0/1 matrix (N, n_items).

    Ids in any order, repeats allowed; id `n_items` marks an empty place.
    """
    ids = items.numpy().astype(np.int64)
    users, places = np.nonzero(ids < n_items)
    ones = np.ones(len(users), dtype=np.int32)
    sets = scipy.sparse.csr_array((ones, (users, ids[users, places])), shape=(len(ids), n_items))
    sets.sum_duplicates()
    sets.data[:] = 1                                                # a repeat counts once
    return sets


def jaccard_of_pairs(items: Tensor, n_items: int, first: Tensor, second: Tensor) -> float | None:
    """Mean over pairs of |A ∩ B| / |A ∪ B|, A and B the sets of items of two users. 0 … 1.

    `items` (N, L) as in `item_sets`; `first`, `second` (P,) rows of it. Pairs in which both sets are empty are
    left out; None when all are. Chaney et al. (2018).
    """
    a, b = first.numpy(), second.numpy()
    if len(items) * max(len(items), n_items) <= SMALL:
        shared, sizes = _shared_in_small(items, n_items, first, second)
    else:
        sets = item_sets(items, n_items)
        sizes = np.diff(sets.indptr)
        shared = np.asarray(sets[a].multiply(sets[b]).sum(axis=1)).ravel()
    union = sizes[a] + sizes[b] - shared
    if not union.any():
        return None
    return float(np.mean(shared[union > 0] / union[union > 0]))


def _shared_in_small(items: Tensor, n_items: int, first: Tensor, second: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return |A ∩ B| of pairs (P,) and |A| of all users (N,), by tables: whole numbers, so the same as by sparse sets."""
    took = torch.zeros(len(items), n_items + 1).scatter_(1, items.long(), 1.0)[:, :-1]
    return (took @ took.T)[first, second].long().numpy(), took.sum(1).long().numpy()


def jaccard_of_all_pairs(items: Tensor, n_items: int) -> float | None:
    """As `jaccard_of_pairs`, over all pairs of different users, exactly.

    Sparse products in blocks of rows: time grows with the number of pairs that share an item, so at most
    with N².
    """
    n = len(items)
    took = item_sets(items, n_items)
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


def coincidence(items: Tensor, taken: Tensor, n_items: int) -> float | None:
    """Chance that two different users who took something took the same thing at the same time. (N, m) × 2 → 0 … 1.

    With several takes a round, in the same place of the order in which they took them: Σ_p Σ_i n_ip (n_ip − 1) / Σ_p n_p (n_p −
    1) with n_ip users whose p-th take was item i. None where no two users took something. Its mean over rounds is the mean over
    pairs of users of the share of rounds in which both took the same.
    """
    same = pairs = 0
    for item, took in zip(items.T, taken.T, strict=True):
        count = torch.bincount(item[took], minlength=n_items)
        same += int((count * (count - 1)).sum())
        pairs += int(count.sum()) * (int(count.sum()) - 1)
    return same / pairs if pairs else None
