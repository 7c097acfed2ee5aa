"""Discovery: what is found follows the stated mixture, and a slate only hides a part of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from agents.catalog import Catalog
from agents.discovery import Discovery, ItemSampler
from agents.space import mixture, unit
from simulator.draws import Draws

N, M, AWARENESS = 12_000, 11, 5     # users, items, finds; topics are 4
ALPHA = 1e-4                        # seeds are fixed: a test that passes once passes always
DRAWS = Draws(8).at(3)
ONE_SEEKER, OTHER = torch.tensor([0.6, 0.0, 0.3, 0.1]), torch.tensor([0.0, 0.0, 0.1, 0.9])


@pytest.fixture(scope="module")
def catalog(make_catalog) -> Catalog:
    rng = np.random.default_rng(0)
    topics = rng.dirichlet(np.full(4, 0.5), M)
    topics[3] = [1, 0, 0, 0]
    salience = rng.permutation(1 / np.arange(1, M + 1))
    salience[7] = 0.0
    return make_catalog(torch.tensor(topics).float(), salience=torch.tensor(salience / salience.sum()))


def found(catalog: Catalog, interests: Tensor, weight: float) -> Tensor:
    """P(item) of one find (M,): weight · salience + (1 − weight) · Σ_t θ_t z_jt / Σ_j z_jt."""
    topics = catalog.topics.double()
    of_topic = topics / topics.sum(0)
    return weight * catalog.salience + (1 - weight) * (of_topic * mixture(interests, catalog.space).double()).sum(1)


def outcomes(p: Tensor) -> dict[int, float]:
    return dict(enumerate(p.flatten().tolist()))


@pytest.mark.parametrize("weight", [0.0, 0.35, 1.0])
def test_finds_follow_the_mixture_of_salience_and_interest(weight, make_users, catalog, fits):
    users = make_users(torch.stack([ONE_SEEKER, OTHER]).repeat(N // 2, 1))
    discovery = Discovery(share=0.2, awareness=AWARENESS, popularity_weight=weight)
    nobody = torch.zeros(N, dtype=torch.bool)
    finds, noticed = discovery.meet(users, catalog, ItemSampler(catalog), nobody, DRAWS)
    assert finds.shape == noticed.shape == (N, AWARENESS)
    assert noticed.all()
    for first, interests in enumerate((ONE_SEEKER, OTHER)):
        theirs = finds[first::2]
        p = found(catalog, interests, weight)
        assert fits(theirs.flatten(), outcomes(p)) > ALPHA
        pair = theirs[:, 0] * M + theirs[:, 1]                      # two finds of one user are independent
        assert fits(pair, outcomes(torch.outer(p, p))) > ALPHA


def test_finds_on_the_sphere_come_from_liked_and_from_disliked_half_axes(make_users, make_catalog, fits):
    """Interest lies on +x, −y: items are met that point there, and none that point only the other way."""
    v = unit(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [2.0, 1.0]]))
    catalog = make_catalog(v, "sphere")
    p = unit(torch.tensor([2.0, -1.0]))
    users = make_users(p.repeat(N, 1))
    finds, _ = Discovery(0.2, 3, 0.0).meet(users, catalog, ItemSampler(catalog), torch.zeros(N, dtype=torch.bool), DRAWS)
    assert fits(finds.flatten(), outcomes(found(catalog, p, 0.0))) > ALPHA
    assert not torch.isin(finds, torch.tensor([1, 2, 5])).any()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.7, 1.0])
def test_the_number_noticed_beside_a_slate_is_binomial(share, make_users, catalog, fits):
    users = make_users(ONE_SEEKER.repeat(N, 1))
    looks = torch.arange(N) % 3 > 0
    discovery = Discovery(share, AWARENESS, 0.5)
    _, noticed = discovery.meet(users, catalog, ItemSampler(catalog), looks, DRAWS)
    assert noticed[~looks].all()
    counts = noticed[looks].sum(1)
    expected = stats.binom.pmf(np.arange(AWARENESS + 1), AWARENESS, share).tolist()
    assert fits(counts, dict(enumerate(expected))) > ALPHA


def test_what_is_noticed_beside_a_slate_is_a_part_of_what_would_have_been_found_without(make_users, catalog, fits):
    users = make_users(ONE_SEEKER.repeat(N, 1))
    sampler, discovery = ItemSampler(catalog), Discovery(0.4, AWARENESS, 0.5)
    everybody = torch.ones(N, dtype=torch.bool)
    beside, noticed = discovery.meet(users, catalog, sampler, everybody, DRAWS)
    organic, _ = discovery.meet(users, catalog, sampler, ~everybody, DRAWS)
    assert 0 < noticed.double().mean() < 1
    assert torch.equal(beside[noticed], organic[noticed])
    assert fits(beside[noticed], outcomes(found(catalog, ONE_SEEKER, 0.5))) > ALPHA        # and a fair one


@pytest.mark.parametrize("fame", [0.5, 2.0])
def test_the_well_known_is_found_sooner_within_a_topic(fame, make_users, catalog, fits):
    """P(item | topic t) ∝ z_jt · salience_j^fame."""
    users = make_users(ONE_SEEKER.repeat(N, 1))
    nobody, discovery = torch.zeros(N, dtype=torch.bool), Discovery(0.2, AWARENESS, 0.0, fame)
    finds, _ = discovery.meet(users, catalog, ItemSampler(catalog, fame), nobody, DRAWS)
    weights = catalog.topics.double() * catalog.salience[:, None] ** fame
    assert fits(finds.flatten(), outcomes((weights / weights.sum(0) * ONE_SEEKER).sum(1))) > ALPHA


def test_who_is_not_there_meets_nothing_and_changes_nothing_for_the_others(make_users, catalog):
    users = make_users(ONE_SEEKER.repeat(60, 1))
    looks, active = torch.arange(60) % 3 > 0, torch.arange(60) % 2 == 0
    sampler, discovery = ItemSampler(catalog), Discovery(0.5, AWARENESS, 0.5)
    finds, noticed = discovery.meet(users, catalog, sampler, looks, DRAWS)
    some, some_noticed = discovery.meet(users, catalog, sampler, looks, DRAWS, active)
    assert torch.equal(some_noticed, noticed & active[:, None])
    assert torch.equal(some[some_noticed], finds[some_noticed])


def test_who_seeks_a_topic_without_items_finds_what_is_salient(make_users, make_catalog, fits):
    topics = torch.tensor([[1.0, 0.0, 0.0], [0.4, 0.6, 0.0], [0.0, 1.0, 0.0], [0.9, 0.1, 0.0]])
    salience = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    catalog = make_catalog(topics, salience=salience)
    users = make_users(torch.tensor([0.0, 0.0, 1.0]).repeat(N, 1))
    finds, _ = Discovery(0.2, 3, 0.0).meet(users, catalog, ItemSampler(catalog), torch.zeros(N, dtype=torch.bool), DRAWS)
    assert fits(finds.flatten(), outcomes(salience)) > ALPHA


def test_the_sampler_inverts_each_distribution(catalog):
    """Every item is met on an interval of quantiles as long as its share, and the intervals stand in the order of ids."""
    sampler = ItemSampler(catalog)
    u = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    topics = catalog.topics.double().T
    for row, weights in enumerate([catalog.salience, *topics]):
        items = sampler.draw(torch.full(u.shape, row), u)
        assert (items.diff() >= 0).all()
        np.testing.assert_allclose(items.bincount(minlength=M) / len(u), weights / weights.sum(), atol=1e-4)
    for extreme in (2.0**-33, 1 - 2.0**-33):            # the smallest and the largest draw
        items = sampler.draw(torch.arange(5), torch.full((5,), extreme, dtype=torch.float64))
        chosen = torch.cat([catalog.salience[None], topics])[torch.arange(5), items]
        assert (chosen > 0).all()


def test_finds_are_the_same_in_any_company(make_users, catalog):
    interests = torch.from_numpy(np.random.default_rng(1).dirichlet(np.ones(4), 60)).float()
    users, looks = make_users(interests), torch.arange(60) % 2 == 0
    sampler, discovery = ItemSampler(catalog), Discovery(0.5, AWARENESS, 0.5)
    finds, noticed = discovery.meet(users, catalog, sampler, looks, DRAWS)
    for start, stop in ((0, 1), (1, 8), (8, 60)):
        rows = slice(start, stop)
        part, part_noticed = discovery.meet(users[rows], catalog, sampler, looks[rows], DRAWS)
        assert torch.equal(part, finds[rows])
        assert torch.equal(part_noticed, noticed[rows])


def test_no_knob_is_left_unturned():
    knobs = {"share", "awareness", "popularity_weight", "fame", "source", "n_users", "placing"}
    assert {field.name for field in dataclasses.fields(Discovery)} == knobs


def test_an_awareness_of_all_finds_each_item_once_and_thins_them_one_by_one_beside_a_slate(make_users, catalog):
    users = make_users(ONE_SEEKER.repeat(N, 1))
    discovery = Discovery(share=0.3, awareness="all", popularity_weight=0.5)
    looks, active = torch.arange(N) % 2 == 0, torch.arange(N) % 3 > 0
    finds, noticed = discovery.meet(users, catalog, ItemSampler(catalog), looks, DRAWS, active)
    assert (finds == torch.arange(M)).all()
    assert noticed[~looks & active].all()
    assert not noticed[~active].any()
    beside = noticed[looks & active].double()
    np.testing.assert_allclose(beside.mean(0), 0.3, atol=4 * (0.3 * 0.7 / len(beside)) ** 0.5)
    there = dataclasses.replace(catalog, available=torch.arange(M) != 4)
    gone = discovery.meet(users, there, ItemSampler(there), looks, DRAWS)[1]
    assert not gone[:, 4].any()
    assert gone[~looks].sum(1).double().mean() == M - 1
