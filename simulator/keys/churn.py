"""The keys of a scenario that say who leaves and who arrives."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

from agents.churn import DEPARTURES, Departure
from simulator.parts import OneOf, Section, by_name
from simulator.ranges import UnitInterval

LEAVE = OneOf(DEPARTURES, "reason to leave", Departure)


class ChurnKeys(Section):
    """Users who leave the platform, and new ones who arrive, from round 1 on."""

    leave: Annotated[Departure, LEAVE] = by_name("dissatisfaction")
    """What makes users leave."""

    come_back: UnitInterval = 0.0
    """Chance that a user who has left comes back in a round, with what she remembers of the platform forgotten."""

    arrivals: Annotated[float, Interval(ge=0, le=1e6)] = 0.0
    """Mean number of new users in a round (Poisson). They are drawn like the others, and the platform knows nothing of them."""
