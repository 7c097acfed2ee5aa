"""Users as a struct of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.laws import Law


@dataclass
class Users:
    """Row i is user i for the whole run. A slice of users shares its memory with the whole."""

    ids: Tensor                     # (N,) int64: what draws are keyed by
    interests: Tensor               # (N, d) float32, rows of the space: θ_u
    origin: Tensor                  # (N, d) float32: θ_u before anything happened
    susceptibility: Tensor          # (N,) float32 in [0, 1]: share of the drift rate that applies to the user
    activity: Tensor                # (N,) float32 in [0, 1]: chance to be on the platform in a round
    adoption: Tensor                # (N,) float32 in [0, 1]: chance to look at the slate when on the platform
    group: Tensor                   # (N,) int64: taste or demographic group
    cohort: Tensor                  # (N,) int64: place of her cohort in the scenario
    present: Tensor | None = None   # (N,) bool: has arrived and has not left; None: everybody, always
    arrival: Tensor | None = None   # (N,) int64: round in which she arrives; 0 = there from the beginning
    leanings: Tensor | None = None  # (N, …) float32: what is her own in her tastes beside topics; see modalities.py
    trace: Any = None               # what her cohort's drift model remembers (propensity, satiation …); see drift.py
    expected: Tensor | None = None  # (N, d) float32: what she expected her interests to be at the start; None: she knows them
    doubt: Tensor | None = None     # (N,) float32: variance of her interests around that
    law: Law | None = None          # what interests are drawn by, where others may come in her place; see laws.py
    wants: Tensor | None = None     # (N, h) int64: items that she would take by the real log; see wants.py. None: nobody knows

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: slice) -> Users:
        held = (getattr(self, field.name) for field in fields(self))
        columns: list[Any] = [None if column is None else column[rows] for column in held]
        return Users(*columns)


def divide(count: int, shares: Sequence[float]) -> list[slice]:
    """Give each part as many of `count` rows, one part after the other, as its share comes to (to the nearest row)."""
    ends = np.cumsum(shares)
    cuts = [0, *np.rint(ends / ends[-1] * count).astype(int).tolist()]
    return [slice(start, stop) for start, stop in pairwise(cuts)]


def trait(mean: float, spread: float, count: int, rng: np.random.Generator) -> Tensor:
    """Return one trait in [0, 1] for each of `count` users: Beta distributed with this mean and standard deviation.

    A spread of next to nothing gives everybody the mean. A Beta with mean m and standard deviation s has
    α + β = m(1 − m)/s² − 1, so s² < m(1 − m).
    """
    if spread < 1e-6:                       # to float32 everybody is alike, and the Beta has no finite parameters left
        return torch.full((count,), mean)
    total = mean * (1 - mean) / spread**2 - 1
    if total <= 0:
        raise ValueError(f"spread {spread} is too wide for a trait in [0, 1] with mean {mean}")
    return torch.from_numpy(rng.beta(mean * total, (1 - mean) * total, count).astype(np.float32))
