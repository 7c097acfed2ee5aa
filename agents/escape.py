"""People who try to leave their bubble: for a while they consider only what is not about their usual topics."""

from __future__ import annotations

import torch
from torch import Tensor

from agents.catalog import Catalog
from agents.choice import Choice, Menu, take_in_order, true_utility
from agents.users import Users


def outside(items: Catalog, ids: Tensor, avoided: Tensor) -> Tensor:
    """Return a bool (n, c): is an item of `ids` (n, c) mainly about a topic that its user does not avoid (n, T)?"""
    return ~avoided.gather(1, items.topics.argmax(1)[ids])


def choose_deliberately(users: Users, items: Catalog, menu: Menu, takes: int) -> Choice:
    """Users take the best of what is offered, however little it appeals."""
    utility = true_utility(users, items, menu, menu.offered)
    return take_in_order(utility, torch.full((len(users),), -torch.inf), utility, menu, takes)


def instead(choice: Choice, other: Choice, who: Tensor) -> Choice:
    """Return the choice of all users, that of `who` (n,) bool replaced by the other."""
    return Choice(*(torch.where(who[:, None], new, old) for old, new in zip(choice, other, strict=True)))
