"""interests.*: how far users are from what they hold in mind, and from who holds the same; network.*: and from friends."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from agents.ties import Ties
from simulator.measures.measure import PANEL, Measure
from simulator.measures.minds import camps, distance_to_held, mean_over_others
from simulator.measures.network import with_ties
from simulator.measures.observation import Observation, mean

_DISTANCE = (
    " Distance: Euclidean, in the space of the world; in worlds with a drift model whose users hold items (`memory_mean`) only."
)
_SHARERS = " Sharers: others who hold an item that she holds, too."
_GESCHKE = "Geschke, Lorenz & Holtz 2019"


def _to_held(o: Observation) -> float | None:
    if o.minds is None or o.round.held is None or o.round.places is None or o.frame.world.places is None:
        return None
    values = distance_to_held(o.round.held[o.minds], o.round.places[o.minds], o.frame.world.places)
    return mean(values) if len(values) else None


def _of_sharers(function: Callable[[Tensor, Tensor, Tensor], float | None]) -> Callable[[Observation], float | None]:
    """Of the pairs who share something, and where the users of the panel stand."""

    def value(o: Observation) -> float | None:
        if o.minds is None or o.shared is None or o.round.places is None or not len(o.minds):
            return None
        return function(*o.shared, o.round.places[o.minds])

    return value


def _to_friends(o: Observation, ties: Ties) -> float | None:
    if o.round.places is None or o.frame.world.space == "values":
        return None
    return mean(mean_over_others(ties.follower, ties.followed, o.of_present(o.round.places)))


HOLDING = [
    Measure(
        "interests.distance_to_held", "Distance to what is held in mind", "distance", "0 … ∞", 0, None, -1,
        "Mean distance of a user from the items that she holds in mind, over the users who hold any." + _DISTANCE + PANEL,
        _GESCHKE,
        _to_held,
    ),
    Measure(
        "interests.distance_to_sharers", "Distance to who holds the same", "distance", "0 … ∞", 0, None, -1,
        "Mean distance of a user from her sharers, over the users who have any." + _SHARERS + _DISTANCE + PANEL,
        _GESCHKE,
        _of_sharers(lambda one, other, places: mean(mean_over_others(one, other, places)) if len(one) else None),
    ),
    Measure(
        "interests.sharers", "Others who hold the same", "users", "0 … N − 1", 0, None, 0,
        "Mean number of a user's sharers." + _SHARERS + PANEL,
        _GESCHKE,
        _of_sharers(lambda one, other, places: len(one) / len(places)),
    ),
    Measure(
        "interests.camps", "Camps of who holds the same", "camps", "0 … N / 10", 0, None, 0,
        "Number of camps: at least ten users who are tied to each other, and to nobody else, by what they hold, over any "
        "number of sharers between." + _SHARERS + PANEL,
        _GESCHKE,
        _of_sharers(lambda one, other, places: camps(one, other, len(places))),
    ),
]  # fmt: skip

FRIENDS = [
    Measure(
        "network.distance_to_friends", "Distance to friends", "distance", "0 … ∞", 0, None, -1,
        "Mean distance of a user from those whom she follows, over the users who follow somebody. Distance: Euclidean, in the "
        "space of the world.",
        _GESCHKE,
        with_ties(_to_friends),
    ),
]  # fmt: skip
