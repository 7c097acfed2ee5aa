"""Private preferences: the laws against scipy's, who comes in whose place, and choice by what others say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from agents.choice import Menu
from agents.choice_rating import ByRating
from agents.drift_newcomers import Newcomers
from agents.interests import Varied
from agents.laws import Law, quantile, scatter_of
from simulator.draws import Draws
from simulator.faults import ScenarioError
from simulator.model import FilterBubbleModel
from simulator.overrides import parse_override
from simulator.scenario import Scenario, check
from simulator.yaml_source import parse

KINDS = ("bernoulli", "normal", "exponential", "pareto")
OF_SCIPY = {
    "normal": lambda a: stats.norm(0, a), "exponential": lambda a: stats.expon(scale=a), "pareto": stats.lomax,
    "bernoulli": stats.bernoulli,
}
WORLD = """\
title: t
rounds: 6
warmup: 0
slate_size: 4
users:
  count: 7
  interests: varied
  choice: by_rating
  drift: newcomers
  feedback: [review, fair_review]
  repeats: {after: 1}
items: {count: 8, topics: 8, space: values, mixture: one_hot, quality: 1, quality_law: uniform}
discovery: {awareness: 3}
policies: [{kind: average_rating, signal: review}, {kind: average_rating, name: fair, signal: fair_review}, oracle, organic]
"""


def world(*changes: str) -> Scenario:
    return check(parse(WORLD, "w.yaml"), [parse_override(change) for change in changes])


@pytest.mark.parametrize("kind", KINDS)
def test_quantiles_are_those_of_scipy(kind):
    scatter, u = np.array([0.3, 0.9, 2.5 if kind == "pareto" else 0.55]), np.array([[0.001, 0.2, 0.5], [0.7, 0.95, 0.999999]])
    np.testing.assert_allclose(quantile(kind, scatter, u), OF_SCIPY[kind](scatter).ppf(u), rtol=1e-9, atol=1e-12)


def test_parameters_by_hand():
    """U = ½ of ten topics: p = ln 10 / 30; a standard deviation or mean of ½; a shape of 3."""
    for kind, expected in zip(KINDS, (np.log(10) / 30, 0.5, 0.5, 3.0), strict=True):
        np.testing.assert_allclose(scatter_of(kind, np.full(10, 0.5)), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_who_was_there_and_who_comes_are_of_one_law(kind):
    n, drawn = 20_000, Varied(kind).draw(20_000, 3, None, np.random.default_rng(1))
    assert drawn.law is not None
    assert len(np.unique(drawn.law.scatter, axis=0)) == 1                       # one for all users
    later = drawn.law.draw(torch.arange(n), Draws(2).at(4)).double().numpy()
    for topic, scatter in enumerate(drawn.law.scatter[0]):
        for values in (drawn.interests[:, topic], later[:, topic]):
            if kind == "bernoulli":
                assert stats.binomtest(int(values.sum()), n, scatter).pvalue > 1e-3
            else:
                assert stats.kstest(values, OF_SCIPY[kind](scatter).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(later.T)[0, 1]) < 4 / n**0.5


def test_a_law_is_cut_as_users_are():
    law = Law("normal", np.arange(12.0).reshape(4, 3))
    ids, draws = torch.arange(4), Draws(3).at(1)
    assert torch.equal(law[1:3].draw(ids[1:3], draws), law.draw(ids, draws)[1:3])


@pytest.mark.parametrize("turnover", [0.0, 0.3, 1.0])
def test_so_many_places_are_taken_by_others(turnover, make_users, make_catalog):
    n = 3000
    users = make_users(torch.zeros(n, 2))
    users.law = Law("exponential", np.ones((n, 2)))
    drifted = Newcomers(turnover).drift(users, make_catalog(torch.eye(2), "values"), None, None, Draws(1).at(1))
    came = (drifted.interests > 0).all(1)
    assert came.double().mean().item() == pytest.approx(turnover, abs=4 * (turnover * (1 - turnover) / n) ** 0.5)
    assert (drifted.interests[~came] == 0).all()


def test_choice_by_rating_by_hand(make_users, make_catalog):
    """θ = (.1, .5, .3), ratings (1, .2, none), qualities (0, 0, .9): 1.1, .7 and, seen for herself, 1.2."""
    users, items = make_users(torch.tensor([[0.1, 0.5, 0.3]])), make_catalog(torch.eye(3), "values")
    items.quality = torch.tensor([0.0, 0.0, 0.9])
    menu = Menu(torch.tensor([[0, 1, 2]]), torch.ones(1, 3, dtype=torch.bool), 3, ratings=torch.tensor([[1.0, 0.2, torch.nan]]))
    order = ByRating().choose(users, items, menu, 3, Draws(0))
    assert order.items.tolist() == [[2, 0, 1]]
    torch.testing.assert_close(order.utility, torch.tensor([[1.2, 0.1, 0.5]]))
    assert ByRating(outside_utility=1.15).choose(users, items, menu, 3, Draws(0)).taken.tolist() == [[True, False, False]]
    assert ByRating().choose(users, items, menu._replace(ratings=None), 1, Draws(0)).items.tolist() == [[2]]


@pytest.mark.parametrize(("arm", "corrected"), [(0, False), (1, True)])
def test_a_platform_that_averages_is_replayed_by_a_loop(arm, corrected):
    """Every round: the score beside every item is the mean of what was reported, and people take the best by it."""
    scenario = world("slate_size=8", "discovery.share=0")
    model = FilterBubbleModel(scenario, scenario.policies[arm])
    quality = model.catalog.quality.double().numpy()
    assert 0 <= quality.min() < quality.max() <= 1
    total, count = np.zeros(8), np.zeros(8)
    for _ in range(scenario.rounds):
        theta, score = model.users.interests.double().numpy().copy(), total / (0.1 + count)
        model.step()
        users, items, _ = (column[-7:] for column in model.platform.log.interactions())
        assert items.tolist() == (score + theta[users]).argmax(1).tolist()
        noise = torch.special.ndtri(model.draws.at(model.round)("review").uniform_pair(users, items)[1]).numpy()
        np.add.at(total, items, quality[items] + 0.5 * noise + (0 if corrected else theta[users, items]))
        np.add.at(count, items, 1)
        assert (theta != model.users.interests.double().numpy()).all()
    model.close()


@pytest.mark.parametrize("arm", [0, 2])
def test_one_cohort_of_seven_is_seven_of_one(arm):
    lives = []
    for agents in (1, 7):
        scenario = world(f"users.agents={agents}")
        model = FilterBubbleModel(scenario, scenario.policies[arm]).run()
        lives.append((model.trajectory, model.users.interests.tolist()))
        model.close()
    assert lives[0] == lives[1]


@pytest.mark.parametrize(("changes", "message"), [
    (["users.interests=uniform"], "'newcomers' are drawn by the law of others before them: write `interests: varied`"),
    (["users.cohorts=[{name: a, share: 1, interests: {kind: varied, law: pareto}}]"], "what they are drawn by is everybody's"),
    (["users.feedback=[review]"], "'fair' reads the signal 'fair_review', which users do not give: they give review"),
    (["users.feedback=[]"], "add `feedback: [review]` under `users`"),
    (["items.quality_law=normals"], "items.quality_law"),
    (["users.interests.law=cauchy"], "users.interests.law"),
])
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ScenarioError) as caught:
        world(*changes)
    assert message in str(caught.value)


def test_uniform_quality_is_of_items_that_are_drawn():
    with pytest.raises(ScenarioError, match="what creators publish is normal in quality: leave it out"):
        world("users.interests=uniform", "users.drift=none", "items.mixture=dirichlet", "creators={}")
