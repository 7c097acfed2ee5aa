"""Linear contextual bandits on item features: what is uncertain is tried out."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from annotated_types import Gt, Interval
from torch import Tensor

from policies.base import Policy
from policies.chance import Draws
from policies.explanation import Explanation
from policies.impressions import impressions
from policies.log import FeedbackLog, ItemData
from policies.ranking import rank

Refusals = Literal["shown", "skipped"]

_FLOATS_AT_ONCE = 4_000_000
"""Work space in float32 numbers; as many users are taken together as fit."""


class Posterior(NamedTuple):
    """What is known of some users' weights θ_u: Normal with mean A⁻¹b and covariance A⁻¹."""

    mean: Tensor                    # (b, d)
    root: Tensor                    # (b, d, d): lower Cholesky factor of A


class Feedback:
    """All that users did, as a linear bandit sees it: each take is a reward of 1, each item shown and not taken one of 0."""

    def __init__(self, log: FeedbackLog, refusals: Refusals = "shown"):
        self.log, self.refusals = log, refusals
        self.known = log.counts() > 0                                               # (n_users,): has met anything at all
        self._longest = int(log.takes().max()) if log.n_users else 0
        self._shown = impressions(log)
        self._row = torch.full((len(self._shown), log.n_users), -1, dtype=torch.int32)      # of each user in these slates
        for row, shown in zip(self._row, self._shown, strict=True):
            row[shown.users] = torch.arange(len(shown.users), dtype=torch.int32)
            self.known[shown.users] = True

    def posterior(self, users: Tensor, features: Tensor, ridge: float) -> Posterior:
        """Return the posterior of users (b,): A = ridge · I + Σ x xᵀ over all that they met, b = Σ x over what they took.

        All lists are padded to the longest of any user, and float64 products rounded to float32, so that sums are the same
        whoever else is in the block.
        """
        d = features.shape[1]
        width = self._longest + sum(shown.items.shape[1] for shown in self._shown)
        means, roots = [], []
        for block in users.split(max(_FLOATS_AT_ONCE // max(width * d, 1), 1)):
            history = self.log.sequence(block)
            missing = (0, self._longest - history.items.shape[1])
            took = features[F.pad(history.items, missing)] * F.pad(history.present, missing)[..., None]
            met = torch.cat([took, *self._refused(block, features)], 1).double()    # (b, width, d)
            root = torch.linalg.cholesky((met.mT @ met + ridge * torch.eye(d)).float())
            means.append(torch.cholesky_solve(took.sum(1)[..., None], root)[..., 0])
            roots.append(root)
        return Posterior(torch.cat(means), torch.cat(roots))

    def _refused(self, users: Tensor, features: Tensor) -> Iterator[Tensor]:
        """Yield, for each round's slates, the features (b, k, d) of what these users were shown and did not take; else 0."""
        for rows, shown in zip(self._row, self._shown, strict=True):
            row = rows[users].long()
            told = ~shown.taken if self.refusals == "shown" else shown.skipped
            refused = told[row] & (row >= 0)[:, None]
            yield features[shown.items[row]] * refused[..., None]


@dataclass
class LinearBandit(Policy):
    """Each user's chance to take an item is linear in its features, with a normal posterior over her weights."""

    reads_features: ClassVar[bool] = True

    exploration: Annotated[float, Interval(ge=0)] = 0.5
    """How far uncertainty is followed, in standard deviations of the posterior; 0 = what is thought best is shown."""

    ridge: Annotated[float, Gt(0)] = 1.0
    """λ: weight of the prior, by which features do not matter, in items met."""

    refusals: Refusals = "shown"
    """What counts as a refusal: shown, all that was shown and not taken; skipped, what users are seen to have looked at and
    passed over (`users.feedback: [skip]`), so that what they never came to is not held against an item."""

    def reads_skips(self) -> bool:
        return self.refusals == "skipped"

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        yield None                                      # the posterior is a sum over the log, taken when it is needed

    @abstractmethod
    def _worth(self, users: Tensor, posterior: Posterior, draws: Draws | None) -> Tensor:
        """Return fresh scores (b, n_items) from the posterior of users (b,); without draws, nothing is left to chance."""

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return self._worth(users, self._posterior(users, Feedback(log, self.refusals)), None)

    def unknown(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return ~Feedback(log).known[users]

    def rank(
        self, users: Tensor, k: int, log: FeedbackLog, draws: Draws, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Rank by the posterior of now. Users who have met nothing yet get what is popular."""
        feedback = Feedback(log, self.refusals)
        popularity = self.popularity_ / self.popularity_.max().clamp(min=1)

        def score(block: Tensor) -> Tensor:
            scores = self._worth(block, self._posterior(block, feedback), draws)
            scores[~feedback.known[block]] = popularity
            return scores

        return rank(score, users, k, log, bias)

    def explain(self, user: int, items: Tensor, log: FeedbackLog) -> Explanation:
        """Exactly: the expected reward is Σ_f θ_uf x_if; what is added for uncertainty is the rest."""
        x, asked = self.items_.features[items], torch.tensor([user])
        parts = x * self._posterior(asked, Feedback(log, self.refusals)).mean
        rest = self.score(asked, log)[0, items] - parts.sum(1)
        return Explanation("exact", "features", torch.arange(x.shape[1]), parts, rest)

    def _posterior(self, users: Tensor, feedback: Feedback) -> Posterior:
        return feedback.posterior(users, self.items_.features, self.ridge)


@dataclass
class LinUCB(LinearBandit):
    """Users are shown what they might like best, given what is uncertain about them: the upper end of each estimate counts.

    s_ui = θ_u·x_i + exploration · √(x_iᵀ A_u⁻¹ x_i), with θ_u = A_u⁻¹ b_u, A_u = λI + Σ x xᵀ over the items that the user was
    shown or found by herself, and b_u = Σ x over those that she took; x are the item's features. It learns from every round,
    also between trainings and when it is frozen: the posterior is a sum over the log, not something trained.

    Source: Li, Chu, Langford & Schapire 2010 (WWW), "A contextual-bandit approach to personalized news article
    recommendation", algorithm 1 (disjoint models; there one per article on features of users, here one per user on features
    of items). α there is `exploration`.
    """

    def _worth(self, users: Tensor, posterior: Posterior, draws: Draws | None) -> Tensor:
        x = self.items_.features.T                                                  # (d, n_items)
        scores = posterior.mean @ x
        if self.exploration:
            covariance = torch.cholesky_inverse(posterior.root.double()).float()    # as above, for the same in every block
            scores += self.exploration * _variances(covariance, x).sqrt_()
        return scores


@dataclass
class LinearThompson(LinearBandit):
    """Users are shown what would be best if their taste were what a draw from all that it may be says, anew each round.

    s_ui = θ̃_u·x_i with θ̃_u drawn from Normal(A_u⁻¹ b_u, exploration² A_u⁻¹), A_u = λI + Σ x xᵀ over the items that the user was
    shown or found by herself, and b_u = Σ x over those that she took; x are the item's features. It learns from every round,
    also between trainings and when it is frozen: the posterior is a sum over the log, not something trained.

    Source: Agrawal & Goyal 2013 (ICML), "Thompson sampling for contextual bandits with linear payoffs", algorithm 1 (one model
    per user here); v there is `exploration`.
    """

    def _worth(self, users: Tensor, posterior: Posterior, draws: Draws | None) -> Tensor:
        weights = posterior.mean
        if draws is not None:
            noise = _normal(draws, users, weights.shape[1])
            spread = torch.linalg.solve_triangular(posterior.root.mT, noise[..., None], upper=True)[..., 0]
            weights = weights + self.exploration * spread                           # L⁻ᵀ z has covariance A⁻¹
        return weights @ self.items_.features.T


def _variances(covariance: Tensor, x: Tensor) -> Tensor:
    """Return x_iᵀ A_u⁻¹ x_i (b, n_items) from A⁻¹ (b, d, d) and x (d, n_items): a matrix product over pairs of features."""
    one, other = torch.triu_indices(len(x), len(x))
    times = 2 - (one == other).float()                                              # A⁻¹ is symmetric
    result = torch.zeros(len(covariance), x.shape[1])
    for pairs in torch.arange(len(one)).split(max(_FLOATS_AT_ONCE // max(x.shape[1], 1), 1)):
        i, j = one[pairs], other[pairs]
        result.addmm_(covariance[:, i, j], times[pairs, None] * x[i] * x[j])
    return result.clamp_(min=0)                                                     # rounding


def _normal(draws: Draws, users: Tensor, d: int) -> Tensor:
    """Return standard normal draws (b, d), each a pure function of its user id and column (Box & Muller 1958)."""
    one, other = draws.uniform_pair(users[:, None], torch.arange(d))
    return ((-2 * one.double().log()).sqrt() * (2 * math.pi * other).cos()).float()
