"""What users know of, and what they choose by distance: closed forms, knobs, and what becomes known."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from agents.awareness import Awareness
from agents.choice_spatial import DistanceLogit
from simulator.draws import Draws
from simulator.faults import ScenarioError
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario, check
from simulator.yaml_source import parse

WORLD = {
    "title": "t", "rounds": 6, "warmup": 3, "slate_size": 2,
    "users": {"count": 11, "interests": "points", "choice": "distance_logit", "drift": "none", "repeats": {"after": 1}},
    "items": {"count": 23, "topics": 4, "space": "plane", "quality": 0},
    "discovery": {"awareness": "all", "share": 1, "known": {"central": 0.75, "reach": 0.35}},
    "policies": ["organic", {"kind": "neighbour_sales", "retrain_every": 1}],
}


def world(**keys: object) -> Scenario:
    return Scenario.model_validate({**WORLD, **keys})


def test_the_chance_of_being_known_is_that_of_the_formula(make_users, make_catalog):
    """Twelve thousand users at (1, 0): an item in the middle, one at (1, 0.3), one far off, and the two sums by hand."""
    n = 12_000
    users = make_users(torch.tensor([[1.0, 0.0]]).repeat(n, 1))
    items = make_catalog(torch.tensor([[0.0, 0.0], [1.0, 0.3], [9.0, 9.0], [0.5, 0.0]]), "plane")
    known = Awareness(0.75, 0.35).begin(users, items, Draws(3))
    squared = ((0, 1), (1.09, 0.09), (162, 145), (0.25, 0.25))          # distances from the middle, and from her
    chance = [0.75 * math.exp(-q / 0.35) + 0.25 * math.exp(-3 * d / 0.35) for q, d in squared]
    nothing = math.prod(1 - p for p in chance)
    chance[1] += nothing                                # who would know of none knows the nearest, the second
    for item, p in enumerate(chance):
        assert stats.binomtest(int(known[:, item].sum()), n, p).pvalue > 1e-4, item
    assert known.any(1).all()


def test_who_would_know_of_none_knows_the_nearest_and_no_other(make_users, make_catalog):
    p, q = torch.randn(9, 2, generator=torch.Generator().manual_seed(1)), torch.full((7, 2), 50.0) + torch.rand(7, 2)
    known = Awareness(0.5, 0.01).begin(make_users(p), make_catalog(q, "plane"), Draws(0))
    assert torch.equal(known, torch.nn.functional.one_hot(torch.cdist(p, q).argmin(1), 7).bool())


@pytest.mark.parametrize(("knob", "low", "high"), [("reach", 0.1, 2.0), ("central", 0.1, 0.9)])
def test_more_reach_makes_more_known_and_more_centre_the_central(knob, low, high, make_users, make_catalog):
    rng = torch.Generator().manual_seed(2)
    p, q = torch.randn(200, 2, generator=rng), torch.randn(90, 2, generator=rng)
    few, many = (
        Awareness(**{"central": 0.75, "reach": 0.35, knob: value}).begin(make_users(p), make_catalog(q, "plane"), Draws(0))
        for value in (low, high)
    )
    if knob == "reach":
        assert (many & few).sum() > 0.9 * few.sum()     # the same draws: hardly anybody knows less
        assert many.sum() > 2 * few.sum()
    else:
        central = q.norm(dim=1).argsort()[:5]
        assert many[:, central].sum() > few[:, central].sum()


def test_choice_by_distance_is_a_logit_with_one_alternative_for_each_item(make_users, make_catalog, make_menu, fits):
    """Distances 1, 2 and 4; k = 1, so odds 4 : 2 : 1. The second is recommended and found, δ = ln 3: 4 : 6 : 1."""
    n = 20_000
    users = make_users(torch.zeros(n, 2))
    items = make_catalog(torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, -4.0]]), "plane", quality=torch.tensor([9.0, 0, 0]))
    choice = DistanceLogit(1.0, math.log(3)).choose(users, items, make_menu(n, [1], [0, 1, 2]), 1, Draws(4).at(1))
    assert choice.taken.all()
    assert fits(choice.items[:, 0], {0: 4 / 11, 1: 6 / 11, 2: 1 / 11}) > 1e-4
    assert choice.from_slate[:, 0].tolist() == (choice.items[:, 0] == 1).tolist()
    assert choice.utility[choice.items == 1].unique().tolist() == [-4.0]


@pytest.mark.parametrize(("sensitivity", "salience", "nearest", "recommended"), [(300.0, 0.0, 1.0, 0.0), (1.0, 90.0, 0.0, 1.0)])
def test_knobs_at_their_ends(sensitivity, salience, nearest, recommended, make_users, make_catalog, make_menu):
    users, items = make_users(torch.zeros(50, 2)), make_catalog(torch.tensor([[0.1, 0.0], [0.0, 2.0]]), "plane")
    choice = DistanceLogit(sensitivity, salience).choose(users, items, make_menu(50, [1], [0, 1]), 1, Draws(0).at(1))
    assert (choice.items == 0).double().mean() == nearest
    assert (choice.items == 1).double().mean() == recommended


def test_who_stands_where_the_item_stands_takes_it(make_users, make_catalog, make_menu):
    users, items = make_users(torch.zeros(9, 2)), make_catalog(torch.tensor([[0.0, 1.0], [0.0, 0.0]]), "plane")
    choice = DistanceLogit().choose(users, items, make_menu(9, [0], [0, 1]), 2, Draws(0).at(1))
    assert choice.items.tolist() == [[1, 0]] * 9


def test_only_what_is_known_is_taken_and_what_was_shown_is_known():
    model = FilterBubbleModel(world(), world().policies[1], 0)
    cohort = model.cohorts[0]
    before = cohort.known.clone()
    first = before.clone()
    while model.round < 6:
        model.step()
        users, taken, rounds = model.platform.log.interactions()
        now = rounds == model.round
        shown = torch.zeros_like(before)
        if model.round >= 1:
            _, to, slates = model.platform.log.slates[-1]
            shown[to[:, None], slates.long()] = True
        assert (before | shown)[users[now], taken[now]].all()
        assert torch.equal(cohort.known, before | shown)
        before = cohort.known.clone()
    assert (cohort.known & ~first).any()
    model.close()


def test_without_a_recommender_nothing_becomes_known_and_twins_share_the_beginning():
    organic, other = (FilterBubbleModel(world(), arm, 0) for arm in world().policies)
    assert torch.equal(organic.cohorts[0].known, other.cohorts[0].known)
    before = organic.cohorts[0].known.clone()
    organic.run()
    assert torch.equal(organic.cohorts[0].known, before)


def test_one_cohort_of_many_and_many_of_one_live_the_same():
    many = world(users={**WORLD["users"], "agents": 11})
    one, other = (FilterBubbleModel(scenario, scenario.policies[1], 0).run() for scenario in (world(), many))
    assert one.trajectory == other.trajectory
    assert torch.equal(one.cohorts[0].known, torch.cat([cohort.known for cohort in other.cohorts]))


@pytest.mark.parametrize(("text", "message"), [
    ("discovery: {awareness: all, known: {}}", "discovery.known: is by distance: needs `items.space: plane` (it is simplex)"),
    ("items: {space: plane, topics: 4}\nusers: {interests: points, drift: none}\ndiscovery: {known: {}}",
     "says which of all items are found: write `awareness: all` (it is 20)"),
    ("discovery: {awareness: all, known: {reach: 0}}", "discovery.known.reach: must be at least 1e-06"),
    ("users: {choice: distance_logit}", "'distance_logit' needs `items.space: plane` (it is simplex)"),
])
def test_what_does_not_fit_is_said(text, message):
    with pytest.raises(ScenarioError) as error:
        check(parse(f"title: t\npolicies: [organic]\n{text}\n", "w.yaml"))
    assert message in str(error.value)
