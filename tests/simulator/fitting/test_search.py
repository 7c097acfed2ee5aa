"""The search: against posteriors that are known exactly."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

from simulator.fitting.regression import adjusted, resampled
from simulator.fitting.search import Mixture, Search

SD, SEEN = 0.05, np.array([0.3, 0.6])
"""x ~ Normal(θ, SD²) in two dimensions, seen at SEEN: with the even prior the posterior is Normal(SEEN, SD²), its cut-off ends
beyond reach."""


def simulate(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return points + SD * rng.standard_normal(points.shape)


def run(population: int, generations: int, seed: int) -> tuple[Search, np.ndarray, list[float]]:
    """A search, what was simulated in the order of its numbers, and the largest distance kept after each generation."""
    search, rng, simulated, widths = Search(SEEN, 2, population, seed), np.random.default_rng(seed), [], []
    for generation in range(generations):
        proposals = search.proposals()
        points = np.array([proposals.draw(2) for _ in range(population if generation == 0 else population // 2)])
        x = simulate(points, rng)
        simulated.append(x)
        search.tell(proposals, points, np.abs(x - SEEN).max(1), x)
        widths.append(search.distances[search.kept()].max())
    return search, np.vstack(simulated), widths


def moments(points: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = weights @ points / weights.sum()
    return mean, np.sqrt(weights @ (points - mean) ** 2 / weights.sum())


def test_generations_come_nearer_and_the_weights_keep_the_prior():
    """The kept points, weighted, are the ABC posterior at their tolerance: Normal(SEEN, SD²) over a box of that width."""
    search, _, widths = run(3000, 8, seed=3)
    assert all(later < before for before, later in pairwise(widths))
    kept = search.kept()
    mean, sd = moments(expit(search.points[kept]), search.weights[kept])
    exact = np.sqrt(SD**2 + widths[-1] ** 2 / 3)        # |x − SEEN| ≤ h with even x: variance h² / 3 more
    weights = search.weights[kept]
    effective = weights.sum() ** 2 / (weights**2).sum()
    assert effective > 200
    assert mean == pytest.approx(SEEN, abs=4 * exact / np.sqrt(effective))      # four standard errors
    assert sd == pytest.approx([exact, exact], rel=4 / np.sqrt(2 * effective))


def test_what_tells_nothing_leaves_the_prior():
    """Distances by chance: the weighted points stay even over the cube, though they were not proposed so."""
    search, rng = Search(np.zeros(1), 2, 3000, 1), np.random.default_rng(1)
    for generation in range(4):
        proposals = search.proposals()
        points = np.array([proposals.draw(2) for _ in range(3000 if generation == 0 else 1500)])
        search.tell(proposals, points, rng.random(len(points)), rng.standard_normal((len(points), 1)))
    kept = search.kept()
    points, weights = expit(search.points[kept]), search.weights[kept]
    for values in points.T:
        edges = np.linspace(0, 1, 6)
        assert np.histogram(values, edges, weights=weights / weights.sum())[0] == pytest.approx(0.2, abs=0.04)
    assert np.quantile(weights, 0.95) > 2 * np.quantile(weights, 0.05)


def test_the_adjusted_posterior_is_the_exact_one():
    search, _, widths = run(2000, 3, seed=5)
    assert widths[-1] > 2.5 * SD                        # rejection alone would be much too wide
    points, weights, used = search.adjusted()
    assert used.all()
    mean, sd = moments(expit(points), weights)
    assert mean == pytest.approx(SEEN, abs=0.015)       # logits bend the line a little
    assert sd == pytest.approx([SD, SD], rel=0.12)


def test_intervals_cover_what_is_true_as_often_as_they_say():
    """Simulation-based calibration of the search (Talts et al. 2018): 90 % intervals of 60 fits, each of another truth."""
    inside = []
    for fit in range(60):
        rng = np.random.default_rng(fit)
        truth = rng.uniform(0.1, 0.9, 2)
        seen = simulate(truth, rng)
        search = Search(seen, 2, 120, fit)
        for generation in range(4):
            proposals = search.proposals()
            points = np.array([proposals.draw(2) for _ in range(120 if generation == 0 else 60)])
            x = simulate(points, rng)
            search.tell(proposals, points, np.abs(x - seen).max(1), x)
        points, weights, _ = search.adjusted()
        draws = expit(points)[resampled(weights, 400, rng)]
        inside += list((np.quantile(draws, 0.05, 0) <= truth) & (truth <= np.quantile(draws, 0.95, 0)))
    assert stats.binomtest(sum(inside), len(inside), 0.9).pvalue > 1e-3


def test_too_few_points_are_not_adjusted():
    rng = np.random.default_rng(0)
    points, summaries = rng.standard_normal((10, 2)), rng.standard_normal((10, 12))
    same, weights, used = adjusted(points, np.ones(10), np.arange(10.0), summaries, np.zeros(12))
    assert not used.any()
    assert same is points
    assert weights.sum() == pytest.approx(1)
    assert weights.argmax() == 0


def test_what_no_simulation_comes_up_to_is_left_out_of_the_regression():
    """A second summary that the model cannot meet: with it the line would be drawn to where nothing was ever seen."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((400, 1))
    met = points + 0.1 * rng.standard_normal((400, 1))
    missed = 0.3 * points + 5 + 0.1 * rng.standard_normal((400, 1))
    target = np.array([0.0, 0.0])
    found, weights, used = adjusted(points, np.ones(400), np.abs(met[:, 0]), np.hstack([met, missed]), target)
    assert used.tolist() == [True, False]
    assert weights @ found[:, 0] == pytest.approx(0, abs=0.03)
    within = np.array([0.0, 5.0])
    assert adjusted(points, np.ones(400), np.abs(met[:, 0]), np.hstack([met, missed]), within).summaries.all()


