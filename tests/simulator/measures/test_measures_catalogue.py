import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from simulator.measures import catalogue

counts_of = st.lists(st.integers(0, 50), min_size=1, max_size=40).filter(any).map(torch.tensor)


def test_gini_by_hand() -> None:
    assert catalogue.gini(torch.tensor([3, 3, 3, 3])) == pytest.approx(0)
    assert catalogue.gini(torch.tensor([0, 8, 0, 0])) == pytest.approx(3 / 4)
    assert catalogue.gini(torch.tensor([2, 1])) == pytest.approx(1 / 6)


@given(counts_of)
def test_gini_is_twice_the_area_between_equality_and_the_lorenz_curve(counts: torch.Tensor) -> None:
    x = np.sort(counts.numpy())
    lorenz = np.concatenate([[0], np.cumsum(x) / x.sum()])
    value = catalogue.gini(counts)
    assert value == pytest.approx(1 - 2 * np.trapezoid(lorenz, dx=1 / len(x)), abs=1e-12)
    assert -1e-12 <= value <= 1 - 1 / len(x) + 1e-12


@given(counts_of)
def test_the_two_ginis_differ_by_the_items_nobody_saw(counts: torch.Tensor) -> None:
    seen = int((counts > 0).sum()) / len(counts)
    assert catalogue.gini(counts) == pytest.approx(1 - seen * (1 - catalogue.gini_present(counts)), abs=1e-12)


@given(counts_of)
def test_concentration_agrees_with_scipy_and_keeps_its_bounds(counts: torch.Tensor) -> None:
    x = counts.numpy() / counts.numpy().sum()
    assert catalogue.shannon_items(counts) == pytest.approx(scipy.stats.entropy(x), abs=1e-12)
    assert 1 - 1e-9 <= catalogue.effective_items(counts) <= (x > 0).sum() + 1e-9
    assert 1 / len(x) - 1e-12 <= catalogue.herfindahl(counts) <= 1 + 1e-12
    assert 1 / catalogue.herfindahl(counts) <= catalogue.effective_items(counts) + 1e-9
    assert catalogue.coverage(counts) == pytest.approx((x > 0).mean())


@given(counts_of, st.floats(0.01, 1))
def test_top_share_is_at_least_the_share_of_items(counts: torch.Tensor, q: float) -> None:
    share = catalogue.top_share(counts, q)
    assert q - 1e-6 <= share <= 1 + 1e-12
    assert share >= counts.max().item() / counts.sum().item() - 1e-12


@pytest.mark.parametrize(("m", "q", "expected"), [(30, 0.1, 3), (250, 0.01, 3), (7, 0.01, 1), (100, 0.01, 1)])
def test_top_share_takes_the_ceiling(m: int, q: float, expected: int) -> None:
    assert catalogue.top_share(torch.ones(m), q) == pytest.approx(expected / m)


def test_self_information_by_hand() -> None:
    bits = catalogue.self_information(torch.tensor([16, 8, 1, 0]), 16)
    assert bits.tolist() == [0, 1, 4, 5]  # nobody knows the last: n := 1/2


def test_popularity_lift_divides_the_means_of_the_group() -> None:
    slates, profiles = torch.tensor([6.0, 10.0, 8.0]), torch.tensor([2.0, 10.0, 0.0])
    assert catalogue.popularity_lift(slates, profiles) == pytest.approx((8 - 4) / 4)
    assert catalogue.popularity_lift(profiles, profiles) == 0


def test_by_creator_sums_the_items_of_each() -> None:
    assert catalogue.by_creator(torch.tensor([1, 2, 0, 4, 0]), torch.tensor([2, 0, 1, 2, 0])).tolist() == [
        2,
        0,
        5,
    ]
