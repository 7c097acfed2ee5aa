"""Builds the network that a scenario describes: who follows whom before the first round."""

from __future__ import annotations

from agents.graphs import EdgeList, GraphError
from agents.network import Network, draw_ties
from agents.rewiring import Rewiring
from agents.sharing import Sharing
from agents.users import Users
from simulator.datasets import Dataset, DatasetError
from simulator.draws import Draws
from simulator.scenario import Scenario


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
