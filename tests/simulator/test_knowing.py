"""Controls that know what people like: extremes, what they feel most strongly about, and an oracle that explores."""

from __future__ import annotations

from dataclasses import replace

import torch
from scipy import stats
from torch import Tensor

from simulator.controls import ExploringOracle, Truth, best_unseen
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario


def world(epsilon: float = 0.1, **users: object) -> Scenario:
    return Scenario.model_validate({
        "title": "t", "seed": 3, "rounds": 4, "warmup": 0, "slate_size": 3, "discovery": {"share": 0, "awareness": 1},
        "users": {
            "count": 6, "takes": 3, "interests": "uniform", "drift": "item_feedback",
            "choice": {"kind": "position_based", "decay": 0, "temperature": 1, "outside_utility": 0}, **users,
        },
        "items": {"count": 9, "topics": 9, "space": "values", "mixture": "one_hot", "quality": 0.3},
        "policies": ["extremes", "oracle", {"kind": "exploring_oracle", "epsilon": epsilon}],
        "measures": {"names": ["interests.displacement"]},
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


def shown(scenario: Scenario, arm: int) -> list[Tensor]:
    """The slates (N, k) of each round."""
    return [items for _, _, items in lived(scenario, arm).platform.log.slates]


def test_an_oracle_that_never_explores_is_the_oracle_and_one_that_always_does_is_chance() -> None:
    oracle, never = (shown(world(0, repeats={"after": 1}), arm) for arm in (1, 2))
    assert all(map(torch.equal, oracle, never))
    always = torch.cat(shown(world(1, repeats={"after": 1}), 2))
    assert all(len(set(slate)) == 3 for slate in always.tolist())
    counts = torch.cat(shown(world(1, repeats={"after": 1}, count=600), 2)).flatten().bincount(minlength=9)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_a_share_of_the_oracle_s_places_is_given_away_and_taken_items_never_come_back() -> None:
    best, explored = (shown(world(0.3, repeats={"after": 1}, count=2000, takes=1), arm)[0] for arm in (1, 2))
    # What is drawn for a place may have had that very place: then nothing changes.
    assert abs((best != explored).float().mean() - 0.3) < 0.06
    model = lived(world(0.5, count=40, takes=2), 2)
    taken = model.platform.log.history(torch.arange(40))
    assert all(len(set(taken.items[user, taken.present[user]].tolist())) == taken.present[user].sum() for user in range(40))


def test_what_is_hidden_is_neither_best_nor_drawn() -> None:
    model = FilterBubbleModel(world(0.9, count=300), world(0.9, count=300).policies[2])
    hidden = torch.zeros(9)
    hidden[:4] = -torch.inf
    items = replace(model.platform.items, available=hidden == 0)
    truth = Truth(model.users, model.catalog, model.platform.log, items)
    slates = ExploringOracle(0.9).slates(truth, torch.arange(300), 3, hidden, model.draws.at(1)("explore"))
    assert set(slates.unique().tolist()) == {4, 5, 6, 7, 8}
    model.close()


def test_displacement_is_the_squared_distance_from_the_start() -> None:
    """And one cohort of six lives as six cohorts of one do."""
    model, ones = lived(world(repeats={"after": 1})), lived(world(repeats={"after": 1}, agents=6))
    assert model.trajectory == ones.trajectory
    assert model.trajectory[0][1]["interests.displacement"] == 0
    before_the_last_drift = dict(model.trajectory)[4]["interests.displacement"]
    gone = (model.users.interests - model.users.origin).square().sum(1).mean().item()
    assert 0 < before_the_last_drift < gone
