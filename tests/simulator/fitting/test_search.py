"""The search: against posteriors that are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from simulator.fitting.emulator import Emulator, Likelihood, posterior, terms
from simulator.fitting.search import FOCUS, Search

SD, SEEN = 0.06, np.array([0.4, 0.6, 0.24])
"""s = (θ₁, θ₂, θ₁ θ₂) + Normal(0, SD²), of two parameters in [0, 1]."""


def mean(points: np.ndarray) -> np.ndarray:
    return np.column_stack([points, points.prod(1)])


def simulate(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return mean(points) + SD * rng.standard_normal((len(points), 3))


def run(first: int, later: int, generations: int, seed: int, seen: np.ndarray = SEEN) -> Search:
    search, rng = Search(seen, 2, seed), np.random.default_rng(seed)
    for generation in range(generations):
        draw = search.proposals()
        points = np.array([draw() for _ in range(later if generation else first)])
        search.tell(points, simulate(points, rng))
    return search


def exact(seen: np.ndarray, cells: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the posterior of both parameters, by a fine grid."""
    ends = (np.arange(cells) + 0.5) / cells
    grid = np.stack(np.meshgrid(ends, ends), -1).reshape(-1, 2)
    weights = np.exp(-((seen - mean(grid)) ** 2).sum(1) / 2 / SD**2)
    centre = weights @ grid / weights.sum()
    return centre, np.sqrt(weights @ (grid - centre) ** 2 / weights.sum())


def test_the_terms_of_a_quadratic_by_hand():
    assert terms(np.array([[1.0, 0.75]]), quadratic=True).tolist() == [[1, 1, 0.5, 1, 0.5, 0.25]]
    assert terms(np.array([[0.0, 0.5]]), quadratic=False).tolist() == [[1, -1, 0]]


def test_the_emulator_is_the_least_squares_of_the_library_and_knows_its_error():
    rng = np.random.default_rng(0)
    points = rng.random((400, 2))
    emulator = Emulator.learnt(points, simulate(points, rng))
    assert emulator.quadratic
    assert emulator.mean(points) == pytest.approx(mean(points), abs=0.04)
    assert np.diag(emulator.covariance) == pytest.approx(SD**2, rel=0.15)
    few = Emulator.learnt(points[:8], simulate(points[:8], rng))
    assert not few.quadratic


def test_the_likelihood_is_that_of_the_library():
    """Of what a new simulation gives: the residuals' covariance, and what is not known of the mean, x (XᵀX)⁻¹ xᵀ of it."""
    rng = np.random.default_rng(1)
    design = rng.random((40, 2))
    emulator = Emulator.learnt(design, rng.random((40, 3)))
    points = rng.random((5, 2))
    x = terms(np.vstack([design, points]), True)
    covariance = emulator.covariance + 0.5 * np.diag(np.diag(emulator.covariance))
    hat = x @ np.linalg.inv(x[:40].T @ x[:40]) @ x.T
    expected = [
        -2 * stats.multivariate_normal(mean, covariance * (1 + hat[40 + place, 40 + place])).logpdf(SEEN)
        for place, mean in enumerate(emulator.mean(points))
    ]
    found = Likelihood(emulator, SEEN, 0.5).deviance(points)
    assert found - found[0] == pytest.approx(np.array(expected) - expected[0], rel=1e-4, abs=1e-3)


def test_the_posterior_is_the_exact_one():
    search = run(150, 75, 4, seed=3)
    assert search.likelihood is not None
    assert search.draws is not None
    centre, spread = exact(SEEN)
    assert search.draws.mean(0) == pytest.approx(centre, abs=0.02)
    assert search.draws.std(0) == pytest.approx(spread, rel=0.2)
    assert search.best == pytest.approx(centre, abs=0.05)


def test_what_tells_nothing_leaves_the_prior():
    """Summaries by chance: the draws stay even over the cube, its ends among them."""
    search, rng = Search(np.zeros(2), 2, 1), np.random.default_rng(1)
    points = rng.random((400, 2))
    search.tell(points, rng.standard_normal((400, 2)))
    assert search.draws is not None
    for values in search.draws.T:
        assert stats.kstest(values, "uniform").pvalue > 1e-3


