"""The platform: where the two sides meet. It holds the policy, its log and its retraining calendar."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from agents.abm import mesa
from agents.catalog import similarity_features
from agents.choice import Choice
from policies.base import Policy
from policies.candidates import Explorer
from policies.log import FeedbackLog, ItemData
from policies.pipeline import Stages, recommend
from policies.validation import Epoch
from simulator.controls import Control, Oracle, best_unseen
from simulator.draws import Draws
from simulator.scenario import Arm
from simulator.threads import one_thread

if TYPE_CHECKING:
    from simulator.model import FilterBubbleModel


OPENING = 1
"""The first round in which the platform recommends; the rounds before are the warm-up."""


class Slates(NamedTuple):
    """What the platform shows this round."""

    items: Tensor                   # (N, k) int64 item ids, best first; k = 0 without a recommender
    shown: Tensor                   # (N,) bool: was given a slate


class Platform(mesa.Agent):
    """Records what users do and decides what they see, by one arm's policy."""

    def __init__(self, model: FilterBubbleModel, arm: Arm, slate_size: int, log: FeedbackLog):
        super().__init__(model)
        self.employ(arm)
        self.slate_size = slate_size
        self.log = log
        self.items = ItemData(model.catalog.topics, similarity_features(model.catalog), model.catalog.titles)
        self.training: list[tuple[int, Epoch]] = []     # (round, epoch)
        self.training_seconds = 0.0
        self.trained_in: int | None = None              # round of the newest training

    def employ(self, arm: Arm) -> None:
        """Let this arm's policy decide from now on."""
        self.arm = arm
        self.policy = copy.deepcopy(arm.policy)         # the scenario's own stays unfitted

    @property
    def recommends(self) -> bool:
        """Does this arm have a recommender at all?"""
        return isinstance(self.policy, Policy | Oracle)

    def retrain(self, round: int, draws: Draws) -> None:
        """Fit the policy on what was recorded before this round, or in the newest rounds before it, if it is due."""
        if not isinstance(self.policy, Policy) or not self._due(round):
            return
        started = time.perf_counter()
        window = self.arm.train_window
        log = self.log if window is None else self.log.since(round - window)
        with one_thread():
            self.policy.fit(
                log, self.items, draws("train").generator(), k=self.slate_size, since=self.trained_in
            )
        self.training_seconds += time.perf_counter() - started
        self.training += [(round, epoch) for epoch in self.policy.training_]
        self.trained_in = round

    def _due(self, round: int) -> bool:
        if self.trained_in is None:
            return round >= OPENING
        return not self.arm.frozen and round - self.trained_in >= self.arm.retrain_every

    def recommend(self, active: Tensor, draws: Draws) -> Slates:
        """Give each active user (N,) a slate of unseen items, or nobody one."""
        n = len(active)
        if not self.recommends or self.model.round < OPENING:
            return Slates(torch.zeros(n, 0, dtype=torch.int64), torch.zeros(n, dtype=torch.bool))
        users = active.nonzero()[:, 0]
        slates = torch.zeros(n, self.slate_size, dtype=torch.int64)
        slates[users] = self._rank(users, draws)
        return Slates(slates, active)

    def _rank(self, users: Tensor, draws: Draws) -> Tensor:
        if isinstance(self.policy, Control):
            return best_unseen(self.model.users, self.model.catalog, users, self.slate_size, self.log)[0]
        return self.stages(users, draws, self.arm.explore).shown

    def stages(self, users: Tensor, draws: Draws, explore: Explorer | None) -> Stages:
        """Return what the policy retrieves for users (n,) and what re-ranking and, if given, exploration make of it."""
        assert isinstance(self.policy, Policy)
        boost = self.arm.popularity_boost
        bias = boost * torch.log1p(self.policy.popularity_) if boost else None
        return recommend(
            self.policy, users, self.slate_size, self.log, self.items, draws("slate"), draws("explore"), bias,
            self.arm.rerank, explore,
        )

    def record(self, round: int, slates: Slates, choice: Choice) -> None:
        """Append this round's impressions and interactions to the log."""
        if slates.items.shape[1]:
            users = slates.shown.nonzero()[:, 0]
            self.log.record_slates(round, users, slates.items[users])
        users, places = choice.taken.nonzero(as_tuple=True)
        self.log.record(round, users, choice.items[users, places])
