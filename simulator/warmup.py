"""The warm-up is the same in every arm, so it is lived through once and every arm goes on from a copy."""

from __future__ import annotations

import json

from simulator.datasets import Dataset
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario

_AFTERWARDS = {"title", "question", "rounds", "replicates", "policies", "report"}
"""The keys that change nothing before round 1."""


class WarmStart:
    """Keeps the world of one replicate as it is after its warm-up, for the next arm or scenario that begins there."""

    def __init__(self) -> None:
        self._key: tuple[str, int] | None = None
        self._model: FilterBubbleModel | None = None

    def model(self, scenario: Scenario, arm: int, replicate: int, data: Dataset | None) -> FilterBubbleModel:
        """Return the model of `scenario.policies[arm]` at round 0. It is the caller's to play and to close.

        `data` is what `scenario.data` names.
        """
        # Creators plan what they will publish in all rounds, and rows are kept free for all users who will arrive: with either,
        # another number of rounds is another world.
        churn = scenario.users.churn
        planned = bool(scenario.creators) or (churn is not None and churn.arrivals > 0)
        afterwards = _AFTERWARDS - {"rounds"} if planned else _AFTERWARDS
        key = json.dumps(scenario.model_dump(mode="json", exclude=afterwards), sort_keys=True), replicate
        if self._model is None or key != self._key:
            self.close()
            model = FilterBubbleModel(scenario, scenario.policies[arm], replicate, data)
            while model.round < 0:
                model.step()
            self._key, self._model = key, model
        return self._model.under(scenario, scenario.policies[arm])

    def close(self) -> None:
        """Let go of the world."""
        if self._model is not None:
            self._model.close()
        self._key = self._model = None
