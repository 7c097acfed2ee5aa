"""Learnt propagation over the graph of who took what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Gt, Interval
from torch import Tensor, nn

from policies.base import Count
from policies.graph import GraphPolicy
from policies.sasrec import drop
from policies.weights import xavier

_SLOPE = 0.2
"""Of LeakyReLU below 0, as in the authors' code."""


@dataclass
class NGCF(GraphPolicy):
    """Users are shown what lies near them in the graph of who took what; how embeddings travel along it is learnt too.

    With each layer a node takes in its neighbours' embeddings, and what they have in common with its own:
    e_u^l+1 = LeakyReLU((e_u^l + m_u) W₁ + (e_u^l ⊙ m_u) W₂), m_u = Σ_j e_j^l / √(n_u n_j) over the items j that u took, and
    likewise for items; n counts a node's neighbours. A node's vector is its layers 0 … L side by side, layers 1 … L scaled to
    length 1 as in the authors' code, and s_ui = e_u·e_i. Training minimises −ln σ(s_ui − s_uj) +
    λ(‖e_u^0‖² + ‖e_i^0‖² + ‖e_j^0‖²) over observed i and uniformly drawn unseen j. What a user has taken since training
    counts through the same sum. Explained by leaving out one of her items at a time; the items' own layers stay as they are.

    Source: Wang et al. 2019 (SIGIR), Neural Graph Collaborative Filtering
    """

    layers: Count = 3
    """Steps along the graph: 1 = what she took, 2 = others who took it, 3 = what they took."""

    learning_rate: Annotated[float, Gt(0)] = 0.005
    """Step size of Adam. On dense logs less is better (0.002 on MovieLens 100K); on the sparse log of a young platform that
    stops too early."""

    dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.1
    """Share of each layer's units dropped in training."""

    def _initialise(self, n_users: int, n_items: int, rng: torch.Generator) -> None:
        super()._initialise(n_users, n_items, rng)
        drawn = torch.stack([xavier(self.factors, self.factors, rng) for _ in range(2 * self.layers)])
        self.transforms_ = nn.Parameter(drawn.unflatten(0, (self.layers, 2)))       # (layers, 2, factors, factors): W₁, W₂

    def _next(self, layer: int, x: Tensor, near: Tensor, rng: torch.Generator | None) -> Tensor:
        w1, w2 = self.transforms_[layer]
        return drop(F.leaky_relu((x + near) @ w1 + (x * near) @ w2, _SLOPE), self.dropout, rng)

    def _read_out(self, layers: list[Tensor]) -> Tensor:
        return torch.cat([layers[0], *(F.normalize(layer, dim=1) for layer in layers[1:])], 1)
