"""Choice by what others say, and by what one knows of oneself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice_base import NEVER, Choice, Menu, Utility, take_in_order, true_utility
from agents.users import Users


@dataclass(frozen=True)
class ByRating:
    """Users know what is to their own taste, and trust the rating beside an item for the rest.

    Takes argmax_i s_i + θ_u·z_i over the menu, with s_i the rating that the platform shows beside the item (policy
    `average_rating`); where none stands, she sees the quality for herself. A rating that is the mean of what others had, who
    took the item because it was to their taste, promises too much.

    Source: Schmit & Riquelme 2018 (AISTATS), "Human interaction with recommendation systems", section 2: selection by score and
    private preference.
    """

    outside_utility: Utility | None = None
    """Utility of taking nothing. null: something is always taken."""

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor:
        return menu.offered[:, : menu.slate_size]

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        utility = true_utility(users, items, menu, menu.offered)
        values = utility
        if menu.ratings is not None:
            values = torch.where(menu.ratings.isnan(), utility, utility - items.quality[menu.items] + menu.ratings)
        outside = NEVER if self.outside_utility is None else self.outside_utility
        return take_in_order(values, torch.full((len(users),), outside), utility, menu, takes)
