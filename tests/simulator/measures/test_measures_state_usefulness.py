import itertools

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.metrics import ndcg_score

from simulator.measures import state, usefulness

seeds = st.integers(0, 2**32 - 1)


def simplex(seed: int, n: int, t: int, concentration: float = 0.4) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(t, concentration), n)


@settings(max_examples=40)
@given(seed=seeds, n=st.integers(2, 13), t=st.integers(1, 7))
def test_similarity_equals_a_loop_over_pairs(seed: int, n: int, t: int) -> None:
    x = simplex(seed, n, t)
    cosines = [
        x[u] @ x[v] / np.linalg.norm(x[u]) / np.linalg.norm(x[v])
        for u, v in itertools.combinations(range(n), 2)
    ]
    assert state.similarity(torch.from_numpy(x)) == pytest.approx(np.mean(cosines))


def test_displacement_by_hand() -> None:
    now, start = torch.tensor([[3.0, -1.0], [0.5, 0.5]]), torch.tensor([[0.0, 3.0], [0.5, 0.5]])
    assert state.displacement(now, start).tolist() == [25, 0]


def test_similarity_leaves_users_out_of_their_own_pairs() -> None:
    assert state.similarity(torch.eye(5)) == pytest.approx(0, abs=1e-9)


def test_drift_and_its_speed_by_hand() -> None:
    start = torch.tensor([[1.0, 0.0, 0.0], [0.2, 0.3, 0.5]])
    now = torch.tensor([[0.0, 1.0, 0.0], [0.3, 0.3, 0.4]])
    assert state.drift_speed(now, start).tolist() == pytest.approx([1, 0.1])
    assert state.drift(now, start)[0].item() == pytest.approx(1)
    assert state.drift(start, start).tolist() == [0, 0]


@settings(max_examples=40)
@given(seed=seeds, n=st.integers(8, 60), t=st.integers(2, 7))
def test_bimodality_agrees_with_sklearn_and_scipy(seed: int, n: int, t: int) -> None:
    x = simplex(seed, n, t)
    score = PCA(1).fit_transform(x)[:, 0]
    expected = (scipy.stats.skew(score) ** 2 + 1) / scipy.stats.kurtosis(score, fisher=False)
    value = state.bimodality(torch.from_numpy(x))
    assert value == pytest.approx(expected, rel=1e-6)
    assert 0 < value <= 1 + 1e-9


def test_bimodality_of_shapes_whose_value_is_known() -> None:
    n = 200_000

    def on_an_axis(x: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.stack([0.5 + 0.05 * x, 0.5 - 0.05 * x], 1))

    rng = np.random.default_rng(0)
    assert state.bimodality(on_an_axis(np.repeat([-1.0, 1.0], n // 2))) == pytest.approx(1)
    assert state.bimodality(on_an_axis(np.linspace(-1, 1, n))) == pytest.approx(5 / 9, abs=1e-3)
    assert state.bimodality(on_an_axis(rng.normal(size=n))) == pytest.approx(1 / 3, abs=0.01)


def test_bimodality_does_not_exist_where_all_are_equal() -> None:
    assert state.bimodality(torch.tensor([[0.3, 0.1, 0.6]]).repeat(11, 1)) is None


def brute_esteban_ray(x: np.ndarray, alpha: float) -> float:
    camps = {t: x[x.argmax(1) == t] for t in set(x.argmax(1))}
    total = 0.0
    for a, b in itertools.product(camps, camps):
        d = np.abs(camps[a].mean(0) - camps[b].mean(0)).sum() / 2
        total += (len(camps[a]) / len(x)) ** (1 + alpha) * len(camps[b]) / len(x) * d
    return total


@settings(max_examples=40)
@given(seed=seeds, n=st.integers(1, 30), t=st.integers(1, 7))
def test_esteban_ray_equals_the_double_sum(seed: int, n: int, t: int) -> None:
    x = simplex(seed, n, t)
    value = state.esteban_ray(torch.from_numpy(x))
    assert value == pytest.approx(brute_esteban_ray(x, 1.6), abs=1e-12)
    assert -1e-12 <= value <= 0.5**2.6 + 1e-12


def test_esteban_ray_is_highest_for_two_equal_camps() -> None:
    two, three, unequal = (
        torch.eye(3)[[0, 1] * 6],
        torch.eye(3)[[0, 1, 2] * 4],
        torch.eye(3)[[0] * 9 + [1] * 3],
    )
    assert state.esteban_ray(two) == pytest.approx(0.5**2.6)
    assert state.esteban_ray(two) > max(state.esteban_ray(three), state.esteban_ray(unequal))


UTILITY = torch.tensor([[1.0, 2.0], [4.0, 8.0], [16.0, float("nan")]])
TAKEN = torch.tensor([[True, False], [False, False], [True, False]])
FROM_SLATE = torch.tensor([[True, False], [False, True], [False, False]])


def test_utility_by_hand() -> None:
    assert usefulness.mean_utility(UTILITY, TAKEN) == pytest.approx(17 / 2)
    assert usefulness.utility_per_user(UTILITY, TAKEN).tolist() == [1, 0, 16]
    assert usefulness.acceptance(TAKEN, FROM_SLATE, torch.tensor([True, True, False]), 5) == pytest.approx(
        1 / 10
    )
    assert usefulness.slate_share(TAKEN, FROM_SLATE) == pytest.approx(1 / 2)


@settings(max_examples=40)
@given(seed=seeds, k=st.integers(1, 8), relevant=st.integers(1, 8))
def test_hits_agree_with_sets_and_ndcg_with_sklearn(seed: int, k: int, relevant: int) -> None:
    rng = np.random.default_rng(seed)
    m = 13
    slates = np.stack([rng.permutation(m)[:k] for _ in range(4)])
    best = np.stack([rng.permutation(m)[:relevant] for _ in range(4)])
    hit = usefulness.hits(torch.from_numpy(slates), torch.from_numpy(best))
    gains, scores = np.zeros((4, m)), np.zeros((4, m))
    for u in range(4):
        shared = len(set(slates[u]) & set(best[u]))
        assert usefulness.precision(hit)[u].item() == pytest.approx(shared / k)
        assert usefulness.recall(hit, relevant)[u].item() == pytest.approx(shared / relevant)
        gains[u, best[u]] = 1
        scores[u, slates[u]] = np.arange(k, 0, -1)
        expected = ndcg_score(gains[u : u + 1], scores[u : u + 1], k=k)
        assert usefulness.ndcg(hit, relevant)[u].item() == pytest.approx(expected)


def test_majority_is_nearer_the_mean_taste_and_the_gap_is_signed() -> None:
    interests = torch.tensor([[0.9, 0.1, 0.0]] * 3 + [[0.0, 0.1, 0.9]] * 2 + [[0.8, 0.2, 0.0]] * 2)
    majority = usefulness.majority(interests)
    assert majority.tolist() == [False] * 3 + [False] * 2 + [True] * 2  # .8/.2 lies nearest the mean
    per_user = torch.tensor([1.0, 1, 1, 1, 1, 3, 5], dtype=torch.float64)
    assert usefulness.group_gap(per_user, majority) == pytest.approx(3)
    assert usefulness.group_gap(per_user, ~majority) == pytest.approx(-3)
    assert usefulness.group_gap(per_user, torch.ones(7, dtype=torch.bool)) is None


def test_there_is_no_majority_among_equals() -> None:
    assert not usefulness.majority(torch.full((6, 3), 1 / 3)).any()
