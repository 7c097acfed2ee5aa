"""The log as a sparse matrix of zeros and ones: who has taken what, whenever."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from policies.log import FeedbackLog

_FAINT = 1e-6


def interaction_matrix(log: FeedbackLog) -> sp.csr_array:
    """Return X (n_users, n_items) float32: 1 where the user has taken the item."""
    users, items, _ = log.interactions()
    ones = np.ones(len(users), dtype=np.float32)
    matrix = sp.csr_array((ones, (users.int().numpy(), items.int().numpy())), shape=(log.n_users, log.n_items))
    matrix.data[:] = 1                  # an item that was taken twice was summed to 2
    return matrix


def history_matrix(users: Tensor, log: FeedbackLog) -> sp.csr_array:
    """Return the rows of X (b, n_items) of `users` (b,), as far as the log goes by now."""
    history = log.history(users)
    items = history.items[history.present].int().numpy()
    ends = history.present.sum(1).cumsum(0)
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), ends]).int().numpy()
    return sp.csr_array((np.ones(len(items), dtype=np.float32), items, starts), shape=(len(users), log.n_items))


def unrelated_by_popularity(scores: Tensor | sp.csr_array, popularity: Tensor) -> Tensor:
    """Order the items whose score (b, n_items) is exactly 0 by popularity (n_items,), at −1e-6 to 0.

    They are those that nothing links to what the user took: many while a platform is young. Left equal, the same arbitrary ones
    would fill everybody's slates.
    """
    faint = _FAINT * (popularity / popularity.max().clamp(min=1) - 1)
    if isinstance(scores, Tensor):
        return scores.where(scores != 0, faint)
    filled, linked = faint.repeat(scores.shape[0], 1), scores.data != 0
    rows = np.arange(scores.shape[0]).repeat(np.diff(scores.indptr))
    filled.numpy()[rows[linked], scores.indices[linked]] = scores.data[linked]
    return filled
