"""Vectors of items by who took them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

from policies.interaction_matrix import interaction_matrix
from policies.log import FeedbackLog

_ROUNDS = 10
"""Of the subspace iteration. Each shrinks the error by the squared ratio of the first singular value left out to those kept."""


def spectral_vectors(log: FeedbackLog, d: int, rng: torch.Generator) -> Tensor:
    """Return vectors (n_items, at most d) of length 1, close for items that the same users took; 0 for what nobody took.

    The d leading directions of S = D_u^−½ X D_i^−½, X the interactions, D the users' and the items' counts: row i is that of
    Sᵀ U, normalised, with U the left singular vectors.

    Source: Dhillon 2001 (KDD), spectral co-clustering; the singular vectors by subspace iteration, Halko, Martinsson & Tropp
    2011 (SIAM Review).
    """
    x = interaction_matrix(log).astype(np.float64)
    by_user, by_item = (sp.diags_array(np.maximum(x.sum(axis), 1) ** -0.5) for axis in (1, 0))
    s = (by_user @ x @ by_item).tocsr()
    width = min(2 * d, *s.shape)
    basis = torch.randn(log.n_users, width, generator=rng, dtype=torch.float64)
    for _ in range(_ROUNDS):
        basis = torch.linalg.qr(torch.from_numpy(s @ (s.T @ basis.numpy()))).Q
    image = torch.from_numpy(s.T @ basis.numpy())                                       # (n_items, width)
    directions = torch.linalg.eigh(image.T @ image).eigenvectors[:, -d:]                # in the order of their eigenvalues
    return F.normalize(image @ directions).float()
