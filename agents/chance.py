"""What agents ask of chance: keyed draws, handed over by the simulator (`simulator.draws`)."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Stream(Protocol):
    """Draws of one named decision, each a pure function of its user id and item id."""

    def uniform(self, users: Tensor, items: Tensor | int = 0) -> Tensor: ...

    def uniform_pair(self, users: Tensor, items: Tensor | int = 0) -> tuple[Tensor, Tensor]: ...

    def gumbel(self, users: Tensor, items: Tensor | int = 0) -> Tensor: ...


class Draws(Protocol):
    """All draws of one round: `draws("choice")` is the stream of one decision.

    `draws.at(0)` are the same ones whatever the round: for what a user is born with.
    """

    def __call__(self, decision: str) -> Stream: ...

    def at(self, round: int) -> Draws: ...
