"""What a policy has learnt: its size, what that took, how good it is, and how far its scores are of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
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

    @property
    def rank_one_share(self) -> float | None:
        """σ_1² / Σσ² of the scores; None of policies that do not say how large they are."""
        return self._spectrum and self._spectrum.share

    @property
    def popularity_alignment(self) -> float | None:
        """|cos(q_1, r)|, q_1 the first right singular vector of the scores, r how often each item was taken; None as above."""
        if self._spectrum is None:
            return None
        popularity = self._policy.popularity_.double()
        return abs(float(self._spectrum.vector @ popularity)) / float(popularity.norm())

    @cached_property
    def _spectrum(self) -> Spectrum | None:
        if self._policy.size() is None or not len(self._policy.log_):
            return None
        return spectrum(self._policy.score(self._sample, self._policy.log_))

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


class Spectrum(NamedTuple):
    """Of a matrix (n, M): how much of it is of rank one, and along what."""

    share: float                    # σ_1² / Σσ²
    vector: Tensor                  # (M,) float64: q_1, the first right singular vector, of length 1, up to its sign


def spectrum(scores: Tensor) -> Spectrum | None:
    """Return the head of the spectrum of a matrix (n, M); None if it is 0.

    The squared singular values are the eigenvalues of S Sᵀ, and q_1 is Sᵀ p_1 at length 1, p_1 the eigenvector of the largest.
    """
    double = scores.double()
    squares, vectors = torch.linalg.eigh(double @ double.T)
    total = float(squares.sum())
    return Spectrum(float(squares[-1]) / total, F.normalize(double.T @ vectors[:, -1], dim=0)) if total > 0 else None
