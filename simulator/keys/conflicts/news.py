"""What finds that are news need of the rest of a scenario: a catalogue that is long enough, in which nothing else happens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from simulator.parts import problem

if TYPE_CHECKING:
    from simulator.scenario import Scenario


def news_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Keys of news that are right by themselves and wrong with others."""
    keys, users, items = scenario.discovery, scenario.users, scenario.items
    if keys.source == "drawn":
        return
    where = ("discovery", "source")
    if scenario.data is not None or scenario.creators is not None:
        other = "data" if scenario.data is not None else "creators"
        yield problem(f"{keys.source!r} deals out items that nobody has seen: not with `{other}:`", where)
        return
    if isinstance(keys.awareness, str):
        yield problem("must be a number of items: of all that there is, nothing is new", ("discovery", "awareness"))
        return
    for key in ("popularity_weight", "fame"):
        if getattr(keys, key) != type(keys).model_fields[key].default:
            yield problem(f"has no effect: with `source: {keys.source}` nothing is drawn", ("discovery", key))
    if users.churn is not None and users.churn.arrivals and keys.source == "individual":
        message = "is for users who are there from the start: must be 0, or `discovery.source: central`"
        yield problem(message, ("users", "churn", "arrivals"))
        return
    assert items.count is not None          # a generated world has both
    assert users.count is not None
    needed = keys.awareness * (scenario.warmup + scenario.rounds) * (users.count if keys.source == "individual" else 1)
    if items.count < needed:
        among = f"{users.count:,} users, " if keys.source == "individual" else ""
        among += f"{scenario.warmup + scenario.rounds:,} rounds with {keys.awareness:,} each"
        yield problem(
            f"with `discovery.source: {keys.source}` must be at least {needed:,}, for {among} (got {items.count:,})",
            ("items", "count") if "count" in items.model_fields_set else where,
        )
