"""Matrix factorisation from implicit feedback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from annotated_types import Gt, Interval
from torch import Tensor

from policies import als
from policies.base import Count, Policy
from policies.explanation import Explanation, nothing
from policies.log import FeedbackLog, ItemData
from policies.sampling import unseen
from policies.validation import HeldOut


@dataclass
class MatrixFactorisation(Policy):
    """Users and items get vectors; a user is shown the items whose vectors agree most with hers: s_ui = w_u·h_i.

    loss `als` minimises Σ_observed (s − 1)² + α_0 Σ_all s² + λ Σ_u (n_u + α_0 M)‖w_u‖² + λ Σ_i (n_i + α_0 N)‖h_i‖² by
    alternating least squares. loss `bpr` minimises −ln σ(s_ui − s_uj) + λ(‖w_u‖² + ‖h_i‖² + ‖h_j‖²) over observed i and
    uniformly drawn unseen j, by Adam.

    With `diversity` δ > 0 scores may not pile up on items that are alike: als adds δ/M Σ_u Σ_jk c_jk s_uj s_uk, bpr for
    each observed pair δ c_jk s_uj s_uk with j, k drawn uniformly; c_jk is the cosine of the items' features. It is the
    similarity within a list on which each item stands with its score for weight, so a user's best items come from different
    topics.

    Source: Hu, Koren & Volinsky 2008 (ICDM) with the regularisation of Rendle et al. 2022 (RecSys); Rendle et al. 2009
    (UAI), BPR; diversity by a term of the training loss as in Wasilewski & Hurley 2016 (FLAIRS), the term itself being the
    intra-list similarity of Ziegler et al. 2005 (WWW) with scores in place of membership.
    """

    loss: Literal["als", "bpr"] = "als"
    """What training minimises."""

    factors: Count = 32
    """Length of the vectors."""

    epochs: Count = 10
    """Passes over the data at each retraining (als: sweeps over users and items)."""

    regularisation: Annotated[float, Interval(ge=0)] = 0.001
    """λ, per interaction. On dense logs more is better (0.01 on MovieLens 100K); on the sparse log of a young platform that
    shrinks all vectors to 0."""

    unobserved_weight: Annotated[float, Gt(0)] = 0.1
    """α_0: weight of a pair without interaction relative to one with (als only)."""

    learning_rate: Annotated[float, Gt(0)] = 0.005
    """Step size of Adam (bpr only)."""

    batch_size: Count = 1024
    """Interactions per step (bpr only)."""

    warm: bool = True
    """Start a retraining from the vectors learnt before; false = from scratch."""

    diversity: Annotated[float, Interval(ge=0)] = 0.0
    """δ: strength of the penalty on similar items in the training loss; 0 = none."""

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        if not (self.warm and hasattr(self, "user_factors_")):
            scale = 0.1 / self.factors**0.5
            self.user_factors_ = torch.randn(log.n_users, self.factors, generator=rng) * scale
            self.item_factors_ = torch.randn(log.n_items, self.factors, generator=rng) * scale
        if not len(log):
            return
        train = self._als if self.loss == "als" else self._bpr
        yield from train(log, items, rng)

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return self.user_factors_[users] @ self.item_factors_.T

    def held_out_loss(self, held: HeldOut) -> float | None:
        positive = (self.user_factors_[held.users] * self.item_factors_[held.items]).sum(1)
        if self.loss == "als":
            return ((positive - 1) ** 2).mean().item() + self._unobserved_loss()
        seen = self.log_.history(held.users)
        unseen_items = torch.ones(len(held.users), len(self.items_))
        rows, places = seen.present.nonzero(as_tuple=True)
        unseen_items[rows, seen.items[rows, places]] = 0
        per_item = F.softplus(self.score(held.users, self.log_) - positive[:, None])    # all negatives, not a sample
        return ((per_item * unseen_items).sum(1) / unseen_items.sum(1)).mean().item()

    def explain(self, user: int, items: Tensor, log: FeedbackLog) -> Explanation:
        """als: exactly. With w_u = A⁻¹ Σ_j h_j over her items j, s_ui = Σ_j h_i·A⁻¹ h_j (Hu, Koren & Volinsky 2008, sect. 5).

        bpr: how alike the vectors of the item and of those she took are; her own vector is not made of theirs.
        """
        history, h = self.log_.history(torch.tensor([user])).items[0], self.item_factors_
        scores = self.user_factors_[user] @ h[items].T
        if not len(history):
            return nothing(items, scores)
        if self.loss == "bpr":
            parts = F.normalize(h[items]) @ F.normalize(h[history]).T
            return Explanation("similarity", "history", history, parts, scores)
        ridge = self.regularisation * (len(history) + self.unobserved_weight * len(self.items_))
        parts = als.parts(self.solved_for_[history], self.gram_, ridge) @ h[items].T
        return Explanation("exact", "history", history, parts.T, scores - parts.sum(0))

    def _als(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float]:
        users, taken, _ = log.interactions()
        by_user, by_item = als.lists(users, taken, log.n_users), als.lists(taken, users, log.n_items)
        weight = self.unobserved_weight
        user_ridge = self.regularisation * (by_user.counts + weight * log.n_items)
        item_ridge = self.regularisation * (by_item.counts + weight * log.n_users)
        x, strength = items.features, self.diversity / log.n_items
        bound = strength * torch.linalg.eigvalsh(x.T @ x)[-1]                   # δ/M λ_max(C), C = x xᵀ
        extra = pull = None
        for _ in range(self.epochs):
            h = self.item_factors_
            if strength:
                content = h.T @ x                                               # (factors, d)
                extra = strength * (content @ content.T)                        # δ/M Hᵀ C H
            self.user_factors_ = w = als.solve(by_user, h, weight, user_ridge, extra)
            self.solved_for_ = h                                                # what explains w
            self.gram_ = weight * (h.T @ h) + (extra if extra is not None else 0)
            if strength:
                # The penalty couples all items. Its upper bound C ≼ λ_max I, which touches it at the h of now, does not:
                # items can be solved one by one, and the loss still never rises.
                extra = bound * (w.T @ w)
                pull = (bound * h - strength * x @ content.T) @ (w.T @ w)
            self.item_factors_ = als.solve(by_item, w, weight, item_ridge, extra, pull)
            fit = (self.user_factors_[users] * self.item_factors_[taken]).sum(1)
            yield ((fit - 1) ** 2).mean().item() + self._unobserved_loss()

    def _unobserved_loss(self) -> float:
        """Return α_0 Σ_all s² per interaction, without forming the scores: Σ s² = tr(WᵀW HᵀH)."""
        w, h = self.user_factors_, self.item_factors_
        return self.unobserved_weight * ((w.T @ w) * (h.T @ h)).sum().item() / len(self.log_)

    def _bpr(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float]:
        users, taken, _ = log.interactions()
        w, h = self.user_factors_.requires_grad_(), self.item_factors_.requires_grad_()
        self.user_factors_, self.item_factors_ = w.detach(), h.detach()     # views: they follow each step
        optimiser = torch.optim.SparseAdam([w, h], lr=self.learning_rate)
        for _ in range(self.epochs):
            total = 0.0
            for batch in torch.randperm(len(users), generator=rng).split(self.batch_size):
                u, i = users[batch], taken[batch]
                j = unseen(log, u, rng)
                w_u, h_i, h_j = (F.embedding(ids, rows, sparse=True) for ids, rows in ((u, w), (i, h), (j, h)))
                loss = F.softplus((w_u * (h_j - h_i)).sum(1)).mean()
                ridge = (w_u.square() + h_i.square() + h_j.square()).sum(1).mean()
                objective = loss + self.regularisation * ridge
                if self.diversity:
                    objective = objective + self.diversity * _similarity(w_u, h, items.features, rng)
                optimiser.zero_grad()
                objective.backward()
                optimiser.step()
                total += loss.item() * len(batch)
            yield total / len(users)


def _similarity(w: Tensor, h: Tensor, features: Tensor, rng: torch.Generator) -> Tensor:
    """Return an unbiased estimate of the mean of c_jk s_uj s_uk over the users with vectors w (b, d) and all pairs of items."""
    j, k = torch.randint(0, len(h), (2, len(w)), generator=rng)
    s_j, s_k = ((w * F.embedding(ids, h, sparse=True)).sum(1) for ids in (j, k))
    return ((features[j] * features[k]).sum(1) * s_j * s_k).mean()