def test_one_parameter_that_only_the_square_knows_has_two_modes():
    """s = (2 θ − 1)²: as likely on either side."""
    rng = np.random.default_rng(2)
    points = rng.random((200, 1))
    summaries = (2 * points - 1) ** 2 + 0.02 * rng.standard_normal((200, 1))
    draws, _ = posterior(Emulator.learnt(points, summaries), np.array([0.25]), 1, rng)
    assert np.minimum(abs(draws - 0.25), abs(draws - 0.75)).max() < 0.06
    assert 0.35 < (draws < 0.5).mean() < 0.65


def test_what_the_model_cannot_meet_widens_the_posterior():
    """The third summary is out of reach: the draws are farther apart than if it were met, and more than the naive ones."""
    beyond = np.array([0.4, 0.6, 1.5])
    near, far = run(150, 75, 3, seed=5), run(150, 75, 3, seed=5, seen=beyond)
    assert near.likelihood is not None
    assert far.likelihood is not None
    assert near.likelihood.discrepancy < 1 < 50 < far.likelihood.discrepancy
    assert near.draws is not None
    assert far.draws is not None
    assert (far.draws.std(0) > near.draws.std(0)).any()
    naive = Likelihood(far.likelihood.emulator, beyond, 0.0)
    assert np.ptp(naive.chi_square(far.draws)) > 20         # which a likelihood that believes in the model would never accept


@pytest.mark.slow
def test_intervals_cover_what_is_true_as_often_as_they_say():
    """Simulation-based calibration of the search (Talts et al. 2018): 80 % intervals of 60 fits, each of another truth."""
    inside = []
    for fit in range(60):
        rng = np.random.default_rng(fit)
        truth = rng.uniform(0.05, 0.95, 2)
        seen = mean(truth[None])[0] + SD * rng.standard_normal(3)
        draws = run(60, 30, 3, fit, seen).draws
        assert draws is not None
        inside += list((np.quantile(draws, 0.1, 0) <= truth) & (truth <= np.quantile(draws, 0.9, 0)))
    assert stats.binomtest(sum(inside), len(inside), 0.8).pvalue > 1e-3
    assert sum(inside) < len(inside)


def test_asked_and_told_the_same_it_asks_the_same():
    one, other = run(40, 20, 4, seed=9), run(40, 20, 4, seed=9)
    assert np.array_equal(one.points, other.points)
    assert np.array_equal(one.draws, other.draws)           # type: ignore[arg-type]
    assert not np.array_equal(one.points, run(40, 20, 4, seed=10).points)


def test_later_generations_come_nearer():
    search = run(60, 30, 4, seed=2)
    off = np.abs(mean(search.points) - SEEN).max(1)
    assert np.median(off[60:]) < np.median(off[:60]) / 2


def test_failures_teach_nothing_and_stop_nothing():
    search, rng = Search(SEEN, 2, 0), np.random.default_rng(0)
    points = rng.random((60, 2))
    summaries = simulate(points, rng)
    summaries[::3] = np.nan
    search.tell(points, summaries)
    assert search.told().tolist() == [number for number in range(60) if number % 3]
    search.tell(points[:2], np.full((2, 3), np.nan))
    assert np.isfinite(search.draws).all()                  # type: ignore[arg-type]
    nothing = Search(SEEN, 2, 0)
    nothing.tell(points, np.full((60, 3), np.nan))
    assert nothing.draws is None


def test_the_emulator_rests_on_what_is_plausible_and_not_on_what_was_lucky():
    search = run(300, 100, 3, seed=4)
    assert FOCUS * 6 <= len(search.used) < 450
    off = np.abs(mean(search.points) - SEEN).max(1)
    left_out = np.setdiff1d(np.arange(500), search.used)
    assert np.median(off[search.used]) < np.quantile(off[left_out], 0.1)
    plausible, outcomes = search.focus(), search.summaries
    search.summaries = outcomes + np.random.default_rng(0).standard_normal(outcomes.shape)
    assert np.array_equal(search.focus(), plausible)            # whatever came of them
