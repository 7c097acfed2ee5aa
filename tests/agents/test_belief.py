"""Belief against plain conditioning of a multivariate normal, and the published world that it is for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agents.belief import nothing_learnt, tried, unpacked
from agents.choice import CHOICES, Choice, Menu, Told
from agents.choice_belief import CertaintyEquivalent
from agents.drift_belief import GaussianBelief
from agents.interests import Correlated
from agents.ring import Ring, correlated
from simulator.draws import Draws
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario

DRAWS = Draws(3).at(1)


def covariance(items: int, correlation: float) -> np.ndarray:
    steps = np.abs(np.subtract.outer(np.arange(items), np.arange(items)))
    return np.float64(correlation) ** np.minimum(steps, items - steps)


def conditioned(prior: np.ndarray, mean: np.ndarray, seen: list[int], worth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of a multivariate normal after some of its entries were seen, by the textbook formula."""
    if not seen:
        return mean, prior
    gain = np.linalg.solve(prior[np.ix_(seen, seen)], prior[seen]).T
    return mean + gain @ (worth[seen] - mean[seen]), prior - gain @ prior[seen]


def tried_one_by_one(seen: list[list[int]], own: np.ndarray, quality: np.ndarray, ring: Ring) -> Tensor:
    """The memory of users who tried these items (n, t) in turn, each of this worth (n, M) beyond what they expected."""
    memory, rows = nothing_learnt(*own.shape), torch.arange(len(own))
    for item in torch.tensor(seen).T:
        memory = tried(
            memory, item, torch.ones(len(own), dtype=torch.bool), torch.from_numpy(own)[rows, item],
            torch.from_numpy(quality)[item], ring.decay,
        )
    return memory


# Items on a ring


@pytest.mark.parametrize("items", [12, 13])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.95])
def test_correlated_worths_have_the_covariance_of_a_ring(items, correlation):
    root = correlated(np.eye(items), correlation)                   # the map is linear: its matrix, row by row
    np.testing.assert_allclose(root.T @ root, covariance(items, correlation), atol=1e-12)
    np.testing.assert_allclose(Ring(items, correlation, 0.0).decay, covariance(items, correlation)[0], atol=1e-15)


def test_interests_are_worths_around_what_is_expected():
    drawn = Correlated(0.6, 2.0, 0.3).draw(20_000, 9, None, np.random.default_rng(0))
    surprise = drawn.interests - drawn.expected
    np.testing.assert_allclose(np.cov(surprise.T), 2.0 * covariance(9, 0.6), atol=0.08)
    np.testing.assert_allclose(np.cov(drawn.expected.T), 0.3 * np.eye(9), atol=0.02)
    assert abs(np.corrcoef(surprise[:, 2], drawn.expected[:, 2])[0, 1]) < 4 / 20_000**0.5
    assert (drawn.doubt == 2.0).all()
    assert drawn.doubt.shape == (20_000,)
    assert (drawn.group == drawn.interests.argmax(1)).all()


# The update


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.3, 0.9, 0.99]), st.integers(3, 17), st.integers(1, 9))
def test_an_item_tried_is_a_normal_conditioned_on_it(seed, correlation, items, tries):
    rng, users = np.random.default_rng(seed), 3
    ring = Ring(items, correlation, 1.0)
    own, quality = rng.normal(size=(users, items)), rng.normal(size=items)
    seen = [rng.permutation(items)[: min(tries, items)].tolist() for _ in range(users)]
    belief = unpacked(tried_one_by_one(seen, own, quality, ring))
    for u in range(users):
        mean, left = conditioned(covariance(items, correlation), np.zeros(items), seen[u], own[u])
        np.testing.assert_allclose(belief.own[u], mean, atol=1e-9)
        np.testing.assert_allclose(belief.quality[u], conditioned(
            covariance(items, correlation), np.zeros(items), seen[u], quality)[0], atol=1e-9)
        np.testing.assert_allclose(belief.left()[u], np.diag(left).clip(min=0), atol=1e-9)
        factors = belief.factors[u].numpy()
        np.testing.assert_allclose(covariance(items, correlation) - factors.T @ factors, left, atol=1e-9)


