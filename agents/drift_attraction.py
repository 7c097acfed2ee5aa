"""Drift toward and away from items: assimilation, biased assimilation, repulsion, mere exposure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice import Choice, Menu
from agents.drift_base import Drifted, Strength, UnitInterval, exposures, mean_met, mean_taken, no_trace, on_space
from agents.space import Space, affinity, unit
from agents.users import Users


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

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere", "plane")

    def start(self, interests: Tensor) -> Tensor:
        return no_trace(interests)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        target, count = mean_taken(items, choice)
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

    rate: Strength = 0.1
    """η: strength of one exposure."""

    spaces: ClassVar[tuple[Space, ...]] = ("sphere",)

    def start(self, interests: Tensor) -> Tensor:
        return no_trace(interests)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        direction = users.interests
        for item, taken in zip(choice.items.T, choice.taken.T, strict=True):
            v = items.features[item]
            pull = self.rate * users.susceptibility * affinity(direction, v)
            direction = torch.where(taken[:, None], unit(direction + pull[:, None] * v), direction)
        return Drifted(direction, users.trace)


@dataclass(frozen=True)
class Repulsion:
    """What is close attracts, what is far repels, what is in between leaves people cold.

    θ ← θ + η s_u mean_j w_j (z_j − θ) over the items j that are taken (or met), w_j = 1 at a distance up to `acceptance`,
    −1 at one beyond `rejection`, 0 between. Distances lie in [0, 1]: on the simplex half the sum of |θ_t − z_t|, on the
    sphere half the chord, ‖p − v‖ / 2. Back onto the space: on the simplex what falls below 0 is 0 and the rest is scaled
    to sum to 1, on the sphere rows are scaled to length 1. For two topics this is a scalar opinion, cut off at both ends.

    Source: Jager & Amblard 2005 (Computational & Mathematical Organization Theory), after the social judgement theory of
    Sherif & Hovland 1961; several topics, and the mean over several items, are ours.
    """

    rate: UnitInterval = 0.05
    """η: share of the distance covered in one round, toward or away."""

    acceptance: UnitInterval = 0.4
    """Latitude of acceptance: the largest distance at which an item attracts."""

    rejection: UnitInterval = 0.8
    """Latitude of rejection: an item repels beyond this distance; not less than `acceptance`."""

    moved_by: Literal["taken", "met"] = "met"
    """The items that move people: those that they take, or all that are before them. What people take is seldom far."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere")

    def __post_init__(self) -> None:
        if self.rejection < self.acceptance:
            raise ValueError(
                f"`rejection` must be at least `acceptance`, {self.acceptance} (got {self.rejection}): "
                "nothing both attracts and repels"
            )

    def start(self, interests: Tensor) -> Tensor:
        return no_trace(interests)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        theta = users.interests
        pull, count = torch.zeros_like(theta), torch.zeros_like(users.ids)
        for exposure in exposures(menu, choice):
            moves = exposure.taken if self.moved_by == "taken" else exposure.met
            gap = items.features[exposure.items] - theta
            chord = items.space == "sphere"
            distance = (affinity(gap, gap).sqrt() if chord else gap.abs().sum(1)) / 2
            side = (distance <= self.acceptance).to(theta.dtype) - (distance > self.rejection).to(theta.dtype)
            pull += (side * moves)[:, None] * gap
            count += moves
        shift = (self.rate * users.susceptibility / count.clamp(min=1))[:, None] * pull
        moved = on_space(theta + shift, items.space)
        return Drifted(torch.where((shift != 0).any(1, keepdim=True), moved, theta), users.trace)


@dataclass(frozen=True)
class MereExposure:
    """What people merely see they come to like, whether they take it or not.

    θ ← (1 − η_met s_u) θ + η_met s_u z̄_met, then θ ← (1 − rate s_u) θ + rate s_u z̄_taken; means over the items that were
    before her, and over those taken; on the sphere scaled back to length 1 after each. Seeing one item t times without
    taking it leaves (1 − η_met s_u)^t of the distance to it. That the effect of an exposure wanes with the number of
    exposures is in this: what is left to cover does. That it turns at last into boredom is not.

    Source: Zajonc 1968 (Journal of Personality and Social Psychology), "Attitudinal effects of mere exposure"; Bornstein
    1989 (Psychological Bulletin), meta-analysis. The linear form is DeGroot's 1974 (JASA) and ours here.
    """

    rate: UnitInterval = 0.03
    """Share of the distance to what is taken that is covered in one round."""

    exposure_rate: UnitInterval = 0.01
    """η_met: share of the distance to what is before one, taken or not, that is covered in one round."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere")

    def start(self, interests: Tensor) -> Tensor:
        return no_trace(interests)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        theta = users.interests
        for rate, (target, count) in (
            (self.exposure_rate, mean_met(items, menu, choice)),
            (self.rate, mean_taken(items, choice)),
        ):
            moved = theta + rate * users.susceptibility[:, None] * (target - theta)
            if items.space == "sphere":
                moved = unit(moved)
            theta = torch.where(count > 0, moved, theta)
        return Drifted(theta, users.trace)
