"""How the interests of those whom a user follows move hers: the INFLUENCES table.

Every model multiplies its step by the user's susceptibility s_u. Users who follow nobody are not moved. Distances between
two users are from 0 to 1: on the simplex the share of interest that would have to change topic, ‖θ_u − θ_v‖₁ / 2, which for
two topics is the difference of their leanings; on the sphere half of 1 − cosine. Values are compared by their softmax.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, Protocol, runtime_checkable

import torch
from annotated_types import Interval
from torch import Tensor

from agents.chance import Draws
from agents.space import Space, affinity, mixture, unit
from agents.ties import Ties, first_of_each, rank_in_row, row_sums

UnitInterval = Annotated[float, Interval(ge=0, le=1)]
Trace = tuple[Tensor, ...]


class Moved(NamedTuple):
    """New interests (b, d), and the rows of the model's own memory for the next round, as `start` made it."""

    interests: Tensor
    trace: Trace


class Influence(Protocol):
    """Moves the interests of users `who` (b,) by the `interests` (N, d) that everybody had before.

    `susceptibility` (b,); `trace`: what the model remembers of all users, as `start` gives it before the first round.
    """

    spaces: ClassVar[tuple[Space, ...]]

    def start(self, interests: Tensor) -> Trace: ...

    def move(
        self, who: Tensor, interests: Tensor, susceptibility: Tensor, ties: Ties, trace: Trace, space: Space, draws: Draws
    ) -> Moved: ...


class Posts(NamedTuple):
    """What everybody posted last."""

    content: Tensor                 # (N, d): interests, of whoever wrote it when it was written
    author: Tensor                  # (N,) int64: who that was


@runtime_checkable
class Posting(Protocol):
    """An influence by what users post."""

    def posts(self, trace: Trace) -> Posts: ...


def distance(one: Tensor, other: Tensor, space: Space) -> Tensor:
    """Return how far two rows of interests are apart, 0 to 1, over the last axis."""
    if space == "sphere":
        return (1 - affinity(one, other)) / 2
    one, other = mixture(one, space), mixture(other, space)
    return (one - other).abs().sum(-1) / 2


def toward(interests: Tensor, target: Tensor, step: Tensor, moved: Tensor, space: Space) -> Tensor:
    """Return interests (b, d) after a step (b,) to the target (b, d), of those who are `moved` (b,)."""
    there = interests + step[:, None] * (target - interests)
    if space == "sphere":
        there = unit(there)
    return torch.where((moved & (step > 0))[:, None], there, interests)     # a length scaled again may differ in its last bit


@dataclass(frozen=True)
class NoInfluence:
    """Friends leave each other's interests alone.

    Source: none: a network that only spreads items, or is only looked at.
    """

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere", "values", "plane")

    def start(self, interests: Tensor) -> Trace:
        return ()

    def move(
        self, who: Tensor, interests: Tensor, susceptibility: Tensor, ties: Ties, trace: Trace, space: Space, draws: Draws
    ) -> Moved:
        return Moved(interests[who], ())


