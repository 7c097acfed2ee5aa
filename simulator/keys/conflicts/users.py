"""What keys of users and of their cohorts need of the rest of a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from agents.choice import CHOICES
from agents.drift import DRIFTS
from agents.interests import INTERESTS, Alike
from agents.users import divide
from simulator.faults import Loc, dotted
from simulator.keys.cohorts import CohortKeys
from simulator.keys.users import UserKeys
from simulator.parts import kind_of, problem

if TYPE_CHECKING:
    from simulator.scenario import Scenario


def space_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Parts of users that are not made for what interests and items are here."""
    users, items = scenario.users, scenario.items
    for keys, place_of in _groups(users):
        for part_key, table in (("interests", INTERESTS), ("choice", CHOICES), ("drift", DRIFTS)):
            part = getattr(keys, part_key)
            spaces = getattr(part, "spaces", (items.space,))
            if items.space not in spaces:
                yield problem(
                    f"{kind_of(table, part)!r} needs `items.space: {' or '.join(spaces)}` "
                    f"(it is {items.space}): change `{dotted((*place_of, part_key))}` or `items.space`",
                    (*place_of, part_key) if part_key in keys.model_fields_set else ("items", "space"),
                )


def user_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Cohorts of nobody, and what cannot be true of these users."""
    users, items, discovery = scenario.users, scenario.items, scenario.discovery
    parts = divide(users.count, [cohort.share for cohort in users.cohorts]) if users.count and users.cohorts else []
    for place, rows in enumerate(parts):
        if rows.start == rows.stop:
            message = f"is nobody, of {users.count} users: give the cohort a larger share, or have more users"
            yield problem(message, ("users", "cohorts", place, "share"))
    for keys, place_of in _groups(users):
        if isinstance(keys.interests, Alike) and len(keys.interests.shares) != items.topics and scenario.data is None:
            message = f"must be one for each topic, {items.topics} (got {len(keys.interests.shares)})"
            yield problem(message, (*place_of, "interests", "shares"))
    for place, cohort in enumerate(users.cohorts):
        own = cohort.interests is not None and kind_of(INTERESTS, cohort.interests) == "data"
        if cohort.interests is not None and own != (scenario.data is not None):
            message = "without `data:` there are no histories to read" if own else "with `data:`, interests are read off it"
            yield problem(message, ("users", "cohorts", place, "interests"))

    if users.churn is not None and users.churn.arrivals and scenario.data is not None:
        message = "must be 0 with `data:`: new users are generated, and all users are those of the data"
        yield problem(message, ("users", "churn", "arrivals"))
    if users.repeats is not None and users.repeats.share and discovery.awareness == "all":
        message = f"must be 0 with `discovery.awareness: all`: she finds all that there is (got {users.repeats.share:g})"
        yield problem(message, ("users", "repeats", "share"))


def _groups(users: UserKeys) -> Iterator[tuple[UserKeys | CohortKeys, Loc]]:
    """Keys of everybody and of each cohort, and where they stand."""
    yield users, ("users",)
    for place, cohort in enumerate(users.cohorts):
        yield cohort, ("users", "cohorts", place)
