"""Sales among neighbours, against the description written out one pair at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies import Policy
from policies.log import FeedbackLog, ItemData
from policies.sales import NeighbourSales


@pytest.fixture(autouse=True)
def nothing_held_out(monkeypatch) -> None:
    """The whole log is counted, so that scores can be written down from it."""
    monkeypatch.setattr(Policy, "held_out_share", 0.0)


def log_of(counts: np.ndarray) -> FeedbackLog:
    """The log of a world with repeats in which user u took item i counts[u, i] times, once a round."""
    log = FeedbackLog(*counts.shape, again_after=1)
    for round in range(1, int(counts.max()) + 1):
        users, items = np.nonzero(counts >= round)
        log.record(round, torch.from_numpy(users), torch.from_numpy(items))
    log.now = round + 1
    return log


def fitted(policy: NeighbourSales, log: FeedbackLog, seed: int = 0) -> NeighbourSales:
    eye = torch.eye(log.n_items)
    return policy.fit(log, ItemData(eye, eye), torch.Generator().manual_seed(seed))


def by_hand(counts: np.ndarray, neighbours: int, discount: float) -> np.ndarray:
    """Scores by their definition; no two users equally alike."""
    n = len(counts)
    scores = np.zeros(counts.shape)
    for u in range(n):
        alike = []
        for v in range(n):
            size = np.linalg.norm(counts[u]) * np.linalg.norm(counts[v])
            alike.append(-1.0 if v == u or not size else counts[u] @ counts[v] / size)
        for v in sorted(range(n), key=lambda v: -alike[v])[:neighbours]:
            if alike[v] > 0:
                scores[u] += counts[v]
    return scores / np.maximum(counts.sum(0), 1) ** discount


def test_an_example_by_hand():
    """User 0 is like 1, not like 2. Neighbour 1 took item 1 three times and item 2 twice; all took 1 six times, 2 twice."""
    log = log_of(np.array([[2, 1, 0, 0], [2, 3, 2, 0], [0, 2, 0, 4]]))
    plain, discounted = (fitted(NeighbourSales(1, discount), log).score(torch.tensor([0]), log) for discount in (0.0, 1.0))
    torch.testing.assert_close(plain[0, :3], torch.tensor([2.0, 3.0, 2.0]), atol=1e-4, rtol=0)
    torch.testing.assert_close(discounted[0, :3], torch.tensor([0.5, 0.5, 1.0]), atol=1e-4, rtol=0)
    assert plain.argmax() == 1
    assert discounted.argmax() == 2
    assert plain[0, 3] < 0                              # no neighbour took it


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), neighbours=st.integers(1, 9), discount=st.sampled_from([0.0, 0.4, 1.0]))
def test_scores_are_those_of_the_description(seed: int, neighbours: int, discount: float):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.gamma(1, 3, (8, 13)))      # of real numbers, no two cosines are likely to be equal
    counts[0, 0] = counts[0, 0] or 1
    log = log_of(counts)
    found = fitted(NeighbourSales(neighbours, discount), log).score(torch.arange(8), log).numpy()
    reference = by_hand(counts, neighbours, discount)
    np.testing.assert_allclose(np.where(found > 0, found, 0), reference, atol=1e-4 * max(1, reference.max()))


def test_her_own_takes_count_as_soon_as_they_are_made():
    counts = np.array([[1, 0, 0, 0], [3, 0, 2, 0], [0, 3, 0, 2]])
    log = log_of(counts)
    policy = fitted(NeighbourSales(1), log)
    assert policy.score(torch.tensor([0]), log).argmax() == 0
    for round in range(5, 9):
        log.record(round, torch.tensor([0]), torch.tensor([1]))
    assert policy.score(torch.tensor([0]), log).argmax() == 1


def test_what_she_took_before_is_shown_again_where_people_take_things_again():
    log = log_of(np.array([[1, 0, 0], [4, 1, 0], [3, 0, 1]]))
    ids, _ = fitted(NeighbourSales(2), log).rank(torch.tensor([0]), 1, log, None)      # type: ignore[arg-type]
    assert ids.tolist() == [[0]]


def test_equal_items_come_in_an_order_that_chance_decides():
    log = log_of(np.array([[1, 1, 0, 0], [1, 1, 2, 2], [0, 0, 1, 0]]))
    first = {int(fitted(NeighbourSales(1), log, seed).score(torch.tensor([0]), log).argmax()) for seed in range(20)}
    assert first == {2, 3}


@pytest.mark.parametrize("discount", [0.0, 1.0])
def test_the_more_it_is_discounted_the_less_popular_is_what_is_shown(discount: float):
    rng = np.random.default_rng(5)
    counts = rng.poisson(rng.gamma(0.5, 2, (40, 1)) * np.linspace(3, 0.1, 30))
    log = log_of(counts)
    half, full = (fitted(NeighbourSales(10, d), log).score(torch.arange(40), log).argmax(1) for d in (0.5 * discount, discount))
    popular = torch.from_numpy(counts.sum(0)).double()
    assert (popular[full].mean() < popular[half].mean()) == (discount > 0)
