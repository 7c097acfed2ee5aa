"""The scenario that a dashboard was opened with, and what becomes of it under other settings."""

from __future__ import annotations

from dataclasses import dataclass, replace

from policies.base import Policy
from policies.popularity import Popularity
from simulator.arms import Arm
from simulator.controls import Organic
from simulator.dashboard.knobs import Knob, Number, knobs
from simulator.dashboard.pair import PairModel, Setup
from simulator.datasets import Dataset
from simulator.faults import Fault, Loc, ScenarioError, dotted
from simulator.overrides import Override
from simulator.scenario import Scenario, check
from simulator.world import load_data
from simulator.yaml_source import parse

WITHOUT = "no recommender"
"""What the organic arm is called where the scenario has none."""


@dataclass(frozen=True)
class Settings:
    """What is chosen on the page. An arm is named by its place, other numbers by their keys."""

    left: int
    right: int
    replicate: int = 0
    numbers: tuple[tuple[Loc, Number], ...] = ()        # those that are not the scenario's own, each once

    def having(self, loc: Loc, number: Number) -> Settings:
        """Return the same settings with this key set to this number."""
        others = tuple(entry for entry in self.numbers if entry[0] != loc)
        return replace(self, numbers=(*others, (loc, number)))


class Bench:
    """A checked scenario, its data, and the arms to put side by side: the scenario's own, and the users without any.

    Whatever the scenario compares with, the dashboard can show it against no recommender.
    """

    def __init__(self, scenario: Scenario, data: Dataset | None, allow_code: bool = False):
        self.scenario = scenario
        self.allow_code = allow_code
        self._source = parse(scenario.resolved(), "scenario")
        self._data = _size(scenario), data

    def arms(self, scenario: Scenario | None = None) -> tuple[Arm, ...]:
        """Return the arms of the scenario, or of a changed one, in order; no recommender last if it lacks one."""
        own = (scenario or self.scenario).policies
        if any(isinstance(arm.policy, Organic) for arm in own):
            return own
        return (*own, Arm(WITHOUT, Organic()))

    def first(self) -> Settings:
        """Return the settings to begin with: left no recommender, right the first arm that learns about each user."""
        arms = self.arms()
        left = next(place for place, arm in enumerate(arms) if isinstance(arm.policy, Organic))
        others = [place for place in range(len(arms)) if place != left] or [left]
        learns = [place for place in others if _learns_about_users(arms[place])]
        return Settings(left, (learns or others)[0])

    def knobs(self, settings: Settings) -> list[Knob]:
        """Return the sliders of the scenario and of the two chosen arms; `value` is the scenario's own."""
        own = range(len(self.scenario.policies))
        return knobs(self.scenario, [place for place in (settings.left, settings.right) if place in own])

    def changed(self, settings: Settings) -> Scenario:
        """Return the scenario with these numbers; what does not go together is a `ScenarioError`."""
        changes = [Override(f"slider {dotted(loc)}", loc, number) for loc, number in settings.numbers]
        return check(self._source, changes, self.allow_code)

    def pair(self, settings: Settings) -> PairModel:
        """Return the two arms at the end of their warm-up. Raises `ScenarioError` and `DatasetError`."""
        scenario = self.changed(settings)
        arms = self.arms(scenario)
        setup = Setup(scenario, arms[settings.left], arms[settings.right], settings.replicate, self._load(scenario))
        return PairModel(setup)

    def _load(self, scenario: Scenario) -> Dataset | None:
        """The data at this size; the newest is kept."""
        size, data = self._data
        if size != _size(scenario):
            data = load_data(scenario)
            self._data = _size(scenario), data
        return data


def _learns_about_users(arm: Arm) -> bool:
    return isinstance(arm.policy, Policy) and arm.policy.trains and not isinstance(arm.policy, Popularity)


def _size(scenario: Scenario) -> tuple[int | str | None, ...]:
    """What of the data a scenario takes, and what it needs of it, which loading checks; without data, nothing."""
    if scenario.data is None:
        return ()
    return scenario.users.count, scenario.items.count, scenario.slate_size, scenario.discovery.awareness


def in_words(error: Exception) -> str:
    """What is wrong with some settings, without the places in a file that nobody wrote."""
    if not isinstance(error, ScenarioError):
        return str(error)
    return " · ".join(dict.fromkeys(map(_fault, error.faults)))


def _fault(fault: Fault) -> str:
    return ": ".join(part for part in (fault.key, fault.message) if part)

