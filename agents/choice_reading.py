"""Choice by reading down a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice_base import (
    NEVER,
    Choice,
    Menu,
    Positive,
    Utility,
    look_by_place,
    read_so_far,
    take_from_top,
    take_in_order,
    true_utility,
)
from agents.users import Users


@dataclass(frozen=True)
class Cascade:
    """Users read from the top and take what is good enough, until they have enough or lose patience.

    Each item read is taken with probability σ((u_ui − outside_utility) / temperature); after each item that was not
    taken the user reads on with probability `patience`. Own finds are read after the slate.

    Source: Craswell et al. 2008 (WSDM), cascade model; Chapelle & Zhang 2009 (WWW), for the chance to give up.
    """

    temperature: Positive = 0.1
    """Noise of each decision, in units of utility."""

    patience: Annotated[float, Interval(ge=0, le=1)] = 0.9
    """Chance to read on after an item that was not taken."""

    outside_utility: Utility = 0.3
    """Utility at which an item is taken half of the time."""

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor:
        good_enough, reached = self._read(users, menu, true_utility(users, items, menu, menu.offered), draws)
        read = read_so_far(menu.offered & good_enough & reached, menu, takes=choice.taken.shape[1])
        return read & reached[:, : menu.slate_size]

    def _read(self, users: Users, menu: Menu, utility: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return two bool (n, c): is the item good enough, and had patience lasted until there?"""
        ids = users.ids[:, None]
        good_enough = draws("choice").uniform(ids, menu.items) < torch.sigmoid(
            (utility - self.outside_utility) / self.temperature
        )
        gives_up = menu.offered & ~good_enough & (draws("patience").uniform(ids, menu.items) >= self.patience)
        return good_enough, gives_up.cumsum(1) - gives_up.long() == 0

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        utility = true_utility(users, items, menu, menu.offered)
        good_enough, reached = self._read(users, menu, utility, draws)
        return take_from_top(menu.offered & good_enough & reached, utility, menu, takes)


@dataclass(frozen=True)
class PositionBased:
    """Users look at each place with a chance of its own, and take what attracts them of what they look at.

    An item is taken if its place is examined and it is attractive, each independently of all other places. Place p = 0, 1, … of
    the slate is examined with probability (1 + p)^(−η) (`power`) or e^(−η p) (`geometric`), own finds always; an item is
    attractive with probability σ((u_ui + z − outside_utility) / temperature), z ~ U(−misjudgement, misjudgement) anew each
    time. Of more than `takes` such items she takes the first down the list, own finds last.

    Source: Richardson, Dominowska & Ragno 2007 (WWW) and Craswell et al. 2008 (WSDM), examination hypothesis; the name
    and the form after Chuklin, Markov & de Rijke 2015, "Click models for web search"; power η after Joachims, Swaminathan &
    Schnabel 2017 (WSDM); misjudgement after Khritankov & Pilkevich 2021 (WISE).
    """

    examination: Literal["power", "geometric"] = "power"
    """How the chance to be examined falls from place to place."""

    decay: Annotated[float, Interval(ge=0, le=100)] = 1.0
    """η: how fast it falls; 0 = the whole slate is examined."""

    temperature: Positive = 0.1
    """Noise of what attracts, in units of utility."""

    outside_utility: Utility = 0.3
    """Utility at which an examined item is taken half of the time."""

    misjudgement: Annotated[float, Interval(ge=0, le=1e6)] = 0.0
    """w: by how much she may be wrong at most about what an item is worth, in units of utility; 0 = it is as it seems."""

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor:
        return self._examined(users, menu, draws)[:, : menu.slate_size]

    def _examined(self, users: Users, menu: Menu, draws: Draws) -> Tensor:
        places = torch.arange(menu.slate_size)
        chance = (1.0 + places) ** -self.decay if self.examination == "power" else torch.exp(-self.decay * places)
        return look_by_place(chance, users, menu, draws)

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        examined = self._examined(users, menu, draws)
        utility = true_utility(users, items, menu, examined)
        seems = utility
        if self.misjudgement > 0:
            seems = utility + self.misjudgement * (2 * draws("misjudgement").uniform(users.ids[:, None], menu.items) - 1)
        attraction = torch.sigmoid((seems - self.outside_utility) / self.temperature)
        attractive = draws("choice").uniform(users.ids[:, None], menu.items) < attraction
        return take_from_top(examined & attractive, utility, menu, takes)


@dataclass(frozen=True)
class Satisficing:
    """Users read from the top and take the first item that is good enough; the longer they search, the less they ask for.

    The j-th item read (j = 0, 1, …; own finds after the slate) is taken if u_ui ≥ a_j, the level of aspiration
    a_j = max(aspiration − fall · j, outside_utility); then she reads on for the next. Who comes to the end with less than
    `takes` items takes the best of what she has read, if she settles and it is worth more than nothing.

    Source: Simon 1955 (Quarterly Journal of Economics), the first satisfactory alternative, with aspirations that fall while
    the search is in vain; Caplin, Dean & Martin 2011 (American Economic Review), search in the order of the list up to a
    reservation level, and the best of what was searched.
    """

    aspiration: Utility = 0.6
    """Utility of what is good enough at first."""

    fall: Annotated[float, Interval(ge=0, le=1e6)] = 0.02
    """By how much the level falls with each item read."""

    settles: bool = True
    """Does she go back to the best of what she has read when nothing was good enough?"""

    outside_utility: Utility = 0.3
    """Utility of taking nothing: the level never falls below it."""

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor:
        good_enough = self._good_enough(menu, true_utility(users, items, menu, menu.offered))
        return read_so_far(good_enough, menu, takes=choice.taken.shape[1])

    def _good_enough(self, menu: Menu, utility: Tensor) -> Tensor:
        read_before = menu.offered.cumsum(1) - 1
        level = (self.aspiration - self.fall * read_before).clamp(min=self.outside_utility)
        return menu.offered & (utility >= level)

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        utility = true_utility(users, items, menu, menu.offered)
        good_enough = self._good_enough(menu, utility)
        if not self.settles:
            return take_from_top(good_enough, utility, menu, takes)
        # What she would go back to comes after all that was good enough, the best of it first.
        places = menu.items.shape[1]
        second = -places - utility.argsort(dim=1, descending=True, stable=True).argsort(1).float()
        first = -torch.arange(places, dtype=torch.float32)
        worth_it = menu.offered & (utility > self.outside_utility)
        values = torch.where(good_enough, first, torch.where(worth_it, second, NEVER))
        return take_in_order(values, torch.full((len(users),), NEVER), utility, menu, takes)
