"""Worlds whose topics and items are not all alike: common topics and rare ones, several topics an item, lognormal salience."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from agents.catalog import draw_catalog, equal_shares
from agents.interests import Dirichlet
from agents.space import commonness
from simulator.faults import ScenarioError
from simulator.scenario import check
from simulator.yaml_source import parse

COUNT, TOPICS = 20_000, 6
ALPHA = 1e-4                        # seeds are fixed: a test that passes once passes always


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_commonness_is_geometric_and_one_on_average():
    assert commonness(4, 0.5) == pytest.approx(np.array([1, 1 / 2, 1 / 4, 1 / 8]) * 4 / (15 / 8))
    assert (commonness(7, 1.0) == 1).all()                  # exactly: worlds without a skew are as they were


@pytest.mark.parametrize("skew", [1.0, 0.6])
def test_interests_and_topics_have_the_mean_of_their_dirichlet(skew):
    interests = Dirichlet(0.2, skew).draw(COUNT, TOPICS, None, rng()).interests
    topics = draw_catalog(COUNT, TOPICS, 0.2, "simplex", 0.1, 1.0, 5, rng(), topic_skew=skew).topics.double().numpy()
    share = commonness(TOPICS, skew) / TOPICS
    total = 0.2 * TOPICS
    sd = np.sqrt(share * (1 - share) / (total + 1))         # of a Dirichlet's margin
    for rows in (interests, topics):
        assert rows.mean(0) == pytest.approx(share, abs=4 * sd.max() / np.sqrt(COUNT))
        assert rows.std(0) == pytest.approx(sd, rel=0.03)


def test_equal_shares_have_the_number_and_the_topics_that_they_say(fits):
    weights = commonness(TOPICS, 0.6)
    shares = equal_shares(COUNT, weights, 1.8, rng())
    number = (shares > 0).sum(1)
    assert shares.sum(1) == pytest.approx(1)
    assert ((shares == 0) | np.isclose(shares, 1 / number[:, None])).all()
    expected = stats.poisson.pmf(np.arange(TOPICS), 0.8)
    expected[-1] = 1 - expected[:-1].sum()
    counts = np.bincount(number, minlength=TOPICS + 1)[1:]
    assert stats.chisquare(counts, expected * COUNT).pvalue > ALPHA
    alone = shares[number == 1].argmax(1)
    p = weights / weights.sum()
    assert stats.chisquare(np.bincount(alone, minlength=TOPICS), p * len(alone)).pvalue > ALPHA
    pairs = shares[number == 2] > 0                         # without replacement: p_a p_b (1 / (1 − p_a) + 1 / (1 − p_b))
    seen, wanted = [], []
    for a in range(TOPICS):
        for b in range(a):
            seen.append((pairs[:, a] & pairs[:, b]).sum())
            wanted.append(p[a] * p[b] * (1 / (1 - p[a]) + 1 / (1 - p[b])))
    assert sum(wanted) == pytest.approx(1)
    assert stats.chisquare(seen, np.array(wanted) * len(pairs)).pvalue > ALPHA
    assert (equal_shares(50, weights, 1.0, rng()).max(1) == 1).all()
    assert (equal_shares(50, weights, 100.0, rng()) > 0).all()


def test_lognormal_salience_is_normal_in_its_logarithm():
    catalog = draw_catalog(COUNT, TOPICS, 0.2, "simplex", 0.1, 1.4, 5, rng(), popularity="lognormal")
    logs = catalog.salience.log().numpy()
    assert stats.kstest((logs - logs.mean()) / 1.4, "norm").pvalue > ALPHA
    assert catalog.salience.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ("{topic_skew: 0.5, mixture: one_hot}", "nor with `mixture: one_hot`"),
        ("{topic_skew: 0.5, space: sphere}", "not on the sphere"),
        ("{mixture: equal, space: sphere}", "the sphere has directions"),
    ],
)
def test_what_would_do_nothing_is_refused(items, words):
    interests = "users: {interests: sphere, drift: none}\n" if "sphere" in items else ""
    with pytest.raises(ScenarioError) as error:
        check(parse(f"title: x\n{interests}items: {items}\npolicies: [organic]\n", "x"))
    assert words in str(error.value)
