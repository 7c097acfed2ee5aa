import math
from collections import Counter

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.measures import within
from simulator.measures.divergence import entropy, jensen_shannon, kullback_leibler


def rows(seed: int, n: int, t: int, concentration: float = 0.3) -> np.ndarray:
    p = np.random.default_rng(seed).dirichlet(np.full(t, concentration), n)
    p[0] = np.eye(t)[0]  # 0 · log 0 occurs in every example
    return p


seeds = st.integers(0, 2**32 - 1)


@given(seed=seeds, n=st.integers(1, 9), t=st.integers(1, 12))
def test_entropy_and_hill_numbers_agree_with_scipy_and_keep_their_bounds(seed: int, n: int, t: int) -> None:
    p = rows(seed, n, t)
    h = entropy(torch.from_numpy(p))
    np.testing.assert_allclose(h, scipy.stats.entropy(p, axis=1), atol=1e-12)
    first, second = within.effective_topics(h), within.simpson_topics(torch.from_numpy(p))
    np.testing.assert_allclose(second, 1 / (p**2).sum(1))
    np.testing.assert_allclose(within.gini_simpson(torch.from_numpy(p)), 1 - 1 / second, atol=1e-12)
    assert (second >= 1 - 1e-9).all()
    assert (second <= first + 1e-9).all()  # Hill numbers fall with their order
    assert (first <= t + 1e-9).all()


@given(seed=seeds, n=st.integers(1, 9), t=st.integers(1, 12))
def test_divergences_agree_with_scipy(seed: int, n: int, t: int) -> None:
    p, q = rows(seed, n, t), rows(seed + 1, n, t)
    q[-1] = p[-1]
    jsd = jensen_shannon(torch.from_numpy(p), torch.from_numpy(q))
    np.testing.assert_allclose(
        jsd, scipy.spatial.distance.jensenshannon(p, q, base=2, axis=1) ** 2, atol=1e-12
    )
    assert jsd[-1] == 0
    mixed = 0.9 * q + 0.1 * p
    kl = kullback_leibler(torch.from_numpy(p), torch.from_numpy(mixed))
    np.testing.assert_allclose(kl, scipy.stats.entropy(p, mixed, axis=1), atol=1e-12)


def test_divergences_at_the_ends_of_their_range() -> None:
    one, other = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.5, 0.5]])
    assert jensen_shannon(one, other).item() == pytest.approx(1)
    assert kullback_leibler(one, other).item() == math.inf
    assert kullback_leibler(other, other).item() == 0


def test_a_small_divergence_survives_float32() -> None:
    """H(m) − (H(p) + H(q)) / 2 in float32 would give noise here: the divergence is 1e-8 of the entropies."""
    p = torch.full((1, 20), 0.05)
    q = p.clone()
    q[0, 0], q[0, 1] = 0.0500005, 0.0499995
    exact = jensen_shannon(p.double(), q.double()).item()
    assert 0 < exact < 1e-8
    assert jensen_shannon(p, q).item() == pytest.approx(exact, rel=0.01)


def test_topic_coverage_by_hand() -> None:
    met = torch.tensor([[True, False, False, True], [False, False, False, True]])
    assert within.topic_coverage(met).tolist() == [0.5, 0.25]


@settings(max_examples=20)
@given(seed=seeds)
def test_an_even_diet_of_j_topics_has_j_effective_topics(seed: int) -> None:
    t, j = 9, 1 + seed % 9
    p = torch.zeros(1, t, dtype=torch.float64)
    p[0, torch.randperm(t, generator=torch.Generator().manual_seed(seed))[:j]] = 1 / j
    assert within.effective_topics(entropy(p)).item() == pytest.approx(j)
    assert within.simpson_topics(p).item() == pytest.approx(j)


@given(seed=seeds, n=st.integers(1, 6), length=st.integers(1, 12), m=st.integers(1, 8))
def test_own_items_are_counted_and_their_gini_is_that_of_mean_differences(seed: int, n: int, length: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    items = rng.integers(0, m + 1, (n, length))             # m: an empty place
    items[:, 0] = rng.integers(0, m, n)                     # nobody has taken nothing
    counts = within.own_counts(torch.from_numpy(items), m)
    found = within.user_gini(counts)
    for row in range(n):
        x = np.array(sorted(Counter(items[row][items[row] < m].tolist()).values(), reverse=True))
        assert counts[row].tolist() == [*x, *[0] * (length - len(x))]
        assert found[row] == pytest.approx(np.abs(x[:, None] - x).sum() / (2 * len(x) * x.sum()), abs=1e-12)


def test_the_gini_of_a_stationary_chooser_grows_with_the_mere_number_of_takes() -> None:
    """Zipf over 300 items: .114 after 10 draws, .192 after 20, .279 after 40, .369 after 80, .457 after 160."""
    weights = 1 / np.arange(1, 301)
    items = torch.from_numpy(np.random.default_rng(0).choice(300, (2000, 160), p=weights / weights.sum()))
    means = [float(within.user_gini(within.own_counts(items[:, :n], 300)).mean()) for n in (10, 20, 40, 80, 160)]
    assert means == pytest.approx([0.114, 0.192, 0.279, 0.369, 0.457], abs=0.003)
