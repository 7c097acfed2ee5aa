"""What users are interested in before anything happens: the INTERESTS table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, Protocol

import numpy as np
from annotated_types import Interval

from agents.space import Space

Positive = Annotated[float, Interval(ge=1e-6, le=1e6)]


class Drawn(NamedTuple):
    """Initial interests and the taste group that each user belongs to."""

    interests: np.ndarray           # (N, d) float64: rows of the space
    group: np.ndarray               # (N,) int64


class Interests(Protocol):
    """How initial interests are drawn for `count` users. `seen` is their real history as (N, T) topic counts."""

    spaces: ClassVar[tuple[Space, ...]]

    def draw(self, count: int, topics: int, seen: np.ndarray | None, rng: np.random.Generator) -> Drawn: ...


def _main_topic(interests: np.ndarray) -> np.ndarray:
    return interests.argmax(1)


@dataclass(frozen=True)
class Dirichlet:
    """Everybody's interests are drawn alike: θ_u ~ Dirichlet(concentration · 1_T).

    A user's group is her main topic.

    Source: Chaney, Stewart & Engelhardt 2018 (RecSys), section 3.1, without their common base measure.
    """

    concentration: Positive = 0.15
    """Concentration per topic; small = few topics each, large = everybody likes everything."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex",)

    def draw(self, count: int, topics: int, seen: np.ndarray | None, rng: np.random.Generator) -> Drawn:
        interests = rng.dirichlet(np.full(topics, self.concentration), count)
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


INTERESTS: dict[str, type[Interests]] = {
    "dirichlet": Dirichlet,
    "communities": Communities,
    "sphere": Sphere,
    "uniform": Uniform,
    "data": Data,
}
