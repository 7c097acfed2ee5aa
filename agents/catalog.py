"""Items: what they are about, how good they are, how easily they are found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from agents.labels import NO_LABELS, Labels
from agents.modalities import Modalities
from agents.ring import Ring, correlated
from agents.space import Space, affinity, commonness, lifted, lowered, nearness, subjects, unit

Mixture = Literal["dirichlet", "equal", "one_hot"]
Popularity = Literal["zipf", "lognormal"]
QualityLaw = Literal["normal", "uniform"]
Scatter = Literal["normal", "uniform"]

_AT_ONCE = 160_000
"""Numbers that are multiplied at once: few enough to stay near the processor."""


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
    modalities: Modalities | None = None    # blocks of features beside topics, in which users have tastes too; None: none
    born: Tensor | None = None      # (M,) int64: round in which it is published, if it is; None: all there from the beginning
    published: Tensor | None = None # (M,) bool: by now; the rows of what is not are zeros
    available: Tensor | None = None # (M,) bool: published and not gone: can be found and shown. None: everything always is
    fresh: Tensor | None = None     # (n,) int64: what was published in this round. None: all was there from the beginning
    ring: Ring | None = None        # where what near items are worth is alike

    def __len__(self) -> int:
        return len(self.features)

    @cached_property
    def appeal(self) -> Tensor:
        """What a taste is multiplied with to give affinity (M, d): the features, of length 1 if affinity is the cosine."""
        if self.space == "plane":
            return lowered(self.features)
        topical = unit(self.features) if self.cosine else self.features
        return topical if self.modalities is None else self._there(self.modalities.appeal(topical, self.features))

    def taste(self, interests: Tensor, leanings: Tensor | None = None) -> Tensor:
        """Return what an appeal is multiplied with (n, d): the interests (n, d), of length 1 if affinity is the cosine.

        In a world of several blocks of features, `leanings` is what is the users' own in their taste of the others.
        """
        if self.space == "plane":
            return lifted(interests)
        topical = unit(interests) if self.cosine else interests
        if self.modalities is None:
            return topical
        assert leanings is not None             # a world with blocks gives its users tastes in them
        return self.modalities.taste(topical, interests, leanings)

    def affinities(self, users: Tensor, items: Tensor, interests: Tensor, leanings: Tensor | None = None) -> Tensor:
        """Return what items (b,) are to users (b,), rows of `interests` (n, d) and `leanings`, without their quality (b,)."""
        like: Callable[[Tensor, Tensor], Tensor]
        if self.space == "plane":               # the product of the lifted would lose the digits of small distances
            like, tastes, appeal = nearness, interests, self.features
        else:
            like, tastes, appeal = affinity, self.taste(interests, leanings), self.appeal
        blocks = (ids.split(max(_AT_ONCE // tastes.shape[1], 1)) for ids in (users, items))
        return torch.cat([like(tastes[of], appeal[to]) for of, to in zip(*blocks, strict=True)])

    def _there(self, rows: Tensor) -> Tensor:
        """Zeros (M, …) for what is not published."""
        return rows if self.published is None else rows * self.published[:, None]

    def publish(self, items: Tensor, features: Tensor, quality: Tensor) -> None:
        """Fill in the rows of `items` (n,): features (n, d) and quality (n,). Whoever holds the old tensors sees no change."""
        assert self.published is not None       # the catalogue of a world with creators
        self.published = self.published.index_fill(0, items, True)
        self.features = self.features.index_copy(0, items, features)
        topics = subjects(features, self.space)
        self.topics = self.topics.index_copy(0, items, topics)
        self.quality = self.quality.index_copy(0, items, quality)
        vars(self).pop("appeal", None)          # made of the features


def draw_catalog(
    count: int, topics: int, concentration: float, space: Space, quality: float, popularity_skew: float,
    creators: int, rng: np.random.Generator, cosine: bool = False, mixed: Mixture = "dirichlet",
    correlation: float | None = None, topic_skew: float = 1.0, topics_per_item: float = 1.7,
    popularity: Popularity = "zipf", axis_variances: Sequence[float] | None = None,
    scatter: Scatter = "normal", extent: float = 1.0, quality_law: QualityLaw = "normal",
) -> Catalog:
    """Items with random topics.

    Simplex: z_i ~ Dirichlet(concentration · 1_T) (Chaney et al. 2018: 0.1 over all topics together, so
    that items are nearly of one topic). With a topic_skew under 1 the concentration of a topic is so many times that of
    the one before it, the mean over topics the same: some are common and some are rare, as genres are.
    Sphere: v_i uniform on the unit sphere of R^(topics/2), which gives `topics` signed half-axes as topics; with
    `axis_variances`, more along one axis than along another: v_i ~ Normal(0, diag(axis_variances)), scaled to length 1.
    Equal: a topic or several, all of the same share, as films have genres; see `equal_shares`.
    Plane: points of R^(topics/2), as `scattered` has them.
    One-hot, in any other space: item i is about topic i mod `topics` and nothing else.
    Quality ~ Normal(0, quality²), or U(0, quality), in units of utility; with a `correlation` ρ, that of items d steps apart
    on a ring has the correlation ρ^d. Salience of the item of rank r ∝ r^(−popularity_skew)
    (Zipf), ranks given at random: what is famous is not thereby better. Lognormal salience ∝ exp(popularity_skew · g), g ~
    Normal(0, 1), falls off at both ends where Zipf's does not (Mitzenmacher 2004, Internet Mathematics, compares the two).
    """
    if mixed == "one_hot":
        axes = np.eye(topics) if space != "sphere" else np.vstack([np.eye(topics // 2), -np.eye(topics // 2)])
        features = axes[np.arange(count) % topics]
    elif space == "plane":
        features = scattered(count, topics // 2, scatter, extent, rng)
    elif mixed == "equal":
        features = equal_shares(count, commonness(topics, topic_skew), topics_per_item, rng)
    elif space != "sphere":
        features = rng.dirichlet(concentration * commonness(topics, topic_skew), count)
    else:
        features = rng.standard_normal((count, topics // 2))
        if axis_variances is not None:
            features *= np.sqrt(axis_variances)
        features /= np.linalg.norm(features, axis=1, keepdims=True)
    rows = torch.from_numpy(features.astype(np.float32))
    if popularity == "lognormal":
        weights = np.exp(popularity_skew * rng.standard_normal(count))
    else:
        weights = (1.0 + rng.permutation(count)) ** -popularity_skew
    qualities = rng.normal(0.0, quality, count) if quality_law == "normal" else rng.uniform(0.0, quality, count)
    return Catalog(
        space=space,
        features=rows,
        topics=subjects(rows, space),
        quality=torch.from_numpy((correlated(qualities, correlation) if correlation else qualities).astype(np.float32)),
        salience=torch.from_numpy(weights / weights.sum()),
        creator=torch.from_numpy(rng.integers(0, creators, count)),
        cosine=cosine,
        ring=None if correlation is None else Ring(count, correlation, quality**2),
    )


def scattered(count: int, dimensions: int, scatter: Scatter, extent: float, rng: np.random.Generator) -> np.ndarray:
    """Return independent points (count, dimensions): Normal(0, extent² · 1), or uniform on the cube of that half width."""
    if scatter == "normal":
        return extent * rng.standard_normal((count, dimensions))
    return rng.uniform(-extent, extent, (count, dimensions))


def equal_shares(count: int, weights: np.ndarray, mean: float, rng: np.random.Generator) -> np.ndarray:
    """Return items (count, T) of one topic or several, of equal share each.

    Their number is 1 + Poisson(mean − 1), at most T; topics are drawn by weight without replacement (Plackett–Luce), by the
    largest log weight + Gumbel noise (Yellott 1977).
    """
    number = 1 + rng.poisson(mean - 1, count).clip(max=len(weights) - 1)
    value = np.log(weights) + rng.gumbel(size=(count, len(weights)))
    rank = (-value).argsort(1).argsort(1)
    return (rank < number[:, None]) / number[:, None]


def similarity_features(catalog: Catalog, by_platforms: bool = False) -> Tensor:
    """Return the features scaled to length 1 (M, d), so that a dot product is the cosine s(i, j).

    Of several blocks, the mean of their cosines, weighted as users weigh them, or as platforms do, to whom some may be hidden.
    """
    if catalog.modalities is None:
        return unit(catalog.features)
    return catalog._there(catalog.modalities.compared(catalog.features, by_platforms))
