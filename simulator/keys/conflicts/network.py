"""What the keys of a network need of the rest of a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from agents.drift_base import Holding
from agents.graphs import GENERATORS, GraphError
from agents.influence import INFLUENCES, Posting
from agents.rewiring import BY_POSTS
from simulator.parts import kind_of, problem

if TYPE_CHECKING:
    from simulator.scenario import Scenario


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
