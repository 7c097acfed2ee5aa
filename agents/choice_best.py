"""Choice of what is best, as far as one knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice_base import NEVER, Choice, Menu, Utility, take_in_order, true_utility
from agents.users import Users


@dataclass(frozen=True)
class Best:
    """Users know what is good for them and take the best of what they see.

    Takes argmax_i max(u_ui, 0) · (1 + p)^(−rank_discount) over the menu (p = 0, 1, … the place in the slate, 0 for own
    finds), if it exceeds outside_utility.

    Source: Chaney, Stewart & Engelhardt 2018 (RecSys), with rank discount 0.8 as in Lucherini et al. 2021 (T-RECS).
    """

    rank_discount: Annotated[float, Interval(ge=0)] = 0.0
    """How fast attention falls with the place in the slate; 0 = every place is seen alike."""

    outside_utility: Utility = 0.0
    """Utility of taking nothing."""

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor:
        return menu.offered[:, : menu.slate_size]

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        utility = true_utility(users, items, menu, menu.offered)
        discount = (1.0 + menu.positions()) ** -self.rank_discount
        values = torch.where(menu.offered, utility.clamp(min=0) * discount, NEVER)
        return take_in_order(values, torch.full((len(users),), float(self.outside_utility)), utility, menu, takes)
