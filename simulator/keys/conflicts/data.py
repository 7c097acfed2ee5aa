"""What a real log needs of the rest of a scenario, and what there is only with one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from agents.choice_recorded import Recorded
from agents.interests import INTERESTS
from simulator.parts import kind_of, problem

if TYPE_CHECKING:
    from simulator.scenario import Scenario


def data_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """A log that is nowhere, and interests that are not read off it, or off none."""
    users = scenario.users
    if scenario.data is not None and scenario.data.path is None:
        yield problem(
            "has no `path`: write the folder of the data here, or pass --data PATH on the command line "
            "(--data movielens-small with the extra `data` installed)",
            ("data",),
        )
    reads_data = kind_of(INTERESTS, users.interests) == "data"
    if reads_data and scenario.data is None:
        yield problem("'data' reads interests off real histories: add `data:`", ("users", "interests"))
    if scenario.data is not None and not reads_data:
        where = ("users", "interests") if "interests" in users.model_fields_set else ("data",)
        yield problem("with `data:`, interests are read off it: write `interests: data` under `users`", where)


def recorded_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Users who are to take what is in a log and not on record, where there is no such thing."""
    if scenario.data is not None and scenario.data.known < 1:
        return
    cohorts = scenario.users.cohorts
    for place, each in enumerate(scenario.users.each_cohort()):
        if isinstance(each.choice, Recorded):
            message = "'recorded' takes what is in the log and not on record: add `data:` with `known` under 1"
            own = bool(cohorts) and "choice" in cohorts[place].model_fields_set
            yield problem(message, ("users", "cohorts", place, "choice") if own else ("users", "choice"))
