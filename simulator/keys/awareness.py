"""The keys of a scenario that say which items its users know of."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

from simulator.parts import Section
from simulator.ranges import UnitInterval


class AwarenessKeys(Section):
    """Users know of what is in the middle of the market and of what is near to themselves; what they are shown, they know then.

    Source: Fleder & Hosanagar 2009 (Management Science), "Blockbuster culture's next rise or fall".
    """

    central: UnitInterval = 0.75
    """λ: weight of being in the middle, where everybody knows an item; the rest is the weight of being near to the user."""

    reach: Annotated[float, Interval(ge=1e-6, le=1e12)] = 0.35
    """θ: squared distance from the middle at which the chance of being known there is 1/e; from the user, a third of that."""
