"""Choice by utility and chance: random utility models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice_base import NEVER, Choice, Menu, Positive, Utility, look_by_place, take_in_order, true_utility
from agents.users import Users


@dataclass(frozen=True)
class Logit:
    """Users look at some of what is offered and take what appeals most, or nothing.

    The place p = 0, 1, … of the slate is examined with probability position_bias^p; own finds always are. Among the
    examined items, P(take i) ∝ exp(u_ui / temperature), and P(take nothing) ∝ exp(outside_utility / temperature).
    With more than one take, the next is chosen likewise from what is left, until nothing wins.

    Source: McFadden 1974 (conditional logit); Craswell et al. 2008 (examination of positions); Plackett 1975 (takes
    without replacement). Drawn exactly, by the largest Gumbel-perturbed utility (Yellott 1977).
    """

    temperature: Positive = 0.1
    """Noise of the choice, in units of utility; small = the best examined item is nearly always taken."""

    position_bias: Annotated[float, Interval(gt=0, le=1)] = 0.85
    """Chance to examine a place of the slate relative to the place before it; 1 = the whole slate is examined."""

    outside_utility: Utility = 0.3
    """Utility of taking nothing."""

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor:
        return self._examined(users, menu, draws)[:, : menu.slate_size]

    def _examined(self, users: Users, menu: Menu, draws: Draws) -> Tensor:
        return look_by_place(self.position_bias ** torch.arange(menu.slate_size), users, menu, draws)

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        examined = self._examined(users, menu, draws)
        utility = true_utility(users, items, menu, examined)
        rows, places = examined.nonzero(as_tuple=True)
        value = torch.full(menu.items.shape, NEVER)
        noise = draws("choice").gumbel(users.ids[rows], menu.items[rows, places])
        value[rows, places] = utility[rows, places] / self.temperature + noise
        nothing = self.outside_utility / self.temperature + draws("nothing").gumbel(users.ids)
        return take_in_order(value, nothing, utility, menu, takes)
