"""What users are interested in before anything happens: the INTERESTS table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, Protocol

import numpy as np
from annotated_types import Interval, MinLen

from agents.catalog import Scatter, scattered
from agents.laws import Kind, Law, quantile, scatter_of
from agents.ring import correlated
from agents.space import Space, commonness

Positive = Annotated[float, Interval(ge=1e-6, le=1e6)]
UnitShare = Annotated[float, Interval(ge=0, le=1)]


class Drawn(NamedTuple):
    """Initial interests and the taste group that each user belongs to; and what she believes, if she does not know them."""

    interests: np.ndarray           # (N, d) float64: rows of the space
    group: np.ndarray               # (N,) int64
    expected: np.ndarray | None = None      # (N, d) float64: the mean of her belief about her interests
    doubt: np.ndarray | None = None         # (N,) float64: its variance, the same for every topic
    law: Law | None = None                  # what all of it was drawn by, for who comes later


class Interests(Protocol):
    """How initial interests are drawn for `count` users. `seen` is their real history as (N, T) topic counts."""

    spaces: ClassVar[tuple[Space, ...]]

    def draw(self, count: int, topics: int, seen: np.ndarray | None, rng: np.random.Generator) -> Drawn: ...


def _main_topic(interests: np.ndarray) -> np.ndarray:
    return interests.argmax(1)


@dataclass(frozen=True)
class Dirichlet:
    """Everybody's interests are drawn alike: θ_u ~ Dirichlet(concentration · 1_T), or around topics that differ in appeal.

    With a skew under 1, the concentration of a topic is so many times that of the one before it, the mean over topics the
    same. A user's group is her main topic.

    Source: Chaney, Stewart & Engelhardt 2018 (RecSys), section 3.1, without their common base measure.
    """

    concentration: Positive = 0.15
    """Concentration per topic; small = few topics each, large = everybody likes everything."""

    skew: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """How well liked each topic is on average, relative to the one before it; 1 = all alike."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex",)

    def draw(self, count: int, topics: int, seen: np.ndarray | None, rng: np.random.Generator) -> Drawn:
        interests = rng.dirichlet(self.concentration * commonness(topics, self.skew), count)
        return Drawn(interests, _main_topic(interests))


@dataclass(frozen=True)
class Communities:
    """Users belong to communities of like minds.

    Community c has a centre m_c ~ Dirichlet(1/communities · 1_T); its members' interests are
    θ_u ~ Dirichlet(concentration · m_c). Community sizes are ∝ 1, skew, skew², …: one majority, smaller minorities.

    Source: Chaney, Stewart & Engelhardt 2018 (RecSys), whose users share one base measure; here each community has one.
    """

    communities: Annotated[int, Interval(ge=1, le=1000)] = 4
    """Number of communities."""

    concentration: Positive = 10.0
    """How closely members resemble their community; large = alike."""

    skew: Annotated[float, Interval(gt=0, le=1)] = 0.7
    """Size of each community relative to the one before it; 1 = all of one size."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex",)

    def draw(self, count: int, topics: int, seen: np.ndarray | None, rng: np.random.Generator) -> Drawn:
        centres = rng.dirichlet(np.full(topics, 1.0 / self.communities), self.communities)
        sizes = self.skew ** np.arange(self.communities)
        group = rng.choice(self.communities, count, p=sizes / sizes.sum())
        # Dirichlet rows with differing parameters are normalised gammas; the floor keeps every parameter positive.
        interests = rng.standard_gamma(np.maximum(self.concentration * centres[group], 1e-3))
        interests = np.maximum(interests, 1e-12)
        return Drawn(interests / interests.sum(1, keepdims=True), group)


@dataclass(frozen=True)
class Sphere:
    """Interests are directions: p_u uniform on the unit sphere, so that users can also dislike.

    A user's group is the signed half-axis that she leans to most.

    Source: Dean & Morgenstern 2022 (EC), section 2.
    """

    spaces: ClassVar[tuple[Space, ...]] = ("sphere",)

    def draw(self, count: int, topics: int, seen: np.ndarray | None, rng: np.random.Generator) -> Drawn:
        interests = rng.standard_normal((count, topics // 2))
        interests /= np.linalg.norm(interests, axis=1, keepdims=True)
        return Drawn(interests, _main_topic(np.hstack([interests.clip(min=0), -interests.clip(max=0)])))


@dataclass(frozen=True)
class Uniform:
    """What each topic is worth to a user is drawn alike for everybody: μ_ut ~ U(−half_width, half_width).

    A user's group is the topic that is worth most to her.

    Source: Jiang, Chiappa, Lattimore, György & Kohli 2019 (AIES), in the form of Khritankov & Pilkevich 2021 (WISE).
    """

    half_width: Positive = 0.5
    """The most that a topic is worth, and minus the least, in units of utility."""

    spaces: ClassVar[tuple[Space, ...]] = ("values",)

    def draw(self, count: int, topics: int, seen: np.ndarray | None, rng: np.random.Generator) -> Drawn:
        values = rng.uniform(-self.half_width, self.half_width, (count, topics))
        return Drawn(values, _main_topic(values))


@dataclass(frozen=True)
class Correlated:
    """What each item is worth is the more alike the nearer two items stand on a ring, and users know that, but not the worths.

    Item j stands in place j of the ring; d_jk is the number of steps between two. A user expects μ̄_u ~ Normal(0,
    prior_variance · 1), and what the items are worth to her is μ_u ~ Normal(μ̄_u, variance · ρ^d). The quality of the items
    (`items.quality`, or `common`), which is part of what they are worth to everybody, has the same correlation. Needs
    `items.mixture: one_hot` and as many topics as items. A user's group is the item that is worth most to her.

    Source: Aridor, Gonçalves & Sikdar 2020 (RecSys), "Deconstructing the filter bubble": idiosyncratic values v_in. Their
    common values β v_n are the quality, of standard deviation β √variance.
    """

    correlation: Annotated[float, Interval(ge=0, lt=1)] = 0.5
    """ρ: correlation of the worths of two neighbours; 0 = nothing is learnt of one item from another."""

    variance: Positive = 1.0
    """Variance of what an item is worth around what the user expects, in squared units of utility."""

    prior_variance: Annotated[float, Interval(ge=0, le=1e6)] = 0.1
    """Variance of what users expect, over users and items."""

    common: Annotated[float, Interval(ge=0, le=1e3)] | None = None
    """β: the items' quality in standard deviations of what is a user's own, √variance. null: it is as `items.quality` says."""

    spaces: ClassVar[tuple[Space, ...]] = ("values",)

    def draw(self, count: int, topics: int, seen: np.ndarray | None, rng: np.random.Generator) -> Drawn:
        expected = np.sqrt(self.prior_variance) * rng.standard_normal((count, topics))
        values = expected + np.sqrt(self.variance) * correlated(rng.standard_normal((count, topics)), self.correlation)
        return Drawn(values, _main_topic(values), expected, np.full(count, self.variance))


@dataclass(frozen=True)
class Varied:
    """What a topic is worth to a user is her own affair, and on some topics users differ more than on others.

    bernoulli: 1 with probability p_t, else 0, p_t = U ln T / (1.5 T); normal: mean 0, standard deviation U; exponential: of
    mean U; pareto: Lomax of shape 2 + 2 U: how far topic t divides users is drawn once for all, U ~ U(0, 1). A user's group is
    the topic that is worth most to her.

    Source: Schmit & Riquelme 2018 (AISTATS), "Human interaction with recommendation systems": private preferences, the four
    distributions of their simulations.
    """

    law: Kind = "normal"
    """How what a topic is worth is distributed over users."""

    spaces: ClassVar[tuple[Space, ...]] = ("values",)

    def draw(self, count: int, topics: int, seen: np.ndarray | None, rng: np.random.Generator) -> Drawn:
        law = Law(self.law, np.tile(scatter_of(self.law, rng.random(topics)), (count, 1)))
        values = quantile(self.law, law.scatter, rng.random((count, topics)))
        return Drawn(values, _main_topic(values), law=law)


@dataclass(frozen=True)
class Alike:
    """Everybody begins with the same interests, as a cohort of one mind.

    Source: Rossi, Polderman & Frasca 2021 (IEEE Transactions on Control of Network Systems), one user with a given prejudice.
    """

    shares: Annotated[tuple[UnitShare, ...], MinLen(2)] = (0.5, 0.5)
    """Share of each topic; they sum to 1, and are as many as `items.topics`."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex",)

    def __post_init__(self) -> None:
        if not math.isclose(math.fsum(self.shares), 1, abs_tol=1e-6):
            raise ValueError(f"`shares` must sum to 1 (they sum to {math.fsum(self.shares):.6g})")

    def draw(self, count: int, topics: int, seen: np.ndarray | None, rng: np.random.Generator) -> Drawn:
        if len(self.shares) != topics:
            raise ValueError(f"`shares` are {len(self.shares)}, and there are {topics} topics")
        interests = np.tile(np.array(self.shares), (count, 1))
        return Drawn(interests, _main_topic(interests))