@dataclass(frozen=True)
class DeGroot:
    """Interests move toward the mean of those of friends, whoever they are.

    θ_u ← (1 − η s_u) θ_u + η s_u · mean over friends v of θ_v. Where everybody can be reached from everybody, all come to agree
    on Σ_u π_u θ_u, π the stationary distribution of the weights: with mutual ties and equal s_u, π_u ∝ the number of friends.

    Source: DeGroot 1974 (JASA), "Reaching a consensus".
    """

    rate: UnitInterval = 0.05
    """η: weight of friends against oneself in one round."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere", "values")

    def start(self, interests: Tensor) -> Trace:
        return ()

    def move(
        self, who: Tensor, interests: Tensor, susceptibility: Tensor, ties: Ties, trace: Trace, space: Space, draws: Draws
    ) -> Moved:
        rows, places = ties.of(who)
        count = ties.counts[who]
        mean = row_sums(rows, interests[ties.followed[places]], len(who)) / count[:, None].clamp(min=1)
        return Moved(toward(interests[who], mean, self.rate * susceptibility, count > 0, space), ())


@dataclass(frozen=True)
class BoundedConfidence:
    """Interests move toward the mean of those friends who are not too different; the others are ignored.

    θ_u ← (1 − η s_u) θ_u + η s_u · mean of θ_v over herself and the friends v within `tolerance`.

    Source: Hegselmann & Krause 2002 (JASSS), "Opinion dynamics and bounded confidence"; theirs is η = 1.
    """

    rate: UnitInterval = 0.5
    """η: share of the way to that mean in one round."""

    tolerance: UnitInterval = 0.3
    """ε: the greatest distance at which a friend still counts."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere", "values")

    def start(self, interests: Tensor) -> Trace:
        return ()

    def move(
        self, who: Tensor, interests: Tensor, susceptibility: Tensor, ties: Ties, trace: Trace, space: Space, draws: Draws
    ) -> Moved:
        rows, places = ties.of(who)
        own, friends = interests[who], interests[ties.followed[places]]
        near = distance(own[rows], friends, space) <= self.tolerance
        count = torch.bincount(rows[near], minlength=len(who))
        mean = (own + row_sums(rows[near], friends[near], len(who))) / (1 + count)[:, None]
        return Moved(toward(own, mean, self.rate * susceptibility, count > 0, space), ())


@dataclass(frozen=True)
class Encounters:
    """Every round each user meets one friend, and moves toward her if they are not too different.

    θ_u ← θ_u + μ s_u (θ_v − θ_u) for one friend v drawn at random, if she is within `tolerance`.

    Source: after Deffuant, Neau, Amblard & Weisbuch 2000 (Advances in Complex Systems), "Mixing beliefs among interacting
    agents"; there one pair meets at a time and both move, here everybody meets somebody at the same time.
    """

    rate: UnitInterval = 0.5
    """μ: share of the way to the friend."""

    tolerance: UnitInterval = 0.3
    """ε: the greatest distance at which they influence each other."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere", "values")

    def start(self, interests: Tensor) -> Trace:
        return ()

    def move(
        self, who: Tensor, interests: Tensor, susceptibility: Tensor, ties: Ties, trace: Trace, space: Space, draws: Draws
    ) -> Moved:
        rows, places = ties.of(who)
        met = first_of_each(rows, draws("encounter").uniform(who[rows], ties.followed[places]))
        friend = who.clone()                                    # who has no friend meets herself
        friend[rows[met]] = ties.followed[places[met]]
        own, other = interests[who], interests[friend]
        near = distance(own, other, space) <= self.tolerance
        return Moved(toward(own, other, self.rate * susceptibility, near & (friend != who), space), ())


@dataclass(frozen=True)
class BiasedAssimilation:
    """Users weigh what friends like by how much they like it already: what suits them counts more.

    θ_ut ← (w θ_ut + θ_ut^b · m_ut) / Σ_k (w θ_uk + θ_uk^b · m_uk), m_u the mean of the friends' interests, and s_u the share of
    the way there. Bias b = 0 is DeGroot's averaging. On two islands that mirror each other, with h times as many ties within as
    between, b ≥ 1 drives both to their extremes, 2/(h + 1) ≤ b < 1 leaves them apart, and less lets them agree. Without the
    mirror, whichever topic has a lead among users and their friends gains.

    Source: Dandekar, Goel & Lee 2013 (PNAS), "Biased assimilation, homophily, and the dynamics of polarization"; theirs is the
    case of two topics.
    """

    bias: Annotated[float, Interval(ge=0, le=100)] = 1.0
    """b: 0 = friends count as they are."""

    self_weight: Annotated[float, Interval(ge=0, le=1e6)] = 10.0
    """w: weight of oneself, that of all friends together being 1."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex",)

    def start(self, interests: Tensor) -> Trace:
        return ()

    def move(
        self, who: Tensor, interests: Tensor, susceptibility: Tensor, ties: Ties, trace: Trace, space: Space, draws: Draws
    ) -> Moved:
        rows, places = ties.of(who)
        count, own = ties.counts[who], interests[who]
        mean = row_sums(rows, interests[ties.followed[places]], len(who)) / count[:, None].clamp(min=1)
        weighed = self.self_weight * own + own**self.bias * mean
        total = weighed.sum(1, keepdim=True)
        target = weighed / total.clamp(min=1e-30)
        moved = (count > 0) & (total[:, 0] > 1e-30)             # friends who share nothing with her do not reach her
        return Moved(toward(own, target, susceptibility, moved, space), ())


