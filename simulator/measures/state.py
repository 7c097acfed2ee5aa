"""The users' true state: where interests are, and whether they form camps. Rows of `interests` are θ_u."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse.linalg import svds
from torch import Tensor

from simulator.measures.divergence import jensen_shannon


def drift(now: Tensor, start: Tensor) -> Tensor:
    """How far each user has moved: JSD(θ_u,t ; θ_u,0), base 2. (N, T) × 2 → (N,), 0 … 1. Lin (1991)."""
    return jensen_shannon(now, start)


def displacement(now: Tensor, start: Tensor) -> Tensor:
    """How far each user has gone, squared: ‖μ_t − μ_0‖². Rows of any space (N, d) × 2 → (N,) ≥ 0. Jiang et al. (2019)."""
    return (now.double() - start.double()).square().sum(1)


def drift_speed(now: Tensor, before: Tensor) -> Tensor:
    """Share of interest that changed topic in a round: ‖θ_t − θ_{t−1}‖₁ / 2. (N, T) × 2 → (N,), 0 … 1."""
    return (now - before).abs().sum(1) / 2


def similarity(interests: Tensor) -> float:
    """Mean cosine over all pairs of different users: (‖Σ_u x_u‖² − N) / (N (N − 1)). (N ≥ 2, T) → 0 … 1.

    x_u = θ_u / ‖θ_u‖. Exact, in O(N·T).
    """
    n = len(interests)
    unit = interests / interests.norm(dim=1, keepdim=True)
    return float((unit.sum(0, dtype=torch.float64).square().sum() - n) / (n * (n - 1)))


def bimodality(interests: Tensor) -> float | None:
    """Whether users form two camps on the axis that parts them most: (skew² + 1) / kurtosis. (N, T) → 0 … 1.

    Sarle's coefficient of the interests' first principal component, kurtosis not in excess of 3. Two equal
    points give 1, a uniform axis 5/9, a normal one 1/3. None if all interests are equal: there is no axis.
    Pfister et al. (2013), without their small-sample correction (under 1 % from 500 users on).
    """
    score = leaning(interests)
    if score is None:
        return None
    score = score / score.square().mean().sqrt()
    return float((score.pow(3).mean().square() + 1) / score.pow(4).mean())


def leaning(interests: Tensor) -> Tensor | None:
    """Where each user stands on the axis that parts users most, their mean at 0; None if all interests are equal.

    The score on the interests' first principal component; which end is positive means nothing. (N, T) → (N,) float64.
    """
    x = interests.double()
    score = _first_component(x - x.mean(0))
    if score.square().mean() < torch.finfo(interests.dtype).eps ** 2:   # nothing but the rounding of θ
        return None
    return score


def _first_component(x: Tensor) -> Tensor:
    """Scores of centred rows on their first principal component. (N, T) → (N,)."""
    if min(x.shape) > 256:                                              # all axes would be too many to ask for one
        start = np.ones(min(x.shape))                                   # else it is drawn from global random state
        left, value, _ = svds(x.numpy(), k=1, v0=start, return_singular_vectors="u")
        return torch.from_numpy((left[:, 0] * value[0]).copy())
    if x.shape[0] < x.shape[1]:
        values, axes = torch.linalg.eigh(x @ x.mT)                      # ascending
        return axes[:, -1] * values[-1].clamp(min=0).sqrt()
    return x @ torch.linalg.eigh(x.mT @ x)[1][:, -1]


def esteban_ray(interests: Tensor, alpha: float = 1.6) -> float:
    """Polarisation between camps: Σ_a Σ_b π_a^{1+α} π_b d(a, b). (N, T) → 0 … 2^{−(1+α)} (0.165 at α = 1.6).

    A camp is all users with the same leading topic (argmax θ_u, the lower topic where two tie), π_a its
    share of users, d half the L1 distance of the camps' mean interests (0 … 1, total variation). These
    camps need no clustering seed and mean the same in every round. Highest for two equal camps that share
    no interest. Esteban & Ray (1994), K = 1; α = 1.6 is the top of their range.
    """
    n, n_topics = interests.shape
    camp = interests.argmax(1)
    size = torch.bincount(camp, minlength=n_topics)
    totals = torch.zeros(n_topics, n_topics, dtype=torch.float64).index_add_(0, camp, interests.double())
    centres = totals[size > 0] / size[size > 0, None]
    share = size[size > 0].double() / n
    distance = torch.cdist(centres, centres, p=1) / 2
    return float(share.pow(1 + alpha) @ distance @ share)
