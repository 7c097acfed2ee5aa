"""The spaces that interests and items live in, and the affinity between their rows.

`simplex`: rows are mixtures over topics (non-negative, sum 1); affinity θ·z lies in [0, 1].
`sphere`:  rows are directions in R^d (length 1); affinity ⟨p, v⟩ lies in [−1, 1], so items can repel.
`values`:  items are mixtures over topics as on the simplex; interests are what each topic is worth to the user, any real
           number; affinity μ·z is what the item is worth to her. With one topic per item, each item has a worth of its own.
`plane`:   rows are points of R^d; affinity −‖p − q‖² is 0 where she stands and falls off on all sides, so that what is too much
           of something is as bad as too little (ideal points: Coombs 1964, "A theory of data"; quadratic as in Enelow & Hinich
           1984, "The spatial theory of voting").
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

Space = Literal["simplex", "sphere", "values", "plane"]


def mixture(rows: Tensor, space: Space) -> Tensor:
    """Return interests on the simplex, so that every measure of diversity applies to all spaces.

    A direction p in R^d becomes 2d shares: the positive and the negative part of each axis, squared. They sum to
    ‖p‖² = 1, and the map loses nothing: liking an axis and disliking it are two different topics. Values become their
    softmax, the shares in which a logit chooser of temperature 1 would take topics; their common level is lost. A point
    becomes its direction from the origin, which is then as on the sphere: how far out it lies is lost; the origin itself is a
    bit of everything.
    """
    if space == "simplex":
        return rows
    if space == "values":
        return rows.softmax(-1)
    shares = torch.cat([rows.clamp(min=0), rows.clamp(max=0)], dim=-1).square()
    if space == "sphere":
        return shares
    total = shares.sum(-1, keepdim=True)
    return torch.where(total > 0, shares / total.clamp(min=1e-30), 1 / shares.shape[-1])


def topic_at(cumulative: Tensor, quantile: Tensor) -> Tensor:
    """Return the topic (n,) int64 at a quantile (n,) in (0, 1) of each mixture, whose running sums over topics are (n, T)."""
    return torch.searchsorted(cumulative, quantile[:, None])[:, 0].clamp_(max=cumulative.shape[1] - 1)


def unmix(shares: Tensor, space: Space) -> Tensor:
    """Return the rows of the space that `mixture` makes these shares of: the nearest direction, values of mean 0; of points
    the one at distance 1 from the origin."""
    if space == "simplex":
        return shares
    if space == "values":
        values = shares.clamp(min=1e-9).log()
        return values - values.mean(-1, keepdim=True)
    likes, dislikes = shares.clamp(min=0).sqrt().chunk(2, dim=-1)
    return unit(likes - dislikes)


def subjects(features: Tensor, space: Space) -> Tensor:
    """Return what items of these features are about, on the simplex: directions and points are not mixtures already."""
    return mixture(features, space) if space in ("sphere", "plane") else features


def commonness(topics: int, skew: float) -> np.ndarray:
    """Return how common each topic is, relative to the average (T,): 1, skew, skew², … times a constant, the first the most.

    The geometric series of abundances (Motomura 1932), which genres of films follow well; 1 = all alike.
    """
    weights = np.maximum(skew ** np.arange(topics, dtype=np.float64), 1e-9)
    return weights / weights.mean()


def affinity(interests: Tensor, features: Tensor) -> Tensor:
    """Return Σ_t θ_t·z_t over the last axis, broadcast over the others.

    A product summed over the last axis, not a matrix product: its rounding is the same for one row and for many,
    which is what makes a cohort of one act exactly like its row in a cohort of thousands.
    """
    return (interests * features).sum(-1)


def nearness(points: Tensor, others: Tensor) -> Tensor:
    """Return −‖p − q‖² over the last axis, broadcast over the others; the affinity of points."""
    gap = points - others
    return -affinity(gap, gap)


def lifted(points: Tensor) -> Tensor:
    """Return points (…, d) as rows (…, d + 2), whose product with `lowered` points is −‖p − q‖²: for matrix products."""
    square = affinity(points, points)[..., None]
    return torch.cat([2 * points, square, torch.ones_like(square)], dim=-1)


def lowered(points: Tensor) -> Tensor:
    """Return points (…, d) as rows (…, d + 2); see `lifted`."""
    square = affinity(points, points)[..., None]
    return torch.cat([points, -torch.ones_like(square), -square], dim=-1)


def unit(rows: Tensor) -> Tensor:
    """Return rows scaled to length 1; rows of zeros stay zeros."""
    return rows / affinity(rows, rows).sqrt().clamp_min(1e-12)[..., None]
