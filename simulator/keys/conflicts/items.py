"""What keys of items need of each other and of the rest of a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from simulator.keys.items import ItemKeys
from simulator.parts import problem

if TYPE_CHECKING:
    from simulator.scenario import Scenario


def item_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Keys that are of other items than there are: of mixtures, directions or points."""
    items = scenario.items
    if items.topic_skew < 1 and (items.space in ("sphere", "plane") or items.mixture == "one_hot"):
        message = "is of mixtures that are drawn: not on the sphere or the plane, nor with `mixture: one_hot`"
        yield problem(f"{message} (got {items.topic_skew:g})", ("items", "topic_skew"))
    if scenario.creators is not None:
        for key in ("topic_skew", "popularity"):
            if getattr(items, key) != ItemKeys.model_fields[key].default:
                yield problem("is of items that are there from the start: leave it out with `creators`", ("items", key))
    if items.axis_variances is not None:
        if items.space != "sphere" or items.mixture != "dirichlet":
            message = "is of directions that are drawn: needs `space: sphere` and no other `mixture`"
            yield problem(message, ("items", "axis_variances"))
        elif len(items.axis_variances) != items.topics // 2:
            message = f"must be one for each axis, topics / 2 = {items.topics // 2} (got {len(items.axis_variances)})"
            yield problem(message, ("items", "axis_variances"))
    if items.space == "sphere" and items.mixture == "equal":
        yield problem("'equal' makes mixtures, and the sphere has directions", ("items", "mixture"))
    if items.space == "plane" and items.mixture != "dirichlet":
        yield problem(f"{items.mixture!r} makes mixtures, and the plane has points: leave it out", ("items", "mixture"))
    if items.space == "plane" and items.affinity == "cosine":
        yield problem("on the plane affinity is by distance: leave it out", ("items", "affinity"))
    if items.space in ("sphere", "plane") and items.topics % 2:
        yield problem(f"must be even on the {items.space} (got {items.topics})", ("items", "topics"))
    for key in ("scatter", "extent"):
        if items.space != "plane" and getattr(items, key) != ItemKeys.model_fields[key].default:
            yield problem(f"is of points: needs `items.space: plane` (it is {items.space})", ("items", key))


def feature_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Blocks that are right by themselves and wrong in this world."""
    features, space = scenario.items.features, scenario.items.space
    if features and space in ("values", "plane"):
        what = "values are worths" if space == "values" else "points have a place"
        yield problem(f"needs `items.space: simplex or sphere`: {what}, not directions", ("items", "features"))
    for place, block in enumerate(features):
        if block.source == "titles" and scenario.data is None:
            message = "generated items have no titles: add `data:`, or write `source: drawn`"
            yield problem(message, ("items", "features", place, "source"))
