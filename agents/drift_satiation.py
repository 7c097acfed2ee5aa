"""Drift away from what was had too often, and back: satiation, and boredom on two time scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice import Choice, Menu
from agents.drift_base import Drifted, Strength, sum_taken
from agents.space import Space
from agents.users import Users

Retention = Annotated[float, Interval(ge=0, lt=1)]


@dataclass(frozen=True)
class Satiation:
    """People tire of what they had lately, and recover.

    Satiation s ← γ (s + Σ z over the items taken); interests θ ∝ θ_0 ⊙ exp(−strength · s_u · s), so that they return to
    where they began when nothing is taken.

    Source: Leqi, Kılınç-Karzan, Lipton & Montgomery 2021 (NeurIPS), "Rebounding bandits": their linear satiation dynamics;
    the effect is log-linear here, which keeps θ on the simplex.
    """

    strength: Strength = 0.5
    """Fall of the log-interest in a topic per unit of satiation."""

    retention: Retention = 0.8
    """γ: share of the satiation that is left after one round."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex",)

    def start(self, interests: Tensor) -> Tensor:
        return torch.zeros_like(interests)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        satiation = self.retention * (users.trace + sum_taken(items, choice))
        return Drifted(_tired(users, self.strength * users.susceptibility[:, None] * satiation), satiation)


@dataclass(frozen=True)
class Boredom:
    """People are bored at once with what they just had, and for long with what they have had too much of.

    Two satiations of the same topic, s_f ← γ_f (s_f + Σ z over the items taken) and s_l likewise with γ_l > γ_f;
    θ ∝ θ_0 ⊙ exp(−s_u (strength · s_f + lasting_strength · s_l)). After a break of t rounds the log-interest in what was
    had once is still lower by s_u (strength γ_f^(t+1) + lasting_strength γ_l^(t+1)): most of it comes back soon, the rest
    slowly.

    Source: Leqi, Kılınç-Karzan, Lipton & Montgomery 2021 (NeurIPS), for either satiation; Kapoor, Subbian, Srivastava &
    Schrater 2015 (WSDM), for boredom in streams of consumption that fades with time. Their sum, a sensitive and a lasting
    one, and the log-linear effect are ours.
    """

    strength: Strength = 0.8
    """Fall of the log-interest in a topic per unit of the passing satiation."""

    retention: Retention = 0.3
    """γ_f: share of the passing satiation that is left after one round."""

    lasting_strength: Strength = 0.1
    """Fall of the log-interest in a topic per unit of the lasting satiation."""

    lasting_retention: Retention = 0.95
    """γ_l: share of the lasting satiation that is left after one round; not less than `retention`."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex",)

    def __post_init__(self) -> None:
        if self.lasting_retention < self.retention:
            raise ValueError(
                f"`lasting_retention` must be at least `retention`, {self.retention} (got {self.lasting_retention})"
            )

    def start(self, interests: Tensor) -> Tensor:
        return torch.zeros(len(interests), 2, interests.shape[1], dtype=interests.dtype)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        had = sum_taken(items, choice)
        passing = self.retention * (users.trace[:, 0] + had)
        lasting = self.lasting_retention * (users.trace[:, 1] + had)
        weariness = self.strength * passing + self.lasting_strength * lasting
        return Drifted(_tired(users, users.susceptibility[:, None] * weariness), torch.stack([passing, lasting], 1))


def _tired(users: Users, weariness: Tensor) -> Tensor:
    """Return θ ∝ θ_0 ⊙ exp(−weariness): a softmax of logarithms, because the plain product can be 0 in every topic."""
    return (users.origin.log() - weariness).softmax(1)
