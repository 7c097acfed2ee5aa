"""What a real log says that users would take too: the part of it that the platform does not have on record."""

from __future__ import annotations

import torch
from torch import Tensor


def by_user(users: Tensor, items: Tensor, n_users: int, n_items: int) -> Tensor:
    """Return the items of each user (n_users, h) int64, ascending, `n_items` in the places that hold none.

    `users`, `items` (n,): pairs, each at most once.
    """
    order = (users * n_items + items).argsort()
    users, items = users[order], items[order]
    counts = torch.bincount(users, minlength=n_users)
    places = torch.arange(len(users)) - (counts.cumsum(0) - counts)[users]
    wants = torch.full((n_users, max(int(counts.max()) if len(users) else 0, 1)), n_items)
    wants[users, places] = items
    return wants


def wanted(wants: Tensor, items: Tensor) -> Tensor:
    """Return a bool (n, c): which of `items` (n, c) each user wants, of rows of `by_user` (n, h)."""
    places = torch.searchsorted(wants, items.contiguous()).clamp_(max=wants.shape[1] - 1)
    return wants.gather(1, places) == items
