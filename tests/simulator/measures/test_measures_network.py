"""Measures of the network against networkx, closed forms and walks on paper."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.ties import Ties
from simulator.measures import MEASURES, Recorder
from simulator.measures.network import (
    NETWORK,
    assortativity,
    co_consumption_modularity,
    communities,
    controversy,
    ei_index,
    modularity,
    neighbour_correlation,
    page_rank,
)
from simulator.measures.splits import SPLITS
from simulator.measures.state import leaning


def ties_of(graph: nx.Graph) -> Ties:
    arcs = np.array(graph.to_directed().edges, dtype=np.int64).reshape(-1, 2)
    return Ties.of_arcs(torch.from_numpy(arcs[:, 0].copy()), torch.from_numpy(arcs[:, 1].copy()), len(graph))


def labelled(graph: nx.Graph, labels: list[int]) -> tuple[nx.Graph, list[set[int]]]:
    nx.set_node_attributes(graph, dict(enumerate(labels)), "topic")
    return graph, [{u for u, label in enumerate(labels) if label == c} for c in sorted(set(labels))]


graphs = st.builds(
    lambda seed, n, p, directed: nx.gnp_random_graph(n, p, seed=seed, directed=directed),
    st.integers(0, 10**6), st.integers(4, 25), st.floats(0.1, 0.9), st.booleans(),
).filter(lambda graph: graph.number_of_edges() > 0)


@settings(max_examples=40, deadline=None)
@given(graph=graphs, seed=st.integers(0, 10**6), topics=st.integers(2, 5))
def test_mixing_is_as_networkx_has_it(graph: nx.Graph, seed: int, topics: int):
    labels = np.random.default_rng(seed).integers(0, topics, len(graph)).tolist()
    graph, parts = labelled(graph, labels)
    ties, topic = ties_of(graph), torch.tensor(labels)
    assert modularity(topic, ties) == pytest.approx(nx.community.modularity(graph, parts), abs=1e-12)
    r = assortativity(topic, ties)
    ends = {labels[u] for edge in graph.edges for u in edge}
    if len(ends) > 1 and r is not None:
        assert r == pytest.approx(nx.attribute_assortativity_coefficient(graph, "topic"), abs=1e-9)
    outside = sum(labels[u] != labels[v] for u, v in graph.edges)
    inside = graph.number_of_edges() - outside
    assert ei_index(topic, ties) == pytest.approx((outside - inside) / (outside + inside), abs=1e-12)


def test_one_topic_has_no_assortativity_and_two_islands_have_all_of_it():
    islands = ties_of(nx.disjoint_union(nx.complete_graph(6), nx.complete_graph(6)))
    own = torch.arange(12) // 6
    assert assortativity(torch.zeros(12, dtype=torch.int64), islands) is None
    assert (assortativity(own, islands), ei_index(own, islands), modularity(own, islands)) == (1.0, -1.0, 0.5)
    assert controversy(own == 0, islands) == pytest.approx(1.0)
    assert neighbour_correlation(own.double(), islands) == pytest.approx(1.0)
    assert neighbour_correlation(torch.ones(12, dtype=torch.float64), islands) is None


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 14), m=st.integers(2, 9), topics=st.integers(1, 4))
def test_co_consumption_is_the_weighted_graph_of_shared_items(seed: int, n: int, m: int, topics: int):
    rng = np.random.default_rng(seed)
    taken = rng.random((n, m)) < 0.4
    lists = torch.full((n, m), m)
    lists[torch.from_numpy(taken)] = torch.arange(m).expand(n, m)[torch.from_numpy(taken)]
    labels = rng.integers(0, topics, n)
    shared = (taken.astype(int) @ taken.T.astype(int)) * (1 - np.eye(n, dtype=int))
    value = co_consumption_modularity(lists, m, torch.from_numpy(labels))
    if not shared.any():
        assert value is None
        return
    graph = nx.from_numpy_array(shared)
    _, parts = labelled(graph, labels.tolist())
    assert value == pytest.approx(nx.community.modularity(graph, parts, weight="weight"), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(graph=graphs, seed=st.integers(0, 10**6))
def test_walks_end_where_page_rank_says(graph: nx.Graph, seed: int):
    rng = np.random.default_rng(seed)
    n = len(graph)
    ends, side = rng.random(n) < 0.2, np.arange(n) < n // 2
    stripped = graph.to_directed()
    stripped.remove_edges_from([edge for edge in stripped.edges if ends[edge[0]]])
    begin = side / side.sum()
    expected = nx.pagerank(
        stripped, 0.85, personalization=dict(enumerate(begin)), dangling=dict(enumerate(begin)), tol=1e-12, max_iter=1000
    )
    ours = page_rank(ties_of(graph), torch.from_numpy(ends), begin[:, None])
    assert ours[:, 0] == pytest.approx([expected[u] for u in range(n)], abs=1e-8)


def test_sides_that_do_not_matter_have_no_controversy_and_more_bridges_have_less():
    rng = np.random.default_rng(0)
    side = torch.arange(400) < 200
    within = [(u, v) for u in range(400) for v in range(u) if (u < 200) == (v < 200) and rng.random() < 0.05]
    values = []
    for bridges in (0, 40, 400, 2000):
        graph = nx.Graph(within)
        graph.add_nodes_from(range(400))
        graph.add_edges_from((int(rng.integers(200)), 200 + int(rng.integers(200))) for _ in range(bridges))
        values.append(controversy(side, ties_of(graph)))
    assert values[0] == pytest.approx(1)
    assert values == sorted(values, reverse=True)
    random = ties_of(nx.gnp_random_graph(400, 0.05, seed=1))
    by_chance = np.array([controversy(torch.from_numpy(rng.permutation(side.numpy())), random) for _ in range(30)])
    assert abs(by_chance.mean()) < 4 * by_chance.std() / 30**0.5 < 0.05
    assert controversy(torch.ones(400, dtype=torch.bool), random) is None


def test_neighbour_correlation_is_numpys():
    graph = nx.gnp_random_graph(60, 0.05, seed=3, directed=True)
    lean = np.random.default_rng(1).normal(size=60)
    pairs = [(lean[u], lean[list(graph.successors(u))].mean()) for u in graph if graph.out_degree(u)]
    assert len(pairs) < 60, "somebody follows nobody"
    expected = np.corrcoef(np.array(pairs).T)[0, 1]
    assert neighbour_correlation(torch.from_numpy(lean), ties_of(graph)) == pytest.approx(expected, abs=1e-12)


def test_communities_of_a_planted_partition_are_found_and_are_about_as_good_as_networkxs():
    graph = nx.planted_partition_graph(6, 40, 0.4, 0.005, seed=2)
    found = communities(ties_of(graph))
    block = torch.arange(240) // 40
    assert len(found.unique()) == 6
    assert all(len(found[block == b].unique()) == 1 for b in range(6))
    caves = nx.connected_caveman_graph(8, 6)
    theirs = nx.community.modularity(caves, nx.community.asyn_lpa_communities(caves, seed=1))
    assert modularity(communities(ties_of(caves)), ties_of(caves)) == pytest.approx(theirs, abs=0.05)


def test_a_round_has_them_only_if_it_has_ties_and_all_lie_in_their_range(make_world, play):
    world = make_world()
    n = len(world.interests)
    rounds = play(world, 3)
    without = [Recorder(world).observe(r) for r in rounds[:1]]
    assert not any(name.startswith("network.") for name in without[0])
    graph = nx.gnp_random_graph(n, 0.3, seed=0, directed=True)
    recorder = Recorder(world, names=["network.*"])
    for r in rounds:
        values = recorder.observe(replace(r, ties=ties_of(graph)))
        assert set(values) == {measure.name for measure in [*NETWORK, *SPLITS]}
        for name, value in values.items():
            upper = MEASURES[name].upper
            assert MEASURES[name].lower <= value, name
            assert upper is None or value <= upper, name
    topic = rounds[-1].interests.argmax(1)
    assert values["network.assortativity"] == assortativity(topic, ties_of(graph))
    nobody = nx.create_empty_copy(graph)
    assert recorder.observe(replace(play(world, 4)[3], ties=ties_of(nobody))) == {}


def test_who_has_left_does_not_count(make_world, play):
    world = make_world()
    n = len(world.interests)
    graph = nx.gnp_random_graph(n, 0.3, seed=0, directed=True)
    here = torch.arange(n) < n - 6
    (happened,) = play(world, 1)
    value = Recorder(world, names=["network.ei_index"]).observe(replace(happened, ties=ties_of(graph), present=here))
    topic = happened.interests.argmax(1)
    left = ties_of(graph.subgraph(range(n - 6)))
    assert value["network.ei_index"] == ei_index(topic[: n - 6], left)
    walked = Recorder(world, names=["network.*"]).observe(replace(happened, ties=ties_of(graph), present=here))
    score = leaning(happened.interests[here])
    assert walked["network.controversy"] == controversy(score > 0, left)
    assert walked["network.neighbour_correlation"] == neighbour_correlation(score, left)
    theirs = torch.where(happened.taken, happened.items, len(world.topics))[here]
    shared = co_consumption_modularity(theirs, len(world.topics), topic[here])
    assert walked.get("network.coconsumption_modularity") == shared
