"""What a choice model is: from what users have before them to what they take."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, NamedTuple, Protocol, runtime_checkable

import torch
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.users import Users

NEVER = -torch.inf                  # the value of what is not considered: below any threshold

Positive = Annotated[float, Interval(ge=1e-6, le=1e6)]
Utility = Annotated[float, Interval(ge=-1e6, le=1e6)]       # far beyond any scale, and far from where float32 ends


class Told(IntEnum):
    """What users are told of the items on their menu, beyond that they are there."""

    NOTHING = 0
    QUALITY = 1                     # what is common to everybody's utility
    UTILITY = 2                     # everything


class Menu(NamedTuple):
    """What n users have before them: the slate, best first, then what they found by themselves."""

    items: Tensor                   # (n, c) int64 item ids
    offered: Tensor                 # (n, c) bool: False = nothing in this place
    slate_size: int                 # the first places are the slate's; the rest are the user's own finds
    told: Tensor | None = None      # (n,) int64 of Told; None: nothing. Only models of users who do not know it ask
    ratings: Tensor | None = None   # (n, c) float32: what stands beside each item as its rating, NaN: nothing; None: nowhere
    places: Tensor | None = None    # (n, c) int64: places in one list of slate and finds; None: finds stand beside the slate

    def positions(self) -> Tensor:
        """Return the place (c,) or (n, c) of each column in its list: 0, 1, … in the slate, 0 for all finds beside it."""
        if self.places is not None:
            return self.places
        finds = self.items.shape[1] - self.slate_size
        return torch.cat([torch.arange(self.slate_size), torch.zeros(finds, dtype=torch.int64)])


class Choice(NamedTuple):
    """What n users took, at most m items each, in the order in which they took them."""

    items: Tensor                   # (n, m) int64 item ids
    taken: Tensor                   # (n, m) bool: False = nothing in this place
    from_slate: Tensor              # (n, m) bool: taken from the slate, not found by oneself
    utility: Tensor                 # (n, m) float32: true utility of the item to the user


class ChoiceModel(Protocol):
    """Decides what each user takes from her menu. `takes` is the most that she may take in one round.

    A model that makes sense in some spaces only names them: `spaces: ClassVar[tuple[Space, ...]]`. One to which it matters
    where in the list own finds stand says `reads_places: ClassVar[bool] = True`.
    """

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice: ...


@runtime_checkable
class Examining(Protocol):
    """A choice model that can say, with the draws of the round, which places (n, k) of her slate each user looked at."""

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor: ...


def true_utility(users: Users, items: Catalog, menu: Menu, considered: Tensor) -> Tensor:
    """Return u_ui = affinity + quality_i (n, c) where `considered`, else −∞; affinity is θ_u·z_i, a cosine, or −‖θ_u − z_i‖².

    Only what is considered is computed: most of a wide menu is not.
    """
    rows, places = considered.nonzero(as_tuple=True)
    ids = menu.items[rows, places]
    utility = torch.full(menu.items.shape, NEVER)
    utility[rows, places] = items.affinities(rows, ids, users.interests, users.leanings) + items.quality[ids]
    return utility


def take_in_order(values: Tensor, threshold: Tensor, utility: Tensor, menu: Menu, takes: int) -> Choice:
    """Each user takes the item of highest value, then the next, while the value exceeds her threshold.

    `values` (n, c), `threshold` (n,). The same item twice on the menu is one item: taken once, and credited to
    the slate if she considered it there.
    """
    values = values.clone()
    taken_items, taken, from_slate, taken_utility = [], [], [], []
    for _ in range(takes):
        best, place = values.max(1)
        place = place[:, None]
        item = menu.items.gather(1, place)
        same = menu.items == item
        in_slate = (same & (values > NEVER))[:, : menu.slate_size].any(1)
        takes_it = best > threshold
        taken_items.append(item[:, 0])
        taken.append(takes_it)
        from_slate.append(takes_it & in_slate)
        taken_utility.append(utility.gather(1, place)[:, 0])
        values.masked_fill_(same, NEVER)
    columns = [torch.stack(column, 1) for column in (taken_items, taken, from_slate, taken_utility)]
    return Choice(columns[0], columns[1], columns[2], columns[3].where(columns[1], torch.zeros(())))


def take_from_top(accepted: Tensor, utility: Tensor, menu: Menu, takes: int) -> Choice:
    """Each user reads down her menu and takes what she has accepted (n, c), until she has `takes` items."""
    order = -torch.arange(menu.items.shape[1], dtype=torch.float32)
    return take_in_order(torch.where(accepted, order, NEVER), torch.full((len(accepted),), NEVER), utility, menu, takes)


def read_so_far(accepted: Tensor, menu: Menu, takes: int) -> Tensor:
    """Return which places (n, k) of the slate she reads who reads from the top until she has accepted `takes` items (n, c)."""
    first = accepted[:, : menu.slate_size].long()           # no item stands twice in a slate
    return menu.offered[:, : menu.slate_size] & (first.cumsum(1) - first < takes)


def look_by_place(chance: Tensor, users: Users, menu: Menu, draws: Draws) -> Tensor:
    """Return what is examined (n, c): the place p of the slate with probability chance[p], own finds always."""
    examined = menu.offered.clone()
    places = torch.arange(menu.slate_size)
    examined[:, : menu.slate_size] &= draws("examine").uniform(users.ids[:, None], places) < chance
    return examined