def test_belief_by_hand():
    """Two neighbours of correlation 0.5, the first found to be 2 better than expected: 1 better is expected of the other."""
    memory = tried_one_by_one([[0]], np.array([[2.0, 7.0, 7.0]]), np.array([-0.4, 9.0, 9.0]), Ring(3, 0.5, 1.0))
    belief = unpacked(memory)
    np.testing.assert_allclose(belief.own[0], [2, 1, 1])
    np.testing.assert_allclose(belief.quality[0], [-0.4, -0.2, -0.2])
    np.testing.assert_allclose(belief.left()[0], [0, 0.75, 0.75])


def test_who_tries_nothing_or_what_she_knows_learns_nothing():
    ring, nobody = Ring(5, 0.6, 1.0), torch.zeros(2, dtype=torch.bool)
    memory = tried_one_by_one([[1, 3], [4, 2]], np.ones((2, 5)), np.zeros(5), ring)
    item, worth = torch.tensor([1, 0]), torch.full((2,), 5.0, dtype=torch.float64)
    after = tried(memory, item, nobody, worth, worth, ring.decay)
    assert torch.equal(after, memory)
    again = tried(memory, torch.tensor([1, 2]), ~nobody, worth, worth, ring.decay)
    assert torch.equal(again, memory)


# The choice


@pytest.fixture(scope="module")
def world(make_users, make_catalog):
    """13 users and 8 items on a ring, of quality with variance 0.49; users of whom some have tried something."""
    rng, n, m = np.random.default_rng(4), 13, 8
    drawn = Correlated(0.7, 1.5, 0.4).draw(n, m, None, rng)
    users = make_users(torch.from_numpy(drawn.interests).float())
    quality = 0.7 * correlated(rng.standard_normal(m), 0.7)
    items = make_catalog(torch.eye(m), space="values", quality=torch.from_numpy(quality).float())
    items = dataclasses.replace(items, topics=torch.eye(m), ring=Ring(m, 0.7, 0.49))
    users.expected, users.doubt = torch.from_numpy(drawn.expected).float(), torch.full((n,), 1.5)
    users.trace = GaussianBelief().start(users.interests)
    first, second = [*range(8), *range(5)], [u % 4 > 0 for u in range(n)]          # who goes on to try item 3
    second = [also and item != 3 for also, item in zip(second, first, strict=True)]
    for item, tries in ((first, [True] * n), ([3] * n, second)):
        column, taken = torch.tensor(item)[:, None], torch.tensor(tries)[:, None]
        choice = Choice(column, taken, taken, torch.zeros(column.shape))
        menu = Menu(column, taken, 1)
        interests, users.trace = GaussianBelief().drift(users, items, choice, menu, DRAWS)
        assert torch.equal(interests, users.interests), "only the belief moves"
    return users, items, [[item] + [3] * also for item, also in zip(first, second, strict=True)]


def everything(users, items, told: Told | None = None) -> Menu:
    ids = torch.arange(len(items)).repeat(len(users), 1)
    return Menu(ids, torch.ones_like(ids, dtype=torch.bool), 0, None if told is None else torch.full((len(users),), int(told)))


@pytest.mark.parametrize("risk_aversion", [0.0, 0.3, 5.0])
@pytest.mark.parametrize("told", [None, Told.NOTHING, Told.QUALITY, Told.UTILITY])
def test_the_certainty_equivalent_is_maximised(told, risk_aversion, world):
    users, items, seen = world
    choice = CertaintyEquivalent(risk_aversion).choose(users, items, everything(users, items, told), 3, DRAWS)
    assert choice.taken.all()
    quality = items.quality.double().numpy()
    for u in range(len(users)):
        own, expected = users.interests[u].double().numpy(), users.expected[u].double().numpy()
        if told == Told.UTILITY:
            value = own + quality
        elif told == Told.QUALITY:
            mean, left = conditioned(1.5 * covariance(8, 0.7), expected, seen[u], own)
            value = mean + quality - risk_aversion / 2 * np.diag(left)
        else:
            mean, left = conditioned((1.5 + 0.49) * covariance(8, 0.7), expected, seen[u], own + quality)
            value = mean - risk_aversion / 2 * np.diag(left)
        assert choice.items[u].tolist() == (-value).argsort()[:3].tolist()
        np.testing.assert_allclose(choice.utility[u], (own + quality)[choice.items[u]], rtol=1e-6)


