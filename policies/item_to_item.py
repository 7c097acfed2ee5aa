"""Recommenders that are a matrix of weights from the items taken to the items shown."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from policies.base import Policy
from policies.explanation import Explanation
from policies.interaction_matrix import history_matrix, unrelated_by_popularity
from policies.log import FeedbackLog


class ItemToItem(Policy):
    """s_u = x_u W, x_u what the user has taken by now; what nothing links to it follows by popularity."""

    weights_: np.ndarray | sp.csr_array     # W (n_items, n_items) float32, which `learn` leaves

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        scores = history_matrix(users, log) @ self.weights_
        return unrelated_by_popularity(torch.from_numpy(scores) if isinstance(scores, np.ndarray) else scores, self.popularity_)

    def explain(self, user: int, items: Tensor, log: FeedbackLog) -> Explanation:
        """Exactly: an item j of hers carries W_ji."""
        asked = torch.tensor([user])
        history = log.history(asked).items[0]
        parts = torch.from_numpy(_dense(self.weights_[history.numpy()][:, items.numpy()])).T
        return Explanation("exact", "history", history, parts, self.score(asked, log)[0, items] - parts.sum(1))


def _dense(matrix: np.ndarray | sp.csr_array) -> np.ndarray:
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
