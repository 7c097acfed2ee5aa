"""What resembles what you took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor

from policies.base import Policy
from policies.explanation import Explanation
from policies.interaction_matrix import history_matrix
from policies.log import FeedbackLog, ItemData

_ALIKE = 1e-4
"""Cosines that differ by less count as equal: far above the rounding of float32, far below what tells items apart."""


@dataclass
class Profile(Policy):
    """Items are compared with the weighted mean of the vectors of what a user took: s_ui = cos(p_u, x_i),
    p_u ∝ Σ_j γ^(a_j) x_j, with a_j the number of items that she took after j."""

    decay: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """γ: weight of an item in the profile relative to the one that the user took next."""

    vectors_ = torch.zeros(0, 0)            # x (n_items, d), rows of length 1 or 0, which `learn` leaves

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        profile = torch.from_numpy(self._weights(users, log) @ self.vectors_.numpy())
        return F.normalize(profile) @ self.vectors_.T

    def explain(self, user: int, items: Tensor, log: FeedbackLog) -> Explanation:
        """Exactly: cos(p_u, x_i) = Σ_j γ^(a_j) x_j·x_i / ‖Σ_j γ^(a_j) x_j‖. The rest is what breaks ties, if anything."""
        asked = torch.tensor([user])
        history = log.history(asked).items[0]
        terms = torch.from_numpy(self._weights(asked, log).data)[:, None] * self.vectors_[history]       # (h, d)
        parts = self.vectors_[items] @ terms.T / terms.sum(0).norm().clamp(min=1e-12)
        return Explanation("exact", "history", history, parts, self.score(asked, log)[0, items] - parts.sum(1))

    def _weights(self, users: Tensor, log: FeedbackLog) -> sp.csr_array:
        """Return γ^(a_j) for what each user (b,) has taken, in the order of taking: sparse (b, n_items)."""
        matrix = history_matrix(users, log)
        counts = np.diff(matrix.indptr)
        matrix.data *= self.decay ** (np.repeat(matrix.indptr[1:], counts) - 1 - np.arange(len(matrix.data)))
        return matrix


@dataclass
class Content(Profile):
    """Users are shown the items that are most like what they took, whoever else took them.

    A user's profile is the weighted mean of her items' vectors, p_u ∝ Σ_j γ^(a_j) x_j with a_j the number of items that she
    took after j, and s_ui = cos(p_u, x_i). Items that are equally like it, as all of one genre may be, are ordered at random,
    for each user in another order, anew at each retraining. An item needs no interactions to be shown.

    Source: Pazzani & Billsus 2007 (The Adaptive Web), "Content-based recommendation systems", and Lops, de Gemmis & Semeraro
    2011 (Recommender Systems Handbook), "Content-based recommender systems: state of the art and trends": Rocchio's profile
    from what was liked, without its negative part.
    """

    vectors: Literal["features", "topics"] = "features"
    """What items are compared by: their features, or the topics that they are about."""

    reads_features: ClassVar[bool] = True

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        self.vectors_ = self._vectors(items)
        self.tie_break_ = torch.rand(len(items), generator=rng)
        self.tie_shift_ = torch.rand(log.n_users, generator=rng)
        yield None

    def meet(self, items: ItemData) -> None:
        super().meet(items)
        self.vectors_ = self._vectors(items)
        known = len(self.tie_break_)            # new items come in among the old ones, evenly: steps of the golden ratio
        self.tie_break_ = torch.cat([self.tie_break_, (torch.arange(known, len(items)) * 0.6180339887).frac()])

    def _vectors(self, items: ItemData) -> Tensor:
        return F.normalize(items.features if self.vectors == "features" else items.topics)

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        ties = (self.tie_break_ + self.tie_shift_[users, None]).frac_()             # one order, begun elsewhere by each
        return super().score(users, log).add_(ties, alpha=_ALIKE)
