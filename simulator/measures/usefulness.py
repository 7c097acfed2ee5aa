"""Usefulness: what people get, and what a remedy costs them.

`utility`, `taken`, `from_slate` are (N, m): true utility of each place, whether it holds a take, and whence.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity


def mean_utility(utility: Tensor, taken: Tensor) -> float:
    """Mean true utility of what was consumed: mean over takes. Chaney et al. (2018)."""
    return float(utility[taken].double().mean())


def utility_per_user(utility: Tensor, taken: Tensor) -> Tensor:
    """What each user got out of the round: the sum over her takes, 0 if she took nothing. → (N,) float64."""
    return utility.double().where(taken, 0).sum(1)


def acceptance(taken: Tensor, from_slate: Tensor, shown: Tensor, k: int) -> float:
    """Share of shown items that were taken: takes from slates / (users shown one · k). 0 … 1."""
    return int((taken & from_slate & shown[:, None]).sum()) / (int(shown.sum()) * k)


def slate_share(taken: Tensor, from_slate: Tensor) -> float:
    """Share of consumption that came from slates, the rest being found without the recommender. 0 … 1."""
    return int((taken & from_slate).sum()) / int(taken.sum())


def hits(slates: Tensor, relevant: Tensor) -> Tensor:
    """Which slate places hold a relevant item. Item ids (n, k), (n, r) → (n, k) bool."""
    return (slates[:, :, None] == relevant[:, None, :]).any(2)


def precision(hit: Tensor) -> Tensor:
    """Share of the slate that is relevant. `hit` (n, k) → (n,), 0 … 1."""
    return hit.double().mean(1)


def recall(hit: Tensor, n_relevant: int) -> Tensor:
    """Share of the relevant items that are on the slate. `hit` (n, k) → (n,), 0 … 1."""
    return hit.sum(1, dtype=torch.float64) / n_relevant


def ndcg(hit: Tensor, n_relevant: int) -> Tensor:
    """Hits, those at the top counting most, relative to the best order. `hit` (n, k) → (n,), 0 … 1.

    DCG = Σ_r hit_r / log2(r + 1), divided by that of min(k, n_relevant) hits on top. Järvelin & Kekäläinen
    (2002), with the discount of Burges et al. (2005).
    """
    k = hit.shape[1]
    discount = 1 / torch.arange(2, k + 2, dtype=torch.float64).log2()
    return (hit * discount).sum(1) / discount[: min(k, n_relevant)].sum()


def majority(interests: Tensor) -> Tensor:
    """Users of majority taste: cosine with the population's mean above the median. (N, T) → (N,) bool."""
    closeness = cosine_similarity(interests.double(), interests.double().mean(0, keepdim=True), dim=1)
    return closeness > closeness.quantile(0.5)


def group_gap(per_user: Tensor, in_majority: Tensor) -> float | None:
    """By how much the mainstream is served better: mean utility per user, majority minus minority.

    (N,), (N,) bool. None if a group is empty. Ekstrand et al. (2022).
    """
    if in_majority.all() or not in_majority.any():
        return None
    return float(per_user[in_majority].mean() - per_user[~in_majority].mean())
