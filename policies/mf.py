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
from policies.base import Count, Policy, UnitInterval
from policies.explanation import Explanation, nothing
from policies.impressions import inverse_propensity
from policies.log import FeedbackLog, ItemData
from policies.sampling import Unseen
from policies.validation import HeldOut, Size


@dataclass
class MatrixFactorisation(Policy):
    """Users and items get vectors; a user is shown the items whose vectors agree most with hers: s_ui = w_u·h_i.

    loss `als` minimises Σ_observed (s − 1)² + α_0 Σ_all s² + λ Σ_u (n_u + α_0 M)^ν‖w_u‖² + λ Σ_i (n_i + α_0 N)^ν‖h_i‖² by
    alternating least squares. loss `bpr` minimises −ln σ(s_ui − s_uj) + λ(‖w_u‖² + ‖h_i‖² + ‖h_j‖²) over observed i and
    uniformly drawn unseen j, by Adam.

    With `diversity` δ > 0 scores may not pile up on items that are alike: als adds δ/M Σ_u Σ_jk c_jk s_uj s_uk, bpr for
    each observed pair δ c_jk s_uj s_uk with j, k drawn uniformly; c_jk is the cosine of the items' features. It is the
    similarity within a list on which each item stands with its score for weight, so a user's best items come from different
    topics.

    With `propensity` γ > 0 an interaction counts the less, the more the item was met: the observed terms get the weight
    v_i ∝ (exposures_i / max)^−γ, of mean 1, against the exposure bias of a log that the recommender itself has made.

    With `adversarial` λ_adv > 0 bpr also minimises λ_adv times its loss at vectors that have been moved, each by a step of
    length ε, to where that loss grows fastest; so small changes of the vectors turn the ranking over less. Training from
    scratch begins with half its epochs without.

    Source: Hu, Koren & Volinsky 2008 (ICDM) with the regularisation of Rendle et al. 2022 (RecSys); Rendle et al. 2009
    (UAI), BPR; diversity by a term of the training loss as in Wasilewski & Hurley 2016 (FLAIRS), the term itself being the
    intra-list similarity of Ziegler et al. 2005 (WWW) with scores in place of membership; inverse propensities as in Schnabel
    et al. 2016 (ICML) and Saito et al. 2020 (WSDM); He, He, Du & Chua 2018 (SIGIR), "Adversarial personalized ranking".
    """

    loss: Literal["als", "bpr"] = "als"
    """What training minimises."""

    factors: Count = 32
    """Length of the vectors."""

    epochs: Count = 10
    """Passes over the data at each retraining (als: sweeps over users and items)."""

    regularisation: Annotated[float, Interval(ge=0, le=1e6)] = 0.001
    """λ, per interaction. On dense logs more is better (0.01 on MovieLens 100K); on the sparse log of a young platform that
    shrinks all vectors to 0."""

    frequency_scaling: UnitInterval = 1.0
    """ν: how far λ grows with what a vector is learnt from (als only): λ (n_u + α_0 M)^ν; 0 = λ is the same for every vector,
    as in Hu, Koren & Volinsky 2008, 1 = in proportion."""

    unobserved_weight: Annotated[float, Interval(ge=1e-6, le=1e6)] = 0.1
    """α_0: weight of a pair without interaction relative to one with (als only)."""

    learning_rate: Annotated[float, Gt(0)] = 0.005
    """Step size of Adam (bpr only)."""

    batch_size: Count = 1024
    """Interactions per step (bpr only)."""

    warm: bool = True
    """Start a retraining from the vectors learnt before; false = from scratch."""

    diversity: Annotated[float, Interval(ge=0, le=1e6)] = 0.0
    """δ: strength of the penalty on similar items in the training loss; 0 = none."""

    propensity: UnitInterval = 0.0
    """γ: how far exposure is made up for in the training loss; 0 = not, 1 = an item met half as often counts double."""

    adversarial: Annotated[float, Interval(ge=0)] = 0.0
    """λ_adv: weight of the loss at adversarially moved vectors (bpr only); 0 = none."""

    perturbation: Annotated[float, Interval(ge=0)] = 0.5
    """ε: how far the adversary moves each vector (with `adversarial`)."""

    def __post_init__(self) -> None:
        if self.adversarial and self.loss != "bpr":
            raise ValueError(f"adversarial training is there for loss bpr only (loss is {self.loss})")
        if self.frequency_scaling != 1 and self.loss != "als":
            raise ValueError(f"`frequency_scaling` is there for loss als only (loss is {self.loss})")

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        cold = not (self.warm and hasattr(self, "user_factors_"))
        if cold:
            scale = 0.1 / self.factors**0.5
            self.user_factors_ = torch.randn(log.n_users, self.factors, generator=rng) * scale
            self.item_factors_ = torch.randn(log.n_items, self.factors, generator=rng) * scale
        elif log.n_items > len(self.item_factors_):             # published since
            new = torch.randn(log.n_items - len(self.item_factors_), self.factors, generator=rng) * 0.1 / self.factors**0.5
            self.item_factors_ = torch.cat([self.item_factors_.detach(), new])
        self.item_weights_ = inverse_propensity(log, self.propensity) if self.propensity else torch.ones(log.n_items)
        if not len(log):
            return
        if self.loss == "als":
            yield from self._als(log, items)
        else:
            yield from self._bpr(log, items, rng, plain_epochs=self.epochs // 2 if cold else 0)

    def size(self) -> Size:
        return Size(self.user_factors_.numel() + self.item_factors_.numel(), 0)

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return self.user_factors_[users] @ self.item_factors_.T

    def unknown(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return self.untrained_[users]               # a user's vector is not learnt anew before the next training

    def representations(self) -> Tensor:
        return self.user_factors_

    def held_out_loss(self, held: HeldOut) -> float | None:
        positive = (self.user_factors_[held.users] * self.item_factors_[held.items]).sum(1)
        weight = self.item_weights_[held.items]
        if self.loss == "als":
            return (weight * (positive - 1) ** 2).mean().item() + self._unobserved_loss()
        seen = self.log_.history(held.users)
        unseen_items = torch.ones(len(held.users), len(self.items_))
        rows, places = seen.present.nonzero(as_tuple=True)
        unseen_items[rows, seen.items[rows, places]] = 0
        per_item = F.softplus(self.score(held.users, self.log_) - positive[:, None])    # all negatives, not a sample
        return (weight * (per_item * unseen_items).sum(1) / unseen_items.sum(1)).mean().item()

    def explain(self, user: int, items: Tensor, log: FeedbackLog) -> Explanation:
        """als: exactly. With w_u = A⁻¹ Σ_j v_j h_j over her items j, s_ui = Σ_j v_j h_i·A⁻¹ h_j (Hu, Koren & Volinsky 2008).

        bpr: by how much the score would fall had she not taken the item, to first order, items' vectors staying as they are.
        """
        history, h = self.log_.history(torch.tensor([user])).items[0], self.item_factors_
        taken = self.log_.sequence(torch.tensor([user])).items[0]
        times = (taken == history[:, None]).sum(1)                              # 1, but where users take items again
        w, weights = self.user_factors_[user], times * self.item_weights_[history]
        scores = w @ h[items].T
        if not len(history):
            return nothing(items, scores)
        if self.loss == "bpr":
            parts = influence(w, h, history, weights, self.regularisation, len(taken)) @ h[items].T
            return Explanation("leave-one-out", "history", history, parts.T, scores - parts.sum(0))
        ridge = self.regularisation * (len(taken) + self.unobserved_weight * len(self.items_)) ** self.frequency_scaling
        parts = als.parts(self.solved_for_[history], weights, self.gram_, ridge) @ h[items].T
        return Explanation("exact", "history", history, parts.T, scores - parts.sum(0))

    def _als(self, log: FeedbackLog, items: ItemData) -> Iterator[float]:
        users, taken, _ = log.interactions()
        v = self.item_weights_[taken]
        weights = v if self.propensity else None
        by_user, by_item = als.lists(users, taken, log.n_users, weights), als.lists(taken, users, log.n_items, weights)
        weight = self.unobserved_weight
        user_ridge = self.regularisation * (by_user.counts + weight * log.n_items) ** self.frequency_scaling
        item_ridge = self.regularisation * (by_item.counts + weight * log.n_users) ** self.frequency_scaling
        x, strength = items.features, self.diversity / log.n_items
        bound = strength * float(torch.linalg.eigvalsh((x.T @ x).double())[-1])   # δ/M λ_max(C), C = x xᵀ
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
            yield (v * (fit - 1) ** 2).mean().item() + self._unobserved_loss()

    def _unobserved_loss(self) -> float:
        """Return α_0 Σ_all s² per interaction, without forming the scores: Σ s² = tr(WᵀW HᵀH)."""
        w, h = self.user_factors_, self.item_factors_
        return self.unobserved_weight * ((w.T @ w) * (h.T @ h)).sum().item() / len(self.log_)

    def _bpr(self, log: FeedbackLog, items: ItemData, rng: torch.Generator, plain_epochs: int) -> Iterator[float]:
        users, taken, _ = log.interactions()
        unseen = Unseen(log)
        w, h = self.user_factors_.requires_grad_(), self.item_factors_.requires_grad_()
        self.user_factors_, self.item_factors_ = w.detach(), h.detach()     # views: they follow each step
        optimiser = torch.optim.SparseAdam([w, h], lr=self.learning_rate)
        for epoch in range(self.epochs):
            total = 0.0
            for batch in torch.randperm(len(users), generator=rng).split(self.batch_size):
                u, i = users[batch], taken[batch]
                j = unseen.draw(u, rng)
                v = self.item_weights_[i]
                w_u, h_i, h_j = (F.embedding(ids, rows, sparse=True) for ids, rows in ((u, w), (i, h), (j, h)))
                loss = pairwise_loss(w_u, h_i, h_j, v)
                ridge = (w_u.square() + h_i.square() + h_j.square()).sum(1).mean()
                objective = loss + self.regularisation * ridge
                if self.diversity:
                    objective = objective + self.diversity * _similarity(w_u, h, items.features, rng)
                if self.adversarial and epoch >= plain_epochs:
                    moves = worst_moves(u, i, j, w_u.detach(), h_i.detach(), h_j.detach(), v)
                    w_adv, i_adv, j_adv = (x + self.perturbation * move for x, move in zip((w_u, h_i, h_j), moves, strict=True))
                    objective = objective + self.adversarial * pairwise_loss(w_adv, i_adv, j_adv, v)
                optimiser.zero_grad()
                objective.backward()
                optimiser.step()
                total += loss.item() * len(batch)
            yield total / len(users)


def pairwise_loss(w_u: Tensor, h_i: Tensor, h_j: Tensor, v: Tensor) -> Tensor:
    """Return the mean of −v ln σ(s_ui − s_uj) over triples: vectors (b, d) of users, taken and untaken items, weights (b,)."""
    return (v * F.softplus((w_u * (h_j - h_i)).sum(1))).mean()


def worst_moves(
    u: Tensor, i: Tensor, j: Tensor, w_u: Tensor, h_i: Tensor, h_j: Tensor, v: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the directions (b, d) × 3, of length 1, in which the pairwise loss of triples (b,) grows fastest.

    Each user's and each item's vector moves one way, along the gradient of the whole loss with respect to it: the fast gradient
    method per row of the embedding matrices, as in the paper's code. A vector that the loss does not depend on stays.

    Source: He, He, Du & Chua 2018 (SIGIR); the fast gradient method: Goodfellow, Shlens & Szegedy 2015 (ICLR).
    """
    push = (v * torch.sigmoid((w_u * (h_j - h_i)).sum(1)))[:, None]                 # derivative by the margin, times b

    def direction(ids: Tensor, gradient: Tensor) -> Tensor:
        _, row = ids.unique(return_inverse=True)
        total = torch.zeros(int(row.max()) + 1, gradient.shape[1]).index_add_(0, row, gradient)
        return F.normalize(total)[row]

    of_items = direction(torch.cat([i, j]), torch.cat([-push * w_u, push * w_u]))
    return direction(u, push * (h_j - h_i)), of_items[: len(i)], of_items[len(i) :]


def influence(
    w: Tensor, h: Tensor, history: Tensor, weights: Tensor, regularisation: float, takes: int | None = None
) -> Tensor:
    """Return by how much each item of a user's history (n,) has moved her vector w (d,): rows (n, d).

    With the item vectors h fixed, w minimises F = Σ_i v_i [mean_j −ln σ(s_i − s_j)] + n λ ‖w‖², i over her items, j over all
    others; n: her `takes`, by default one of each item. Without the term of item i the minimum is, to first order,
    w − (∇²F)⁻¹ g_i, g_i the negative gradient of the term.

    Source: Koh & Liang 2017 (ICML), "Understanding black-box predictions via influence functions".
    """
    others = torch.ones(len(h), dtype=torch.bool)
    others[history] = False
    w, h, v = w.double(), h.double(), weights.double()[:, None]
    own, other = h[history], h[others] if others.any() else h
    margin = (own @ w)[:, None] - other @ w                                         # (n, m)
    slope = v * torch.sigmoid(-margin) / len(other)
    pull = slope.sum(1, keepdim=True) * own - slope @ other                         # (n, d): g_i
    curve = slope * torch.sigmoid(margin)
    cross = own.T @ curve @ other
    hessian = own.T @ (curve.sum(1, keepdim=True) * own) - cross - cross.T + other.T @ (curve.sum(0)[:, None] * other)
    diagonal = hessian.diagonal()
    least = torch.tensor(2 * regularisation * (takes or len(own)))
    diagonal.add_(least.maximum(1e-6 * diagonal.mean()))                            # not singular without λ
    return torch.linalg.solve(hessian, pull.T).T.float()


def _similarity(w: Tensor, h: Tensor, features: Tensor, rng: torch.Generator) -> Tensor:
    """Return an unbiased estimate of the mean of c_jk s_uj s_uk over the users with vectors w (b, d) and all pairs of items."""
    j, k = torch.randint(0, len(h), (2, len(w)), generator=rng)
    s_j, s_k = ((w * F.embedding(ids, h, sparse=True)).sum(1) for ids in (j, k))
    return ((features[j] * features[k]).sum(1) * s_j * s_k).mean()
