"""Linear propagation over the graph of who took what."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from policies.explanation import Explanation
from policies.graph import GraphPolicy
from policies.log import FeedbackLog


@dataclass
class LightGCN(GraphPolicy):
    """Users are shown what lies near them in the graph of who took what: items taken by those who took the same as they did.

    Each layer is the weighted sum of the neighbours' embeddings, with nothing else learnt: e_u^l+1 = Σ_j e_j^l / √(n_u n_j)
    over the items j that u took, and likewise for items; n counts a node's neighbours. A node's vector is the mean of its
    layers 0 … L, and s_ui = e_u·e_i. Training minimises −ln σ(s_ui − s_uj) + λ(‖e_u^0‖² + ‖e_i^0‖² + ‖e_j^0‖²) over observed
    i and uniformly drawn unseen j. What a user has taken since training counts through the same sum.

    Source: He et al. 2020 (SIGIR), LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation
    """

    def _next(self, layer: int, x: Tensor, near: Tensor, rng: torch.Generator | None) -> Tensor:
        return near

    def _read_out(self, layers: list[Tensor]) -> Tensor:
        return torch.stack(layers).mean(0)

    @torch.no_grad()
    def explain(self, user: int, items: Tensor, log: FeedbackLog) -> Explanation:
        """Exactly: e_u = (e_u^0 + Σ_j Σ_l<L e_j^l / √(n_u n_j)) / (L + 1) is a sum over what she took and her own embedding."""
        asked = torch.tensor([user])
        history, vectors = log.history(asked).items[0], self.item_vectors_[items]
        told = self.messages_[history].unflatten(1, (self.layers, self.factors)).sum(1)         # (n, factors)
        parts = vectors @ told.T / (self.layers + 1) / max(len(history), 1) ** 0.5
        own = self._own(asked)[0] / (self.layers + 1)
        return Explanation("exact", "history", history, parts, vectors @ own)