def test_asked_and_told_the_same_it_asks_the_same():
    (one, first, _), (other, second, _) = (run(40, 4, seed=9) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(one.points, other.points)
    assert not np.array_equal(first, run(40, 4, seed=10)[1])


def test_failures_are_never_kept():
    search = Search(np.zeros(1), 1, 10, 0)
    proposals = search.proposals()
    points = np.array([proposals.draw(1) for _ in range(10)])
    distances = np.where(np.arange(10) % 3 == 0, np.inf, points[:, 0])
    search.tell(proposals, points, distances, points)
    assert np.isfinite(search.distances[search.kept()]).all()
    assert len(search.kept()) == 5
    search.tell(search.proposals(), points[:2], np.array([np.inf, np.inf]), np.full((2, 1), np.nan))
    assert np.isfinite(search.distances[search.kept()]).all()


def test_the_density_of_a_mixture_is_scipys():
    rng = np.random.default_rng(1)
    centres, weights = rng.standard_normal((5, 3)), rng.dirichlet(np.ones(5))
    root = rng.standard_normal((3, 3))
    covariance = root @ root.T + np.eye(3)
    points = rng.standard_normal((20, 3)) * 3
    expected = sum(w * stats.multivariate_normal(c, covariance).pdf(points) for w, c in zip(weights, centres, strict=True))
    assert Mixture(centres, weights, covariance).log_density(points) == pytest.approx(np.log(expected))


def test_the_prior_of_logits_is_that_of_even_values():
    from simulator.fitting.search import _log_prior

    z = logit(np.array([[0.1, 0.5], [0.9, 0.2]]))
    assert _log_prior(z) == pytest.approx(stats.logistic.logpdf(z).sum(1))


def test_resampling_takes_each_as_often_as_its_weight_says():
    weights = np.array([0.5, 0.25, 0.2, 0.05])
    counts = np.bincount(resampled(weights, 200, np.random.default_rng(0)), minlength=4)
    assert counts.sum() == 200
    assert np.abs(counts - 200 * weights).max() <= 1
