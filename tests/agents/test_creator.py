"""Creators: what they make, when, and how they respond; the shelf that their items stand on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from agents.creator import CREATORS, Adaptive, Audience, Craft, Creators, Imitative, Steady, Viability
from agents.supply import Shelf, draw_plan
from simulator.draws import Draws

DRAWS = Draws(11)


def creators(style: list[list[float]]) -> Creators:
    rows = torch.tensor(style, dtype=torch.float64)
    n = len(rows)
    return Creators(torch.arange(n), rows, rows.clone(), torch.zeros(n), torch.ones(n, dtype=torch.bool))


@pytest.mark.parametrize(("total", "style"), [(0.1, [0.2, 0.3, 0.5]), (3.0, [0.6, 0.1, 0.3]), (40.0, [0.05, 0.05, 0.9])])
def test_items_are_dirichlet_around_their_creator_s_style(total, style):
    """Each share of a Dirichlet(a) is Beta(a_t, Σa − a_t): also where most Gamma variates are too small for a number."""
    n, craft = 4000, Craft(total / 3, 0.0, 0.5)
    rows, quality = craft.make(
        torch.arange(n), torch.tensor([style], dtype=torch.float64).expand(n, -1), torch.full((n,), 2.0).double(), "simplex",
        DRAWS,
    )
    assert torch.allclose(rows.sum(1), torch.ones(n), atol=1e-5)
    for topic, share in enumerate(style):
        law = stats.beta(total * share, total * (1 - share))
        shares = rows[:, topic].double().numpy()
        between = [law.cdf(x) for x in (0.01, 0.2, 0.5, 0.9)]
        seen = [(shares < x).mean() for x in (0.01, 0.2, 0.5, 0.9)]
        assert seen == pytest.approx(between, abs=4 * 0.5 / n**0.5)
        assert shares.mean() == pytest.approx(share, abs=4 * law.std() / n**0.5)
    assert stats.kstest(quality.numpy(), "norm", (2.0, 0.5)).pvalue > 1e-3


def test_an_item_is_the_same_whoever_else_is_made_and_follows_its_style_smoothly():
    craft = Craft(1.0, 0.7, 0.1)
    for space, d in (("simplex", 4), ("sphere", 3)):
        style = torch.nn.functional.normalize(torch.rand(9, d, dtype=torch.float64), p=1 if space == "simplex" else 2)
        together = craft.make(torch.arange(9), style, torch.zeros(9).double(), space, DRAWS)[0]
        for item in range(9):
            alone = craft.make(torch.tensor([item]), style[item : item + 1], torch.zeros(1).double(), space, DRAWS)[0]
            assert torch.equal(alone[0], together[item])
        nearby = craft.make(torch.arange(9), (style + 1e-6), torch.zeros(9).double(), space, DRAWS)[0]
        assert torch.allclose(nearby, together, atol=1e-3)


def test_spread_on_the_sphere():
    style = torch.eye(3, dtype=torch.float64)[:1].expand(500, -1)
    items, quality = torch.arange(500), torch.zeros(500).double()
    cosines = [
        Craft(1.0, spread, 0.0).make(items, style, quality, "sphere", DRAWS)[0][:, 0].mean().item()
        for spread in (0.0, 0.5, 1.0, 100.0)
    ]
    assert cosines[0] == pytest.approx(1)
    assert cosines == sorted(cosines, reverse=True)
    assert abs(cosines[-1]) < 0.1


def test_adaptive_by_hand(make_catalog):
    """Creator 0 made items 0 and 1, creator 1 item 2; of 10 users 4 took item 0, 1 item 1, nobody item 2."""
    items = make_catalog(torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))
    items.creator = torch.tensor([0, 0, 1])
    audience = Audience(shown=torch.tensor([0, 0, 5]), taken=torch.tensor([4, 1, 0]), users=10)
    style = Adaptive(rate=2.0).respond(creators([[0.2, 0.8], [0.7, 0.3]]), items, audience, DRAWS)
    assert style[0].tolist() == pytest.approx([(0.2 + 0.9) / 2.0, (0.8 + 0.1) / 2.0])
    assert style[1].tolist() == pytest.approx([0.7, 0.3])
    by_slates = Adaptive(rate=2.0, by="shown").respond(creators([[0.2, 0.8], [0.7, 0.3]]), items, audience, DRAWS)
    assert by_slates[0].tolist() == pytest.approx([0.2, 0.8])
    assert by_slates[1].tolist() == pytest.approx([0.35, 0.65])


def test_adaptive_never_forgets_a_topic_and_one_creator_is_like_many(make_catalog):
    items = make_catalog(torch.eye(3))
    items.creator = torch.tensor([0, 1, 2])
    audience = Audience(torch.zeros(3, dtype=torch.int64), torch.tensor([9, 9, 9]), users=9)
    everybody = creators([[0.4, 0.3, 0.3]] * 3)
    for _ in range(40):
        style = Adaptive(rate=1.0).respond(everybody, items, audience, DRAWS)
        for row in range(3):
            assert torch.equal(Adaptive(rate=1.0).respond(everybody[row : row + 1], items, audience, DRAWS)[0], style[row])
        everybody.style[:] = style
    assert everybody.style.min().item() == pytest.approx(1e-4, rel=0.01)
    assert everybody.style.diagonal().min() > 0.99
    assert torch.allclose(everybody.style.sum(1), torch.ones(3).double())


def test_imitative_goes_where_the_audience_is(make_catalog):
    items = make_catalog(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    audience = Audience(torch.zeros(2, dtype=torch.int64), torch.tensor([3, 1]), users=8)
    style = Imitative(rate=0.5).respond(creators([[0.0, 1.0]]), items, audience, DRAWS)
    assert style[0].tolist() == pytest.approx([0.375, 0.625], abs=2e-4)
    nobody = Audience(torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), users=8)
    assert Imitative(rate=0.5).respond(creators([[0.0, 1.0]]), items, nobody, DRAWS)[0].tolist() == [0.0, 1.0]


def test_every_behaviour_keeps_to_its_spaces(make_catalog):
    assert set(CREATORS) == {"steady", "adaptive", "imitative"}
    assert CREATORS["steady"] is Steady
    items = make_catalog(torch.nn.functional.normalize(torch.randn(4, 3)), "sphere")
    everybody = creators([[0.6, 0.8, 0.0]])
    audience = Audience(torch.ones(4, dtype=torch.int64), torch.ones(4, dtype=torch.int64), users=2)
    for behaviour in CREATORS.values():
        assert behaviour().respond(everybody, items, audience, DRAWS).norm(dim=1).item() == pytest.approx(1)


def test_viability_needs_enough_within_the_newest_rounds():
    rule = Viability(least=3, rounds=2, by="taken")
    assert rule.survive(torch.tensor([[0], [9]])).all()                # too early to tell
    assert rule.survive(torch.tensor([[0, 2], [1, 2], [3, 0]])).tolist() == [False, True, True]


@pytest.mark.parametrize("rhythm", ["poisson", "regular"])
def test_a_plan_has_the_rate_that_was_asked_for_and_is_not_changed_by_more(rhythm):
    rate = 0.7
    plan = draw_plan(40, range(-3, 97), rate, rhythm, DRAWS)
    assert torch.equal(plan.born, plan.born.sort().values)
    counts = np.zeros((100, 40))
    np.add.at(counts, (plan.born.numpy() + 3, plan.creator.numpy()), 1)
    assert counts.mean() == pytest.approx(rate, abs=4 * (rate / 4000) ** 0.5)
    if rhythm == "poisson":
        assert counts.var() == pytest.approx(rate, rel=0.1)
    else:
        assert np.abs(counts.cumsum(0) - rate * np.arange(1, 101)[:, None]).max() < 1 + 1e-9
    more = draw_plan(50, range(-3, 120), rate, rhythm, DRAWS)
    kept = (more.creator < 40) & (more.born < 97)
    assert torch.equal(more.creator[kept], plan.creator)
    assert torch.equal(more.born[kept], plan.born)


def test_one_item_a_round_is_one_item_a_round():
    plan = draw_plan(3, range(1, 30), 1.0, "regular", DRAWS)
    assert torch.equal(plan.creator, torch.arange(3).repeat(29))


def test_items_fade_and_disappear(make_catalog):
    catalog = make_catalog(torch.eye(3))
    catalog.born = torch.tensor([0, 2, 9])
    catalog.published = torch.tensor([True, True, False])
    shelf = Shelf(catalog, torch.tensor([1.0, 3.0, 5.0]).double(), lifetime=4, half_life=2.0)
    shelf.turn(2)
    assert catalog.available.tolist() == [True, True, False]
    assert catalog.salience.tolist() == pytest.approx([0.5 / 3.5, 3 / 3.5, 0])
    shelf.turn(4)
    assert catalog.available.tolist() == [False, True, False]
    assert catalog.salience.tolist() == [0, 1, 0]
    shelf.turn(6)
    assert not catalog.available.any()
    assert not catalog.salience.any()
    assert shelf.due(9).tolist() == [2]
