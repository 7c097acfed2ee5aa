"""What users of whom nobody comes twice need of the rest of a scenario, and items whose quality is uniform."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from agents.drift_newcomers import Newcomers
from agents.interests import Correlated, Varied
from simulator.parts import problem

if TYPE_CHECKING:
    from simulator.scenario import Scenario


def newcomer_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Keys that are right by themselves and wrong with others."""
    users, items = scenario.users, scenario.items
    for place, cohort in enumerate(users.cohorts):
        if isinstance(cohort.interests, Varied) and cohort.interests != users.interests:
            message = "what they are drawn by is everybody's: write `varied` under `users.interests`"
            yield problem(message, ("users", "cohorts", place, "interests"))
        drift = users.drift if cohort.drift is None else cohort.drift
        if isinstance(drift, Newcomers) and cohort.interests is not None:
            message = "newcomers are drawn by `users.interests`: leave it out"
            yield problem(message, ("users", "cohorts", place, "interests"))
    drifts = [users.drift, *(cohort.drift for cohort in users.cohorts if cohort.drift is not None)]
    if any(isinstance(drift, Newcomers) for drift in drifts) and not isinstance(users.interests, Varied):
        where = ("users", "interests") if "interests" in users.model_fields_set else ("users", "drift")
        yield problem("'newcomers' are drawn by the law of others before them: write `interests: varied`", where)
    if items.quality_law != "normal":
        if isinstance(users.interests, Correlated):
            message = "with `interests: correlated`, quality is correlated along the ring, and normal: leave it out"
            yield problem(message, ("items", "quality_law"))
        elif scenario.creators is not None or scenario.data is not None:
            read = "with `data:`, quality is read off it"
            why = "what creators publish is normal in quality" if scenario.data is None else read
            yield problem(f"{why}: leave it out", ("items", "quality_law"))
