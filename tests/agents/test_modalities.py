"""Blocks of features: against loops, their correlation with topics, whose numbers depend on whom, and how tastes move."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from agents.catalog import Catalog, draw_catalog, similarity_features
from agents.modalities import Block, Modalities, directions
from agents.space import unit
from simulator.draws import Draws

DRAWS = Draws(4)


def block(items: int, dimensions: int = 6, correlation: float = 0.5, weight: float = 1.0, shown: float = 1.0) -> Block:
    own, anchors = (directions(torch.arange(n), dimensions, DRAWS(f"of {n}")) for n in (items, 5))
    return Block("sound", weight, shown, correlation, anchors, own)


def catalog(*blocks: Block, weight: float = 1.0, shown: float = 1.0, items: int = 17, cosine: bool = False) -> Catalog:
    made = draw_catalog(items, 5, 0.3, "simplex", 0.1, 1.0, 4, np.random.default_rng(2), cosine=cosine)
    made.modalities = Modalities(weight, shown, blocks)
    return made


def people(count: int, *dimensions: int) -> tuple[torch.Tensor, torch.Tensor]:
    theta = torch.from_numpy(np.random.default_rng(3).dirichlet(np.full(5, 0.4), count).astype(np.float32))
    own = [directions(torch.arange(count), d, DRAWS("taste")) for d in dimensions]
    return theta, torch.cat([torch.zeros(count, 0), *own], 1)


def length_one(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)


@settings(max_examples=20, deadline=None)
@given(rho=st.floats(0, 1), other=st.floats(0, 1), weights=st.tuples(*[st.floats(0, 3)] * 3), cosine=st.booleans())
def test_affinity_is_the_weighted_sum_over_blocks(rho: float, other: float, weights: tuple[float, ...], cosine: bool):
    one, two = block(17, 6, rho, weights[1]), block(17, 3, other, weights[2])
    items = catalog(one, two, weight=weights[0], cosine=cosine)
    theta, leanings = people(4, 6, 3)
    got = items.taste(theta, leanings) @ items.appeal.T
    z = items.features.double().numpy()
    for u, row in enumerate(theta.double().numpy()):
        for i in range(17):
            topical = row @ z[i]
            expected = weights[0] * (topical / np.linalg.norm(row) / np.linalg.norm(z[i]) if cosine else topical)
            for b, r, own in ((one, rho, leanings[u, :6]), (two, other, leanings[u, 6:])):
                mixed = [
                    length_one(r * length_one(x @ b.anchors.double().numpy()) + math.sqrt(1 - r**2) * e.double().numpy())
                    for x, e in ((z[i], b.own[i]), (row, own))
                ]
                expected += b.weight * (mixed[0] @ mixed[1])
            assert got[u, i].item() == pytest.approx(expected, abs=1e-5)


def test_platforms_compare_by_what_they_see_and_measures_by_all():
    items = catalog(block(17, 6, weight=3.0, shown=0.0), block(17, 4, weight=0.0, shown=1.0), weight=1.0, shown=3.0)
    first, second = (b.of(items.features, b.own) for b in items.modalities.blocks)
    z = unit(items.features)
    seen, true = similarity_features(items, by_platforms=True), similarity_features(items)
    torch.testing.assert_close(seen @ seen.T, 0.75 * z @ z.T + 0.25 * second @ second.T)
    torch.testing.assert_close(true @ true.T, 0.25 * z @ z.T + 0.75 * first @ first.T)
    for rows, width in ((seen, 5 + 4), (true, 5 + 6)):
        assert rows.shape[1] == width
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(17))


def test_topics_alone_are_as_without_blocks_bit_for_bit():
    items, plain = catalog(), catalog()
    plain.modalities = None
    theta, _ = people(4)
    assert torch.equal(items.appeal, plain.appeal)
    assert torch.equal(items.taste(theta, torch.zeros(4, 0)), plain.taste(theta))
    assert torch.equal(similarity_features(items), similarity_features(plain))
    assert torch.equal(similarity_features(items, by_platforms=True), similarity_features(plain, by_platforms=True))


def test_vectors_follow_topics_as_far_as_the_correlation_says():
    alike = []
    for rho in (0.0, 0.4, 0.8, 1.0):
        made = draw_catalog(3000, 5, 0.02, "simplex", 0.1, 1.0, 4, np.random.default_rng(2))
        b = block(3000, 64, rho)
        v = b.of(made.features, b.own)
        topical = unit(made.features @ b.anchors)
        assert (v * topical).sum(1).mean().item() == pytest.approx(rho, abs=0.02)
        assert torch.allclose(v.norm(dim=1), torch.ones(3000), atol=1e-6)
        same = made.topics.argmax(1)[:1500] == made.topics.argmax(1)[1500:]
        alike.append((v[:1500] * v[1500:]).sum(1)[same].mean().item())
    assert alike == sorted(alike)
    assert alike[0] == pytest.approx(0, abs=0.02)
    assert alike[-1] > 0.9


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_a_row_s_numbers_do_not_depend_on_the_others(rho: float):
    items = catalog(block(17, 6, rho))
    theta, leanings = people(40, 6)
    together = items.taste(theta, leanings)
    alone = torch.cat([items.taste(theta[u : u + 1], leanings[u : u + 1]) for u in range(40)])
    assert torch.equal(together, alone)
    b = items.modalities.blocks[0]
    assert torch.equal(b.of(items.features, b.own)[5:9], b.of(items.features[5:9], b.own[5:9]))


def test_tastes_move_with_interests_as_far_as_the_correlation_says_and_stay_where_it_says_nothing():
    theta, leanings = people(30, 6)
    moved = theta.roll(1, 1)
    shift = [
        (catalog(block(17, 6, rho)).taste(moved, leanings) - catalog(block(17, 6, rho)).taste(theta, leanings))[:, 5:]
        .norm(dim=1).mean().item()
        for rho in (0.0, 0.3, 0.7, 1.0)
    ]  # fmt: skip
    assert shift[0] == 0
    assert shift == sorted(set(shift))


def test_what_is_not_published_has_no_vectors():
    items = catalog(block(17))
    items.published = torch.arange(17) < 12
    assert items.appeal[12:].count_nonzero() == similarity_features(items)[12:].count_nonzero() == 0
    items.features = items.features.index_fill(0, torch.arange(12, 17), 0)
    items.topics = items.features
    before = items.appeal
    items.publish(torch.tensor([12]), torch.eye(5)[2:3], torch.tensor([0.1]))
    assert torch.equal(items.appeal[:12], before[:12])
    assert items.appeal[12].count_nonzero() > 1
    assert similarity_features(items)[12].norm().item() == pytest.approx(1)


def test_directions_are_uniform_and_functions_of_the_id():
    rows = directions(torch.arange(20_000), 3, DRAWS("x"))
    assert torch.allclose(rows.norm(dim=1), torch.ones(20_000), atol=1e-6)
    for column in rows.T.numpy():                   # on the sphere in R³ each coordinate is uniform (Archimedes)
        assert stats.kstest(column, stats.uniform(-1, 2).cdf).pvalue > 0.001
    assert torch.equal(rows[[7, 3]], directions(torch.tensor([7, 3]), 3, DRAWS("x")))
