"""The control that shows people what they feel most strongly about, for or against."""

from __future__ import annotations

import torch

from simulator.controls import best_unseen
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario


def world(**users: object) -> Scenario:
    return Scenario.model_validate({
        "title": "t", "seed": 3, "rounds": 4, "warmup": 0, "slate_size": 3, "discovery": {"share": 0, "awareness": 1},
        "users": {
            "count": 6, "takes": 3, "interests": "uniform", "drift": "item_feedback",
            "choice": {"kind": "position_based", "decay": 0, "temperature": 1, "outside_utility": 0}, **users,
        },
        "items": {"count": 9, "topics": 9, "space": "values", "mixture": "one_hot", "quality": 0.3},
        "policies": ["extremes", "oracle"], "measures": {"names": ["interests.displacement"]},
    })


def lived(scenario: Scenario, arm: int = 0) -> FilterBubbleModel:
    model = FilterBubbleModel(scenario, scenario.policies[arm]).run()
    model.close()
    return model


def test_what_is_shown_is_what_is_felt_about_most_strongly() -> None:
    model = lived(world(repeats={"after": 1}))
    slates = {round: items for round, _, items in model.platform.log.slates}
    first = FilterBubbleModel(world(), world().policies[0])
    worth = (first.users.interests + first.catalog.quality).abs()
    assert slates[1].tolist() == worth.topk(3).indices.tolist()
    assert worth.topk(3).values.min() < 0.5 < worth.max()       # some of it is disliked: see below
    oracle = {round: items for round, _, items in lived(world(repeats={"after": 1}), arm=1).platform.log.slates}
    assert oracle[1].tolist() != slates[1].tolist()
    first.close()


def test_what_was_taken_and_what_is_hidden_is_left_out() -> None:
    model = lived(world())
    hidden = torch.zeros(9)
    hidden[4] = -torch.inf
    worth = model.users.interests + model.catalog.quality
    taken = model.platform.log.history(torch.arange(6))
    ids, strength = best_unseen(model.users, model.catalog, torch.arange(6), 2, model.platform.log, hidden, extremes=True)
    for user in range(6):
        left = set(range(9)) - {4} - set(taken.items[user, taken.present[user]].tolist())
        expected = sorted(left, key=lambda item: -abs(float(worth[user, item])))[:2]
        assert ids[user].tolist() == expected
        torch.testing.assert_close(strength[user], worth[user, expected].abs())


def test_displacement_is_the_squared_distance_from_the_start() -> None:
    """And one cohort of six lives as six cohorts of one do."""
    model, ones = lived(world(repeats={"after": 1})), lived(world(repeats={"after": 1}, agents=6))
    assert model.trajectory == ones.trajectory
    assert model.trajectory[0][1]["interests.displacement"] == 0
    before_the_last_drift = dict(model.trajectory)[4]["interests.displacement"]
    gone = (model.users.interests - model.users.origin).square().sum(1).mean().item()
    assert 0 < before_the_last_drift < gone
