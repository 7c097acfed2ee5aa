"""What interests are drawn by, topic by topic, so that who comes later can be drawn by the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy import special
from torch import Tensor

from agents.chance import Draws

Kind = Literal["bernoulli", "normal", "exponential", "pareto"]


@dataclass(frozen=True)
class Law:
    """The distributions of what each topic is worth to n users: one kind, and a parameter for each topic, row by row."""

    kind: Kind
    scatter: np.ndarray             # (n, T) float64: p, standard deviation, mean or shape; see `quantile`

    def __getitem__(self, rows: slice) -> Law:
        return Law(self.kind, self.scatter[rows])

    def draw(self, users: Tensor, draws: Draws) -> Tensor:
        """Return fresh interests (n, T) float32 for these user ids (n,)."""
        u = draws("newcomer").uniform_pair(users[:, None], torch.arange(self.scatter.shape[1]))[1]
        return torch.from_numpy(quantile(self.kind, self.scatter, u.numpy()).astype(np.float32))


def scatter_of(kind: Kind, share: np.ndarray) -> np.ndarray:
    """Return the parameter of each topic (T,) float64 for `share` ~ U(0, 1): as Schmit & Riquelme 2018 simulate."""
    topics = len(share)
    return {"bernoulli": share * np.log(topics) / (1.5 * topics), "pareto": 2 + 2 * share}.get(kind, share)


def quantile(kind: Kind, scatter: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return the value below which a share `u` of the distribution lies, elementwise.

    bernoulli: 1 with probability `scatter`, else 0; normal: mean 0, standard deviation `scatter`; exponential: mean `scatter`;
    pareto: Lomax of shape `scatter` and scale 1, P(X > x) = (1 + x)^(−shape).
    """
    match kind:
        case "bernoulli":
            return (u > 1 - scatter).astype(np.float64)
        case "normal":
            return scatter * special.ndtri(u)
        case "exponential":
            return -scatter * np.log1p(-u)
    return np.expm1(-np.log1p(-u) / scatter)
