"""Between groups of users: is one served better than another. `group` (N,) int64: taste or demographic group.

A group of a few users has a mean that is mostly chance, and the gap between the best and the worst of many groups is
then large for that reason alone: groups of fewer than `FEWEST` are left out, and arms are to be compared, not a gap
with 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

FEWEST = 5


def group_means(values: Tensor, group: Tensor) -> Tensor:
    """Mean of each group that has at least `FEWEST` users. (n,), (n,) → (groups,) float64."""
    size = torch.bincount(group)
    total = torch.bincount(group, weights=values.double())
    return total[size >= FEWEST] / size[size >= FEWEST]


def gap(means: Tensor) -> float | None:
    """Highest of the groups' means minus the lowest, 0 … ∞; None if there are not two. (groups,). Ekstrand et al. (2022)."""
    return float(means.max() - means.min()) if len(means) > 1 else None


def worst(means: Tensor) -> float | None:
    """Lowest of the groups' means: what those get who are served worst. Rawls (1971), the maximin rule."""
    return float(means.min()) if len(means) > 1 else None


def lifts(slates: Tensor, profiles: Tensor, group: Tensor) -> Tensor:
    """Popularity lift of each group: (mean a_u − mean b_u) / mean b_u over its users. (n,) × 3 → (groups,).

    a_u, b_u: mean popularity of user u's slate and of her profile. Groups whose profiles are of items that nobody
    consumed have none. Abdollahpouri et al. (2019); Abdollahpouri et al. (2020).
    """
    a, b = group_means(slates, group), group_means(profiles, group)
    return a[b > 0] / b[b > 0] - 1
