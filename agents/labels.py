"""What items carry beside their topics: how much they stir, whose voice they are, which view they take.

Nobody's taste depends on a label: labels are what normative measures of diversity look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from agents.chance import Stream

Bearer = Literal["item", "creator", "topic"]
"""Who or what a label belongs to: each item has its own, or shares that of its creator, or of its leading topic."""


@dataclass(frozen=True)
class Labels:
    """The labels of M items; None where the world has no such label."""

    activation: Tensor | None = None    # (M,) float32 in [−1, 1]: sentiment; far from 0 stirs people up
    minority: Tensor | None = None      # (M,) bool: the voice of a minority
    viewpoint: Tensor | None = None     # (M,) int64: which of several views it takes


NO_LABELS = Labels()


def bearers(by: Bearer, creator: Tensor, topics: Tensor) -> Tensor:
    """Return for each item (M,) the id of what its label belongs to."""
    return {"item": torch.arange(len(creator)), "creator": creator, "topic": topics.argmax(1)}[by]


def draw_activation(mean: float, spread: float, bearer: Tensor, chance: Stream) -> Tensor:
    """Return the activation of each item (M,): 2 B − 1 with B a Beta, of this mean and standard deviation over bearers."""
    if spread < 1e-6:                       # the Beta has no finite parameters left
        return torch.full((len(bearer),), mean)
    centre, total = (1 + mean) / 2, (1 - mean**2) / spread**2 - 1
    each, place = bearer.unique(return_inverse=True)
    quantiles = chance.uniform(each).double().numpy()
    drawn = 2 * stats.beta.ppf(quantiles, centre * total, (1 - centre) * total) - 1
    return torch.from_numpy(drawn.astype(np.float32))[place]


def draw_minority(share: float, bearer: Tensor, chance: Stream) -> Tensor:
    """Return which items (M,) are of the minority: each bearer is with probability `share`."""
    return chance.uniform(bearer) < share


def draw_viewpoint(shares: Sequence[float], bearer: Tensor, chance: Stream) -> Tensor:
    """Return the viewpoint (M,) of each item: each bearer takes view v with probability shares[v]."""
    edges = torch.tensor(shares, dtype=torch.float64).cumsum(0)
    return torch.searchsorted(edges, chance.uniform(bearer).double()).clamp(max=len(shares) - 1)
