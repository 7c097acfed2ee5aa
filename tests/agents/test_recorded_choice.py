"""Choice by what is on record."""

from __future__ import annotations

import torch

from agents.choice_recorded import Recorded
from agents.wants import by_user
from simulator.draws import Draws


def test_users_take_what_they_want_and_nothing_else_from_the_top(make_users, make_catalog, make_menu):
    """User 0 wants 1, 4 and 6, sees 4, 2, 6, 1 and takes two; user 1 wants nothing."""
    users, items = make_users(torch.full((2, 2), 0.5)), make_catalog(torch.full((7, 2), 0.5))
    users.wants = by_user(torch.tensor([0, 0, 0]), torch.tensor([1, 4, 6]), 2, 7)
    menu = make_menu(2, [4, 2, 6, 1], [3])
    choice = Recorded().choose(users, items, menu, 2, Draws(0).at(1))
    assert choice.items[0].tolist() == [4, 6]
    assert choice.taken.tolist() == [[True, True], [False, False]]
    read = Recorded().examined(users, items, menu, choice, Draws(0).at(1))
    assert read.tolist() == [[True, True, True, False], [True] * 4]
