"""Who follows whom, and what goes along ties: against networkx, closed forms, and walks on paper."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from torch import Tensor

from agents.choice import Choice
from agents.graphs import (
    GENERATORS,
    BarabasiAlbert,
    EdgeList,
    ErdosRenyi,
    GraphError,
    LikeMinded,
    StochasticBlocks,
    WattsStrogatz,
    _triangle,
)
from agents.influence import INFLUENCES, BiasedAssimilation, BoundedConfidence, DeGroot, Encounters, SharedPosts, distance
from agents.network import Network, draw_ties
from agents.rewiring import Rewiring, anybody_new
from agents.sharing import Grapevine, Sharing
from agents.ties import Ties, first_of_each, rank_in_row, row_sums
from simulator.draws import Draws
from simulator.measures.network import assortativity


def ties_of(graph: nx.Graph) -> Ties:
    arcs = np.array(graph.to_directed().edges, dtype=np.int64).reshape(-1, 2)
    return Ties.of_arcs(torch.from_numpy(arcs[:, 0].copy()), torch.from_numpy(arcs[:, 1].copy()), len(graph))


def mixtures(n: int, t: int, seed: int = 0, concentration: float = 0.3) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).dirichlet(np.full(t, concentration), n).astype(np.float32))


def leanings(x: object) -> Tensor:
    x = torch.as_tensor(x, dtype=torch.float32)
    return torch.stack([x, 1 - x], 1)


def move(influence, interests: Tensor, ties: Ties, rounds: int = 1, space: str = "simplex", s: float = 1.0) -> Tensor:
    everybody, trace = torch.arange(len(interests)), influence.start(interests)
    for t in range(rounds):
        moved = influence.move(everybody, interests, torch.full((len(interests),), s), ties, trace, space, Draws(0).at(t))
        interests, trace = moved
    return interests


# ---- ties


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 15), p=st.floats(0, 1))
def test_ties_are_the_graphs(seed: int, n: int, p: float):
    graph = nx.gnp_random_graph(n, p, seed=seed, directed=True)
    ties = ties_of(graph)
    assert [(u, v) for u, v in zip(ties.follower.tolist(), ties.followed.tolist(), strict=True)] == sorted(graph.edges)
    assert ties.counts.tolist() == [graph.out_degree(u) for u in range(n)]
    assert set(zip(ties.followers.followed.tolist(), ties.followers.follower.tolist(), strict=True)) == set(graph.edges)
    some = torch.tensor([u for u in range(n) if u % 2 == 0])
    rows, places = ties.of(some)
    assert list(zip(some[rows].tolist(), ties.followed[places].tolist(), strict=True)) == sorted(graph.edges(some.tolist()))
    u, v = torch.cartesian_prod(torch.arange(n), torch.arange(n)).T if n > 1 else (torch.zeros(1).long(), torch.zeros(1).long())
    assert ties.contains(u, v).tolist() == [graph.has_edge(a, b) for a, b in zip(u.tolist(), v.tolist(), strict=True)]


def test_rows_are_summed_ranked_and_searched_one_by_one():
    rng = np.random.default_rng(0)
    rows = torch.from_numpy(np.sort(rng.integers(0, 9, 60)))
    values = torch.from_numpy(rng.normal(size=(60, 3)).astype(np.float32))
    for row in range(9):
        of_row = rows == row
        alone = row_sums(torch.zeros(int(of_row.sum()), dtype=torch.int64), values[of_row], 1)
        assert torch.equal(row_sums(rows, values, 9)[row], alone[0])
        ranks = rank_in_row(rows, values[:, 0])[of_row]
        assert ranks.tolist() == values[of_row, 0].argsort().argsort().tolist()
        best = first_of_each(rows, values[:, 0])
        assert values[best[rows[best] == row], 0].tolist() == values[of_row, 0].sort().values[:1].tolist()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 12), p=st.floats(0, 0.9))
def test_anybody_new_is_anybody_else_each_alike(seed: int, n: int, p: float):
    graph = nx.gnp_random_graph(n, p, seed=seed, directed=True)
    for user in range(n):
        unknown = [v for v in range(n) if v != user and not graph.has_edge(user, v)]
        if unknown:
            u = (torch.arange(len(unknown), dtype=torch.float64) + 0.5) / len(unknown)
            assert anybody_new(torch.full((len(unknown),), user), ties_of(graph), u).tolist() == unknown


# ---- graphs


def arcs_of(generator, n: int, seed: int = 0, group: np.ndarray | None = None) -> np.ndarray:
    return generator.draw(n, np.zeros(n, dtype=np.int64) if group is None else group, None, np.random.default_rng(seed))


@pytest.mark.parametrize(
    "generator",
    [WattsStrogatz(6, 0.3), BarabasiAlbert(6), ErdosRenyi(6), StochasticBlocks(6, 0.2, (0.7, 0.3)), StochasticBlocks(6, 0.2)],
)
def test_a_graph_has_so_many_friends_and_nobody_twice_or_herself(generator):
    arcs = arcs_of(generator, 500, group=np.arange(500) % 3)
    assert len(np.unique(arcs, axis=0)) == len(arcs)
    assert (arcs[:, 0] != arcs[:, 1]).all()
    assert 0 <= arcs.min() <= arcs.max() < 500
    assert len(arcs) / 500 == pytest.approx(6, rel=0.06)
    if not isinstance(generator, ErdosRenyi):
        assert {tuple(arc) for arc in arcs} == {tuple(arc) for arc in arcs[:, ::-1]}


def test_every_generator_is_listed_and_says_where_it_is_from():
    for kind, generator in GENERATORS.items():
        assert "Source:" in generator.__doc__, kind
    for kind, influence in INFLUENCES.items():
        assert "Source:" in influence.__doc__, kind


def test_networkx_draws_the_ring_and_the_hubs():
    ring = arcs_of(WattsStrogatz(4, 0.0), 12)
    assert {tuple(arc) for arc in ring} == set(nx.watts_strogatz_graph(12, 4, 0).to_directed().edges)
    degree = np.bincount(arcs_of(BarabasiAlbert(4), 3000)[:, 0])
    assert degree.max() > 15 * degree.mean()
    assert degree.min() == 2


def test_a_place_in_the_triangle_is_its_pair():
    pairs = [(i, j) for i in range(60) for j in range(i)]
    assert list(zip(*(column.tolist() for column in _triangle(np.arange(len(pairs)))), strict=True)) == pairs
    far = np.array([10**11 * (10**11 - 1) // 2 % (2**60)])
    i, j = _triangle(far)
    assert i[0] * (i[0] - 1) // 2 + j[0] == far[0]
    assert 0 <= j[0] < i[0]


def test_our_block_model_is_the_one_of_networkx():
    """Ties within and across, and the spread of their numbers, over 200 graphs of each."""
    sizes, friends, mixing, n = [12, 28], 4.0, 0.25, 40
    within, across = sum(s * (s - 1) // 2 for s in sizes), sizes[0] * sizes[1]
    p, q = (1 - mixing) * n * friends / 2 / within, mixing * n * friends / 2 / across
    blocks = StochasticBlocks(friends, mixing, (0.3, 0.7))

    def counts(pairs: np.ndarray) -> tuple[int, int, int]:
        side = pairs < 12
        return int(side.all(1).sum()), int((side[:, 0] != side[:, 1]).sum()), int(np.bincount(pairs.ravel(), minlength=n).max())

    ours = np.array([counts(np.unique(np.sort(arcs_of(blocks, n, seed)), axis=0)) for seed in range(200)])
    theirs = np.array([
        counts(np.array(nx.stochastic_block_model(sizes, [[p, q], [q, p]], seed=seed).edges)) for seed in range(200)
    ])
    error = np.sqrt(ours.var(0) / 200 + theirs.var(0) / 200)
    assert (np.abs(ours.mean(0) - theirs.mean(0)) < 4 * error).all()
    assert ours.std(0) == pytest.approx(theirs.std(0), rel=0.25)
    assert ours[:, :2].mean(0) == pytest.approx([p * 66, q * across], rel=0.1)


def test_blocks_that_cannot_hold_their_ties_are_refused():
    with pytest.raises(GraphError, match="between blocks, and there are 0 pairs"):
        arcs_of(StochasticBlocks(4, 0.1), 30)
    with pytest.raises(GraphError, match="friends must be from 2"):
        WattsStrogatz(40).check(30, None)
    with pytest.raises(ValueError, match="sum to 1"):
        StochasticBlocks(4, 0.1, (0.5, 0.4))


FILE = "follower,followed\n0,1\n 1 , 2\n\n2,0\n0,1\n"


def test_a_file_of_ties_is_read(tmp_path: Path):
    file = tmp_path / "ties.csv"
    file.write_text(FILE)
    assert arcs_of(EdgeList(str(file)), 3).tolist() == [[0, 1], [1, 2], [2, 0]]
    assert len(arcs_of(EdgeList(str(file), mutual=True), 3)) == 6
    file.write_text("0,1\n1,2\n")
    assert arcs_of(EdgeList(str(file)), 3).tolist() == [[0, 1], [1, 2]]
    file.write_text("u17,u5\nu5,u99\n")
    labels = {"u5": 0, "u17": 1}
    assert EdgeList(str(file)).draw(2, np.zeros(2), labels, np.random.default_rng(0)).tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("0,1\n0,7\n", ":2: ", "0 to 2"), ("0,1\n1,x\n", ":2: ", "'x'"), ("0,1,3\n", ":1: ", "two columns"),
        ("0,1\n\n-1,2\n", ":3: ", "'-1'"), ("a,b\n1,1\n", ":2: ", "herself"), ("", "", "no tie"), (None, "", "no such file"),
    ],
)
def test_a_fault_in_a_file_of_ties_names_its_line(tmp_path: Path, text: str | None, where: str, what: str):
    file = tmp_path / "ties.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(GraphError, match=what) as fault:
        EdgeList(str(file)).check(3, None)
    assert str(fault.value).startswith(f"{file}{where}" if where else str(file))


@pytest.mark.parametrize(
    "generator", [WattsStrogatz(8, 0.2), BarabasiAlbert(8), ErdosRenyi(8), StochasticBlocks(8, 0.1, (0.5, 0.5))]
)
def test_homophily_ties_like_minds_the_more_the_stronger(generator, make_users):
    users = make_users(mixtures(800, 5))
    topic = users.interests.argmax(1)
    values = []
    for strength in (0.0, 0.5, 1.0):
        ties = draw_ties(generator, strength, users, "simplex", None, np.random.default_rng(3))
        values.append(assortativity(topic, ties))
    assert abs(values[0]) < 0.05
    assert values[0] < values[1] < values[2]
    assert values[2] > 0.15


# ---- influence


CONNECTED = nx.connected_watts_strogatz_graph(30, 4, 0.5, seed=1)


def test_degroot_comes_to_the_mean_weighted_by_friends():
    start = mixtures(30, 4)
    degree = torch.tensor([float(CONNECTED.degree(u)) for u in range(30)])
    expected = (degree[:, None] * start).sum(0) / degree.sum()
    end = move(DeGroot(0.5), start, ties_of(CONNECTED), 400)
    torch.testing.assert_close(end, expected.expand(30, 4), atol=1e-5, rtol=0)


def test_degroot_on_a_directed_graph_comes_to_the_stationary_distribution_of_its_weights():
    graph = nx.gnp_random_graph(20, 0.25, seed=4, directed=True)
    assert nx.is_strongly_connected(graph)
    ties, start, rate = ties_of(graph), mixtures(20, 3), 0.3
    weights = (1 - rate) * np.eye(20) + rate * (ties.matrix().toarray() / ties.counts.numpy()[:, None])
    step = move(DeGroot(rate), start, ties, 7)
    np.testing.assert_allclose(step.numpy(), np.linalg.matrix_power(weights, 7) @ start.numpy(), atol=1e-6)
    value, vector = np.linalg.eig(weights.T)
    pi = np.real(vector[:, np.argmax(np.real(value))])
    end = move(DeGroot(rate), start, ties, 600)
    np.testing.assert_allclose(end.numpy(), np.tile(pi / pi.sum() @ start.numpy(), (20, 1)), atol=1e-5)


def test_bounded_confidence_is_hegselmann_and_krauses():
    x = np.random.default_rng(5).random(40)
    expected = x.copy()
    for _ in range(12):
        near = np.abs(expected[:, None] - expected) <= 0.15
        expected = (near @ expected) / near.sum(1)
    ties = ties_of(nx.complete_graph(40))
    end = move(BoundedConfidence(1.0, 0.15), leanings(x), ties, 12)[:, 0]
    assert end.tolist() == pytest.approx(expected.tolist(), abs=1e-5)
    assert 1 < len(np.unique(end.numpy().round(4))) < 8, "some camps, which do not hear each other"


def test_a_wider_tolerance_leaves_fewer_camps():
    x, ties = leanings(np.random.default_rng(6).random(60)), ties_of(nx.complete_graph(60))
    for influence in (BoundedConfidence, Encounters):
        camps = [len(np.unique(move(influence(0.5, e), x, ties, 100)[:, 0].numpy().round(2))) for e in (0.05, 0.15, 0.6)]
        assert camps[0] > camps[1] > camps[2] == 1


def test_an_encounter_is_with_one_friend_and_half_way():
    start = leanings([0.0, 0.4, 1.0])
    ties = ties_of(nx.path_graph(3))
    end = move(Encounters(0.5, 0.5), start, ties)[:, 0].tolist()
    assert end[0] == pytest.approx(0.2)
    assert end[1] in (pytest.approx(0.2), pytest.approx(0.4))
    assert end[2] == 1.0, "0.4 and 1 are too far apart"


def islands(homophily: int) -> tuple[Ties, Tensor]:
    """Two islands on which everybody has 2h ties at home and 2 abroad."""
    n = 4 * homophily + 2
    graph = nx.Graph()
    for first in (0, n):
        graph.add_edges_from((first + u, first + (u + k) % n) for u in range(n) for k in range(1, homophily + 1))
    graph.add_edges_from((u, n + (u + k) % n) for u in range(n) for k in (0, 1))
    graph.add_nodes_from(range(2 * n))
    return ties_of(nx.from_dict_of_lists({u: sorted(graph[u]) for u in range(2 * n)})), torch.arange(2 * n) < n


@pytest.mark.parametrize(("bias", "regime"), [(1.2, "poles"), (0.6, "apart"), (0.3, "together")])
def test_two_islands_polarise_stay_apart_or_agree_as_dandekar_goel_and_lee_prove(bias: float, regime: str):
    """With h = 3: b ≥ 1, 1 > b ≥ 2/(h + 1) = 1/2, and less.

    The theorem is about islands that mirror each other. Any lead of one side grows until all are on it, rounding's too: so in
    double precision, and not for long.
    """
    ties, first = islands(3)
    start = torch.tensor([[0.2, 0.8], [0.8, 0.2]], dtype=torch.float64)[first.long()]
    end = move(BiasedAssimilation(bias, 1.0), start, ties, 150)[:, 0]
    assert end[first].std() < 1e-4
    x = float(end[0])
    assert float(end[-1]) == pytest.approx(1 - x, abs=1e-4)
    if regime == "poles":
        assert x > 0.99
    elif regime == "together":
        assert x == pytest.approx(0.5, abs=1e-3)
    else:       # a fixed point: odds(x)^(1 − b) = odds of the friends' mean, (3 x + (1 − x)) / 4
        root = brentq(lambda x: (1 - bias) * np.log(x / (1 - x)) - np.log((1 + 2 * x) / (3 - 2 * x)), 0.51, 0.999999)
        assert x == pytest.approx(root, abs=1e-3)


def test_one_step_of_biased_assimilation_is_their_equation():
    x = np.random.default_rng(2).random(30)
    ties, b, w = ties_of(CONNECTED), 1.7, 2.5
    mean = ties.matrix() @ x / ties.counts.numpy()          # with w_ii in units of Σ_j w_ij
    expected = (w * x + x**b * mean) / (w + x**b * mean + (1 - x) ** b * (1 - mean))
    assert move(BiasedAssimilation(b, w), leanings(x), ties)[:, 0].tolist() == pytest.approx(expected.tolist(), abs=1e-6)
    start = mixtures(30, 4)
    plain = move(DeGroot(1 / (1 + w)), start, ties)
    torch.testing.assert_close(move(BiasedAssimilation(0.0, w), start, ties), plain)


def test_what_is_shared_moves_only_those_who_are_near_and_reposts_keep_their_author():
    ties = ties_of(nx.path_graph(3))
    start = leanings([0.0, 0.1, 0.9])
    read = SharedPosts(rate=0.5, tolerance=0.2, repost=1.0)
    everybody = torch.arange(3)
    interests, (content, author) = read.move(everybody, start, torch.ones(3), ties, read.start(start), "simplex", Draws(0))
    assert interests[:, 0].tolist() == pytest.approx([0.05, 0.05, 0.9])
    assert author.tolist() == [1, 0, 2], "the first two post each other's again; the third has nothing near to repost"
    assert content[:, 0].tolist() == pytest.approx([0.1, 0.0, 0.9])
    again = read.move(everybody, interests, torch.ones(3), ties, (content, author), "simplex", Draws(0))
    assert again.interests[:, 0].tolist() == pytest.approx(interests[:, 0].tolist()), "her own post come back is not news"


@pytest.mark.parametrize("kind", INFLUENCES)
@pytest.mark.parametrize("space", ["simplex", "sphere", "values"])
def test_one_of_many_moves_as_alone_stays_in_the_space_and_may_be_unmoved(kind: str, space: str):
    influence = INFLUENCES[kind]()
    if space not in influence.spaces:
        return
    start = mixtures(60, 4)
    if space == "sphere":
        start = torch.nn.functional.normalize(torch.randn(60, 4, generator=torch.Generator().manual_seed(0)))
    ties = ties_of(nx.gnp_random_graph(60, 0.08, seed=2, directed=True))
    assert (ties.counts == 0).any()
    trace, s = influence.start(start), torch.linspace(0, 1, 60)
    together = influence.move(torch.arange(60), start, s, ties, trace, space, Draws(1))
    for user in range(60):
        who = torch.tensor([user])
        alone = influence.move(who, start, s[who], ties, trace, space, Draws(1))
        assert torch.equal(alone.interests[0], together.interests[user])
        assert all(torch.equal(one[0], many[user]) for one, many in zip(alone.trace, together.trace, strict=True))
    if space == "simplex":
        torch.testing.assert_close(together.interests.sum(1), torch.ones(60))
    if space == "sphere":
        torch.testing.assert_close(together.interests.norm(dim=1), torch.ones(60))
    still = (ties.counts == 0) | (s == 0)
    assert torch.equal(together.interests[still], start[still])
    assert (kind == "none") == torch.equal(together.interests, start)


# ---- what is heard of


def chosen(items: list[list[int]]) -> Choice:
    taken = torch.tensor([[item >= 0 for item in row] for row in items])
    ids = torch.tensor(items).clamp(min=0)
    return Choice(ids, taken, torch.zeros_like(taken), torch.zeros(ids.shape))


def test_a_cascade_along_a_path_gets_so_far_with_the_power_of_its_chance():
    """On n separate paths 0 ← 1 ← 2 ← 3 of followers everybody takes what reaches her: node k is reached with p^k."""
    n, p = 4000, 0.6
    follower = torch.cat([torch.arange(n) + k * n for k in (1, 2, 3)])
    ties = Ties.of_arcs(follower, follower - n, 4 * n)
    sharing, vine = Sharing(0.0, 1, p, 20), Grapevine.silent(4 * n)
    takes = [[7] if u < n else [-1] for u in range(4 * n)]
    reached = [1.0]
    for t in range(3):
        vine = sharing.pass_on(vine, chosen(takes), ties, 50, Draws(0).at(t))
        assert not vine.heard.any() or set(vine.passed[vine.heard].tolist()) == {7}
        hears = vine.heard.any(1)
        reached.append(float(hears[(t + 1) * n : (t + 2) * n].double().mean()))
        takes = [[7] if heard else [-1] for heard in hears.tolist()]
    assert reached == pytest.approx([1, p, p**2, p**3], abs=4 * (0.25 / n) ** 0.5)


def test_what_is_passed_on_is_before_every_follower_who_is_lucky_and_no_more_than_she_can_have():
    star = Ties.of_arcs(torch.zeros(6, dtype=torch.int64), torch.arange(1, 7), 7)       # 0 follows six
    choice = chosen([[-1, -1]] + [[u, 10 + u] for u in range(1, 7)])
    vine = Sharing(0.0, 1, 1.0, 5).pass_on(Grapevine.silent(7), choice, star, 50, Draws(0))
    assert vine.passed.shape == (7, 5)
    assert vine.heard.tolist() == [[True] * 5] + [[False] * 5] * 6
    assert len(set(vine.passed[0].tolist())) == 5
    everything = Sharing(0.0, 1, 1.0, 99).pass_on(Grapevine.silent(7), choice, star, 50, Draws(0))
    assert sorted(everything.passed[0].tolist()) == [*range(1, 7), *range(11, 17)]
    finds, noticed = Sharing(0.0, 1, 1.0, 5).hear(
        vine, torch.tensor([3, 0]), torch.zeros(2, 2, dtype=torch.int64), torch.ones(2, 2, dtype=torch.bool), star, Draws(1)
    )
    assert noticed.tolist() == [[True] * 2 + [False] * 5, [True] * 7]
    assert torch.equal(finds[1, 2:], vine.passed[0])


def test_a_share_of_the_finds_is_what_friends_took_lately():
    n, slots = 300, 40
    ties = ties_of(nx.gnp_random_graph(n, 0.02, seed=1, directed=True))
    sharing, vine = Sharing(0.3, 2, 0.0, 20), Grapevine.silent(n)
    rng = np.random.default_rng(0)
    took: list[np.ndarray] = []
    for t in range(4):
        items = np.where(rng.random((n, 2)) < 0.5, rng.integers(100, 200, (n, 2)), -1)
        took.append(items)
        vine = sharing.pass_on(vine, chosen(items.tolist()), ties, 200, Draws(0).at(t))
    finds, noticed = torch.zeros(n, slots, dtype=torch.int64), torch.ones(n, slots, dtype=torch.bool)
    noticed[:, 30:] = False
    heard, still = sharing.hear(vine, torch.arange(n), finds, noticed, ties, Draws(0).at(5))
    assert torch.equal(still, noticed)
    assert not heard[~noticed].any()
    told = heard >= 100
    able = 0
    for u in range(n):
        friends = ties.followed[ties.starts[u] : ties.starts[u + 1]].tolist()
        lately = {v: {i for t in (2, 3) for i in took[t][v].tolist() if i >= 0} for v in friends}
        assert set(heard[u][told[u]].tolist()) <= set().union(*lately.values())
        able += 30 * sum(map(bool, lately.values())) / max(len(friends), 1)
    assert int(told.sum()) == pytest.approx(0.3 * able, rel=0.06)
    one = sharing.hear(vine, torch.tensor([17]), finds[17:18], noticed[17:18], ties, Draws(0).at(5))[0]
    assert torch.equal(one[0], heard[17])


# ---- who follows whom from now on


def rewired(ties: Ties, users, rounds: int = 1, suggest=None, seed: int = 0, **keys) -> Ties:
    keys = {"probability": 1.0, "tolerance": 0.3, "unfollows": "most_distant", "follows": "random", "sample": 10} | keys
    everybody = torch.ones(len(users), dtype=torch.bool)
    for t in range(rounds):
        ties = Rewiring(**keys).rewired(ties, users, everybody, "simplex", Draws(seed).at(t), suggest)
    return ties


def test_the_most_distant_goes_and_nobody_within_the_tolerance(make_users):
    users = make_users(leanings([0.0, 0.2, 0.6, 0.9, 0.1]))
    ties = Ties.of_arcs(torch.tensor([0, 0, 0, 1]), torch.tensor([1, 2, 3, 0]), 5)
    after = rewired(ties, users)
    assert set(zip(after.follower.tolist(), after.followed.tolist(), strict=True)) == {(0, 1), (0, 2), (0, 4), (1, 0)}
    kept = [set(rewired(ties, users, unfollows="random", seed=seed).followed[:3].tolist()) for seed in range(20)]
    assert {gone for left in kept for gone in {1, 2, 3} - left} == {2, 3}, "any beyond the tolerance, but not the one within"


@pytest.mark.parametrize("follows", ["random", "friends_of_friends", "like_minded"])
def test_everybody_follows_as_many_as_before_nobody_twice_or_herself(follows, make_users):
    users = make_users(mixtures(60, 3))
    ties = ties_of(nx.gnp_random_graph(60, 0.1, seed=1, directed=True))
    after = rewired(ties, users, 30, follows=follows)
    assert torch.equal(after.starts, ties.starts)
    assert not (after.follower == after.followed).any()
    assert len((after.follower * 60 + after.followed).unique()) == len(ties)
    assert not torch.equal(after.followed, ties.followed)
    far = [float(distance(users.interests[t.follower], users.interests[t.followed], "simplex").mean()) for t in (ties, after)]
    assert far[1] < far[0]


def test_friends_of_friends_are_that(make_users):
    users = make_users(leanings([0.0, 1.0, 0.5, 0.5, 0.5, 0.5]))
    ties = Ties.of_arcs(torch.tensor([0, 1, 1]), torch.tensor([1, 2, 3]), 6)
    found = {
        rewired(ties, users, seed=seed, tolerance=0.9, follows="friends_of_friends").followed[0].item() for seed in range(20)
    }
    assert found == {2, 3}


def test_the_like_minded_are_found_and_the_platform_has_the_last_word(make_users):
    users = make_users(leanings([0.0, 1.0, 0.7, 0.1, 0.5, 0.9]))
    ties = Ties.of_arcs(torch.tensor([0]), torch.tensor([1]), 6)
    assert rewired(ties, users, follows="like_minded", sample=60).followed.tolist() == [3]
    says = lambda users, ties: (torch.tensor([5]), torch.tensor([True]))      # noqa: E731
    assert rewired(ties, users, follows="like_minded", sample=60, suggest=says).followed.tolist() == [5]
    silent = lambda users, ties: (torch.tensor([5]), torch.tensor([False]))   # noqa: E731
    assert rewired(ties, users, follows="like_minded", sample=60, suggest=silent).followed.tolist() == [3]


def test_who_knows_everybody_keeps_them(make_users):
    users = make_users(leanings([0.0, 1.0, 0.5]))
    ties = ties_of(nx.complete_graph(3))
    assert torch.equal(rewired(ties, users, 3, tolerance=0.0).followed, ties.followed)


# ---- all together: Sasahara et al. 2021


def rounds_to_segregation(seed: int, q: float, follows: str, make_users, most: int = 1500) -> int:
    """Rounds until camps that do not follow each other are each of one mind, in their world of 100 users and 400 ties."""
    rng = np.random.default_rng(seed)
    users = make_users(leanings(rng.random(100)))
    ties = draw_ties(ErdosRenyi(4.0), 0.0, users, "simplex", None, rng)
    rewiring = Rewiring(q, 0.2, "random", follows, 10)
    network = Network(ties, SharedPosts(0.5, 0.2, 10, 0.5), Sharing(0.0, 1, 0.0, 1), rewiring, "simplex", 1)
    for t in range(most):
        draws = Draws(seed).at(t)
        active = draws("active").uniform(users.ids) < 0.2       # theirs is one user at a time
        network.move(users, active, draws)
        network.rewire(users, active, draws)
        if t % 5 == 0:
            graph = nx.DiGraph(list(zip(network.ties.follower.tolist(), network.ties.followed.tolist(), strict=True)))
            parts = [users.interests[list(part), 0] for part in nx.weakly_connected_components(graph)]
            if len(parts) > 1 and all(float(part.max() - part.min()) <= 0.2 for part in parts):
                return t
    return most


@pytest.mark.slow
def test_unfollowing_segregates_the_faster_the_more_and_suggestions_of_the_like_minded_speed_it_up(make_users):
    def median(q: float, follows: str) -> float:
        return float(np.median([rounds_to_segregation(seed, q, follows, make_users) for seed in range(7)]))

    never, slow, fast = median(0.0, "random"), median(0.1, "random"), median(0.5, "random")
    helped = median(0.5, "like_minded")
    assert never == 1500
    assert never >= slow > fast > helped


def test_the_like_minded_are_tied_by_one_standard():
    """Covariances by hand, and the standard by trying every one from the highest down."""
    rng = np.random.default_rng(5)
    interests = rng.dirichlet(10 * rng.dirichlet(np.ones(6)), 30)
    n, t = interests.shape
    centred = interests - interests.mean(1, keepdims=True)
    likeness = np.array([[a @ b / (t - 1) for b in centred] for a in centred])
    for standard in np.sort(likeness, axis=None)[::-1][n:]:
        tied = likeness >= standard - 1e-12
        if tied.any(1).all():
            break
    expected = {(u, v) for u in range(n) for v in range(n) if u != v and tied[u, v]}
    arcs = LikeMinded().connect(interests)
    assert {tuple(arc) for arc in arcs.tolist()} == expected
    assert {(v, u) for u, v in expected} == expected
    assert 0 < len(expected) < n * (n - 1)


def test_the_like_minded_find_each_other_in_a_world(make_users):
    topics = torch.eye(4).repeat_interleave(5, 0) * 0.7 + 0.075
    ties = draw_ties(LikeMinded(), 0.0, make_users(topics), "simplex", None, np.random.default_rng(0))
    assert all(u // 5 == v // 5 for u, v in zip(ties.follower.tolist(), ties.followed.tolist(), strict=True))
    assert len(ties) == 20 * 4
