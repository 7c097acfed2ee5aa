"""A linear autoencoder in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor

from policies.interaction_matrix import interaction_matrix
from policies.item_to_item import ItemToItem
from policies.log import FeedbackLog, ItemData
from policies.ranking import block_size


@dataclass
class EASE(ItemToItem):
    """Every item is predicted from the other items that a user took, by one ridge regression per item: s_u = x_u B.

    B minimises ‖X − X B‖² + λ‖B‖² with a diagonal of zeros, X the (n_users, n_items) matrix of zeros and ones. With
    P = (XᵀX + λI)⁻¹ the solution is B_ji = −P_ji / P_ii. x_u is what the user has taken by now. Weights may be negative: who
    took j is then less likely to take i than the rest of what she took suggests. Items that nothing links to hers follow by
    popularity, below those of positive score.

    The inverse takes time n_items³ and two (n_items, n_items) arrays of float64.

    Source: Steck 2019 (WWW), "Embarrassingly shallow autoencoders for sparse data".
    """

    regularisation: Annotated[float, Gt(0)] = 250.0
    """λ, in interactions per item: an item taken much less often hardly predicts others. 250 to 500 is best on MovieLens
    100K, and about best on samples of it with 3 to 30 interactions per user. On such a young platform it leaves little more
    than counts, B ≈ XᵀX / λ: what was taken by the same people, popular items first. A λ of 10 then spreads slates over
    twice as many items and is a sixth less accurate."""

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        precision = torch.cholesky_inverse(torch.linalg.cholesky(self._regularised_gram(log)))
        precision /= -precision.diagonal().clone()
        precision.fill_diagonal_(0)
        self.weights_ = precision.float().numpy()                                   # B
        yield None

    def _regularised_gram(self, log: FeedbackLog) -> Tensor:
        """Return XᵀX + λI (n_items, n_items) in float64: in float32 little λ drowns in the rounding of a large log."""
        x = interaction_matrix(log)
        by_item = x.T.tocsr()
        gram = torch.empty(log.n_items, log.n_items, dtype=torch.float64)
        size = block_size(log.n_items)
        for start in range(0, log.n_items, size):
            gram[start : start + size] = torch.from_numpy((by_item[start : start + size] @ x).toarray())
        gram.diagonal().add_(self.regularisation)
        return gram
