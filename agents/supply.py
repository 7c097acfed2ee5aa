"""When items appear, how they fade and when they are gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws

Rhythm = Literal["poisson", "regular"]


class Plan(NamedTuple):
    """What is to be published in the whole run, in the order of rounds: the same in every arm.

    A creator who has given up leaves her entries unpublished; everybody else's stay what they were.
    """

    creator: Tensor                 # (n,) int64
    born: Tensor                    # (n,) int64 rounds, ascending


def draw_plan(creators: int, rounds: range, rate: float, rhythm: Rhythm, draws: Draws) -> Plan:
    """Draw how many items each creator publishes in each round.

    poisson: Poisson(rate), independent over creators and rounds. regular: ⌊rate (t + 1) + φ⌋ − ⌊rate t + φ⌋ with one φ for
    each creator, uniform on (0, 1): as evenly spaced as whole numbers allow, exactly one a round for a rate of 1. Each number
    is a function of its creator and round, so more rounds or more creators change none.
    """
    who, when = torch.arange(creators), torch.tensor(rounds, dtype=torch.int64)
    if rhythm == "poisson":
        _, quantile = draws("publish").uniform_pair(who[None, :], when[:, None])
        counts = stats.poisson.ppf(quantile.numpy(), rate)
    else:
        _, phase = draws("publish").uniform_pair(who)
        reached = np.floor(rate * np.arange(rounds.start, rounds.stop + 1)[:, None] + phase.numpy())
        counts = np.diff(reached, axis=0)
    repeats = torch.from_numpy(counts.astype(np.int64)).flatten()                   # rounds, and creators within them
    return Plan(
        who.repeat(len(when)).repeat_interleave(repeats), when.repeat_interleave(creators).repeat_interleave(repeats)
    )


@dataclass
class Shelf:
    """What of the catalogue can be found: items are published, become less prominent, and disappear.

    An item of age a (rounds since its publication) is there while a < lifetime, and is met without a recommender
    ∝ weight · 2^(−a / half_life), weight its salience when new.
    """

    catalog: Catalog
    weight: Tensor                  # (M,) float64: salience when new, relative to other items
    lifetime: int | None            # rounds; None: for ever
    half_life: float | None         # rounds; None: prominence does not fade

    def due(self, round: int) -> Tensor:
        """Return the items (n,) that are planned for this round."""
        born, published = self._dates()
        return ((born == round) & ~published).nonzero()[:, 0]

    def turn(self, round: int) -> None:
        """Let everything grow as old as it is in this round."""
        catalog, (born, published) = self.catalog, self._dates()
        age = round - born
        catalog.fresh = (published & (age == 0)).nonzero()[:, 0]
        catalog.available = published.clone() if self.lifetime is None else published & (age < self.lifetime)
        faded = self.weight if self.half_life is None else self.weight * 0.5 ** (age.clamp(min=0) / self.half_life)
        salience = faded.where(catalog.available, 0)
        catalog.salience = salience / salience.sum() if catalog.available.any() else salience

    def _dates(self) -> tuple[Tensor, Tensor]:
        """Return when items are published (M,) int64, and which have been (M,) bool."""
        assert self.catalog.born is not None    # a catalogue that changes has both
        assert self.catalog.published is not None
        return self.catalog.born, self.catalog.published
