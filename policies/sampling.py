"""Negative sampling."""

from __future__ import annotations

import torch
from torch import Tensor

from policies.log import FeedbackLog

_TRIES = 10
"""After so many redraws a user has seen nearly everything, and a seen item as negative teaches nothing either way."""


def unseen(log: FeedbackLog, users: Tensor, rng: torch.Generator) -> Tensor:
    """Return for each user (n,) an item drawn uniformly from those that she has not taken (n,), by rejection."""
    items = torch.randint(0, log.n_items, users.shape, generator=rng)
    open_rows = torch.arange(len(users))
    for _ in range(_TRIES):
        history = log.history(users[open_rows])
        seen = ((history.items == items[open_rows, None]) & history.present).any(1)
        open_rows = open_rows[seen]
        if not len(open_rows):
            break
        items[open_rows] = torch.randint(0, log.n_items, open_rows.shape, generator=rng)
    return items
