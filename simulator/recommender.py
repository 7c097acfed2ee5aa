"""One arm's policy at work: fitted when it is due, asked for slates."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from policies.base import Policy
from policies.candidates import Explorer
from policies.cold import up_to
from policies.log import FeedbackLog, ItemData
from policies.pipeline import Stages, recommend
from policies.validation import Epoch, HeldOut
from simulator.arms import Arm
from simulator.controls import Knowing, Oracle
from simulator.draws import Draws
from simulator.threads import one_thread

OPENING = 1
"""The first round in which anybody is recommended anything; the rounds before are the warm-up."""


_NOTHING = HeldOut(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))


class Recommender:
    """Holds a policy, as configured by an arm, and its retraining calendar."""

    def __init__(self, arm: Arm):
        self.arm = arm
        self.policy = copy.deepcopy(arm.policy)         # the scenario's own stays unfitted
        self.trained_in: int | None = None              # round of the newest training

    @property
    def recommends(self) -> bool:
        """Does this arm show anybody anything?"""
        return isinstance(self.policy, Policy | Knowing)

    def due(self, round: int) -> bool:
        """Is there a policy that is to be fitted now?"""
        if not isinstance(self.policy, Policy):
            return False
        if self.trained_in is None:
            return round >= OPENING
        return not self.arm.frozen and round - self.trained_in >= self.arm.retrain_every

    def fit(self, round: int, log: FeedbackLog, items: ItemData, slate_size: int, draws: Draws) -> list[Epoch]:
        """Fit the policy on what was recorded before this round, or a window of it, as far as the data are in."""
        assert isinstance(self.policy, Policy)
        known, window, lag = self.arm.trains_on.part_of(log), self.arm.train_window, self.arm.train_lag
        if lag or window is not None:
            known = known.between(-math.inf if window is None else round - lag - window, round - lag)
        everything = {} if self.arm.holds_out else {"validation": _NOTHING}
        with one_thread():
            self.policy.fit(known, items, draws("train").generator(), k=slate_size, since=self.trained_in, **everything)
        self.trained_in = round
        return self.policy.training_

    def ranks(self, items: ItemData, round: int) -> Tensor | None:
        """Return which items (n_items,) bool it may rank in this round; None: all that are available.

        Without a cold start, what was published before the round of the training.
        """
        if items.age is None:
            return None
        if isinstance(self.policy, Oracle):
            trained = {"all": None, "earlier": round, "start": OPENING}[self.policy.ranks]
        else:
            trained = None if self.arm.cold_start else self.trained_in
        return None if trained is None else items.age > round - trained

    def known(self, log: FeedbackLog) -> FeedbackLog:
        """Return what of the log is known to the policy, and what it is not to show."""
        known = self.arm.trains_on.part_of(log)
        return known if self.arm.repeats else known.once()

    def stages(
        self, users: Tensor, k: int, log: FeedbackLog, items: ItemData, draws: Draws, explore: Explorer | None,
        bias: Tensor | None = None,
    ) -> Stages:
        """Return what the policy retrieves for users (n,) and what re-ranking and, if given, exploration make of it.

        `bias` (M,) is added to the scores.
        """
        assert isinstance(self.policy, Policy)
        if self.arm.popularity_boost:
            boost = self.arm.popularity_boost * torch.log1p(up_to(log.n_items, self.policy.popularity_))
            bias = boost if bias is None else bias + boost
        return recommend(
            self.policy, users, k, self.known(log), items, draws("slate"), draws("explore"), bias, self.arm.rerank, explore,
            self.arm.cold_start,
        )
