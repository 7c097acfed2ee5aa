"""The keys of a scenario that let its users take again what they took before."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval
from pydantic import model_validator

from simulator.parts import Section, problem, wrong
from simulator.ranges import Count, UnitInterval


class RepeatKeys(Section):
    """Users take an item again, and a platform recommends it again, some rounds after the last time: music, groceries.

    Source: after Anderson, Kumar, Tomkins & Vassilvitskii 2014 (WWW), "The dynamics of repeat consumption"; `rho`, `gamma`:
    Song, Koren, Wang & Barabási 2010 (Nature Physics), "Modelling the scaling properties of human mobility".
    """

    after: Count = 1
    """Rounds from one take of an item to the next that there may be; 1 = the next round."""

    shown_after: Count | None = None
    """Rounds after which it may be recommended again; if less than `after`, it stands in a slate though she passes it over.
    null: as many as `after`."""

    share: UnitInterval = 0.0
    """Share of a user's own finds that she has taken before; beside them she may come across the old as across the new."""

    rho: UnitInterval | None = None
    """Instead of `share`: a user's own find is new with probability ρ S^(−γ), S the number of different items that she has
    taken. null: `share` holds, whatever she has taken."""

    gamma: Annotated[float, Interval(ge=0, le=10)] = 0.21
    """γ: how fast people explore less, the more they know; 0 = not at all. Needs `rho`."""

    recency: Annotated[float, Interval(ge=0, le=3)] = 1.0
    """How much sooner she comes back to what she took lately: the take i places back is drawn ∝ i^(−recency); 0 = any alike."""

    @model_validator(mode="after")
    def _one_share(self) -> RepeatKeys:
        if self.rho is not None and self.share:
            raise wrong(problem("leave it out: with `rho`, the share follows from what a user has taken", ("share",)))
        if self.rho is None and self.gamma != RepeatKeys.model_fields["gamma"].default:
            raise wrong(problem("says how `rho` falls: add `rho`, or leave this out", ("gamma",)))
        return self
