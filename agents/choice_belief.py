"""Choice by belief: of what one has not tried one knows what is like what one has tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Interval
from torch import Tensor

from agents.belief import unpacked
from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice_base import NEVER, Choice, Menu, Told, Utility, take_in_order
from agents.space import Space
from agents.users import Users


@dataclass(frozen=True)
class CertaintyEquivalent:
    """Users take what they believe to be best, and find out what an item is worth to them only by taking it.

    Takes argmax_i μ_ui − γ/2 · S_ui over the menu, with μ and S the mean and the variance of the user's belief about what item
    i is worth to her. She learns with `drift: belief`, and what she learns of one item says something of the items near it. Of
    items whose quality she is told (arm `informed`) only her own part of their worth is uncertain.

    Source: Aridor, Gonçalves & Sikdar 2020 (RecSys), "Deconstructing the filter bubble": consumption by certainty equivalent
    under constant absolute risk aversion.
    """

    risk_aversion: Annotated[float, Interval(ge=0, le=1e6)] = 0.3
    """γ: how much expected utility a unit of variance is worth, twice; 0 = what is unsure is as good as what is certain."""

    outside_utility: Utility | None = None
    """Utility of taking nothing. null: something is always taken."""

    spaces: ClassVar[tuple[Space, ...]] = ("values",)

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor:
        return menu.offered[:, : menu.slate_size]

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        # Item j is topic j and no other: what `true_utility` gives, without its M products for each.
        utility = torch.where(menu.offered, users.interests.gather(1, menu.items) + items.quality[menu.items], NEVER)
        values = torch.where(menu.offered, self._certainty_equivalent(users, items, menu, utility), NEVER)
        outside = NEVER if self.outside_utility is None else self.outside_utility
        return take_in_order(values, torch.full((len(users),), outside), utility, menu, takes)

    def _certainty_equivalent(self, users: Users, items: Catalog, menu: Menu, utility: Tensor) -> Tensor:
        """Return what each item on the menu is believed to be worth (n, c), less for what is unsure."""
        assert users.expected is not None           # or the scenario is refused at the door
        assert users.doubt is not None
        assert items.ring is not None
        belief = unpacked(users.trace)
        told = torch.zeros(len(users), dtype=torch.int64) if menu.told is None else menu.told
        knows_quality = (told >= Told.QUALITY)[:, None]
        quality = torch.where(knows_quality, items.quality, belief.quality)
        variance = users.doubt[:, None] + torch.where(knows_quality, 0, items.ring.quality_variance)
        worth = users.expected + belief.own + quality - self.risk_aversion / 2 * variance * belief.left()
        return torch.where((told == Told.UTILITY)[:, None], utility.double(), worth.gather(1, menu.items))
