"""What users who do not know their own interests need of the rest of a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from agents.choice_belief import CertaintyEquivalent
from agents.drift_belief import GaussianBelief
from agents.interests import Correlated
from simulator.controls import Informed
from simulator.parts import problem

if TYPE_CHECKING:
    from simulator.scenario import Scenario


def belief_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Keys of belief that are right by themselves and wrong with others."""
    users, items = scenario.users, scenario.items
    cohorts = users.each_cohort()

    def where(place: int, key: str) -> tuple[str | int, ...]:
        own = users.cohorts and key in users.cohorts[place].model_fields_set
        return ("users", "cohorts", place, key) if own else ("users", key)

    for place, cohort in enumerate(cohorts):
        chooses, learns = isinstance(cohort.choice, CertaintyEquivalent), isinstance(cohort.drift, GaussianBelief)
        if chooses and not learns:
            yield problem("'certainty_equivalent' chooses by what it believes: write `drift: belief`", where(place, "choice"))
        if (chooses or learns) and not isinstance(cohort.interests, Correlated):
            message = "needs users who do not know what items are worth to them: write `interests: correlated`"
            yield problem(message, where(place, "choice" if chooses else "drift"))
        if isinstance(cohort.interests, Correlated):
            shared = users.interests
            if not isinstance(shared, Correlated) or (shared.correlation, shared.common) != (
                cohort.interests.correlation, cohort.interests.common
            ):
                message = "all items stand on one ring: give `users.interests` the same kind, `correlation` and `common`"
                yield problem(message, where(place, "interests"))

    common = getattr(users.interests, "common", None)
    if common is not None and items.quality != type(items).model_fields["quality"].default:
        message = f"`users.interests.common` says how much it counts ({common:g}): leave out one of the two"
        yield problem(message, ("items", "quality"))
    if any(isinstance(cohort.interests, Correlated) for cohort in cohorts):
        if items.mixture != "one_hot":
            message = "with `interests: correlated`, each item has a place of its own: write `mixture: one_hot`"
            yield problem(message, ("items", "mixture") if "mixture" in items.model_fields_set else ("users", "interests"))
        elif items.topics != items.count:
            message = f"with `interests: correlated`, must be the number of items, {items.count} (got {items.topics})"
            yield problem(message, ("items", "topics") if "topics" in items.model_fields_set else ("items", "count"))
        if items.affinity == "cosine":
            message = "with `interests: correlated`, interests are worths and have no direction: must be dot"
            yield problem(message, ("items", "affinity"))

    for key, arm in scenario.each_arm():
        if isinstance(arm.policy, Informed) and not any(isinstance(each.choice, CertaintyEquivalent) for each in cohorts):
            message = "tells users what they know: only those of `users.choice: certainty_equivalent` do not"
            yield problem(message, key)
