"""No drift of anybody's: others come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice import Choice, Menu
from agents.drift_base import Drifted, UnitInterval, no_trace
from agents.space import Space
from agents.users import Users


@dataclass(frozen=True)
class Newcomers:
    """Nobody's interests move; after a round somebody else comes in the user's place, with interests of her own.

    In each place, with probability `turnover`, the interests are drawn anew by the law of `interests: varied`. The platform
    takes whoever comes for the same user. What was taken in that place stays taken, unless `users.repeats` lets it be taken
    again. Susceptibility has no say.

    Source: Schmit & Riquelme 2018 (AISTATS), "Human interaction with recommendation systems": users arrive one at a time, each
    with private preferences that are independent of all others'.
    """

    turnover: UnitInterval = 1.0
    """Chance that somebody else comes; 1 = nobody comes twice, 0 = everybody stays."""

    spaces: ClassVar[tuple[Space, ...]] = ("values",)

    def start(self, interests: Tensor) -> Tensor:
        return no_trace(interests)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        assert users.law is not None                # or the scenario is refused at the door
        leaves = draws("turnover").uniform(users.ids) < self.turnover
        fresh = users.law.draw(users.ids, draws).to(users.interests.dtype)
        return Drifted(torch.where(leaves[:, None], fresh, users.interests), users.trace)
