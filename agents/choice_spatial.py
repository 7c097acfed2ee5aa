"""Choice among points: of what is near."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice_base import NEVER, Choice, Menu, take_in_order, true_utility
from agents.space import Space, nearness
from agents.users import Users


@dataclass(frozen=True)
class DistanceLogit:
    """Users take what is near to what they want, sooner if it is recommended to them, and always something.

    P(take i) ∝ exp(v_ui) over what is before her, v_ui = −sensitivity · ln ‖p_u − q_i‖ + salience if i is on the slate: so that
    an item at half the distance is taken 2^sensitivity times as often. With more than one take, the next is chosen likewise
    from what is left. Quality has no say.

    Source: Fleder & Hosanagar 2009 (Management Science), "Blockbuster culture's next rise or fall": log distance, k = 10, and
    the salience of a recommendation, δ = 5. Drawn exactly, by the largest Gumbel-perturbed v (Yellott 1977).
    """

    sensitivity: Annotated[float, Interval(ge=0, le=1e3)] = 10.0
    """k: how much distance matters; 0 = not at all."""

    salience: Annotated[float, Interval(ge=-100, le=100)] = 5.0
    """δ: what standing on the slate adds to v; 0 = a recommendation only makes an item known."""

    spaces: ClassVar[tuple[Space, ...]] = ("plane",)

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor:
        return menu.offered[:, : menu.slate_size]

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        rows, places = menu.offered.nonzero(as_tuple=True)
        ids = menu.items[rows, places]
        apart = -nearness(users.interests[rows], items.features[ids])               # d²
        drawn = -self.sensitivity / 2 * apart.clamp(min=1e-30).log() + self.salience * (places < menu.slate_size)
        value = torch.full(menu.items.shape, NEVER)
        value[rows, places] = drawn + draws("choice").gumbel(users.ids[rows], ids)
        utility = true_utility(users, items, menu, menu.offered)
        return take_in_order(value, torch.full((len(users),), NEVER), utility, menu, takes)
