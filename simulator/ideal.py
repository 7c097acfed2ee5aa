"""The same world under the oracle, played beside an arm: for measures that compare the same users in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from simulator.arms import Arm
from simulator.controls import Oracle
from simulator.measures import select

if TYPE_CHECKING:
    from simulator.model import FilterBubbleModel
    from simulator.scenario import Scenario

LUCK = {"consumption.excess_jaccard": 0, "consumption.excess_jaccard_unpaired": 1}
"""The luck of the world that a measure compares with: 0 = that of the arms."""


def lucks(scenario: Scenario) -> tuple[int, ...]:
    """Return the luck of each world that is to be played beside an arm."""
    if scenario.measures.pairs != "policy":
        return ()
    return tuple(LUCK[name] for name in select(scenario.measures.names) if name in LUCK)


def ideal_arm(scenario: Scenario) -> Arm:
    """Return the oracle among the arms, or a plain one."""
    return next((arm for arm in scenario.policies if isinstance(arm.policy, Oracle)), Arm("oracle", Oracle()))


def unmeasured(scenario: Scenario) -> Scenario:
    """Return the scenario with next to nothing to measure, and no world beside it."""
    few = scenario.measures.model_copy(update={"names": ("utility.per_user",), "pairs": "sample"})
    return scenario.model_copy(update={"measures": few})


class Ideal:
    """One replicate's world under the oracle, as far as it has been played. All arms look at the same one."""

    def __init__(self, start: FilterBubbleModel):
        self.start = start                              # played no further than to round 0
        self.model: FilterBubbleModel | None = None     # goes on from there
        self.asked_by: Scenario | None = None
        self.played = ""                                # the digest of what is played
        self.taken: list[Tensor] = []                   # (N, j) int32 a round, oldest first, the number of items = nothing

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self                                     # it is the same whatever arm asks, so it is played once

    def warm_up(self) -> None:
        """Play a round of the warm-up."""
        self.start.step()

    def consumed(self, round: int, scenario: Scenario) -> Tensor:
        """Return what users had taken in the window that ends with a round from 1 on (N, L) int64, M in empty places."""
        if self.model is None or scenario is not self.asked_by:
            plain, self.asked_by = unmeasured(scenario), scenario
            if self.model is None or plain.digest != self.played:
                self._begin(plain)
        assert self.model is not None
        while self.model.round < round:
            self.model.step()
            assert self.model.recorder is not None
            self.taken.append(self.model.recorder.items.recent[-1])
        until = len(self.taken) - (self.model.round - round)
        window = scenario.measures.window
        since = 0 if window == "cumulative" else max(0, until - window)
        return torch.cat(self.taken[since:until], 1).long()

    def _begin(self, scenario: Scenario) -> None:
        self.close()
        self.model, self.played = self.start.under(scenario, ideal_arm(scenario)), scenario.digest
        recorder = self.model.recorder
        if recorder is None:                            # no warm-up: what users had taken before the run, if anything
            recorder = self.model.recorder = self.model._new_recorder()
        self.taken = list(recorder.items.recent)
        recorder.names = ()                             # it remembers what was taken, and measures nothing

    def close(self) -> None:
        """Let go of the world, as it went on."""
        if self.model is not None:
            self.model.close()
        self.model = None
