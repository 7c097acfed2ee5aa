"""What taste explains best what you took, and what you did not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from policies.base import Policy
from policies.explanation import Explanation
from policies.interaction_matrix import interaction_matrix
from policies.log import FeedbackLog, ItemData


@dataclass
class TasteRegression(Policy):
    """Users are shown what the taste asks for that explains best what they took, and what they did not.

    A user's taste is w_u = argmin_{w ≥ 0} Σ_i (w·a_i − x_ui)² over all items that were there to be taken, with a_i the vector
    of item i and x_ui = 1 if she has taken it, else 0; s_ui = w_u·a_i. An item needs no interactions to be shown.

    Source: the content filter of Chaney, Stewart & Engelhardt 2018 (RecSys), as in Lucherini et al. 2021 (T-RECS), by
    nonnegative least squares (Lawson & Hanson 1974, "Solving least squares problems", chapter 23).
    """

    vectors: Literal["features", "topics"] = "features"
    """What items are described by: their features, or the topics that they are about."""

    reads_features: ClassVar[bool] = True

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        self.vectors_ = self._vectors(items)
        # What comes out in this very round nobody can have taken as yet, unless somebody has.
        taken = torch.bincount(log.interactions().items, minlength=len(items)) > 0
        could = np.ones(len(items), dtype=bool) if items.age is None else ((items.age > 0) | taken).numpy()
        a = self.vectors_.double().numpy()[could]
        # ‖A w − x‖² = ‖R w − Qᵀ x‖² + what no w changes: for however many items, a problem as small as a taste is long.
        q, r = np.linalg.qr(a)
        aims = interaction_matrix(log)[:, could] @ q                                # (n_users, d)
        tastes = [nnls(r, aim)[0] for aim in aims] if len(a) else np.zeros((log.n_users, a.shape[1]))
        self.tastes_ = torch.from_numpy(np.array(tastes)).float()                   # (n_users, d)
        self.gram_ = a.T @ a
        yield None

    def meet(self, items: ItemData) -> None:
        super().meet(items)
        self.vectors_ = self._vectors(items)

    def _vectors(self, items: ItemData) -> Tensor:
        return items.features if self.vectors == "features" else items.topics

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return self.tastes_[users] @ self.vectors_.T

    def unknown(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return self.untrained_[users]               # a taste is not learnt anew before the next training

    def representations(self) -> Tensor:
        return self.tastes_

    def explain(self, user: int, items: Tensor, log: FeedbackLog) -> Explanation:
        """Exactly: of the features that her taste has, w₊ = (A₊ᵀ A₊)⁻¹ Σ_j a_j₊ over what she had taken at training."""
        asked = torch.tensor([user])
        history = self.log_.history(asked).items[0]
        has = (self.tastes_[user] > 0).numpy()
        a = self.vectors_.double().numpy()[:, has]
        shares = np.linalg.pinv(self.gram_[np.ix_(has, has)]) @ a[history.numpy()].T            # (d₊, h)
        parts = torch.from_numpy(a[items.numpy()] @ shares).float()
        return Explanation("exact", "history", history, parts, self.score(asked, log)[0, items] - parts.sum(1))
