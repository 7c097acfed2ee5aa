"""What every drift model keeps: its space, who is not susceptible, who did nothing, and one for all."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agents import drift
from agents.choice import Menu
from agents.drift import DRIFTS
from agents.space import unit
from simulator.draws import Draws

FAST = {
    "none": drift.NoDrift(),
    "assimilation": drift.Assimilation(0.9),
    "biased_assimilation": drift.BiasedAssimilation(0.9),
    "repulsion": drift.Repulsion(0.9, 0.5, 0.5, "taken"),
    "mere_exposure": drift.MereExposure(0.9, 0.9),
    "opinion_averaging": drift.OpinionAveraging(0.3, 0.7, "taken"),
    "memory_mean": drift.MemoryMean(2, "oldest"),
    "reinforcement": drift.Reinforcement(0.9, 0.9),
    "item_feedback": drift.ItemFeedback(0.9, 0.5, 0.5),
    "satiation": drift.Satiation(0.9, 0.9),
    "boredom": drift.Boredom(0.9, 0.8, 0.9, 0.9),
}
"""Models whose every knob is far from its default. Beliefs move no interests, and newcomers bring others: they have tests of
their own."""

CASES = [(kind, space) for kind, model in DRIFTS.items() for space in model.spaces if kind in FAST]
MOVING = [(kind, space) for kind, space in CASES if kind != "none"]


def simplex(seed: int, rows: int, topics: int, concentration: float = 0.5) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).dirichlet(np.full(topics, concentration), rows))


def directions(seed: int, rows: int, d: int) -> Tensor:
    return unit(torch.tensor(np.random.default_rng(seed).normal(size=(rows, d))))


def world(space: str, n: int = 3, m: int = 7, d: int = 4) -> tuple[Tensor, Tensor]:
    """Interests and features that fit the space."""
    if space == "sphere":
        theta, z = directions(0, n, d), directions(1, m, d)
    elif space == "values":
        theta, z = torch.tensor(np.random.default_rng(0).normal(size=(n, d))), simplex(1, m, d)
    else:
        theta, z = simplex(0, n, d), simplex(1, m, d)
    return theta.float(), z.float()


def last(lives):
    *_, users = lives
    return users


def test_every_knob_of_the_fast_models_is_turned():
    assert set(FAST) == set(DRIFTS) - {"belief", "newcomers"}
    for kind, model in FAST.items():
        assert type(model) is DRIFTS[kind]
        for field in dataclasses.fields(model):
            assert getattr(model, field.name) != field.default, (kind, field.name)


@pytest.mark.parametrize("kind", [kind for kind, space in CASES if space == "simplex"])
@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9), st.sampled_from([0.02, 0.5, 20.0]), st.integers(1, 3), st.booleans())
def test_interests_stay_on_the_simplex(live, kind, seed, topics, concentration, most, fast):
    rng = np.random.default_rng(seed)
    n, m = 5, topics + 6
    menus = [[rng.permutation(m)[: rng.integers(0, 5)].tolist() for _ in range(n)] for _ in range(30)]
    takes = [[row[: rng.integers(0, most + 1)] for row in rows] for rows in menus]
    theta, z = simplex(seed, n, topics, concentration).float(), simplex(seed + 1, m, topics, concentration).float()
    s = torch.from_numpy(rng.random(n)).float()
    for users in live(FAST[kind] if fast else DRIFTS[kind](), theta, z, takes, s, met=menus):
        assert (users.interests >= 0).all()
        np.testing.assert_allclose(users.interests.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", [kind for kind, space in CASES if space == "sphere"])
@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.booleans())
def test_directions_keep_their_length(live, kind, seed, most, fast):
    rng = np.random.default_rng(seed)
    menus = [[rng.permutation(7)[: rng.integers(0, 5)].tolist() for _ in range(5)] for _ in range(30)]
    takes = [[row[: rng.integers(0, most + 1)] for row in rows] for rows in menus]
    theta, z = directions(seed, 5, 4).float(), directions(seed + 1, 7, 4).float()
    for users in live(FAST[kind] if fast else DRIFTS[kind](), theta, z, takes, space="sphere", met=menus):
        np.testing.assert_allclose(users.interests.norm(dim=1), 1, atol=1e-6)


@pytest.mark.parametrize(("kind", "space"), CASES)
def test_who_is_not_susceptible_does_not_move(kind, space, live):
    theta, z = world(space)
    s = torch.tensor([0.0, 1.0, 0.0])
    end = last(live(FAST[kind], theta, z, [[[3], [3], [4, 5]]] * 50, s, space, met=[[[3, 1], [3], [4, 5]]] * 50)).interests
    np.testing.assert_allclose(end[[0, 2]], theta[[0, 2]], atol=1e-6)
    assert torch.equal(end[1], theta[1]) == (kind == "none")


@pytest.mark.parametrize(("kind", "space"), MOVING)
def test_who_is_half_as_susceptible_moves_less(kind, space, live):
    theta, z = world(space, n=40)
    # One step: over many, a small rate may cross a latitude that a large one leaps.
    moved = [
        (last(live(DRIFTS[kind](), theta, z, [[[u % 7] for u in range(40)]], s, space)).interests - theta).norm(dim=1)
        for s in (0.0, 0.5, 1.0)
    ]
    assert moved[0].max() < 1e-6
    moves = moved[2] > 1e-6                  # repulsion leaves many cold
    assert moves.sum() > 10
    assert (moved[1][moves] < moved[2][moves]).all()
    assert (moved[1][~moves] < 1e-6).all()


@pytest.mark.parametrize(("kind", "space"), CASES)
def test_who_meets_nothing_does_not_move(kind, space, live):
    theta, z = world(space)
    end = last(live(FAST[kind], theta, z, [[[], [6], []]] * 50, space=space)).interests
    np.testing.assert_allclose(end[[0, 2]], theta[[0, 2]], atol=1e-6)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(("kind", "space"), CASES)
def test_users_drift_alone_exactly_as_in_company(kind, space, fast, make_users, make_catalog, took):
    theta, z = world(space, n=33, m=9)
    rng = np.random.default_rng(5)
    model = FAST[kind] if fast else DRIFTS[kind]()
    menus = [[rng.permutation(9)[: rng.integers(0, 7)].tolist() for _ in range(33)] for _ in range(6)]
    takes = [[row[: rng.integers(0, 4)] for row in rows] for rows in menus]

    def lived(rows: slice) -> tuple[Tensor, Tensor]:
        users = make_users(theta.clone(), 0.7, trace=model.start(theta))[rows]
        catalog = make_catalog(z, space)
        for t in range(6):
            choice, before = took(takes[t][rows]), took(menus[t][rows])
            menu = Menu(before.items, before.taken, slate_size=before.items.shape[1])
            users.interests, users.trace = model.drift(users, catalog, choice, menu, Draws(3).at(t))
        return users.interests, users.trace

    together = lived(slice(None))
    for u in range(33):
        alone = lived(slice(u, u + 1))
        assert torch.equal(alone[0][0], together[0][u])
        assert torch.equal(alone[1][0], together[1][u])


@pytest.mark.parametrize(("kind", "space"), CASES)
def test_an_item_that_stands_in_the_slate_and_among_the_finds_is_one_item(kind, space, live):
    theta, z = world(space)
    takes = [[[3], [], [6, 0]]] * 3
    once = last(live(FAST[kind], theta, z, takes, 0.7, space, met=[[[3, 2], [5, 1], [6, 0]]] * 3)).interests
    twice = last(live(FAST[kind], theta, z, takes, 0.7, space, met=[[[3, 2, 3], [1, 5, 5, 1], [6, 0, 0]]] * 3)).interests
    assert torch.equal(once, twice)
