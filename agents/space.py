"""The two spaces that interests and items live in, and the affinity between their rows.

`simplex`: rows are mixtures over topics (non-negative, sum 1); affinity θ·z lies in [0, 1].
`sphere`:  rows are directions in R^d (length 1); affinity ⟨p, v⟩ lies in [−1, 1], so items can repel.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Space = Literal["simplex", "sphere"]


def mixture(rows: Tensor, space: Space) -> Tensor:
    """Return rows on the simplex, so that every measure of diversity applies to both spaces.

    A direction p in R^d becomes 2d shares: the positive and the negative part of each axis, squared. They sum to
    ‖p‖² = 1, and the map loses nothing: liking an axis and disliking it are two different topics.
    """
    if space == "simplex":
        return rows
    return torch.cat([rows.clamp(min=0), rows.clamp(max=0)], dim=-1).square()


def affinity(interests: Tensor, features: Tensor) -> Tensor:
    """Return Σ_t θ_t·z_t over the last axis, broadcast over the others.

    A product summed over the last axis, not a matrix product: its rounding is the same for one row and for many,
    which is what makes a cohort of one act exactly like its row in a cohort of thousands.
    """
    return (interests * features).sum(-1)


def unit(rows: Tensor) -> Tensor:
    """Return rows scaled to length 1; rows of zeros stay zeros."""
    return rows / affinity(rows, rows).sqrt().clamp_min(1e-12)[..., None]
