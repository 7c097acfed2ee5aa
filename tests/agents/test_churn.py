"""Hazards against their closed forms, by hand and over many users."""

from __future__ import annotations

import inspect
import math

import pytest
import torch
from scipy import stats

from agents import churn
from agents.choice import Choice, Menu
from agents.churn import DEPARTURES, Attendance, Boredom, Departure, Dissatisfaction, EmptyHanded, keep_absent
from simulator.draws import Draws

DRAWS = Draws(5)


def took(utility: list[list[float]], items: list[list[int]] | None = None) -> Choice:
    """What users took who got this utility; 0 = nothing in this place."""
    worth = torch.tensor(utility)
    ids = torch.zeros(worth.shape, dtype=torch.int64) if items is None else torch.tensor(items)
    return Choice(ids, worth != 0, worth != 0, worth)


def menu(items: list[list[int]], offered: list[list[bool]] | None = None) -> Menu:
    ids = torch.tensor(items)
    return Menu(ids, torch.ones(ids.shape, dtype=torch.bool) if offered is None else torch.tensor(offered), ids.shape[1])


def test_every_departure_is_in_the_table_and_says_where_it_is_from():
    own = {thing for _, thing in inspect.getmembers(churn, inspect.isclass) if thing.__module__ == churn.__name__}
    assert {thing for thing in own if hasattr(thing, "feel")} - {Departure} == set(DEPARTURES.values())
    assert all("Source:" in inspect.getdoc(kind) for kind in DEPARTURES.values())


def test_satisfaction_is_smoothed_and_its_log_odds_are_linear(make_users, make_catalog):
    model = Dissatisfaction(base=0.1, sensitivity=4, expects=0.5, memory=0.75)
    users, catalog = make_users(torch.eye(3)), make_catalog(torch.eye(3))
    memory, expected = model.start(users, catalog), [0.5, 0.5, 0.5]
    for utility in ([[0.9, 0.3], [0.5, 0.0], [0.0, 0.0]], [[0.2, 0.0], [0.5, 0.0], [0.0, 0.0]]):
        hazard, memory = model.feel(users, catalog, menu([[0]] * 3), took(utility), memory)
        expected = [0.75 * before + 0.25 * sum(now) for before, now in zip(expected, utility, strict=True)]
        assert memory.tolist() == pytest.approx(expected, rel=1e-5)
        log_odds = [math.log(h / (1 - h)) - math.log(0.1 / 0.9) for h in hazard.tolist()]
        assert log_odds == pytest.approx([4 * (0.5 - s) for s in expected], abs=1e-5)
    assert hazard[1] == pytest.approx(0.1)                  # she got what she expects
    assert hazard[0] < hazard[1] < hazard[2]


def test_boredom_is_the_likeness_of_what_is_offered_to_what_was_taken(make_users, make_catalog):
    model = Boredom(base=0.1, sensitivity=3, tolerates=0.2, memory=0.5)
    topics = torch.eye(3)
    users, catalog = make_users(torch.eye(3)), make_catalog(topics)
    before = torch.tensor([[1.0, 0, 0], [0, 2.0, 0], [0, 0, 0]])
    offered = menu([[0, 1, 1]] * 3, [[True, True, False], [False, False, True], [True, True, True]])
    hazard, memory = model.feel(users, catalog, offered, took([[0.4], [0.0], [0.4]], [[2], [0], [1]]), before)
    boredom = [math.sqrt(0.5), 1.0, 0.0]
    log_odds = [math.log(h / (1 - h)) - math.log(0.1 / 0.9) for h in hazard.tolist()]
    assert log_odds == pytest.approx([3 * (b - 0.2) for b in boredom], abs=1e-5)
    assert memory.tolist() == [[0.5, 0, 1], [0, 2, 0], [0, 1, 0]]      # nothing fades in a round without a take


def test_who_finds_something_stays_and_who_does_not_leaves_after_a_geometric_time(make_users, make_catalog):
    n, p, model = 20_000, 0.4, EmptyHanded(chance=0.25)
    users, catalog = make_users(torch.ones(n, 1)), make_catalog(torch.ones(1, 1))
    users.present, users.arrival = torch.ones(n, dtype=torch.bool), torch.zeros(n, dtype=torch.int64)
    attendance, active = Attendance(model, 0.0, users, catalog), torch.ones(n, dtype=torch.bool)
    stayed = torch.zeros(n)
    for number in range(1, 200):
        draws = DRAWS.at(number)
        attendance.open(number, draws)
        stayed += users.present
        found = (draws("found").uniform(users.ids) < p)[:, None]
        choice = Choice(found.long(), found, found, found.float())
        attendance.close(menu([[0]]), choice, active & users.present, leaving=True, draws=draws)
    assert not users.present.any()
    hazard = (1 - p) * model.chance
    assert float(stayed.mean()) == pytest.approx(1 / hazard, abs=4 * math.sqrt((1 - hazard) / n) / hazard)
    gone = [int((stayed == r).sum()) for r in range(1, 25)]
    expected = [n * hazard * (1 - hazard) ** (r - 1) for r in range(1, 25)]
    assert stats.chisquare([*gone, n - sum(gone)], [*expected, n - sum(expected)]).pvalue > 1e-3


def test_who_is_not_on_the_platform_neither_leaves_nor_feels(make_users, make_catalog):
    n = 500
    users, catalog = make_users(torch.ones(n, 1)), make_catalog(torch.ones(1, 1))
    users.present, users.arrival = torch.ones(n, dtype=torch.bool), torch.zeros(n, dtype=torch.int64)
    attendance, active = Attendance(Dissatisfaction(base=0.9), 0.0, users, catalog), torch.arange(n) % 2 == 0
    attendance.close(menu([[0]] * n), took([[0.0]] * n), active, leaving=False, draws=DRAWS)
    assert users.present.all()                              # nobody may, yet
    attendance.close(menu([[0]] * n), took([[0.0]] * n), active, leaving=True, draws=DRAWS)
    assert users.present[~active].all()
    assert not users.present[active].all()
    assert (attendance.memory[~active] == 0.35).all()
    assert (attendance.memory[active] < 0.35).all()


def test_people_arrive_in_their_round_and_come_back_with_the_chance_to(make_users, make_catalog):
    n = 9000
    users, catalog = make_users(torch.ones(n, 1)), make_catalog(torch.ones(1, 1))
    users.arrival = torch.arange(n) % 3                     # in round 0, 1 and 2
    users.present = torch.zeros(n, dtype=torch.bool)        # those of round 0 have left
    attendance = Attendance(Dissatisfaction(), 0.3, users, catalog)
    attendance.memory[:] = 9.0
    attendance.open(1, DRAWS.at(1))
    assert users.present[users.arrival == 1].all()
    assert not users.present[users.arrival == 2].any()
    back = users.present & (users.arrival == 0)
    assert stats.binomtest(int(back.sum()), n // 3, 0.3).pvalue > 1e-3
    assert (attendance.memory[back] == pytest.approx(0.35))
    assert (attendance.memory[~back] == 9.0).all()


def test_the_interests_of_the_absent_stay(make_users):
    users = make_users(torch.eye(3), trace=torch.ones(3, 2))
    new, remembered = torch.full((3, 3), 1 / 3), torch.zeros(3, 2)
    assert keep_absent(users, new, remembered) == (new, remembered)
    users.present = torch.tensor([True, False, True])
    interests, trace = keep_absent(users, new, remembered)
    assert torch.equal(interests[1], torch.eye(3)[1])
    assert torch.equal(interests[[0, 2]], new[[0, 2]])
    assert trace.tolist() == [[0, 0], [1, 1], [0, 0]]
