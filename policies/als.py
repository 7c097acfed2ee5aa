"""Implicit alternating least squares: one half-sweep solves all rows of one side exactly."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_CELLS = 200_000
"""Padded interactions solved at once: × factors floats of work space."""


class Block(NamedTuple):
    """Some rows of about the same length, the columns that each interacted with padded to the longest's."""

    rows: Tensor                    # (b,) int64
    columns: Tensor                 # (b, l) int32: 1 + the column, 0 where there is none
    weights: Tensor | None          # (b, l) float32: v, 0 where there is no column; None = 1


class Lists(NamedTuple):
    """For each row, the columns it interacted with."""

    counts: Tensor                  # (n_rows,) int64
    blocks: list[Block]             # of all rows, rows without a column first


def lists(rows: Tensor, columns: Tensor, n_rows: int, weights: Tensor | None = None) -> Lists:
    """Group `columns` by `rows`, and their weights if any (parallel, (nnz,))."""
    counts, order = torch.bincount(rows, minlength=n_rows), rows.argsort(stable=True)
    starts, columns = counts.cumsum(0) - counts, columns[order]
    weights = None if weights is None else weights[order]
    by_length = counts.argsort()                    # rows of similar length share a block, so little is padding
    blocks = []
    for cut in _blocks(counts[by_length]):
        chosen = by_length[cut]
        longest = int(counts[chosen].max())
        place = starts[chosen, None] + torch.arange(longest)
        present = torch.arange(longest) < counts[chosen, None]
        place = place.where(present, 0)
        blocks.append(Block(
            chosen, (columns[place].int() + 1).where(present, 0), None if weights is None else weights[place].where(present, 0)
        ))
    return Lists(counts, blocks)


def solve(
    known: Lists, other: Tensor, unobserved_weight: float, ridge: Tensor,
    extra: Tensor | None = None, pull: Tensor | None = None,
) -> Tensor:
    """Return the factors (n_rows, d) that minimise the loss with the other side's factors (n, d) fixed.

    Row r minimises Σ_{c known} v_rc (w·x_c − 1)² + α_0 Σ_c (w·x_c)² + ridge_r ‖w‖² + w·extra w − 2 w·pull_r, that is
    (Σ v x xᵀ + α_0 XᵀX + ridge_r I + extra) w = Σ v x + pull_r; `extra` is (d, d), `pull` (n_rows, d), both 0 by default. Rows
    without interactions get the solution of that too: 0 without pull.

    Source: Hu, Koren & Volinsky 2008 (ICDM); weights and regularisation as in Rendle, Krichene, Zhang & Koren 2022 (RecSys),
    "Revisiting the performance of iALS on item recommendation benchmarks".
    """
    d = other.shape[1]
    gram = unobserved_weight * (other.T @ other)
    if extra is not None:
        gram = gram + extra
    padded = torch.cat([torch.zeros(1, d), other])
    solution = torch.empty(len(known.counts), d)
    for rows, columns, weights in known.blocks:
        x = F.embedding(columns, padded)
        weighted = x if weights is None else x * weights[..., None]
        left = torch.baddbmm(gram.expand(len(rows), d, d), weighted.mT, x)
        diagonal = left.diagonal(dim1=-2, dim2=-1)
        # Where ridge is next to nothing and few rows span the d dimensions: what float32 needs to factorise at all.
        least = d * torch.finfo(torch.float32).eps * diagonal.sum(-1, keepdim=True)
        diagonal.add_(ridge[rows, None].maximum(least))
        right = weighted.sum(1) if pull is None else weighted.sum(1) + pull[rows]
        solution[rows] = torch.cholesky_solve(right[..., None], torch.linalg.cholesky(left))[..., 0]
    return solution


def parts(x: Tensor, weights: Tensor, gram: Tensor, ridge: float) -> Tensor:
    """Return v_c A⁻¹ x_c for each known column (n, d), A = Σ v x xᵀ + gram + ridge I: they sum to the row's factors.

    Source: Hu, Koren & Volinsky 2008 (ICDM), section 5, "Explaining recommendations".
    """
    weighted = x * weights[:, None]
    left = weighted.T @ x + gram + ridge * torch.eye(x.shape[1])
    return torch.linalg.solve(left, weighted.T).T


def _blocks(sorted_counts: Tensor) -> list[slice]:
    """Cut rows, sorted by length, into blocks of at most `_CELLS` padded interactions (or 512 rows of short ones)."""
    cuts, start = [], 0
    while start < len(sorted_counts):
        stop = min(start + 512, len(sorted_counts))
        while stop - start > 1 and (stop - start) * int(sorted_counts[stop - 1]) > _CELLS:
            stop = start + (stop - start) // 2
        cuts.append(slice(start, stop))
        start = stop
    return cuts
