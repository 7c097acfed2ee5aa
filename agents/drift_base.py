"""What a drift model is, and what users took and had before them.

Every model multiplies its rate by the user's susceptibility s_u. Users who took nothing are not moved, except where
the model says that time alone, or what was merely before them, moves them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, NamedTuple, Protocol, runtime_checkable

import torch
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice import Choice, Menu
from agents.space import Space, unit
from agents.users import Users

UnitInterval = Annotated[float, Interval(ge=0, le=1)]
Strength = Annotated[float, Interval(ge=0, le=1e3)]


class Drifted(NamedTuple):
    """New interests (n, d), and the model's own memory for the next round: (n, …), as `start` made it."""

    interests: Tensor
    trace: Tensor


class DriftModel(Protocol):
    """Moves the interests of n users after a round. `start` gives the memory before the first round.

    `menu` is what was before them when they chose, `draws` are those of the round.
    """

    spaces: ClassVar[tuple[Space, ...]]

    def start(self, interests: Tensor) -> Tensor: ...

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted: ...


@runtime_checkable
class Holding(Protocol):
    """A drift model whose users hold items in mind, which can be told to others."""

    def held(self, trace: Tensor) -> Tensor: ...            # (n, places) int64 item ids, −1 in an empty place, all of them last


def no_trace(interests: Tensor) -> Tensor:
    """Return the memory of a model that remembers nothing (n, 0)."""
    return torch.zeros(len(interests), 0)


def sum_taken(items: Catalog, choice: Choice) -> Tensor:
    """Return Σ_j z_j over the items that each user took (n, d)."""
    return (items.features[choice.items] * choice.taken[..., None]).sum(1)


def mean_taken(items: Catalog, choice: Choice) -> tuple[Tensor, Tensor]:
    """Return z̄ over the items that each user took (n, d), zeros where she took nothing, and their number (n, 1)."""
    count = choice.taken.sum(1, keepdim=True)
    return sum_taken(items, choice) / count.clamp(min=1), count


class Exposure(NamedTuple):
    """One item before each of n users."""

    items: Tensor                   # (n,) int64
    met: Tensor                     # (n,) bool: False = nothing in this place
    taken: Tensor                   # (n,) bool


def exposures(menu: Menu, choice: Choice) -> Iterator[Exposure]:
    """Yield what was before each user, item by item, in the order of item ids and each item once.

    That is the slate, if she looked at it, and what she found and noticed by herself: a thing is no less seen for not having
    been recommended. Whether she read down to it is not known here.
    """
    nothing = torch.iinfo(torch.int64).max
    ids = menu.items.where(menu.offered, nothing).sort(1).values
    met = ids < nothing
    met[:, 1:] &= ids[:, 1:] != ids[:, :-1]
    for place in range(ids.shape[1]):
        if met[:, place].any():
            items = ids[:, place].where(met[:, place], 0)
            taken = (choice.taken & (choice.items == items[:, None])).any(1) & met[:, place]
            yield Exposure(items, met[:, place], taken)


def mean_met(items: Catalog, menu: Menu, choice: Choice) -> tuple[Tensor, Tensor]:
    """Return z̄ over the items that were before each user (n, d), zeros where there was nothing, and their number (n, 1)."""
    total = torch.zeros(len(menu.items), items.features.shape[1], dtype=items.features.dtype)
    count = torch.zeros(len(menu.items), 1, dtype=torch.int64)
    for exposure in exposures(menu, choice):
        total += items.features[exposure.items] * exposure.met[:, None]
        count += exposure.met[:, None]
    return total / count.clamp(min=1), count


def on_space(rows: Tensor, space: Space) -> Tensor:
    """Return rows near the space, put back onto it.

    On the simplex what fell below 0 is 0 and the rest is scaled to sum to 1; on the sphere rows are scaled to length 1;
    values may be anything.
    """
    if space == "simplex":
        kept = rows.clamp(min=0)
        return kept / kept.sum(-1, keepdim=True)
    return unit(rows) if space == "sphere" else rows
