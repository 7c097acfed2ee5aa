"""Which setting to try next: Optuna's tree-structured Parzen estimator, seeded, and so the same for the same outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulator.sweeping.axes import Change, Dimension, Level

UNGUIDED = 10
"""Trials that are drawn at random before what came out of them guides the choice (Optuna's default)."""

Setting = dict[str, Level]
"""A level of each knob, by its label."""


class NeedsOptuna(ImportError):
    """The search is Optuna's; the message says how to install it."""


class Search:
    """Asks for settings and is told what came of them.

    The sampler is TPE (Bergstra et al. 2011) with constraints (Watanabe & Hutter 2023): settings under the floor count as worse
    than any over it, by how far they are under. It keeps nothing on disk: asked and told the same in the same order, it asks
    the same again. The first two settings are the ends of all knobs, all low and all high: remedies have their meaning there.
    """

    def __init__(self, knobs: Sequence[Dimension], seed: int, trials: int, sign: int) -> None:
        try:
            import optuna
        except ImportError:
            raise NeedsOptuna("tune needs Optuna: pip install 'filterbubble[tune]'") from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._knobs = tuple(knobs)
        self._space = {knob.label: _distribution(knob) for knob in knobs}
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=min(UNGUIDED, max(1, trials // 3)))
        self._study = optuna.create_study(sampler=sampler, direction="maximize" if sign > 0 else "minimize")
        self._failed = optuna.trial.TrialState.FAIL
        for end in (0.0, 1.0):
            self._study.enqueue_trial({knob.label: _told(knob, knob.at(end)) for knob in knobs})
        self._open: list[Any] = []

    def ask(self, count: int) -> list[Setting]:
        """So many settings, chosen before any of them is known."""
        self._open = [self._study.ask(self._space) for _ in range(count)]
        return [{knob.label: _level(knob, trial.params[knob.label]) for knob in self._knobs} for trial in self._open]

    def tell(self, outcomes: Sequence[tuple[float, float] | None]) -> None:
        """What came of the settings that were asked for last: (goal, how far over the floor); None where it failed."""
        for trial, outcome in zip(self._open, outcomes, strict=True):
            if outcome is None:
                self._study.tell(trial, state=self._failed)
            else:
                goal, over = outcome
                trial.set_constraint("floor", -over)  # 0 or less is feasible
                self._study.tell(trial, goal)


def _distribution(knob: Dimension) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if knob.range is None:
        return CategoricalDistribution(range(len(knob.levels)))
    log = knob.range.scale == "log"
    if knob.range.integer:
        return IntDistribution(int(knob.range.low), int(knob.range.high), log=log)
    return FloatDistribution(knob.range.low, knob.range.high, log=log)


def _told(knob: Dimension, level: Level) -> Any:
    return level.value if knob.range is not None else knob.levels.index(level)


def _level(knob: Dimension, number: Any) -> Level:
    return knob.levels[number] if knob.range is None else Level(number, (Change(knob.keys[0], number, knob.loc),))
