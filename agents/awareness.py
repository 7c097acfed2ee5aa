"""Which items users know of, where they do not know of all."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.space import nearness
from agents.users import Users


@dataclass(frozen=True)
class Awareness:
    """At the start users know of what is in the middle of the market, which is widely known, and of what is near to themselves.

    User u at p_u knows item j at q_j with probability λ exp(−‖q_j‖² / θ) + (1 − λ) exp(−‖p_u − q_j‖² / (θ/3)), each item
    independently of the others; who would know of none knows the one that is nearest to her. What she then has before her, on
    a slate or from a friend, she knows from the next round on, and what is known is never forgotten.

    Source: Fleder & Hosanagar 2009 (Management Science), "Blockbuster culture's next rise or fall", awareness of products; as
    in Bountouridis et al. 2019 (FAT*), SIREN, which cites it. The nearest: so that everybody has something to take.
    """

    central: float                  # λ in [0, 1]: weight of being in the middle; the rest is weight of being near
    reach: float                    # θ > 0: squared distance at which awareness of the central falls to 1/e; of the near, θ/3

    def begin(self, users: Users, items: Catalog, draws: Draws) -> Tensor:
        """Return which items each user knows of at the start (n, M) bool."""
        points, others = users.interests.double(), items.features.double()
        near = nearness(points[:, None], others)                                    # (n, M): −‖p − q‖²
        middle = nearness(others, torch.zeros_like(others))                         # (M,)
        chance = self.central * (middle / self.reach).exp() + (1 - self.central) * (3 * near / self.reach).exp()
        known = draws.at(0)("awareness").uniform(users.ids[:, None], torch.arange(len(items))) < chance
        nearest = torch.zeros_like(known).scatter(1, near.argmax(1, keepdim=True), True)
        return torch.where(known.any(1, keepdim=True), known, nearest)
