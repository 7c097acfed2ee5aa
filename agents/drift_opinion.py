"""Drift of opinions: a weighted mean of where one began, where one is and what one meets; the mean of what one remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice import Choice, Menu
from agents.drift_base import Drifted, UnitInterval, mean_met, mean_taken, no_trace
from agents.space import Space, unit
from agents.users import Users


@dataclass(frozen=True)
class OpinionAveraging:
    """People are drawn to what they meet, and held by what they always thought.

    θ ← α s_u θ_0 + (1 − (α + γ) s_u) θ + γ s_u z̄, with z̄ the mean of the items met (or taken) this round; in a round
    without any, θ ← α s_u θ_0 + (1 − α s_u) θ. On the sphere the result is scaled back to length 1. Meeting the same item
    for ever leads to (α θ_0 + γ z) / (α + γ), and (1 − (α + γ) s_u)^t of the distance to that is left after t rounds.

    Source: Rossi, Polderman & Frasca 2021 (IEEE Transactions on Control of Network Systems), the opinion of a user in a loop
    with a recommender, moved by every item that is shown; the anchor is the prejudice of Friedkin & Johnsen 1990 (Journal
    of Mathematical Sociology). Their scalar opinion x is θ = ((1 + x) / 2, (1 − x) / 2) over two topics.
    """

    anchoring: UnitInterval = 0.1
    """α: weight of the initial interests; α + γ is at most 1."""

    rate: UnitInterval = 0.2
    """γ: weight of what is met."""

    moved_by: Literal["taken", "met"] = "met"
    """The items that move people: those that they take, or all that are before them."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere", "values")

    def __post_init__(self) -> None:
        if self.anchoring + self.rate > 1 + 1e-9:
            raise ValueError(f"`anchoring` and `rate` must sum to at most 1 (they sum to {self.anchoring + self.rate:g})")

    def start(self, interests: Tensor) -> Tensor:
        return no_trace(interests)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        theta, susceptibility = users.interests, users.susceptibility[:, None]
        target, count = mean_taken(items, choice) if self.moved_by == "taken" else mean_met(items, menu, choice)
        home = self.anchoring * susceptibility * (users.origin - theta)
        pull = self.rate * susceptibility * (target - theta)
        moved = theta + home + pull.where(count > 0, 0)
        return Drifted(unit(moved) if items.space == "sphere" else moved, users.trace)


@dataclass(frozen=True)
class MemoryMean:
    """People are what they remember: their interests are the mean of the last items that they took.

    θ = (1 − s_u) θ_0 + s_u z̄, with z̄ the mean of the items in a memory with `size` places, θ_0 until it holds any; on the
    sphere scaled to length 1. When it is full, an item is forgotten for each new one: the oldest, or one at random, each
    alike. What is remembered already is not remembered twice.

    Source: Geschke, Lorenz & Holtz 2019 (British Journal of Social Psychology), "The triple filter bubble": the position of
    an individual is the mean of the information that it holds, at most 20 bits, and a random one makes room for the next.
    """

    size: Annotated[int, Interval(ge=1, le=10_000)] = 20
    """Items that the memory holds."""

    forgets: Literal["random", "oldest"] = "random"
    """Which item makes room for a new one when the memory is full."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere", "values", "plane")

    def start(self, interests: Tensor) -> Tensor:
        return torch.full((len(interests), self.size), -1)      # item ids, oldest first; −1 = an empty place, all of them last

    def held(self, trace: Tensor) -> Tensor:
        return trace

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        held = users.trace
        for item, taken in zip(choice.items.T, choice.taken.T, strict=True):
            rows = taken.nonzero()[:, 0]
            rows = rows[(held[rows] != item[rows, None]).all(1)]
            if len(rows):
                held = held.index_copy(0, rows, self._with(held[rows], item[rows], users.ids[rows], draws))
        count = (held >= 0).sum(1, keepdim=True)
        total = torch.zeros_like(users.origin)
        for item in held.T[: int(count.max())]:
            total += items.features[item.clamp(min=0)] * (item >= 0)[:, None]
        theta = users.origin + users.susceptibility[:, None] * (total / count.clamp(min=1) - users.origin)
        if items.space == "sphere":
            theta = unit(theta)
        return Drifted(theta.where(count > 0, users.interests), held)

    def _with(self, held: Tensor, item: Tensor, ids: Tensor, draws: Draws) -> Tensor:
        """Return the memories (n, size) with one more item each (n,), and one less where they were full."""
        count = (held >= 0).sum(1)
        full = count == self.size
        if self.forgets == "oldest":
            gone = torch.zeros_like(count)
        else:
            gone = (draws("forget").uniform(ids, item) * self.size).long().clamp(max=self.size - 1)
        gone = torch.where(full, gone, self.size)
        # What stands behind the gap moves up.
        places = torch.arange(self.size).expand_as(held)
        source = (places + (places >= gone[:, None])).clamp(max=self.size - 1)
        return held.gather(1, source).scatter(1, (count - full.long())[:, None], item[:, None])
