"""Items: what they are about, how good they are, how easily they are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from agents.labels import NO_LABELS, Labels
from agents.space import Space, mixture, unit


@dataclass
class Catalog:
    """Row j is item j. M items, T topics, d features."""

    space: Space
    features: Tensor                # (M, d) float32: rows of the space
    topics: Tensor                  # (M, T) float32, rows on the simplex: what the item is about
    quality: Tensor                 # (M,) float32: added to everybody's utility
    salience: Tensor                # (M,) float64, sums to 1: how easily the item is met without a recommender
    creator: Tensor                 # (M,) int64
    titles: Sequence[str] | None = None
    topic_names: Sequence[str] | None = None
    cosine: bool = False            # affinity is the cosine of interests and features, not their dot product
    labels: Labels = NO_LABELS      # what items carry beside their topics; no taste depends on it

    def __len__(self) -> int:
        return len(self.features)

    @cached_property
    def appeal(self) -> Tensor:
        """What a taste is multiplied with to give affinity (M, d): the features, of length 1 if affinity is the cosine."""
        return unit(self.features) if self.cosine else self.features

    def taste(self, interests: Tensor) -> Tensor:
        """Return what an appeal is multiplied with (n, d): the interests (n, d), of length 1 if affinity is the cosine."""
        return unit(interests) if self.cosine else interests


def draw_catalog(
    count: int, topics: int, concentration: float, space: Space, quality: float, popularity_skew: float,
    creators: int, rng: np.random.Generator, cosine: bool = False,
) -> Catalog:
    """Items with random topics.

    Simplex: z_i ~ Dirichlet(concentration · 1_T) (Chaney et al. 2018: 0.1 over all topics together, so
    that items are nearly of one topic).
    Sphere: v_i uniform on the unit sphere of R^(topics/2), which gives `topics` signed half-axes as topics.
    Quality ~ Normal(0, quality²), in units of utility. Salience of the item of rank r ∝ r^(−popularity_skew)
    (Zipf), ranks given at random: what is famous is not thereby better.
    """
    if space == "simplex":
        features = rng.dirichlet(np.full(topics, concentration), count)
    else:
        features = rng.standard_normal((count, topics // 2))
        features /= np.linalg.norm(features, axis=1, keepdims=True)
    rows = torch.from_numpy(features.astype(np.float32))
    weights = (1.0 + rng.permutation(count)) ** -popularity_skew
    return Catalog(
        space=space,
        features=rows,
        topics=mixture(rows, space),
        quality=torch.from_numpy(rng.normal(0.0, quality, count).astype(np.float32)),
        salience=torch.from_numpy(weights / weights.sum()),
        creator=torch.from_numpy(rng.integers(0, creators, count)),
        cosine=cosine,
    )


def similarity_features(catalog: Catalog) -> Tensor:
    """Return the features scaled to length 1 (M, d), so that a dot product is the cosine s(i, j)."""
    return unit(catalog.features)
