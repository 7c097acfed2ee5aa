"""Points on a plane: what is nearer is worth more, and measures see directions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from agents.catalog import draw_catalog, scattered
from agents.choice import true_utility
from agents.choice_acceptance import BoundedConfidence
from agents.choice_best import Best
from agents.drift_attraction import Assimilation
from agents.drift_opinion import MemoryMean
from agents.interests import Points
from agents.space import lifted, lowered, mixture, nearness, unmix
from simulator.draws import Draws
from simulator.faults import ScenarioError
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario, check
from simulator.yaml_source import parse

WORLD = {
    "title": "t", "rounds": 5, "warmup": 2, "slate_size": 4,
    "users": {"count": 13, "interests": "points", "choice": {"kind": "logit", "outside_utility": -9.0}},
    "items": {"count": 17, "topics": 4, "space": "plane"}, "discovery": {"awareness": 3}, "policies": ["organic", "oracle"],
}


def test_affinity_by_hand(make_users, make_catalog, make_menu):
    """She stands at (1, 2): (4, 6) is 5 away, (1, 2) is where she is."""
    users = make_users(torch.tensor([[1.0, 2.0]]))
    items = make_catalog(torch.tensor([[4.0, 6.0], [1.0, 2.0], [0.0, 0.0]]), "plane", quality=torch.tensor([1.0, 0.0, 0.0]))
    menu = make_menu(1, [0, 1, 2], [])
    assert true_utility(users, items, menu, menu.offered).tolist() == [[-24.0, 0.0, -5.0]]


def test_the_product_of_lifted_and_lowered_is_minus_the_squared_distance():
    rng = torch.Generator().manual_seed(0)
    p, q = torch.randn(7, 3, generator=rng).double(), torch.randn(5, 3, generator=rng).double()
    reference = -torch.cdist(p, q).square()
    torch.testing.assert_close(lifted(p) @ lowered(q).T, reference)
    torch.testing.assert_close(nearness(p[:, None], q), reference)


def test_shares_are_those_of_the_direction():
    points = torch.tensor([[3.0, -4.0], [30.0, -40.0], [0.0, 0.0], [0.0, 2.0]])
    expected = torch.tensor([[0.36, 0, 0, 0.64], [0.36, 0, 0, 0.64], [0.25, 0.25, 0.25, 0.25], [0, 1, 0, 0]])
    torch.testing.assert_close(mixture(points, "plane"), expected)
    torch.testing.assert_close(unmix(expected[[0, 3]], "plane"), torch.tensor([[0.6, -0.8], [0.0, 1.0]]))


@pytest.mark.parametrize(("scatter", "law"), [("normal", stats.norm(scale=2.5)), ("uniform", stats.uniform(-2.5, 5))])
def test_points_are_scattered_by_their_law(scatter, law):
    items = draw_catalog(4000, 6, 0.1, "plane", 0, 1.0, 5, np.random.default_rng(1), scatter=scatter, extent=2.5)
    users = Points(scatter, 2.5).draw(4000, 6, None, np.random.default_rng(2))
    assert items.topics.shape == (4000, 6)
    for points in (items.features.numpy(), users.interests, scattered(4000, 3, scatter, 2.5, np.random.default_rng(3))):
        assert points.shape == (4000, 3)
        assert stats.kstest(points.ravel(), law.cdf).pvalue > 1e-3
    np.testing.assert_array_equal(users.group % 3, np.abs(users.interests).argmax(1))


def test_acceptance_and_the_best_choice_go_by_distance(make_users, make_catalog, make_menu):
    rng = torch.Generator().manual_seed(4)
    p, q = torch.randn(6, 2, generator=rng), torch.randn(9, 2, generator=rng)
    menu = make_menu(6, [], list(range(9)))
    accepted = BoundedConfidence(latitude=1.0, sharpness=1e3).choose(make_users(p), make_catalog(q, "plane"), menu, 9, Draws(0))
    near = torch.cdist(p, q) < 1.0
    assert accepted.taken.sum(1).tolist() == near.sum(1).tolist()
    assert near[accepted.taken.nonzero()[:, 0], accepted.items[accepted.taken]].all()
    worthy = make_catalog(q, "plane", quality=torch.full((9,), 50.0))       # so that none is below 0, where `best` sees no more
    best = Best(outside_utility=-99.0).choose(make_users(p), worthy, menu, 1, Draws(0))
    assert best.items[:, 0].tolist() == torch.cdist(p, q).argmin(1).tolist()


def test_interests_move_about_the_plane(live):
    p, q = torch.tensor([[0.0, 0.0]]), torch.tensor([[4.0, 2.0], [8.0, 0.0]])
    moved = [users.interests.tolist() for users in live(Assimilation(0.25), p, q, [[[0]]], space="plane")]
    assert moved == [[[1.0, 0.5]]]
    moved = [users.interests.tolist() for users in live(MemoryMean(), p, q, [[[0]], [[1]]], space="plane")]
    assert moved == [[[4.0, 2.0]], [[6.0, 1.0]]]


def test_the_oracle_shows_what_is_nearest():
    model = FilterBubbleModel(Scenario.model_validate(WORLD), Scenario.model_validate(WORLD).policies[1], 0)
    best = model._best_unseen(torch.arange(13), 17)
    distance = torch.cdist(model.users.interests.double(), model.catalog.features.double()).square()
    worth = model.catalog.quality.double() - distance
    torch.testing.assert_close(worth.gather(1, best), worth.sort(1, descending=True).values, atol=1e-5, rtol=0)
    model.run()
    assert model.values["utility.mean"] < 0
    model.close()


def test_one_cohort_of_many_and_many_of_one_live_the_same():
    one = FilterBubbleModel(Scenario.model_validate(WORLD), Scenario.model_validate(WORLD).policies[0], 0).run()
    agents = {**WORLD, "users": {**WORLD["users"], "agents": 13}}
    many = FilterBubbleModel(Scenario.model_validate(agents), Scenario.model_validate(agents).policies[0], 0).run()
    assert one.trajectory == many.trajectory
    assert torch.equal(one.users.interests, many.users.interests)


@pytest.mark.parametrize(("text", "message"), [
    ("items: {space: plane, topics: 5}", "must be even on the plane (got 5)"),
    ("items: {space: plane, topics: 4, mixture: one_hot}", "the plane has points"),
    ("items: {space: plane, topics: 4, affinity: cosine}", "on the plane affinity is by distance"),
    ("items: {extent: 2.0}", "is of points: needs `items.space: plane`"),
    ("items: {space: plane, topics: 4}\nusers: {interests: points, choice: like_minded}", "(it is plane)"),
    ("items: {space: plane, topics: 4}", "'dirichlet' needs `items.space: simplex`"),
])
def test_what_does_not_fit_the_plane_is_said(text, message):
    with pytest.raises(ScenarioError) as error:
        check(parse(f"title: t\npolicies: [organic]\n{text}\n", "w.yaml"))
    assert message in str(error.value)