@dataclass(frozen=True)
class Data:
    """Interests are read off each user's real history: the posterior mean of a Dirichlet–multinomial.

    θ_ut = (n_ut + prior · b_t) / (n_u + prior), with n_ut the topic mass that user u consumed and b_t the share of
    topic t in everybody's consumption: users with a short history look like the crowd.

    Source: Minka 2000, "Estimating a Dirichlet distribution", posterior mean under a fixed prior.
    """

    prior: Positive = 5.0
    """Strength of the prior, in interactions."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex",)

    def draw(self, count: int, topics: int, seen: np.ndarray | None, rng: np.random.Generator) -> Drawn:
        if seen is None:
            raise ValueError("interests: {kind: data} need real histories: the scenario has no `data:`")
        crowd = seen.sum(0) / seen.sum()
        interests = (seen + self.prior * crowd) / (seen.sum(1, keepdims=True) + self.prior)
        return Drawn(interests, _main_topic(interests))


@dataclass(frozen=True)
class Points:
    """Interests are points: the item that is best for a user is the one that stands where she stands.

    p_u ~ Normal(0, extent² · 1) in R^(topics/2), or uniform on the cube of that half width; items are scattered as
    `items.scatter` and `items.extent` say. A user's group is the half-axis that she is nearest to.

    Source: Fleder & Hosanagar 2009 (Management Science), consumers and products on a plane, normal; Geschke, Lorenz & Holtz
    2019 (British Journal of Social Psychology), attitudes on a square, uniform.
    """

    scatter: Scatter = "normal"
    """How users are scattered around the origin."""

    extent: Positive = 1.0
    """Normal: standard deviation along each axis; uniform: half of the width of the square."""

    spaces: ClassVar[tuple[Space, ...]] = ("plane",)

    def draw(self, count: int, topics: int, seen: np.ndarray | None, rng: np.random.Generator) -> Drawn:
        points = scattered(count, topics // 2, self.scatter, self.extent, rng)
        return Drawn(points, _main_topic(np.hstack([points, -points])))


INTERESTS: dict[str, type[Interests]] = {
    "dirichlet": Dirichlet,
    "communities": Communities,
    "sphere": Sphere,
    "uniform": Uniform,
    "correlated": Correlated,
    "varied": Varied,
    "alike": Alike,
    "points": Points,
    "data": Data,
}
