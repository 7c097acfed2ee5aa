"""Choice by reading down a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice_base import Choice, Menu, Positive, Utility, read_so_far, take_from_top, true_utility
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
