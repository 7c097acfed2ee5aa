"""Parts of a network, and whether each is of one mind: by hand, and against networkx."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch

from agents.ties import Ties
from simulator.measures import Recorder
from simulator.measures.splits import SPLITS, segregated, width_and_gap

NAMES = [measure.name for measure in SPLITS]


def test_width_and_gap_by_hand():
    x = torch.tensor([0.1, 0.2, 0.6, 0.75, 0.3])
    interests, component = torch.stack([x, 1 - x], 1), torch.tensor([0, 0, 1, 1, 0])
    assert width_and_gap(interests, component) == pytest.approx((0.2, 0.3))
    assert width_and_gap(interests, torch.zeros(5, dtype=torch.int64)) == pytest.approx((0.65, 0))
    assert [segregated(interests, component, 2, t) for t in (0.19, 0.21)] == [0, 1]
    assert segregated(interests, torch.zeros(5, dtype=torch.int64), 1, 1.0) == 0, "one camp is consensus"


@pytest.mark.parametrize("seed", range(6))
def test_components_are_those_of_networkx(seed):
    graph = nx.gnp_random_graph(30, 0.03, seed=seed, directed=True)
    arcs = torch.tensor(list(graph.edges)).reshape(-1, 2)
    found = Ties.of_arcs(arcs[:, 0], arcs[:, 1], 30).components.tolist()
    parts = {frozenset(u for u in range(30) if found[u] == c) for c in set(found)}
    assert parts == set(map(frozenset, nx.weakly_connected_components(graph)))


def test_a_recorder_has_them_where_there_is_a_network(make_world, play):
    world = replace(make_world(), tolerance=0.0)
    (happened,) = play(world, 1)
    assert Recorder(world, NAMES).observe(happened) == {}
    n = len(world.interests)
    ties = Ties.of_arcs(torch.arange(n - 2), torch.arange(1, n - 1), n)         # a chain of all but the last
    interests = happened.interests.double()
    apart = (interests[:-1] - interests[-1]).abs().sum(1).min() / 2
    values = Recorder(world, NAMES).observe(replace(happened, ties=ties))
    assert values == pytest.approx({
        "network.components": 2, "network.component_gap": float(apart), "network.segregated": 0,
    })
    wide = Recorder(replace(world, tolerance=1.0), NAMES).observe(replace(happened, ties=ties))
    assert wide["network.segregated"] == 1
    there = torch.arange(n) != 4                                                # the chain breaks
    present = replace(happened, ties=ties, present=there)
    assert Recorder(world, NAMES).observe(present)["network.components"] == 3
    parts = np.array([0] * 4 + [1] * (n - 6) + [2])
    left = interests[there]
    expected = min(
        float((left[i] - left[j]).abs().sum() / 2) for i in range(n - 1) for j in range(i) if parts[i] != parts[j]
    )
    assert Recorder(world, NAMES).observe(present)["network.component_gap"] == pytest.approx(expected)
