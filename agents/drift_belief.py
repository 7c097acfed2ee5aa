"""What users come to know of themselves: interests stay, beliefs about them change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from agents.belief import nothing_learnt, tried
from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice import Choice, Menu
from agents.drift_base import Drifted
from agents.space import Space
from agents.users import Users


@dataclass(frozen=True)
class GaussianBelief:
    """Interests never move; users find out what an item is worth to them by taking it, and expect the same of what is near it.

    A user's belief about what the items are worth is Normal(μ, S), at first with the mean and the covariance that they are
    really drawn with. Each item c taken is observed without error: k = S_·c, μ ← μ + k (x_c − μ_c) / k_c and
    S ← S − k kᵀ / k_c. Belief has no rate, so susceptibility has no say.

    Source: Aridor, Gonçalves & Sikdar 2020 (RecSys), Bayesian updating of normal beliefs; the formula is the one of
    simple kriging (Rasmussen & Williams 2006, "Gaussian processes for machine learning", chapter 2, without noise).
    """

    spaces: ClassVar[tuple[Space, ...]] = ("values",)

    def start(self, interests: Tensor) -> Tensor:
        return nothing_learnt(*interests.shape)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        assert users.expected is not None           # or the scenario is refused at the door
        assert items.ring is not None
        memory, rows = users.trace, torch.arange(len(users))
        surprise = users.interests.double() - users.expected
        for item, taken in zip(choice.items.T, choice.taken.T, strict=True):
            memory = tried(memory, item, taken, surprise[rows, item], items.quality[item].double(), items.ring.decay)
        return Drifted(users.interests, memory)
