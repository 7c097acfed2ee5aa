"""The keys of a scenario's social network, and how the network is built of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from annotated_types import Interval, MinLen
from pydantic import Strict
from pydantic_core import InitErrorDetails

from agents.drift_base import Holding
from agents.graphs import GENERATORS, ByInterests, EdgeList, Generator, GraphError
from agents.influence import INFLUENCES, Influence, Posting
from agents.network import Network, draw_ties
from agents.rewiring import BY_POSTS, Follows, Rewiring, Unfollows
from agents.sharing import Sharing
from agents.users import Users
from simulator.datasets import Dataset, DatasetError
from simulator.draws import Draws
from simulator.parts import OneOf, Section, by_name, kind_of, problem
from simulator.ranges import UnitInterval

if TYPE_CHECKING:
    from simulator.scenario import Scenario

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


def network_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Keys of the network that are right by themselves and wrong with others."""
    keys, users, space = scenario.network, scenario.users, scenario.items.space
    for place, arm in scenario.each_arm():
        if arm.who_to_follow is not None and (keys is None or not keys.rewiring.probability):
            lacks = "there is no `network`" if keys is None else "nobody follows others: set `network.rewiring.probability`"
            yield problem(f"suggests people to follow, and {lacks}", place)
    if keys is None:
        return
    if keys.sharing.posts and not any(isinstance(cohort.drift, Holding) for cohort in users.each_cohort()):
        message = "users post what they hold in mind, and nobody does: write `users.drift: memory_mean`"
        yield problem(message, ("network", "sharing", "posts"))
    rules = (keys.rewiring.follows,) if isinstance(keys.rewiring.follows, str) else keys.rewiring.follows
    for key, rule in (("unfollows", keys.rewiring.unfollows), *(("follows", rule) for rule in rules)):
        if rule in BY_POSTS and not isinstance(keys.influence, Posting):
            message = f"{rule!r} goes by what users post, and nobody posts: write `influence: shared_posts`"
            yield problem(message, ("network", "rewiring", key))
    if keys.homophily and not keys.graph.anywhere():
        kind = kind_of(GENERATORS, keys.graph)
        message = f"who stands where is settled by {kind!r} already"
        yield problem(message + ("" if kind == "edge_list" else "; give its `blocks` as shares"), ("network", "homophily"))
    if space not in keys.influence.spaces:
        kind, spaces = kind_of(INFLUENCES, keys.influence), " or ".join(keys.influence.spaces)
        yield problem(f"{kind!r} needs `items.space: {spaces}` (it is {space})", ("network", "influence"))
    if scenario.data is None and users.count is not None:
        try:
            keys.graph.check(users.count, None)
        except GraphError as error:
            yield problem(str(error), ("network", "graph"))


def check_network(scenario: Scenario, data: Dataset | None) -> None:
    """See that the users of a real log can have the network. What is wrong is a `DatasetError`."""
    if scenario.network is not None and data is not None:
        try:
            scenario.network.graph.check(data.n_users, _labels(scenario, data))
        except GraphError as error:
            raise DatasetError(f"network.graph: {error}") from None


def build_network(scenario: Scenario, users: Users, n_items: int, draws: Draws, data: Dataset | None) -> Network | None:
    """Return the network of one replicate before its first round: the same for every arm."""
    keys = scenario.network
    if keys is None:
        return None
    space, labels = scenario.items.space, _labels(scenario, data)
    ties = draw_ties(keys.graph, keys.homophily, users, space, labels, draws("network").numpy())
    sharing, rewiring = Sharing(**keys.sharing.model_dump()), Rewiring(**keys.rewiring.model_dump())
    return Network(ties, keys.influence, sharing, rewiring, space, n_items)


def _labels(scenario: Scenario, data: Dataset | None) -> dict[str, int] | None:
    """Return what a file of ties calls the users of real data."""
    if data is None or scenario.network is None or not isinstance(scenario.network.graph, EdgeList):
        return None
    return {label: user for user, label in enumerate(data.user_labels)}
