"""Drift against its closed forms: distances, angles, fixed points and recoveries."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agents.drift import Assimilation, BiasedAssimilation, Boredom, NoDrift, Reinforcement, Satiation
from agents.space import unit


def simplex(seed: int, rows: int, topics: int, concentration: float = 0.5) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).dirichlet(np.full(topics, concentration), rows))


def directions(seed: int, rows: int, d: int) -> Tensor:
    return unit(torch.tensor(np.random.default_rng(seed).normal(size=(rows, d))))


def last(lives):
    *_, users = lives
    return users


# None


def test_no_drift_moves_nothing(live):
    theta = simplex(0, 3, 4)
    assert torch.equal(last(live(NoDrift(), theta, simplex(1, 5, 4), [[[0], [1, 2], []]] * 3)).interests, theta)


# Assimilation


def test_assimilation_by_hand(live):
    theta = torch.tensor([[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]])
    users = last(live(Assimilation(rate=0.1), theta, torch.eye(3), [[[1], [2, 2, 0]]]))
    expected = [[0.9, 0.1, 0.0], [0.18 + 0.1 / 3, 0.27, 0.45 + 0.2 / 3]]
    np.testing.assert_allclose(users.interests, expected, rtol=1e-6)


@pytest.mark.parametrize("rate", [0.0, 0.03, 0.5, 1.0])
def test_assimilation_leaves_a_geometric_share_of_the_distance(rate, live):
    theta, z = simplex(0, 4, 3), simplex(1, 5, 3)
    s = torch.tensor([1.0, 0.5, 0.1, 0.0], dtype=torch.float64)
    items = [2, 4, 0, 2]
    for t, users in enumerate(live(Assimilation(rate), theta, z, [[[i] for i in items]] * 40, s), start=1):
        gap, gap_0 = users.interests - z[items], theta - z[items]
        np.testing.assert_allclose(gap, (1 - rate * s[:, None]) ** t * gap_0, rtol=1e-9, atol=1e-14)


def test_assimilation_on_the_sphere_moves_along_the_chord_and_back_to_length_1(live):
    p, v = directions(0, 3, 4), directions(1, 6, 4)
    users = last(live(Assimilation(0.2), p, v, [[[5], [0, 1], []]], space="sphere"))
    target = torch.stack([v[5], (v[0] + v[1]) / 2, p[2]])
    np.testing.assert_allclose(users.interests, unit(0.8 * p + 0.2 * target), rtol=1e-12)


# Biased assimilation: Dean & Morgenstern 2022


def angle(p: Tensor, v: Tensor) -> Tensor:
    """Angle to the line through ±v, from the two components, which is exact where acos is not."""
    along = (p * v).sum(-1, keepdim=True)
    return torch.atan2((p - along * v).norm(dim=-1), along[..., 0].abs())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 0.15), st.floats(0, 1), st.integers(2, 7))
def test_the_same_item_shrinks_the_tangent_geometrically_and_the_sign_decides_the_pole(live, seed, rate, s, d):
    p, v = directions(seed, 5, d), directions(seed + 1, 3, d)
    item = 1
    theta_0, liked = angle(p, v[item]), (p @ v[item]).sign()
    for t, users in enumerate(
        live(BiasedAssimilation(rate), p, v, [[[item]] * 5] * 30, susceptibility=s, space="sphere"), start=1
    ):
        ratio = angle(users.interests, v[item]).tan() / theta_0.tan()
        expected = (1 + rate * s) ** -t
        np.testing.assert_allclose(ratio, expected, rtol=1e-9)
        assert torch.equal((users.interests @ v[item]).sign(), liked)
        np.testing.assert_allclose(users.interests.norm(dim=1), 1, rtol=1e-12)


def test_the_published_ratio(live):
    p, v = directions(3, 1, 5), directions(4, 1, 5)
    users = last(live(BiasedAssimilation(0.1), p, v, [[[0]]] * 50, space="sphere"))
    ratio = angle(users.interests, v[0]).tan() / angle(p, v[0]).tan()
    assert ratio.item() == pytest.approx(1.1**-50, rel=1e-9)
    assert ratio.item() == pytest.approx(0.0085186, abs=5e-8)


def test_random_items_align_taste_with_the_main_axis_of_the_catalogue(live):
    starts, rounds, m = 40, 4000, 4001
    rng = np.random.default_rng(1)
    v = unit(torch.tensor(rng.normal(size=(m, 5)) * np.sqrt([1, 0.5, 0.3, 0.2, 0.1])))
    takes = torch.from_numpy(rng.integers(0, m, (rounds, starts)))
    end = last(live(BiasedAssimilation(0.02), directions(2, starts, 5), v, takes, space="sphere")).interests
    assert end[:, 0].abs().mean() > 0.98
    assert end[:, 0].min() < 0 < end[:, 0].max()            # to both poles


def test_isotropic_items_move_single_users_but_not_the_population(live):
    n, rounds, m, rate = 400, 2000, 200_003, 0.02
    p = directions(4, n, 5)
    takes = torch.from_numpy(np.random.default_rng(3).integers(0, m, (rounds, n)))
    end = last(live(BiasedAssimilation(rate), p, directions(5, m, 5), takes, space="sphere")).interests
    assert end.mean(0).norm() < 0.1
    # Steps of variance η² E⟨p,v⟩²(1 − ⟨p,v⟩²) = η² (1/5 − 3/35): Brownian motion on the sphere, E cos = exp(−variance / 2).
    assert (p * end).sum(1).mean().item() == pytest.approx(math.exp(-rounds * rate**2 * (1 / 5 - 3 / 35) / 2), abs=0.01)


def test_one_item_for_everybody_splits_a_population_in_two(live):
    n, rounds, rate = 1001, 40, 0.1
    p, v = directions(6, n, 4), directions(7, 3, 4)
    end = last(live(BiasedAssimilation(rate), p, v, [[[2]] * n] * rounds, space="sphere")).interests
    positive = (end @ v[2] > 0).double().mean()
    assert abs(positive - 0.5) < 2 * 0.5 / n**0.5
    bound = torch.atan(angle(p, v[2]).tan() * (1 + rate) ** -rounds)
    np.testing.assert_allclose(angle(end, v[2]), bound, rtol=1e-9)
    assert angle(end, v[2]).median() < 0.05


def test_biased_assimilation_takes_items_in_order(live):
    p, v = directions(0, 1, 3), directions(1, 4, 3)
    together = last(live(BiasedAssimilation(0.3), p, v, [[[2, 0]]], space="sphere")).interests
    one_by_one = last(live(BiasedAssimilation(0.3), p, v, [[[2]], [[0]]], space="sphere")).interests
    np.testing.assert_allclose(together, one_by_one, rtol=1e-12)


# Reinforcement: Roth & Erev 1995


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 0.5))
def test_reinforcement_is_the_share_of_roth_and_erevs_propensities(live, seed, rate, forgetting):
    theta, z = simplex(seed, 3, 4), simplex(seed + 1, 6, 4)
    s = torch.tensor([1.0, 0.3, 0.0], dtype=torch.float64)
    rng = np.random.default_rng(seed)
    takes = [[rng.permutation(6)[: rng.integers(0, 4)].tolist() for _ in range(3)] for _ in range(12)]
    q = theta.clone()
    for t, users in enumerate(live(Reinforcement(rate, forgetting), theta, z, takes, s)):
        q = (1 - forgetting) * q
        for u, row in enumerate(takes[t]):
            q[u] += rate * s[u] * z[row].sum(0)
        np.testing.assert_allclose(users.interests, q / q.sum(1, keepdim=True), rtol=1e-9, atol=1e-15)


def test_reinforcement_ends_at_what_is_taken_and_the_faster_the_more_is_forgotten(live):
    theta, rate, rounds = torch.tensor([[0.6, 0.4, 0.0]], dtype=torch.float64), 0.05, 60
    gaps = []
    for forgetting in (0.0, 0.02, 0.2):
        users = last(live(Reinforcement(rate, forgetting), theta, torch.eye(3).double(), [[[2]]] * rounds))
        kept = (1 - forgetting) ** rounds
        gained = rate * (rounds if forgetting == 0 else (1 - kept) / forgetting)
        gap = kept / (kept + gained)                # what is left of all that the user started with
        np.testing.assert_allclose(users.interests, [[0.6 * gap, 0.4 * gap, 1 - gap]], rtol=1e-9)
        if forgetting:
            assert users.trace.item() == pytest.approx(kept + gained)       # → η / φ, the fixed point of the total
        gaps.append(gap)
    assert gaps == sorted(gaps, reverse=True)


@pytest.mark.parametrize("susceptibility", [0.0, 1.0])
def test_forgetting_alone_changes_no_interests_however_long_it_lasts(susceptibility, live):
    theta = torch.tensor([[0.7, 0.3 - 1e-6, 1e-6]])
    row = [] if susceptibility else [2]
    users = last(live(Reinforcement(forgetting=0.5), theta, torch.eye(3), [[row]] * 500, susceptibility))
    assert torch.equal(users.interests, theta)


def test_an_idle_half_life_halves_what_all_that_was_had_weighs(live):
    """ln 2 / −ln(1 − φ) rounds; interests stay, and then move as if the first item weighed twice as much."""
    half_life, rate = 7, 0.05
    forgetting = 1 - 2 ** (-1 / half_life)
    assert math.log(2) / -math.log(1 - forgetting) == pytest.approx(half_life)
    theta, z = simplex(0, 1, 3), torch.eye(3).double()
    takes = [[[]]] * 14 + [[[2]]]
    lives = [(users.interests, users.trace.item()) for users in live(Reinforcement(rate, forgetting), theta, z, takes)]
    assert lives[6][1] == pytest.approx(1 / 2, rel=1e-9)
    assert lives[13][1] == pytest.approx(1 / 4, rel=1e-9)
    assert torch.equal(lives[13][0], theta)
    share = rate / ((1 - forgetting) / 4 + rate)
    np.testing.assert_allclose(lives[14][0], theta + share * (z[2:] - theta), rtol=1e-9)


def test_what_was_had_a_half_life_ago_weighs_half_as_much_as_what_is_had_now(live):
    half_life = 5
    forgetting = 1 - 2 ** (-1 / half_life)
    takes = [[[0]], *[[[]]] * (half_life - 1), [[1]]]                   # topic 0, and a half-life later topic 1
    theta = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    interests = last(live(Reinforcement(0.05, forgetting), theta, torch.eye(3).double(), takes)).interests
    assert (interests[0, 1] / interests[0, 0]).item() == pytest.approx(2, rel=1e-9)


# Satiation: Leqi et al. 2021


def test_satiation_by_hand(live):
    theta = torch.tensor([[0.5, 0.25, 0.25]])
    users = last(live(Satiation(strength=0.5, retention=0.8), theta, torch.eye(3), [[[0]]]))
    weight = 0.5 * math.exp(-0.5 * 0.8)
    np.testing.assert_allclose(users.interests, np.array([[weight, 0.25, 0.25]]) / (weight + 0.5), rtol=1e-6)


def test_satiation_rises_to_its_fixed_point_and_goes_back_to_the_origin(live):
    strength, retention, s = 0.7, 0.6, 0.5
    theta, z = simplex(0, 1, 3, 2.0), torch.eye(3).double()
    tired = [[[1]]] * 60
    lives = [
        (users.interests, users.trace)
        for users in live(Satiation(strength, retention), theta, z, tired + [[[]]] * 60, s)
    ]
    for t, (interests, trace) in enumerate(lives, start=1):
        if t <= 60:
            level = retention * (1 - retention**t) / (1 - retention)
        else:
            level = retention * (1 - retention**60) / (1 - retention) * retention ** (t - 60)
        np.testing.assert_allclose(trace, [[0, level, 0]], rtol=1e-9)
        weight = theta * torch.tensor([1, math.exp(-strength * s * level), 1], dtype=torch.float64)
        np.testing.assert_allclose(interests, weight / weight.sum(), rtol=1e-9)
    interest = [interests[0, 1].item() for interests, _ in lives]
    assert interest[0] < theta[0, 1]
    assert interest[:20] == sorted(interest[:20], reverse=True)
    assert interest[60:80] == sorted(interest[60:80])
    assert interest[-1] == pytest.approx(theta[0, 1].item(), rel=1e-9)


def test_satiation_survives_what_a_float_does_not(live):
    theta = torch.tensor([[1.0, 0.0, 0.0], [0.99, 0.01, 0.0]])
    users = last(live(Satiation(strength=5.0, retention=0.99), theta, torch.eye(3), [[[0], [0, 1]]] * 200))
    np.testing.assert_allclose(users.interests.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(users.interests[0], theta[0])


# Boredom: two satiations


def test_boredom_by_hand(live):
    model = Boredom(strength=0.5, retention=0.4, lasting_strength=0.2, lasting_retention=0.9)
    theta = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64)
    users = last(live(model, theta, torch.eye(3).double(), [[[0]], [[0]]], susceptibility=0.5))
    passing, lasting = 0.4 * (0.4 + 1), 0.9 * (0.9 + 1)
    np.testing.assert_allclose(users.trace, [[[passing, 0, 0], [lasting, 0, 0]]], rtol=1e-12)
    weight = 0.5 * math.exp(-0.5 * (0.5 * passing + 0.2 * lasting))
    np.testing.assert_allclose(users.interests, np.array([[weight, 0.25, 0.25]]) / (weight + 0.5), rtol=1e-12)


def test_interest_comes_back_on_two_time_scales(live):
    """Once had, then nothing: the log-odds of the topic are λ_f γ_f^(t + 1) + λ_l γ_l^(t + 1) below those at the start."""
    model = Boredom(strength=1.0, retention=0.5, lasting_strength=0.1, lasting_retention=0.98)
    theta, z = simplex(0, 1, 3, 2.0), torch.eye(3).double()
    below = []
    for users in live(model, theta, z, [[[1]]] + [[[]]] * 80):
        odds = users.interests[0, 1] / users.interests[0, 0]
        below.append(-math.log(odds / (theta[0, 1] / theta[0, 0])))
    expected = [0.5 ** (t + 1) + 0.1 * 0.98 ** (t + 1) for t in range(81)]
    np.testing.assert_allclose(below, expected, rtol=1e-9)
    # Early, recovery runs at the fast rate; late, at the slow one.
    assert below[1] / below[0] == pytest.approx(0.5, abs=0.1)
    assert below[80] / below[79] == pytest.approx(0.98, abs=1e-6)


def test_boredom_that_never_lasts_is_satiation(live):
    theta, z = simplex(0, 3, 4).float(), simplex(1, 7, 4).float()
    takes = [[[1], [0, 2], []], [[1], [], [6]], [[3], [2], [6, 5]]]
    bored = last(live(Boredom(0.7, 0.6, 0.0, 0.9), theta, z, takes, 0.5)).interests
    tired = last(live(Satiation(0.7, 0.6), theta, z, takes, 0.5)).interests
    np.testing.assert_allclose(bored, tired, rtol=1e-6)


def test_what_passes_cannot_outlast_what_lasts():
    with pytest.raises(ValueError, match=r"`lasting_retention` must be at least `retention`, 0\.9"):
        Boredom(retention=0.9, lasting_retention=0.8)


# Knobs


@pytest.mark.parametrize("model", [Assimilation, BiasedAssimilation, Reinforcement])
def test_a_higher_rate_moves_more(model, live):
    space = "sphere" if model is BiasedAssimilation else "simplex"
    theta, z = (simplex(0, 3, 4), simplex(1, 7, 4)) if space == "simplex" else (directions(0, 3, 4), directions(1, 7, 4))
    moved = [
        (last(live(model(rate=rate), theta, z, [[[3], [2], [6]]] * 5, space=space)).interests - theta).norm(dim=1)
        for rate in (0.0, 0.05, 0.3)
    ]
    assert (moved[0] < 1e-6).all()
    assert (moved[0] < moved[1]).all()
    assert (moved[1] < moved[2]).all()


@pytest.mark.parametrize(
    ("model", "knob", "values"),
    [
        (Satiation, "strength", (0.0, 0.2, 0.9)), (Satiation, "retention", (0.0, 0.2, 0.9)),
        (Boredom, "strength", (0.0, 0.2, 0.9)), (Boredom, "retention", (0.0, 0.2, 0.9)),
        (Boredom, "lasting_strength", (0.0, 0.2, 0.9)), (Boredom, "lasting_retention", (0.3, 0.6, 0.9)),
    ],
)
def test_more_of_it_tires_people_more(model, knob, values, live):
    theta, z = simplex(0, 3, 4, 2.0), torch.eye(4).double()
    left = [
        last(live(model(**{knob: value}), theta, z, [[[1], [0], [2]]] * 5)).interests[[0, 1, 2], [1, 0, 2]] for value in values
    ]
    assert (left[0] <= theta[[0, 1, 2], [1, 0, 2]] + 1e-6).all()
    assert (left[0] > left[1]).all()
    assert (left[1] > left[2]).all()
