"""Names of items by residual quantisation, and the tree of names: against scikit-learn, and against plain Python."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from torch import Tensor

from policies.semantic_ids import Trie, lloyd, residual_kmeans, semantic_ids, spread

N, D, CODES = 500, 12, 16


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def vectors() -> Tensor:
    """20 clouds of different sizes, on the unit sphere."""
    rng = generator(7)
    centres = torch.randn(20, D, generator=rng)
    cloud = torch.randint(0, 20, (N,), generator=rng).square() // 20
    return torch.nn.functional.normalize(centres[cloud] + 0.4 * torch.randn(N, D, generator=rng))


def test_k_means_is_scikit_learn_s(vectors):
    x = vectors.double()
    first = spread(x, CODES, 0.0, generator())
    theirs = KMeans(CODES, init=first.numpy(), n_init=1, tol=0, algorithm="lloyd").fit(x.numpy())
    centroids, nearest = lloyd(x, first)
    np.testing.assert_allclose(centroids.numpy(), theirs.cluster_centers_, atol=1e-9)
    assert nearest.tolist() == theirs.labels_.tolist()


def test_the_first_level_is_as_good_as_the_best_of_ten_runs_of_scikit_learn(vectors):
    best = KMeans(CODES, n_init=10, random_state=0).fit(vectors.double().numpy()).inertia_
    tokens, (centroids,) = residual_kmeans(vectors, 1, CODES, generator())
    assert (vectors - centroids[tokens[:, 0]]).square().sum().item() < 1.05 * best


def test_the_first_centroids_are_rows_drawn_by_their_distance():
    """Three points, one of them far off: whichever is drawn first, the second is the far one or, from there, a near one."""
    x = torch.tensor([[0.0, 0.0], [0.0, 1e-3], [5.0, 5.0]], dtype=torch.float64)
    for seed in range(20):
        drawn = {tuple(row) for row in spread(x, 2, 0.0, generator(seed)).tolist()}
        assert (5.0, 5.0) in drawn
        assert len(drawn) == 2


def test_centroids_sum_to_the_vectors_ever_more_closely(vectors):
    tokens, codebooks = residual_kmeans(vectors, 4, CODES, generator())
    approximation, errors = torch.zeros(N, D, dtype=torch.float64), [vectors.square().sum(1).mean().item()]
    for level, codebook in enumerate(codebooks):
        approximation += codebook[tokens[:, level]]
        errors.append((vectors - approximation).square().sum(1).mean().item())
    assert all(after < 0.75 * before for before, after in itertools.pairwise(errors))
    more = residual_kmeans(vectors, 1, 4 * CODES, generator())
    assert (vectors - more[1][0][more[0][:, 0]]).square().sum(1).mean() < errors[1]


def test_what_is_left_after_each_level_is_nearest_to_its_own_centroid(vectors):
    tokens, codebooks = residual_kmeans(vectors, 3, CODES, generator())
    residual = vectors.double()
    for level, codebook in enumerate(codebooks):
        assert torch.equal(torch.cdist(residual, codebook).argmin(1), tokens[:, level])
        residual = residual - codebook[tokens[:, level]]


def test_few_different_vectors_get_a_code_each_and_nothing_is_made_of_rounding():
    kinds = torch.nn.functional.normalize(torch.rand(5, 3, generator=generator()))
    kind = torch.arange(40) % 5
    tokens, codebooks = residual_kmeans(kinds[kind], 3, CODES, generator())
    assert [len(codebook) for codebook in codebooks] == [5, 1, 1]
    assert len(torch.stack([kind, tokens[:, 0]], 1).unique(dim=0)) == 5
    assert (tokens[:, 1:] == 0).all()


def test_the_last_token_counts_those_that_share_all_others_in_the_order_of_the_items():
    kinds = torch.eye(3)[torch.tensor([2, 0, 2, 1, 0, 2, 2])]
    names = semantic_ids(kinds, 2, 4, generator())
    assert names[:, -1].tolist() == [0, 0, 1, 0, 1, 2, 3]
    assert (names[0, :-1] == names[6, :-1]).all()
    assert (names[0, :-1] != names[3, :-1]).any()


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 40), kinds=st.integers(1, 12), levels=st.integers(1, 4), codes=st.integers(1, 9), seed=st.integers(0, 99),
)
def test_no_two_items_have_the_same_name_and_same_items_the_same_beginning(n, kinds, levels, codes, seed):
    kind = torch.randint(0, kinds, (n,), generator=generator(seed))
    vectors = torch.randn(kinds, 3, generator=generator(seed))[kind]
    names = semantic_ids(vectors, levels, codes, generator(seed))
    assert names.shape == (n, levels + 1)
    assert (names >= 0).all()
    assert (names[:, :-1] < codes).all()
    assert len(names.unique(dim=0)) == n
    beginnings = {(k, tuple(name)) for k, name in zip(kind.tolist(), names[:, :-1].tolist(), strict=True)}
    assert len(beginnings) == len(kind.unique())


@pytest.mark.parametrize("vectors", [torch.zeros(6, 4), torch.ones(6, 4), torch.rand(1, 4)], ids=["zero", "same", "one"])
def test_items_of_which_nothing_is_known_are_numbered(vectors):
    names = semantic_ids(vectors, 3, 8, generator())
    assert (names[:, :-1] == 0).all()
    assert names[:, -1].tolist() == list(range(len(vectors)))


def test_the_generator_decides_the_names(vectors):
    torch.manual_seed(1)
    names = semantic_ids(vectors, 3, CODES, generator(1))
    torch.manual_seed(2)
    assert torch.equal(names, semantic_ids(vectors, 3, CODES, generator(1)))
    assert not torch.equal(names, semantic_ids(vectors, 3, CODES, generator(2)))


def test_the_tree_is_the_set_of_prefixes(vectors):
    names = semantic_ids(vectors, 2, 5, generator())
    trie, listed = Trie(names), [tuple(name) for name in names.tolist()]
    above = [()]                                                                    # the nodes of the level before
    for length, level in enumerate(trie.levels, start=1):
        prefixes = sorted({name[:length] for name in listed})
        assert [tuple(prefix) for prefix in level.prefixes.tolist()] == prefixes
        assert [above[parent] for parent in level.parents.tolist()] == [prefix[:-1] for prefix in prefixes]
        assert level.tokens.tolist() == [prefix[-1] for prefix in prefixes]
        assert [prefixes[node] for node in trie.nodes[:, length].tolist()] == [name[:length] for name in listed]
        children = level.children(torch.arange(len(above)))
        assert level.vocabulary == 1 + max(prefix[-1] for prefix in prefixes)
        for parent, prefix in enumerate(above):
            for token in range(level.vocabulary):
                assert level.allowed[parent, token] == ((*prefix, token) in prefixes)
                if level.allowed[parent, token]:
                    assert prefixes[children[parent, token]] == (*prefix, token)
        above = prefixes
    assert [above[leaf] for leaf in trie.nodes[:, -1].tolist()] == listed
    assert [listed[item] for item in trie.items.tolist()] == above