def test_a_believer_alone_chooses_and_learns_as_in_the_crowd(world):
    users, items, _ = world
    menu = everything(users, items, Told.QUALITY)
    model, together = CertaintyEquivalent(1.0), CertaintyEquivalent(1.0).choose(users, items, menu, 2, DRAWS)
    learnt = GaussianBelief().drift(users, items, together, menu, DRAWS).trace
    for u in range(len(users)):
        own = Menu(menu.items[u : u + 1], menu.offered[u : u + 1], 0, menu.told[u : u + 1])
        alone = model.choose(users[u : u + 1], items, own, 2, DRAWS)
        for column, single in zip(together, alone, strict=True):
            assert torch.equal(column[u], single[0])
        mine = GaussianBelief().drift(users[u : u + 1], items, alone, own, DRAWS).trace
        assert torch.equal(mine[0, :3], learnt[u, :3])


def test_every_knob_of_belief_turns_something(world):
    users, items, _ = world
    menu = everything(users, items)

    def certain(model: CertaintyEquivalent) -> float:
        """Share of the prior variance that is left of what is taken first."""
        first = model.choose(users, items, menu, 1, DRAWS).items
        return unpacked(users.trace).left().gather(1, first).mean().item()

    assert certain(CertaintyEquivalent(risk_aversion=20.0)) < certain(CertaintyEquivalent(risk_aversion=0.0)) - 0.1
    some = CertaintyEquivalent(outside_utility=0.8).choose(users, items, menu, 1, DRAWS).taken.sum()
    assert CertaintyEquivalent(outside_utility=2.0).choose(users, items, menu, 1, DRAWS).taken.sum() < some < len(users)
    assert {field.name for field in dataclasses.fields(CHOICES["certainty_equivalent"])} == {"risk_aversion", "outside_utility"}


# Deconstructing the filter bubble: Aridor, Gonçalves & Sikdar 2020


REGIMES = ["organic", {"kind": "informed", "name": "recommendation"}, {"kind": "informed", "name": "oracle", "of": "utility"}]


def aridor(
    correlation: float, beta: float, variance: float, risk_aversion: float, users: int, items: int, rounds: int
) -> Scenario:
    return Scenario.model_validate({
        "title": "t", "seed": 1, "rounds": rounds, "warmup": 0, "policies": REGIMES, "discovery": {"awareness": "all"},
        "slate_size": 2, "measures": {"names": ["utility.per_user"], "every": 20},
        "users": {
            "count": users, "drift": "belief",
            "interests": {"kind": "correlated", "correlation": correlation, "variance": variance},
            "choice": {"kind": "certainty_equivalent", "risk_aversion": risk_aversion},
        },
        "items": {
            "count": items, "topics": items, "space": "values", "mixture": "one_hot", "quality": beta * variance**0.5,
        },
    })


def played(scenario: Scenario, arm: int, replicate: int) -> tuple[np.ndarray, FilterBubbleModel]:
    """What each user took, in order (n, rounds), and the world in which she did."""
    model = FilterBubbleModel(scenario, scenario.policies[arm], replicate)
    try:
        model.run()
    finally:
        model.close()
    return torch.cat([cohort.memory.items[:, : scenario.rounds] for cohort in model.cohorts]).numpy(), model


@pytest.mark.parametrize(
    ("correlation", "beta", "variance", "risk_aversion"), [(0.5, 1.0, 1.0, 0.3), (0.9, 2.0, 0.25, 5.0), (0.0, 0.4, 4.0, 0.0)]
)
def test_people_take_what_the_published_model_takes(correlation, beta, variance, risk_aversion):
    """Replayed in numpy from the paper's equations, with the covariance of all items conditioned anew each time."""
    users, items, rounds = 5, 23, 12
    scenario = aridor(correlation, beta, variance, risk_aversion, users, items, rounds)
    prior = variance * covariance(items, correlation)
    for arm, regime in enumerate(("none", "quality", "utility")):
        took, model = played(scenario, arm, 0)
        own, expected = model.users.interests.double().numpy(), model.users.expected.double().numpy()
        quality = model.catalog.quality.double().numpy()
        for u in range(users):
            seen: list[int] = []
            for _ in range(rounds):
                if regime == "none":
                    mean, left = conditioned((1 + beta**2) * prior, expected[u], seen, own[u] + quality)
                    value = mean - risk_aversion / 2 * np.diag(left)
                elif regime == "quality":
                    mean, left = conditioned(prior, expected[u], seen, own[u])
                    value = mean + quality - risk_aversion / 2 * np.diag(left)
                else:
                    value = own[u] + quality
                value[seen] = -np.inf
                seen.append(int(value.argmax()))
            assert took[u].tolist() == seen, (regime, u)


