import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.measures import between
from simulator.measures.divergence import entropy
from simulator.measures.frame import sample_pairs


def test_partition_of_separate_bubbles_of_one_herd_and_of_broad_users() -> None:
    bubbles = torch.eye(4).repeat(3, 1)  # 12 users, each with one topic of four
    assert between.diversity_partition(bubbles) == pytest.approx((1, 4, 4), rel=1e-6)
    herd = torch.eye(4)[[2] * 12]
    assert between.diversity_partition(herd) == pytest.approx((1, 1, 1), rel=1e-6)
    broad = torch.full((12, 4), 0.25)
    assert between.diversity_partition(broad) == pytest.approx((4, 1, 4), rel=1e-6)


def test_alpha_is_the_exponential_of_the_mean_not_the_mean_of_exponentials() -> None:
    shares = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])
    assert between.diversity_partition(shares).alpha == pytest.approx(2)  # √(1 · 4)
    assert entropy(shares).exp().mean().item() == pytest.approx(2.5)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 15), t=st.integers(1, 9))
def test_partition_multiplies_and_keeps_its_bounds(seed: int, n: int, t: int) -> None:
    shares = torch.from_numpy(np.random.default_rng(seed).dirichlet(np.full(t, 0.2), n))
    alpha, beta, gamma = between.diversity_partition(shares)
    assert alpha * beta == pytest.approx(gamma)
    assert 1 - 1e-9 <= alpha <= gamma + 1e-9 <= t + 2e-9
    assert 1 - 1e-9 <= beta <= min(n, t) + 1e-9


def brute_jaccard(pairs: list[tuple[set, set]]) -> float | None:
    values = [len(a & b) / len(a | b) for a, b in pairs if a | b]
    return sum(values) / len(values) if values else None


@settings(max_examples=60)
@given(data=st.data(), n=st.integers(2, 13), m=st.integers(1, 9), places=st.integers(0, 6))
def test_jaccard_equals_a_loop_over_sets(data: st.DataObject, n: int, m: int, places: int) -> None:
    flat = data.draw(st.lists(st.integers(0, m), min_size=n * places, max_size=n * places))  # m = empty
    items = torch.tensor(flat, dtype=torch.int32).reshape(n, places)
    sets = [set(row) - {m} for row in items.tolist()]
    pairs = list(itertools.combinations(range(n), 2))
    expected = brute_jaccard([(sets[u], sets[v]) for u, v in pairs])
    first, second = torch.tensor(pairs).T
    for value in (
        between.jaccard_of_pairs(items, m, first, second),
        between.jaccard_of_all_pairs(items, m),
    ):
        assert (value is None) == (expected is None)
        assert value is None or value == pytest.approx(expected)


def test_jaccard_compares_sets_whatever_the_order_and_the_repeats() -> None:
    items = torch.tensor([[5, 0, 3, 9], [3, 5, 0, 9], [1, 1, 9, 9], [1, 2, 9, 9]])  # 9 = empty
    first, second = torch.tensor([0, 2]), torch.tensor([1, 3])
    assert between.jaccard_of_pairs(items, 9, first, second) == pytest.approx((1 + 1 / 2) / 2)


def test_small_populations_are_counted_in_tables_to_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    items = torch.from_numpy(np.random.default_rng(4).integers(0, 12, (31, 5)))
    first, second = torch.triu_indices(31, 31, offset=1)
    by_table = between.jaccard_of_pairs(items, 11, first, second)
    monkeypatch.setattr(between, "SMALL", 0)
    assert between.jaccard_of_pairs(items, 11, first, second) == by_table


@settings(max_examples=60)
@given(data=st.data(), n=st.integers(1, 9), m=st.integers(1, 5), places=st.integers(0, 3))
def test_coincidence_equals_a_loop_over_pairs(data: st.DataObject, n: int, m: int, places: int) -> None:
    flat = data.draw(st.lists(st.integers(0, m), min_size=n * places, max_size=n * places))  # m = took nothing
    rows = torch.tensor(flat, dtype=torch.int64).reshape(n, places)
    both = [(a, b) for one, other in itertools.permutations(rows.tolist(), 2) for a, b in zip(one, other, strict=True)
            if a < m and b < m]
    expected = float(np.mean([a == b for a, b in both])) if both else None
    assert between.coincidence(rows.clamp(max=m - 1), rows < m, m) == (expected and pytest.approx(expected))


def test_coincidence_by_hand() -> None:
    """Three of four take item 2, so 3 of 6 pairs; the fourth's second take meets nobody's."""
    items = torch.tensor([[2, 0], [2, 0], [2, 0], [1, 2]])
    taken = torch.tensor([[True, False]] * 3 + [[True, True]])
    assert between.coincidence(items, taken, 3) == 0.5


def test_all_pairs_runs_over_more_than_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    items = torch.from_numpy(np.random.default_rng(3).integers(0, 12, (31, 5)))
    whole = between.jaccard_of_all_pairs(items, 11)
    monkeypatch.setattr(between, "ROWS_PER_BLOCK", 7)
    assert between.jaccard_of_all_pairs(items, 11) == pytest.approx(whole)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40), size=st.integers(1, 200))
def test_sampled_pairs_never_hold_a_user_with_herself(seed: int, n: int, size: int) -> None:
    first, second = sample_pairs(n, size, np.random.default_rng(seed))
    assert (first != second).all()
    assert len(first) == min(size, math.comb(n, 2))
    if math.comb(n, 2) <= size:
        assert len(
            {frozenset(pair) for pair in zip(first.tolist(), second.tolist(), strict=True)}
        ) == math.comb(n, 2)


def test_sampled_pairs_reach_every_pair_equally_often() -> None:
    n, size = 7, 20
    counts = np.zeros((n, n))
    rng = np.random.default_rng(0)
    for _ in range(2000):
        np.add.at(counts, tuple(sample_pairs(n, size, rng).numpy()), 1)
    off = counts[~np.eye(n, dtype=bool)]
    assert counts.diagonal().sum() == 0
    assert off.min() > 0.85 * off.mean()
    assert off.max() < 1.15 * off.mean()
