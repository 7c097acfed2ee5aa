import itertools
import math

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.measures import lists

seeds = st.integers(0, 2**32 - 1)


def unit_rows(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    x = rng.normal(size=shape)
    return torch.from_numpy(x / np.linalg.norm(x, axis=-1, keepdims=True))


@settings(max_examples=40)
@given(seed=seeds, k=st.integers(2, 7), d=st.integers(1, 6))
def test_variety_of_a_slate_equals_loops_and_numpy(seed: int, k: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    features, slates = unit_rows(rng, 11, d), torch.from_numpy(rng.integers(0, 11, (3, k)))
    distance = lists.intra_list_distance(features, slates)
    score = lists.vendi(features[slates])
    for u, slate in enumerate(slates.tolist()):
        f = features[slate].numpy()
        pairs = [1 - f[i] @ f[j] for i, j in itertools.combinations(range(k), 2)]
        assert distance[u].item() == pytest.approx(np.mean(pairs), abs=1e-9)
        eigenvalues = np.linalg.eigvals(f @ f.T / k).real
        eigenvalues = eigenvalues[eigenvalues > 1e-12]
        assert score[u].item() == pytest.approx(np.exp(-(eigenvalues * np.log(eigenvalues)).sum()), rel=1e-6)
        assert 1 - 1e-6 <= score[u] <= min(k, d) + 1e-6


def test_the_vendi_score_of_items_of_nearly_one_topic() -> None:
    """Ten products of a marketplace. Single precision has no normal numbers for their cosines, and LAPACK made NaN of them."""
    features = torch.zeros(10, 7)
    features[[0, 1, 2, 3, 4, 6, 7, 8], [0, 0, 0, 6, 0, 0, 0, 0]] = 1
    for row, column, share in (
        (2, 3, "0x1.7d2ad8p-115"), (2, 4, "0x1.2555e8p-31"), (3, 1, "0x1p-149"), (5, 1, "0x1.ffff48p-1"),
        (5, 2, "0x1.b4013cp-9"), (5, 4, "0x1.ebcdf6p-111"), (8, 5, "0x1.48d0p-137"), (9, 2, "0x1.c438c6p-120"),
        (9, 3, "0x1.fa8138p-5"), (9, 5, "0x1.ff0538p-1"), (9, 6, "0x1.9f31bcp-47"),
    ):  # fmt: skip
        features[row, column] = float.fromhex(share)
    assert lists.vendi(features[None]).item() == pytest.approx(0.7**-0.7 * 0.1**-0.3, rel=1e-5)


def test_variety_at_its_ends() -> None:
    features = torch.eye(5)
    assert lists.intra_list_distance(features, torch.tensor([[0, 1, 2], [3, 3, 3]])).tolist() == [1, 0]
    assert lists.vendi(features[torch.tensor([[0, 1, 2], [3, 3, 3]])]).tolist() == pytest.approx(
        [3, 1], abs=1e-5
    )
    assert lists.intra_list_distance(torch.tensor([[1.0], [-1.0]]), torch.tensor([[0, 1]])).item() == 2


@given(seed=seeds, t=st.integers(1, 8))
def test_miscalibration_is_steck_s(seed: int, t: int) -> None:
    q, p = np.random.default_rng(seed).dirichlet(np.full(t, 0.3), (2, 6))
    p[0] = np.eye(t)[-1]
    value = lists.miscalibration(torch.from_numpy(q), torch.from_numpy(p))
    np.testing.assert_allclose(value, scipy.stats.entropy(q, 0.99 * p + 0.01 * q, axis=1), atol=1e-12)
    assert (value <= math.log(100) + 1e-9).all()


def test_miscalibration_at_its_ends() -> None:
    q, p = torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([[0.0, 1.0], [0.5, 0.5]])
    assert lists.miscalibration(q, p).tolist() == pytest.approx([math.log(100), 0], abs=1e-6)


def test_an_interest_too_small_for_floating_point_is_none() -> None:
    q, p = torch.tensor([[1.0, 1e-44], [1.0, 0.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert q[0, 1] > 0
    assert 0.01 * q[0, 1] == 0
    assert lists.miscalibration(q, p).tolist() == [0, 0]


@settings(max_examples=30)
@given(seed=seeds, k=st.integers(1, 5), length=st.integers(1, 6))
def test_unexpectedness_equals_a_loop(seed: int, k: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    slates, history = unit_rows(rng, 4, k, 3), unit_rows(rng, 4, length, 3)
    known = torch.from_numpy(rng.random((4, length)) < 0.5)
    known[:, seed % length] = True
    value = lists.unexpectedness(slates, history, known)
    for u in range(4):
        nearest = [max(float(i @ j) for j in history[u][known[u]]) for i in slates[u]]
        assert value[u].item() == pytest.approx(np.mean([1 - s for s in nearest]))


def test_rank_weights_fall_as_one_over_rank() -> None:
    assert lists.rank_weights(3).tolist() == pytest.approx([6 / 11, 3 / 11, 2 / 11])


def smoothed_root_jsd(p: np.ndarray, q: np.ndarray) -> float:
    a = 0.001
    return scipy.spatial.distance.jensenshannon((1 - a) * p + a * q, (1 - a) * q + a * p, base=2)


@settings(max_examples=40)
@given(seed=seeds, k=st.integers(1, 6), t=st.integers(2, 7))
def test_radio_equals_scipy_on_distributions_written_out(seed: int, k: int, t: int) -> None:
    rng = np.random.default_rng(seed)
    m = 9
    topics, history = rng.dirichlet(np.full(t, 0.4), m), rng.dirichlet(np.full(t, 0.4), 5)
    slates = np.stack([rng.permutation(m)[:k] for _ in range(5)])
    others = np.stack([rng.permutation(m)[:k] for _ in range(5)])
    others[0] = slates[0]
    weights = (1 / np.arange(1, k + 1)) / (1 / np.arange(1, k + 1)).sum()
    calibration = lists.radio_calibration(*map(torch.from_numpy, (topics, slates, history)))
    fragmentation = lists.radio_fragmentation(torch.from_numpy(slates), torch.from_numpy(others))
    for u in range(5):
        shown = sum(w * topics[i] for w, i in zip(weights, slates[u], strict=True))
        assert calibration[u].item() == pytest.approx(smoothed_root_jsd(shown, history[u]), abs=1e-7)
        over_items = np.zeros((2, m))
        over_items[0, slates[u]], over_items[1, others[u]] = weights, weights
        assert fragmentation[u].item() == pytest.approx(smoothed_root_jsd(*over_items), abs=1e-7)
    assert fragmentation[0] == 0


def test_radio_sees_the_order_of_a_slate_and_nothing_in_common() -> None:
    a, reordered, disjoint = (torch.tensor([x]) for x in ([1, 2, 3], [3, 2, 1], [4, 5, 6]))
    assert 0 < lists.radio_fragmentation(a, reordered).item() < lists.radio_fragmentation(a, disjoint).item()
    assert lists.radio_fragmentation(a, disjoint).item() == pytest.approx(1, abs=0.01)
