"""Two arms of one world as one `mesa.Model`, and what happened in each to the users who are watched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from agents.abm import mesa
from agents.choice import Choice
from agents.feedback import Reaction
from agents.space import mixture
from policies.failure import PolicyFailed
from simulator.arms import Arm
from simulator.datasets import Dataset
from simulator.model import FilterBubbleModel
from simulator.platform import Slates
from simulator.scenario import Scenario

WATCHED = 2000
"""The most users whose rounds are kept; more could neither be drawn nor be chosen from."""


@dataclass(frozen=True)
class Happened:
    """One round of w watched users in one arm."""

    round: int
    slate: np.ndarray               # (w, k) int64 item ids, best first; a row counts where `shown`
    shown: np.ndarray               # (w,) bool: was given a slate
    items: np.ndarray               # (w, m) int64: what was taken, in the order in which it was taken
    taken: np.ndarray               # (w, m) bool: False = nothing in this place
    from_slate: np.ndarray          # (w, m) bool: taken from the slate, not found by oneself
    utility: np.ndarray             # (w, m) float32: true utility of the item to the user
    interests: np.ndarray           # (w, T) float32, rows on the simplex: after this round's drift


class WatchedModel(FilterBubbleModel):
    """A `FilterBubbleModel` that begins at the end of its warm-up and keeps a diary. It plays the same run as one without.

    `watched` (w,) are rows of users, evenly spread; `start` (w, T) their interests when the platform opens, at the end of
    round 0; `diary` one entry for each round since.
    """

    def __init__(self, scenario: Scenario, arm: Arm, replicate: int = 0, data: Dataset | None = None):
        self.happened: tuple[Slates, Choice] | None = None      # in the round that is being played
        self.diary: list[Happened] = []
        super().__init__(scenario, arm, replicate, data)
        n_users = len(self.users)
        self.watched = torch.linspace(0, n_users - 1, min(n_users, WATCHED), dtype=torch.float64).round().long()
        while self.round < 0:
            self.step()
        self.start = self._interests()

    def step(self) -> None:
        """One round, and its entry in the diary if the platform is open."""
        super().step()
        if self.round < 1:
            return
        assert self.happened is not None
        slates, choice = self.happened
        self.diary.append(
            Happened(
                self.round, self._of_watched(slates.items), self._of_watched(slates.shown), self._of_watched(choice.items),
                self._of_watched(choice.taken), self._of_watched(choice.from_slate), self._of_watched(choice.utility),
                self._interests(),
            )
        )

    def observe(self, slates: Slates, choice: Choice, reaction: Reaction | None = None) -> None:
        """Measure the round, and hold on to it until its drift is known too."""
        self.happened = slates, choice
        super().observe(slates, choice, reaction)

    def _interests(self) -> np.ndarray:
        return self._of_watched(mixture(self.users.interests, self.catalog.space))

    def _of_watched(self, column: Tensor) -> np.ndarray:
        return column[self.watched].cpu().numpy()           # indexing by rows copies


@dataclass(frozen=True, eq=False)
class Setup:
    """What a pair is made from, and made anew from."""

    scenario: Scenario
    left: Arm
    right: Arm
    replicate: int = 0
    data: Dataset | None = None


class PairModel(mesa.Model):
    """The same users under two arms: each step is one round of both, from the end of the warm-up to the scenario's last.

    `left` and `right` are models of their own with the same seed and replicate, so that all that differs between them is the
    policies' doing. `round` is the newest that both have played: what is drawn stops there, also while a step is under way.
    `running` is Mesa's: False after the last round. A policy that breaks down ends the pair, and `failure` says how.
    Have done with a pair by `close`.
    """

    running: bool

    def __init__(self, setup: Setup):
        super().__init__(rng=setup.scenario.seed)       # Mesa asks for one
        self.setup, self.scenario = setup, setup.scenario
        self.left, self.right = (
            WatchedModel(setup.scenario, arm, setup.replicate, setup.data) for arm in (setup.left, setup.right)
        )
        self.round = 0
        self.failure = ""

    @property
    def sides(self) -> tuple[WatchedModel, WatchedModel]:
        return self.left, self.right

    def step(self) -> None:
        """One round of both arms; nothing after the last."""
        if not self.running:
            return
        for model in self.sides:
            try:
                model.step()
            except PolicyFailed as failure:
                self.failure, self.running = f"{model.platform.arm.name}, round {model.round}: {failure}", False
                return
        self.round += 1
        if self.round == self.scenario.rounds:
            self.running = False

    def close(self) -> None:
        """Stop, and let go of both models (see `FilterBubbleModel.close`)."""
        self.running = False
        for model in self.sides:
            model.close()
