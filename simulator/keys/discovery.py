"""The keys of a scenario that say what its users find without the recommender."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Interval

from agents.discovery import Placing
from agents.discovery import Source as FindSource
from simulator.keys.awareness import AwarenessKeys
from simulator.parts import Section
from simulator.ranges import Count, UnitInterval


class DiscoveryKeys(Section):
    """What users find without the recommender."""

    share: UnitInterval = 0.2
    """Chance that an own find is still noticed when a slate is looked at; without a slate all are considered."""

    awareness: Count | Literal["all", "new"] = 20
    """Items that each user meets by herself in a round; all: every one that there is, for small worlds; new: every one that is
    published in the round, with `creators`."""

    popularity_weight: UnitInterval = 0.5
    """Share of the finds that are met by how well known they are; the rest are met by the user's interests."""

    fame: Annotated[float, Interval(ge=0, le=10)] = 0.0
    """How much sooner the well-known is found by interest too: among the items of a topic, ∝ salience^fame; 0 = all alike."""

    known: AwarenessKeys | None = None
    """With `awareness: all`, on the plane: of all items, users find those alone that they know of. null: all."""

    placing: Placing = "beside"
    """Where finds stand for users whose attention falls from the top of a list to its end: beside the slate, each as if at the
    top; mingled: at random places in it."""

    source: FindSource = "drawn"
    """drawn: finds are as the keys above say; individual: they are news, new items for each user in each round that nobody else
    ever finds; central: news that are the same for everybody."""
