"""What networks of several kinds do with their weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def xavier(rows: int, columns: int, rng: torch.Generator) -> Tensor:
    """Return a matrix of weights as they are at first: uniform on ±√(6 / (rows + columns)) (Glorot & Bengio 2010)."""
    return nn.init.xavier_uniform_(torch.empty(rows, columns), generator=rng)


def drop(x: Tensor, share: float, rng: torch.Generator | None) -> Tensor:
    """Dropout from the policy's own generator (`F.dropout` reads the global one); the identity without one."""
    if rng is None or share == 0:
        return x
    kept = torch.rand(x.shape, generator=rng) >= share
    return x * kept.to(x.device) / (1 - share)
