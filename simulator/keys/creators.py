"""The keys of a scenario that make its catalogue grow: who publishes what, when, and for how long it is there."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Interval

from agents.creator import CREATORS, CreatorModel, Viability
from agents.supply import Rhythm
from simulator.parts import OneOf, Section, by_name
from simulator.ranges import Count

MOST_PLANNED = 10_000_000
"""Items that may be planned: what a machine has memory for, with a few dozen topics."""

CreatorPart = Annotated[CreatorModel, OneOf(CREATORS, "behaviour of creators", CreatorModel)]


class ViabilityKeys(Section):
    """A creator gives up for good when her items, all together, had too little for too long. Warm-up rounds do not count.

    Source: Mladenov et al. 2020 (ICML), providers who leave below a threshold of engagement.
    """

    least: Annotated[float, Interval(gt=0, le=1e9)] = 1.0
    """The least that she needs in `rounds` rounds, in takes or places on slates; 1 = to be noticed once."""

    rounds: Count = 10
    """Newest rounds that count; nobody gives up before so many have been played."""

    by: Literal["taken", "shown"] = "taken"
    """What she lives on: that her items are taken, or that they are on slates, of which the organic arm has none."""


class CreatorKeys(Section):
    """Creators publish new items in every round, warm-up included; `items.creators` says how many creators there are.

    The initial items, `items.count`, are theirs too. When who publishes is drawn at the beginning, so an item is the same event
    in every arm: there it differs only by what its creator has learnt, or is missing because she has given up.
    """

    behaviour: CreatorPart = by_name("steady")
    """How creators respond to their audience."""

    rate: Annotated[float, Interval(gt=0, le=1000)] = 0.1
    """Mean number of items that each creator publishes in a round."""

    rhythm: Rhythm = "poisson"
    """poisson: at random; regular: evenly spaced, exactly one a round for a rate of 1."""

    concentration: Annotated[float, Interval(ge=1e-6, le=1e6)] = 0.1
    """Dirichlet concentration per topic of a creator's style, small = of one topic, large = of all. Her items are mixtures
    around it, as narrow as `items.concentration` says. Not on the sphere, where styles are any direction."""

    spread: Annotated[float, Interval(ge=0, le=1000)] = 0.5
    """Length of the random part of an item's direction relative to its creator's, on the sphere; 0 = all hers are alike."""

    quality: Annotated[float, Interval(ge=0, le=1000)] = 0.0
    """Standard deviation of quality between creators, in units of utility; within a creator it is `items.quality`."""

    lifetime: Count | None = None
    """Rounds for which an item can be found and shown; null = for ever. Initial items are of all ages at the start."""

    half_life: Annotated[float, Interval(gt=0, le=1e6)] | None = None
    """Rounds in which an item becomes half as prominent without a recommender; null = never."""

    viability: ViabilityKeys | None = None
    """When creators give up; null = never."""

    agents: Count = 1
    """Number of agents that the creators are split over; changes nothing but speed."""

    def leaves(self) -> Viability | None:
        """When creators give up."""
        keys = self.viability
        return None if keys is None else Viability(keys.least, keys.rounds, keys.by)