@dataclass(frozen=True)
class SharedPosts:
    """Users read what friends posted, move toward posts that are close to them, and post: a friend's post again, or their own.

    A user's screen is the newest posts of at most `screen` friends, drawn at random, without those that are her own passed back
    to her. θ_u ← θ_u + μ s_u (mean of the posts within `tolerance` − θ_u). Then she posts: with probability `repost` one of
    those posts as it is, else her own interests.

    Source: after Sasahara, Chen, Peng, Ciampaglia, Flammini & Menczer 2021 (Journal of Computational Social Science), "Social
    influence and unfollowing accelerate the emergence of echo chambers"; there one user acts at a time, and the screen holds
    the newest posts of all friends. Their unfollowing is `rewiring`.
    """

    rate: UnitInterval = 0.5
    """μ: share of the way to the mean of those posts."""

    tolerance: UnitInterval = 0.2
    """ε: the greatest distance at which a post has any influence."""

    screen: Annotated[int, Interval(ge=1, le=100_000)] = 10
    """Most posts that are read in a round."""

    repost: UnitInterval = 0.5
    """Chance to post a friend's post again, if one is close enough."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere", "values")

    def start(self, interests: Tensor) -> Trace:
        """Return everybody's newest post: its content (N, d) and whose it was at first (N,)."""
        return interests.clone(), torch.arange(len(interests))

    def posts(self, trace: Trace) -> Posts:
        return Posts(*trace)

    def move(
        self, who: Tensor, interests: Tensor, susceptibility: Tensor, ties: Ties, trace: Trace, space: Space, draws: Draws
    ) -> Moved:
        content, author = trace
        rows, places = ties.of(who)
        friend = ties.followed[places]
        own = interests[who]
        rows, friend = _where(author[friend] != who[rows], rows, friend)
        shuffled = draws("screen").uniform(who[rows], friend)
        rows, friend = _where(rank_in_row(rows, shuffled) < self.screen, rows, friend)
        rows, friend = _where(distance(own[rows], content[friend], space) <= self.tolerance, rows, friend)
        count = torch.bincount(rows, minlength=len(who))
        mean = row_sums(rows, content[friend], len(who)) / count[:, None].clamp(min=1)
        moved = toward(own, mean, self.rate * susceptibility, count > 0, space)

        posts, authors = moved.clone(), who.clone()
        chosen = first_of_each(rows, draws("post").uniform(who[rows], friend))
        again = draws("repost").uniform(who[rows[chosen]]) < self.repost
        chosen = chosen[again]
        posts[rows[chosen]], authors[rows[chosen]] = content[friend[chosen]], author[friend[chosen]]
        return Moved(moved, (posts, authors))


def _where(kept: Tensor, *columns: Tensor) -> tuple[Tensor, ...]:
    return tuple(column[kept] for column in columns)


INFLUENCES: dict[str, type[Influence]] = {
    "none": NoInfluence,
    "degroot": DeGroot,
    "bounded_confidence": BoundedConfidence,
    "encounters": Encounters,
    "biased_assimilation": BiasedAssimilation,
    "shared_posts": SharedPosts,
}
