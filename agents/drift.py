"""How interests change with what was taken: the DRIFTS table.

Every model multiplies its rate by the user's susceptibility s_u. Users who took nothing are not moved, except where
the model says that time alone moves them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, Protocol

import torch
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice import Choice, Menu
from agents.space import Space, affinity, unit
from agents.users import Users

UnitInterval = Annotated[float, Interval(ge=0, le=1)]


class Drifted(NamedTuple):
    """New interests (n, d), and the model's own memory for the next round: (n, …), as `start` made it."""

    interests: Tensor
    trace: Tensor


class DriftModel(Protocol):
    """Moves the interests of n users after a round. `start` gives the memory before the first round.

    `menu` is what was before them when they chose, `draws` are those of the round.
    """

    spaces: ClassVar[tuple[Space, ...]]

    def start(self, interests: Tensor) -> Tensor: ...

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted: ...


def _sum_taken(items: Catalog, choice: Choice) -> Tensor:
    """Return Σ_j z_j over the items that each user took (n, d)."""
    return (items.features[choice.items] * choice.taken[..., None]).sum(1)


def _mean_taken(items: Catalog, choice: Choice) -> tuple[Tensor, Tensor]:
    """Return z̄ over the items that each user took (n, d), zeros where she took nothing, and their number (n, 1)."""
    count = choice.taken.sum(1, keepdim=True)
    return _sum_taken(items, choice) / count.clamp(min=1), count


@dataclass(frozen=True)
class NoDrift:
    """Interests never move.

    Source: Chaney, Stewart & Engelhardt 2018 (RecSys): the recommender changes consumption, not taste.
    """

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere")

    def start(self, interests: Tensor) -> Tensor:
        return torch.zeros(len(interests), 0)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        return Drifted(users.interests, users.trace)


@dataclass(frozen=True)
class Assimilation:
    """Interests move toward what was taken.

    θ ← (1 − η s_u) θ + η s_u z̄, with z̄ the mean of the items taken this round; on the sphere the result is scaled back
    to length 1. Taking the same item t times leaves (1 − η s_u)^t of the distance to it.

    Source: DeGroot 1974 (JASA), linear averaging, with the taken item as the neighbour; so used for recommender users by
    Krauth et al. 2020 (RecLab), and as a rotation by Lucherini et al. 2021 (T-RECS).
    """

    rate: UnitInterval = 0.03
    """η: share of the distance covered in one round."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere")

    def start(self, interests: Tensor) -> Tensor:
        return torch.zeros(len(interests), 0)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        target, count = _mean_taken(items, choice)
        step = self.rate * users.susceptibility[:, None]
        moved = users.interests + step * (target - users.interests)
        if items.space == "sphere":
            moved = unit(moved)
        return Drifted(torch.where(count > 0, moved, users.interests), users.trace)


@dataclass(frozen=True)
class BiasedAssimilation:
    """Interests move toward what is liked and away from what is disliked, the more so the stronger the feeling.

    p ← (p + η s_u ⟨p, v⟩ v) / ‖·‖ for each item v taken, in order. Taking the same item t times shrinks the tangent of
    the angle to ±v by (1 + η s_u)^t.

    Source: Dean & Morgenstern 2022 (EC), equation 1.
    """

    rate: Annotated[float, Interval(ge=0, le=1e3)] = 0.1
    """η: strength of one exposure."""

    spaces: ClassVar[tuple[Space, ...]] = ("sphere",)

    def start(self, interests: Tensor) -> Tensor:
        return torch.zeros(len(interests), 0)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        direction = users.interests
        for item, taken in zip(choice.items.T, choice.taken.T, strict=True):
            v = items.features[item]
            pull = self.rate * users.susceptibility * affinity(direction, v)
            direction = torch.where(taken[:, None], unit(direction + pull[:, None] * v), direction)
        return Drifted(direction, users.trace)


@dataclass(frozen=True)
class Reinforcement:
    """What is taken grows stronger; what is not is slowly forgotten.

    Propensities q ← (1 − φ) q + η s_u Σ z over the items taken; interests θ = q / Σ_t q_t. They start at q = θ_0.
    Remembered are θ and the total Q = Σ_t q_t, not q, which vanishes when nothing is taken for long: with n items of
    mean z̄ taken, Q ← (1 − φ) Q + η s_u n and θ ← θ + (η s_u n / Q)(z̄ − θ).

    Source: Roth & Erev 1995 (Games and Economic Behavior), reinforcement with gradual forgetting.
    """

    rate: Annotated[float, Interval(ge=0, le=1e3)] = 0.05
    """η: weight of one item taken, relative to all that the user started with."""

    forgetting: Annotated[float, Interval(ge=0, lt=1)] = 0.02
    """φ: share of each propensity that is forgotten in a round."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex",)

    def start(self, interests: Tensor) -> Tensor:
        return torch.ones(len(interests), 1)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        target, count = _mean_taken(items, choice)
        gain = self.rate * users.susceptibility[:, None] * count
        total = ((1 - self.forgetting) * users.trace + gain).clamp(min=1e-30)   # 0 / 0 when all is forgotten
        return Drifted(users.interests + gain / total * (target - users.interests), total)


@dataclass(frozen=True)
class Satiation:
    """People tire of what they had lately, and recover.

    Satiation s ← γ (s + Σ z over the items taken); interests θ ∝ θ_0 ⊙ exp(−strength · s_u · s), so that they return to
    where they began when nothing is taken.

    Source: Leqi, Kılınç-Karzan, Lipton & Montgomery 2021 (NeurIPS), "Rebounding bandits": their linear satiation dynamics;
    the effect is log-linear here, which keeps θ on the simplex.
    """

    strength: Annotated[float, Interval(ge=0, le=1e3)] = 0.5
    """Fall of the log-interest in a topic per unit of satiation."""

    retention: Annotated[float, Interval(ge=0, lt=1)] = 0.8
    """γ: share of the satiation that is left after one round."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex",)

    def start(self, interests: Tensor) -> Tensor:
        return torch.zeros_like(interests)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        satiation = self.retention * (users.trace + _sum_taken(items, choice))
        # A softmax of logarithms, because the plain product can be 0 in every topic.
        weariness = self.strength * users.susceptibility[:, None] * satiation
        return Drifted((users.origin.log() - weariness).softmax(1), satiation)


DRIFTS: dict[str, type[DriftModel]] = {
    "none": NoDrift,
    "assimilation": Assimilation,
    "biased_assimilation": BiasedAssimilation,
    "reinforcement": Reinforcement,
    "satiation": Satiation,
}