def test_the_world_of_the_paper_is_drawn_as_the_paper_says():
    scenario = aridor(0.9, 2.0, 0.25, 1.0, 40, 50, 1)
    surprises, qualities, expected = [], [], []
    for replicate in range(60):
        model = FilterBubbleModel(scenario, scenario.policies[0], replicate)
        surprises.append((model.users.interests - model.users.expected).double().numpy())
        expected.append(model.users.expected.double().numpy())
        qualities.append(model.catalog.quality.double().numpy())
        model.close()
    lag = np.roll(np.array(qualities), 1, axis=1)
    assert np.mean(np.square(qualities)) == pytest.approx(4 * 0.25, rel=0.15)           # β² s; 60 populations of one ring each
    assert np.mean(np.square(surprises)) == pytest.approx(0.25, rel=0.05)
    assert np.mean(np.square(expected)) == pytest.approx(0.1, rel=0.05)
    assert np.sum(lag * qualities) / np.sum(np.square(qualities)) == pytest.approx(0.9, abs=0.03)


def published(took: np.ndarray, worth: np.ndarray) -> tuple[float, float, float]:
    """Diversity D, welfare W and overlap H (Jaccard of sets), as in the paper and in its code."""
    items, taken = worth.shape[1], took.shape[1]
    steps = np.abs(took[:, :, None] - took[:, None])
    diversity = np.minimum(steps, items - steps).sum((1, 2)).mean() / (taken * (taken - 1)) / items
    held = np.zeros(worth.shape)
    np.put_along_axis(held, took, 1, 1)
    common = (held @ held.T)[np.triu_indices(len(held), 1)]
    return diversity, np.take_along_axis(worth, took, 1).mean(), (common / (2 * taken - common)).mean()


@pytest.mark.slow
def test_one_cell_of_the_paper():
    """β = 1, s = 1, γ = 0.3, ρ = 0.5: mean over 20 populations of 50 users, against an independent implementation."""
    scenario, populations = aridor(0.5, 1.0, 1.0, 0.3, 50, 200, 20), 20
    expected = {"none": (0.2214, 0.776, 0.0645), "quality": (0.2369, 1.906, 0.464), "utility": (0.2415, 2.518, 0.189)}
    theirs = {"none": (0.0011, 0.019), "quality": (0.0027, 0.031), "utility": (0.0012, 0.026)}      # standard errors
    mean = {}
    for arm, regime in enumerate(expected):
        rows = []
        for replicate in range(populations):
            took, model = played(scenario, arm, replicate)
            rows.append(published(took, (model.users.interests + model.catalog.quality).double().numpy()))
        mean[regime], error = np.mean(rows, 0), np.std(rows, 0, ddof=1) / populations**0.5
        for place in (0, 1):
            both = np.hypot(error[place], theirs[regime][place])
            assert abs(mean[regime][place] - expected[regime][place]) < 3 * both, (regime, place)
        # No standard error is published of the overlap: all users of a population share one V, and it is as noisy as ours.
        assert abs(mean[regime][2] - expected[regime][2]) < 3 * 2**0.5 * error[2], regime
    assert mean["none"][0] < mean["quality"][0] < mean["utility"][0], "recommendation widens what each user takes"
    assert mean["none"][2] < mean["utility"][2] < mean["quality"][2], "and makes users alike"


@pytest.mark.parametrize(("common", "variance"), [(2.0, 0.25), (0.0, 4.0)])
def test_what_is_common_to_all_is_so_many_standard_deviations_of_what_is_their_own(common, variance):
    said = aridor(0.5, common, variance, 1.0, 4, 30, 1)
    plain = said.model_dump(mode="json")
    plain["users"]["interests"]["common"], plain["items"]["quality"] = common, 0.05
    worlds = [FilterBubbleModel(scenario, scenario.policies[0]) for scenario in (said, Scenario.model_validate(plain))]
    assert torch.equal(*(world.catalog.quality for world in worlds))
    assert worlds[1].catalog.ring.quality_variance == pytest.approx(common**2 * variance)
    for world in worlds:
        world.close()
