"""What a policy has learnt: its size, what that took, how good it is, and how far its scores are of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from policies.base import Policy
from policies.generative import Generative
from policies.validation import Epoch

SAMPLE = 200
"""Most users whose scores are looked at."""

LEVELS = 3
"""Levels of names that are told of."""


class Learnt:
    """A policy as its newest training left it. What is costly is worked out when it is asked for, once a training."""

    def __init__(self, policy: Policy, epochs: Sequence[Epoch], flop: float) -> None:
        """`epochs`: of the newest training; `flop`: operations of all trainings up to now, 0 if they are not counted."""
        kept = [epoch for epoch in epochs if epoch.kept]
        self._policy = policy
        self.ndcg = kept[-1].ndcg if kept else None
        self.parameters = epochs[-1].parameters if epochs else None
        self.flop = flop or None

    @cached_property
    def rank_one_share(self) -> float | None:
        """σ_1² / Σσ² of the scores; None of policies that do not say how large they are."""
        if self._policy.size() is None or not len(self._policy.log_):
            return None
        return first_share(self._policy.score(self._sample, self._policy.log_))

    @cached_property
    def code_entropies(self) -> list[float]:
        """The entropy at each level of names, coarse to fine, relative to the largest; empty: it spells no names."""
        if not isinstance(self._policy, Generative) or not len(self._policy.log_):
            return []
        return self._policy.code_entropies(self._sample)[:LEVELS]

    @property
    def _sample(self) -> Tensor:
        n = self._policy.log_.n_users
        users = torch.linspace(0, n - 1, min(n, SAMPLE)).long()
        return users[~self._policy.unknown(users, self._policy.log_)]


def first_share(scores: Tensor) -> float | None:
    """Return σ_1² / Σσ² of a matrix (n, M); None if it is 0. Its squared singular values are the eigenvalues of S Sᵀ."""
    double = scores.double()
    squares = torch.linalg.eigvalsh(double @ double.T)
    total = float(squares.sum())
    return float(squares[-1]) / total if total > 0 else None
