"""The keys of a scenario that let its users take again what they took before."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

from simulator.parts import Section
from simulator.ranges import Count, UnitInterval


class RepeatKeys(Section):
    """Users take an item again, and a platform recommends it again, some rounds after the last time: music, groceries.

    Source: after Anderson, Kumar, Tomkins & Vassilvitskii 2014 (WWW), "The dynamics of repeat consumption".
    """

    after: Count = 1
    """Rounds from one take of an item to the next that there may be; 1 = the next round."""

    shown_after: Count | None = None
    """Rounds after which it may be recommended again; if less than `after`, it stands in a slate though she passes it over.
    null: as many as `after`."""

    share: UnitInterval = 0.0
    """Share of a user's own finds that she has taken before; beside them she may come across the old as across the new."""

    recency: Annotated[float, Interval(ge=0, le=3)] = 1.0
    """How much sooner she comes back to what she took lately: the take i places back is drawn ∝ i^(−recency); 0 = any alike."""
