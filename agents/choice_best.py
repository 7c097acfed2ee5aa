"""Choice of what is best, as far as one knows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Interval
from scipy import special
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice_base import NEVER, Choice, Menu, Utility, take_in_order, true_utility
from agents.users import Users


@dataclass(frozen=True)
class Best:
    """Users know what is good for them and take the best of what they see.

    Takes argmax_i max(u_ui, 0) · (1 + p)^(−rank_discount) over the menu (p = 0, 1, … the place in the slate, 0 for own
    finds beside it), if it exceeds outside_utility.

    Source: Chaney, Stewart & Engelhardt 2018 (RecSys), with rank discount 0.8 as in Lucherini et al. 2021 (T-RECS).
    """

    rank_discount: Annotated[float, Interval(ge=0)] = 0.0
    """How fast attention falls with the place in the slate; 0 = every place is seen alike."""

    outside_utility: Utility = 0.0
    """Utility of taking nothing."""

    reads_places: ClassVar[bool] = True

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor:
        return menu.offered[:, : menu.slate_size]

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        utility = true_utility(users, items, menu, menu.offered)
        values = _discounted(utility, menu, self.rank_discount)
        return take_in_order(values, torch.full((len(users),), float(self.outside_utility)), utility, menu, takes)


@dataclass(frozen=True)
class PartialKnowledge:
    """Users know only a part of what an item is worth to them, more of one item than of another, and take what seems best.

    Takes argmax_i κ_ui max(u_ui, 0) · (1 + p)^(−rank_discount) over the menu (p = 0, 1, … the place in the slate, 0 for own
    finds beside it), if it exceeds outside_utility. The known share κ_ui ~ Beta of mean `knowledge` and standard deviation
    `noise`, one draw for each user and item that holds for the whole run.

    Source: Chaney, Stewart & Engelhardt 2018 (RecSys), known utility; mean 0.98, next to no noise (1e-5) and rank discount 0.8
    as in Lucherini et al. 2021 (T-RECS), which without noise is `best` but for the outside option.
    """

    knowledge: Annotated[float, Interval(gt=0, le=1)] = 0.98
    """Share of an item's utility that is known before it is taken, on average over users and items."""

    noise: Annotated[float, Interval(ge=0, lt=0.5)] = 0.05
    """Standard deviation of that share; less than √(knowledge · (1 − knowledge)), which no share can reach."""

    rank_discount: Annotated[float, Interval(ge=0)] = 0.8
    """How fast attention falls with the place in the slate; 0 = every place is seen alike."""

    outside_utility: Utility = 0.0
    """Utility of taking nothing; negative: something is always taken."""

    reads_places: ClassVar[bool] = True

    def __post_init__(self) -> None:
        widest = math.sqrt(self.knowledge * (1 - self.knowledge))
        if self.noise > 0 and self.noise >= widest:
            raise ValueError(f"`noise` must be less than √(knowledge · (1 − knowledge)) = {widest:.3g} (got {self.noise:g})")

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor:
        return menu.offered[:, : menu.slate_size]

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        utility = true_utility(users, items, menu, menu.offered)
        known = _discounted(utility * self._share_known(users, menu, draws), menu, self.rank_discount)
        return take_in_order(known, torch.full((len(users),), float(self.outside_utility)), utility, menu, takes)

    def _share_known(self, users: Users, menu: Menu, draws: Draws) -> Tensor | float:
        """Return κ (n, c), where something is offered."""
        if self.noise == 0:
            return self.knowledge
        rows, places = menu.offered.nonzero(as_tuple=True)
        _, quantile = draws.at(0)("knowledge").uniform_pair(users.ids[rows], menu.items[rows, places])
        total = self.knowledge * (1 - self.knowledge) / self.noise**2 - 1
        drawn = special.betaincinv(self.knowledge * total, (1 - self.knowledge) * total, quantile.numpy())
        share = torch.ones(menu.items.shape)
        share[rows, places] = torch.from_numpy(drawn).float()
        return share


def _discounted(utility: Tensor, menu: Menu, rank_discount: float) -> Tensor:
    """Return max(utility, 0), discounted by the place in the list (n, c); −∞ where nothing is offered."""
    return torch.where(menu.offered, utility.clamp(min=0) * (1.0 + menu.positions()) ** -rank_discount, NEVER)
