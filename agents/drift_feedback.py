"""Drift by reward: what is taken grows, what is not is forgotten, or held against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice import Choice, Menu
from agents.drift_base import Drifted, Strength, UnitInterval, exposures, mean_taken, no_trace
from agents.space import Space, affinity
from agents.users import Users


@dataclass(frozen=True)
class Reinforcement:
    """What is taken grows stronger; what is not is slowly forgotten.

    Propensities q ← (1 − φ) q + η s_u Σ z over the items taken; interests θ = q / Σ_t q_t. They start at q = θ_0.
    Remembered are θ and the total Q = Σ_t q_t, not q, which vanishes when nothing is taken for long: with n items of
    mean z̄ taken, Q ← (1 − φ) Q + η s_u n and θ ← θ + (η s_u n / Q)(z̄ − θ).

    Source: Roth & Erev 1995 (Games and Economic Behavior), reinforcement with gradual forgetting.
    """

    rate: Strength = 0.05
    """η: weight of one item taken, relative to all that the user started with."""

    forgetting: Annotated[float, Interval(ge=0, lt=1)] = 0.02
    """φ: share of each propensity that is forgotten in a round; half of it in ln 2 / −ln(1 − φ) rounds."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex",)

    def start(self, interests: Tensor) -> Tensor:
        return torch.ones(len(interests), 1)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        target, count = mean_taken(items, choice)
        gain = self.rate * users.susceptibility[:, None] * count
        total = ((1 - self.forgetting) * users.trace + gain).clamp(min=1e-30)   # 0 / 0 when all is forgotten
        return Drifted(users.interests + gain / total * (target - users.interests), total)


@dataclass(frozen=True)
class ItemFeedback:
    """Taking an item raises what it is worth to the user, being shown it and passing it over lowers it, without end.

    For each item z before the user, μ ← μ + s_u b z if she took it, else μ ← μ − s_u b z, b ~ U(0, step). Then, with
    probability restart · s_u for each of these items, her interest in it starts anew: μ moves along z until
    μ·z = kept · μ·z + (1 − kept) r, r ~ U(−½, ½). With one topic per item (`items.mixture: one_hot`, as many topics as
    items) these are the published dynamics, in which each item has an interest of its own.

    Source: Jiang, Chiappa, Lattimore, György & Kohli 2019 (AIES), "Degenerate feedback loops in recommender systems";
    restarts after Khritankov & Pilkevich 2021 (WISE). Items that share topics are ours.
    """

    step: Strength = 0.01
    """The most that one exposure changes what an item is worth, in units of utility; the mean is half of it."""

    restart: UnitInterval = 0.0
    """Chance that the interest in an item that is before the user starts anew."""

    kept: UnitInterval = 0.0
    """Share of the old interest that a restart leaves."""

    spaces: ClassVar[tuple[Space, ...]] = ("values",)

    def start(self, interests: Tensor) -> Tensor:
        return no_trace(interests)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        values, before = users.interests, list(exposures(menu, choice))
        for item, met, taken in before:
            z = items.features[item]
            change = self.step * users.susceptibility * draws("feedback").uniform(users.ids, item)
            values = values + torch.where(taken, change, -change).where(met, 0)[:, None] * z
        if self.restart > 0:
            for item, met, _ in before:
                z = items.features[item]
                happens, drawn = draws("restart").uniform_pair(users.ids, item)
                anew = met & (happens < self.restart * users.susceptibility)
                gap = (1 - self.kept) * (drawn.to(values.dtype) - 0.5 - affinity(values, z))
                values = values + (gap / affinity(z, z)).where(anew, 0)[:, None] * z
        return Drifted(values, users.trace)
