"""What policies ask of chance: keyed draws for slates, a seeded generator for training."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Draws(Protocol):
    """One named stream of draws, handed over by the simulator (`simulator.draws`)."""

    def uniform_pair(self, users: Tensor, items: Tensor | int = 0) -> tuple[Tensor, Tensor]:
        """Return draws from U(0, 1), each a pure function of its user id and slot."""
        ...

    def gumbel(self, users: Tensor, items: Tensor | int = 0) -> Tensor:
        """Return standard Gumbel draws, each a pure function of its user id and item id."""
        ...

    def generator(self) -> torch.Generator:
        """Return a sequential generator under the same key."""
        ...
