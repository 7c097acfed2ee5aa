"""What users hold in mind: distances and camps by hand, and against networkx."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch

from agents.ties import Ties
from simulator.measures import Recorder
from simulator.measures.holding import FRIENDS, HOLDING
from simulator.measures.minds import apart, camps, distance_to_held, mean_over_others, pairs_with_common

NAMES = [measure.name for measure in [*HOLDING, *FRIENDS]]


def test_distance_to_what_is_held_by_hand():
    """She at the origin holds what is 5 and 10 away; the second holds nothing; the third holds what she stands on."""
    places, items = torch.tensor([[0.0, 0.0], [1.0, 1.0], [3.0, 4.0]]), torch.tensor([[3.0, 4.0], [6.0, 8.0]])
    assert distance_to_held(torch.tensor([[0, 1], [-1, -1], [0, -1]]), places, items).tolist() == [7.5, 0]


def test_pairs_and_camps_by_hand():
    """0 and 1 hold 8, 1 and 2 hold 9, 3 and 4 hold 5, and 5 holds nothing."""
    one, other = pairs_with_common(torch.tensor([[8, -1], [8, 9], [9, 7], [5, -1], [4, 5], [-1, -1]]))
    assert sorted(zip(one.tolist(), other.tolist(), strict=True)) == [(0, 1), (1, 0), (1, 2), (2, 1), (3, 4), (4, 3)]
    assert [camps(one, other, 6, least) for least in (1, 2, 3, 4)] == [3, 2, 1, 0]
    places = torch.tensor([[0.0], [1.0], [5.0], [7.0], [7.5], [99.0]])
    assert mean_over_others(one, other, places).tolist() == [1, 2.5, 4, 0.5, 0.5]


@pytest.mark.parametrize("seed", range(5))
def test_pairs_and_camps_are_those_of_networkx(seed):
    rng = np.random.default_rng(seed)
    n, held = 60, np.full((60, 4), -1)
    for user in range(n):
        count = rng.integers(0, 5)
        held[user, :count] = rng.choice(90, count, replace=False)
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from((u, v) for u in range(n) for v in range(u) if set(held[u][held[u] >= 0]) & set(held[v][held[v] >= 0]))
    one, other = pairs_with_common(torch.from_numpy(held))
    found = {(u, v) for u, v in zip(one.tolist(), other.tolist(), strict=True) if u > v}
    assert found == {(max(edge), min(edge)) for edge in graph.edges}
    assert len(one) == 2 * graph.number_of_edges()
    assert camps(one, other, n, 3) == sum(len(part) >= 3 for part in nx.connected_components(graph))
    places = torch.from_numpy(rng.normal(size=(n, 3)))
    expected = [np.mean([apart(places[u], places[v]) for v in graph[u]]) for u in range(n) if graph[u]]
    np.testing.assert_allclose(mean_over_others(one, other, places), expected)


def test_a_recorder_has_them_and_only_where_there_are_minds(make_world, play):
    world = make_world()
    (happened,) = play(world, 1)
    n, m = len(world.interests), len(world.topics)
    bare = Recorder(world, NAMES).observe(happened)
    assert bare == {}
    rng = np.random.default_rng(1)
    places, items = torch.from_numpy(rng.normal(size=(n, 2))), torch.from_numpy(rng.normal(size=(m, 2)))
    held = torch.from_numpy(rng.integers(0, m, (n, 1)))
    ties = Ties.of_arcs(torch.tensor([0, 0, 5]), torch.tensor([3, 4, 1]), n)
    world, happened = replace(world, places=items), replace(happened, places=places, held=held, ties=ties)
    values = Recorder(world, NAMES).observe(happened)
    assert list(values) == NAMES
    assert values["interests.distance_to_held"] == pytest.approx(float(apart(places, items[held[:, 0]]).mean()))
    assert values["interests.sharers"] == pytest.approx(np.mean([(held[:, 0] == item).sum() - 1 for item in held[:, 0]]))
    to = [(apart(places[0], places[3]) + apart(places[0], places[4])) / 2, apart(places[5], places[1])]
    assert values["network.distance_to_friends"] == pytest.approx(float(np.mean(to)))
    there = torch.arange(n) != 3                                                # she left, and her tie with her
    values = Recorder(world, NAMES).observe(replace(happened, present=there))
    assert values["network.distance_to_friends"] == pytest.approx(float((apart(places[0], places[4]) + to[1]) / 2))
    assert values["interests.distance_to_held"] == pytest.approx(float(apart(places, items[held[:, 0]])[there].mean()))
    worths = Recorder(replace(world, space="values"), NAMES).observe(happened)
    assert worths == {}
