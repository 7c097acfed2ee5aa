"""Who and what there is at the start: spaces, items, interests, traits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from agents.catalog import draw_catalog, similarity_features
from agents.interests import INTERESTS, Communities, Data, Dirichlet, Sphere, Uniform
from agents.space import affinity, mixture, subjects, unit
from agents.users import trait

ALPHA = 1e-4                        # seeds are fixed: a test that passes once passes always


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# Spaces


def test_mixture_by_hand():
    p = torch.tensor([[0.6, -0.8, 0.0], [0.0, 0.0, -1.0]])
    expected = [[0.36, 0, 0, 0, 0.64, 0], [0, 0, 0, 0, 0, 1]]
    np.testing.assert_allclose(mixture(p, "sphere"), expected, rtol=1e-6)


def test_mixture_of_the_simplex_is_itself():
    theta = torch.tensor([[0.2, 0.8], [1.0, 0.0], [0.5, 0.5]])
    assert mixture(theta, "simplex") is theta


def test_the_mixture_of_values_is_their_softmax_and_items_of_values_are_mixtures():
    mu = torch.tensor([[0.0, math.log(3.0)], [-5.0, -5.0]])
    np.testing.assert_allclose(mixture(mu, "values"), [[0.25, 0.75], [0.5, 0.5]], rtol=1e-6)
    z = torch.tensor([[0.2, 0.8]])
    assert subjects(z, "values") is z
    assert subjects(z, "simplex") is z
    assert torch.equal(subjects(torch.tensor([[0.6, -0.8]]), "sphere"), mixture(torch.tensor([[0.6, -0.8]]), "sphere"))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 9))
def test_mixture_of_directions_is_on_the_simplex_and_loses_nothing(seed, n, d):
    p = unit(torch.from_numpy(rng(seed).normal(size=(n, d))))
    shares = mixture(p, "sphere")
    assert shares.shape == (n, 2 * d)
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-12)
    np.testing.assert_allclose(shares[:, :d].sqrt() - shares[:, d:].sqrt(), p, rtol=1e-12)


@pytest.mark.parametrize("d", [1, 2, 3, 5, 8, 18, 20, 31, 64, 100, 257])
def test_affinity_is_bit_equal_for_one_row_and_for_many(d):
    x, y = torch.from_numpy(rng(d).normal(size=(2, 101, d)).astype(np.float32))
    many = affinity(x, y)
    assert torch.equal(many, torch.cat([affinity(x[i : i + 1], y[i : i + 1]) for i in range(101)]))
    assert torch.equal(many, torch.stack([affinity(x[i], y[i]) for i in range(101)]))
    assert torch.equal(affinity(x[:7, None], y), torch.stack([affinity(x[i], y) for i in range(7)]))
    np.testing.assert_allclose(many, (x.double() * y.double()).sum(1), rtol=1e-4, atol=1e-5)


def test_unit_scales_rows_to_length_1_and_leaves_zeros():
    np.testing.assert_allclose(unit(torch.tensor([[3.0, -4.0], [0.0, 0.0], [0.0, 2.0]])), [[0.6, -0.8], [0, 0], [0, 1]])


# Items


def test_catalog_on_the_simplex():
    items = draw_catalog(4000, 6, 0.4, "simplex", 0.3, 1.2, 7, rng())
    assert len(items) == 4000
    assert items.features.shape == items.topics.shape == (4000, 6)
    np.testing.assert_allclose(items.topics.sum(1), 1, atol=1e-6)
    expected = stats.dirichlet(np.full(6, 0.4))
    np.testing.assert_allclose(items.topics.double().mean(0), expected.mean(), atol=4 * (expected.var()[0] / 4000) ** 0.5)
    assert stats.kstest(items.topics[:, 2].double(), stats.beta(0.4, 2.0).cdf).pvalue > ALPHA
    assert stats.kstest(items.quality.double(), stats.norm(0, 0.3).cdf).pvalue > ALPHA
    assert stats.chisquare(items.creator.bincount(minlength=7)).pvalue > ALPHA
    assert items.creator.max() == 6


def test_catalog_on_the_sphere():
    items = draw_catalog(4000, 6, 0.4, "sphere", 0.0, 0.0, 7, rng())
    assert items.features.shape == (4000, 3)
    assert items.topics.shape == (4000, 6)
    np.testing.assert_allclose(items.features.norm(dim=1), 1, atol=1e-6)
    for axis in items.features.double().T:              # Archimedes: on the sphere of R³ each coordinate is uniform
        assert stats.kstest(axis, stats.uniform(-1, 2).cdf).pvalue > ALPHA
    assert (items.quality == 0).all()


@pytest.mark.parametrize("space", ["simplex", "values"])
def test_one_hot_items_are_of_one_topic_each_dealt_in_turn(space):
    catalog = draw_catalog(7, 3, 0.1, space, 0.2, 1.0, 5, rng(), mixed="one_hot")
    assert catalog.features.tolist() == torch.eye(3)[[0, 1, 2, 0, 1, 2, 0]].tolist()
    assert torch.equal(catalog.topics, catalog.features)
    own = draw_catalog(7, 7, 0.1, space, 0.2, 1.0, 5, rng(), mixed="one_hot")
    assert torch.equal(own.features, torch.eye(7))                      # every item is a topic of its own


def test_one_hot_items_on_the_sphere_are_the_signed_axes():
    catalog = draw_catalog(5, 4, 0.1, "sphere", 0.2, 1.0, 5, rng(), mixed="one_hot")
    assert catalog.features.tolist() == [[1, 0], [0, 1], [-1, 0], [0, -1], [1, 0]]
    assert torch.equal(catalog.topics, torch.eye(4)[[0, 1, 2, 3, 0]])


@pytest.mark.parametrize("skew", [0.0, 1.0, 1.7])
def test_salience_is_zipfs_law_in_random_order(skew):
    items = draw_catalog(300, 5, 0.1, "simplex", 0.1, skew, 3, rng())
    rank = np.arange(1, 301)
    expected = rank**-skew / (rank**-skew).sum()
    assert items.salience.dtype == torch.float64
    assert items.salience.sum().item() == pytest.approx(1)
    np.testing.assert_allclose(items.salience.sort(descending=True).values, expected, rtol=1e-12)
    if skew:
        assert stats.spearmanr(np.arange(300), items.salience).pvalue > 1e-3
        assert stats.spearmanr(items.quality, items.salience).pvalue > 1e-3


def test_a_dot_product_of_similarity_features_is_the_cosine():
    items = draw_catalog(9, 4, 0.5, "simplex", 0.1, 1.0, 3, rng())
    x, z = similarity_features(items), items.features
    expected = [[float(a @ b / a.norm() / b.norm()) for b in z] for a in z]
    np.testing.assert_allclose(x @ x.T, expected, atol=1e-6)


# Interests

COUNT = 5000


def test_dirichlet_interests():
    theta, group = Dirichlet(concentration=0.3).draw(COUNT, 6, None, rng())[:2]
    expected = stats.dirichlet(np.full(6, 0.3))
    np.testing.assert_allclose(theta.mean(0), expected.mean(), atol=4 * (expected.var()[0] / COUNT) ** 0.5)
    np.testing.assert_allclose(theta.var(0), expected.var(), rtol=0.06)
    assert stats.kstest(theta[:, 4], stats.beta(0.3, 1.5).cdf).pvalue > ALPHA
    assert (theta[np.arange(COUNT), group] == theta.max(1)).all()


@pytest.mark.parametrize("skew", [0.5, 1.0])
def test_communities_have_their_sizes_and_their_centres(skew):
    communities, concentration = 3, 40.0
    theta, group = Communities(communities, concentration, skew).draw(COUNT, 6, None, rng(4))[:2]
    sizes = skew ** np.arange(communities)
    assert stats.chisquare(np.bincount(group, minlength=communities), sizes / sizes.sum() * COUNT).pvalue > ALPHA
    np.testing.assert_allclose(theta.sum(1), 1, rtol=1e-12)
    assert (theta > 0).all()
    # Centres are the first draw of the stream: Dirichlet(1 / communities) each.
    centres = rng(4).dirichlet(np.full(6, 1 / communities), communities)
    for c in range(communities):
        members = theta[group == c]
        sd = np.sqrt(centres[c] * (1 - centres[c]) / (concentration + 1))
        np.testing.assert_array_less(np.abs(members.mean(0) - centres[c]), 4.5 * sd / len(members) ** 0.5 + 1e-4)
        # Var θ_t = m_t (1 − m_t) / (concentration + 1)
        assert members.var(0).sum() == pytest.approx((sd**2).sum(), rel=0.15)


def test_communities_knobs():
    def spread(**knobs):
        theta, group = Communities(**knobs).draw(COUNT, 6, None, rng(4))[:2]
        within = np.mean([theta[group == c].var(0).sum() for c in np.unique(group)])
        return within, np.bincount(group).max(), len(np.unique(group))

    loose, tight = spread(concentration=2.0), spread(concentration=50.0)
    assert loose[0] > 5 * tight[0]
    assert spread(skew=0.4)[1] > spread(skew=1.0)[1]
    assert spread(communities=2)[2] == 2
    assert spread(communities=7, skew=1.0)[2] == 7


def test_sphere_interests():
    p, group = Sphere().draw(COUNT, 6, None, rng())[:2]
    assert p.shape == (COUNT, 3)
    np.testing.assert_allclose(np.linalg.norm(p, axis=1), 1, rtol=1e-12)
    for axis in p.T:
        assert stats.kstest(axis, stats.uniform(-1, 2).cdf).pvalue > ALPHA
    shares = mixture(torch.from_numpy(p), "sphere")
    assert (group == shares.argmax(1).numpy()).all()                # the same half-axes as those the measures see
    assert stats.chisquare(np.bincount(group, minlength=6)).pvalue > ALPHA


def test_uniform_interests():
    drawn = Uniform(half_width=0.5).draw(3000, 4, None, rng())
    assert stats.kstest(drawn.interests.ravel(), "uniform", (-0.5, 1)).pvalue > ALPHA
    assert np.array_equal(drawn.group, drawn.interests.argmax(1))
    wide = Uniform(half_width=2.0).draw(3000, 4, None, rng())
    np.testing.assert_allclose(wide.interests, 4 * drawn.interests, rtol=1e-12)


def test_data_interests_by_hand():
    seen = np.array([[3.0, 1.0, 0.0], [0.0, 0.0, 2.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    # 8 interactions, of which half are on topic 0, and a quarter on each of the others.
    theta, group = Data(prior=4.0).draw(4, 3, seen, rng())[:2]
    expected = [[5 / 8, 2 / 8, 1 / 8], [2 / 6, 1 / 6, 3 / 6], [0.5, 0.25, 0.25], [3 / 6, 2 / 6, 1 / 6]]
    np.testing.assert_allclose(theta, expected)
    assert group.tolist() == [0, 2, 0, 0]


def test_a_stronger_prior_makes_users_more_like_the_crowd():
    seen = rng().gamma(0.3, 5.0, (20, 4))
    crowd = seen.sum(0) / seen.sum()
    weak, strong = (np.abs(Data(prior=b).draw(20, 4, seen, rng()).interests - crowd).sum(1) for b in (1.0, 50.0))
    assert (strong < weak).all()


def test_data_interests_need_data():
    with pytest.raises(ValueError, match="the scenario has no `data:`"):
        Data().draw(3, 4, None, rng())


@pytest.mark.parametrize("kind", INTERESTS)
def test_interests_repeat_themselves_and_have_their_shapes(kind):
    seen = rng().gamma(0.3, 5.0, (23, 6)) if kind == "data" else None
    keys = {"shares": (0.3, 0.2, 0.2, 0.1, 0.1, 0.1)} if kind == "alike" else {}
    first, again, other = (INTERESTS[kind](**keys).draw(23, 6, seen, rng(seed)) for seed in (1, 1, 2))
    assert first.interests.shape == (23, 3 if INTERESTS[kind].spaces in (("sphere",), ("plane",)) else 6)
    assert first.group.shape == (23,)
    assert first.group.dtype == np.int64
    np.testing.assert_array_equal(first.interests, again.interests)
    np.testing.assert_array_equal(first.group, again.group)
    assert (kind in ("data", "alike")) == np.array_equal(first.interests, other.interests)


def test_a_small_dirichlet_concentration_means_few_topics_each():
    narrow, wide = (Dirichlet(c).draw(COUNT, 6, None, rng()).interests.max(1).mean() for c in (0.02, 5.0))
    assert narrow > 0.9
    assert wide < 0.4


# Traits


@pytest.mark.parametrize(("mean", "spread"), [(0.5, 0.1), (0.2, 0.15), (0.9, 0.05), (0.5, 0.49)])
def test_a_trait_has_its_mean_and_its_standard_deviation(mean, spread):
    x = trait(mean, spread, 40_000, rng()).double().numpy()
    assert x.min() >= 0
    assert x.max() <= 1
    assert x.mean() == pytest.approx(mean, abs=4 * spread / 200)
    assert x.std() == pytest.approx(spread, rel=0.03)
    if spread < 0.3:
        total = mean * (1 - mean) / spread**2 - 1
        assert stats.kstest(x, stats.beta(mean * total, (1 - mean) * total).cdf).pvalue > ALPHA


@pytest.mark.parametrize("mean", [0.0, 0.3, 1.0])
def test_a_trait_without_spread_is_the_same_for_everybody(mean):
    assert torch.equal(trait(mean, 0, 7, rng()), torch.full((7,), mean))


@pytest.mark.parametrize(("mean", "spread"), [(0.5, 0.5), (0.1, 0.4), (0.0, 0.1), (1.0, 0.1)])
def test_a_trait_cannot_spread_wider_than_its_range(mean, spread):
    with pytest.raises(ValueError, match=f"spread {spread} is too wide"):
        trait(mean, spread, 3, rng())
