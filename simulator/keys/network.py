"""The keys of a scenario's social network: who follows whom, and what friends do to each other."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval, MinLen
from pydantic import Strict

from agents.graphs import GENERATORS, ByInterests, Generator
from agents.influence import INFLUENCES, Influence
from agents.rewiring import Follows, Unfollows
from simulator.parts import OneOf, Section, by_name
from simulator.ranges import UnitInterval

GraphPart = Annotated[Generator | ByInterests, OneOf(GENERATORS, "network", Generator)]
InfluencePart = Annotated[Influence, OneOf(INFLUENCES, "social influence", Influence)]


class SharingKeys(Section):
    """What users hear of from friends. Independent cascades: Goldenberg et al. 2001; Kempe, Kleinberg & Tardos 2003 (KDD)."""

    share: UnitInterval = 0.0
    """Share of a user's own finds that come from what friends took lately: a friend at random, then an item at random."""

    rounds: Annotated[int, Interval(ge=1, le=1000)] = 1
    """Rounds back to which friends tell what they took."""

    passes_on: UnitInterval = 0.0
    """Chance that an item taken is passed on to each follower, who has it before her in the next round."""

    posts: UnitInterval = 0.0
    """Chance that a user posts, in a round, one of the items that she holds in mind, each alike: her followers, but those who
    hold it, too, have it before them in the next round. Needs a drift model that holds items, `memory_mean`."""

    most: Annotated[int, Interval(ge=1, le=10_000)] = 20
    """Items passed on or posted to a user that she can have before her in a round; of more, so many at random."""


class RewiringKeys(Section):
    """Who is unfollowed and who is followed instead, from round 1 on. Holme & Newman 2006; Sasahara et al. 2021."""

    probability: UnitInterval = 0.0
    """Chance that an active user is ready to unfollow somebody in a round, and to follow somebody else; 0 = ties stay."""

    tolerance: UnitInterval = 0.5
    """Distance up to which nobody is unfollowed: the share of interest that would have to change topic."""

    unfollows: Unfollows = "most_distant"
    """Who goes of those beyond the tolerance: most_distant or random, by interests; poster: at random, of those whose newest
    post is beyond it, whoever wrote it."""

    follows: Follows | Annotated[tuple[Follows, ...], Strict(False), MinLen(1)] = "random"
    """Whom she finds instead, unless the arm's `who_to_follow` suggests somebody. random: anybody; friends_of_friends: whom a
    friend follows; like_minded: of some at random (`sample`) the nearest by interests; reposted: who wrote a post within the
    tolerance that a friend passed on; similar_post: who wrote anybody's newest post that is within it of her own newest. A
    list: each time one of them, each alike. What goes by posts needs `influence: shared_posts`."""

    sample: Annotated[int, Interval(ge=1, le=1000)] = 10
    """Users at random among whom the like-minded one is found."""


class NetworkKeys(Section):
    """Who follows whom, and what friends do to each other after every round."""

    graph: GraphPart = by_name("watts_strogatz")
    """Who follows whom at the start."""

    homophily: UnitInterval = 0.0
    """Share of the users who stand among people with their leading topic; the others stand anywhere."""

    influence: InfluencePart = by_name("none")
    """How friends' interests move a user's, after what she took has."""

    sharing: SharingKeys = SharingKeys()
    rewiring: RewiringKeys = RewiringKeys()
