"""One round as measures see it. What several measures need is computed once, when the first asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from simulator.measures.between import Partition, diversity_partition
from simulator.measures.divergence import entropy
from simulator.measures.equity import attention, merit
from simulator.measures.frame import Frame
from simulator.measures.lists import miscalibration
from simulator.measures.minds import pairs_with_common
from simulator.measures.profiles import Profiles
from simulator.measures.usefulness import hits, utility_per_user
from simulator.measures.window import Intake, ItemLists, rows
from simulator.measures.within import own_counts
from simulator.rounds import Round


class Presence:
    """Who is there, round by round, (N,) bool each; None as long as everybody is."""

    def __init__(self) -> None:
        self.now: Tensor | None = None
        self.before: Tensor | None = None       # one round ago
        self.founders: Tensor | None = None     # in the first round
        self.ever: Tensor | None = None         # up to now

    def push(self, present: Tensor | None) -> None:
        if present is None:
            return
        self.before, self.now = self.now, present.clone()       # users come and go in place
        if self.founders is None or self.ever is None:
            self.founders = self.ever = self.now
        self.ever = self.ever | self.now


@dataclass(eq=False)
class Observation:
    """The newest round, the windows that end with it, and profiles: consumption in the window before it."""

    frame: Frame
    round: Round
    exposure: Intake
    consumption: Intake
    items: ItemLists                # consumed, for sets and profiles
    popularity: Tensor              # (M,) int64: n_i at the time of showing, before this round's takes
    previous: Tensor | None         # (N, T) interests one round ago
    presence: Presence
    profiles: Profiles | None = None    # in a world that began with a real log

    @cached_property
    def slates(self) -> Tensor:             # (n shown, k) item ids
        return rows(self.round.slate, self.round.shown)

    @property
    def no_slates(self) -> bool:
        return self.slates.numel() == 0

    @cached_property
    def slate_topics(self) -> Tensor:       # (n shown, T): topic shares of each slate
        return rows(self.exposure.diet.topic_sums.newest, self.round.shown) / self.round.slate.shape[1]

    @cached_property
    def profile_sizes(self) -> Tensor:      # (N,)
        return self.consumption.diet.sizes.before()

    @cached_property
    def own_counts(self) -> Tensor:         # (n counted, L): how often each user took each of her items
        return own_counts(rows(self.items.now(torch.arange(self.frame.n_users)), self.consumption.counted), self.frame.n_items)

    @cached_property
    def panel(self) -> Tensor:              # panel users who were shown a slate
        return self.frame.panel[self.round.shown[self.frame.panel]]

    @cached_property
    def panel_with_profile(self) -> Tensor:     # those of them who had consumed something
        return self.panel[self.profile_sizes[self.panel] > 0]

    @cached_property
    def panel_best(self) -> Tensor:         # (n panel, k): the k unseen items of highest true utility
        return self.round.best(self.panel, self.round.slate.shape[1])

    @cached_property
    def panel_hits(self) -> Tensor:         # (n panel, k) bool: is this one of the k best unseen items
        return hits(self.round.slate[self.panel], self.panel_best)

    @cached_property
    def panel_attention(self) -> Tensor:    # (M,): share of the panel's attention that each item gets
        return attention(self.round.slate[self.panel], self.frame.n_items)

    @cached_property
    def panel_merit(self) -> Tensor:        # (M,): share of it that each item merits
        return merit(self.panel_best, self.frame.n_items)

    @cached_property
    def miscalibrations(self) -> Tensor:    # (n shown,)
        return miscalibration(rows(self.round.interests, self.round.shown), self.slate_topics)

    @cached_property
    def shown_with_profile(self) -> Tensor:     # (N,) bool
        return self.round.shown & (self.profile_sizes > 0)

    @cached_property
    def mean_popularities(self) -> tuple[Tensor, Tensor]:   # (n shown with profile,) × 2: of slates, and of profiles
        both = self.shown_with_profile
        popularity = torch.cat([self.popularity, self.popularity.new_zeros(1)])
        slates = popularity[rows(self.round.slate, both)].double().mean(1)
        profiles = popularity[rows(self.items.before(), both)].sum(1).double() / rows(self.profile_sizes, both)
        return slates, profiles

    def of_present(self, x: Tensor) -> Tensor:
        """Return the rows (n present, …) of x (N, …) of those who are there."""
        return x if self.round.present is None else rows(x, self.round.present)

    @cached_property
    def minds(self) -> Tensor | None:       # panel users who are there; None: nobody holds anything in mind, in this world
        if self.round.held is None or self.round.places is None or self.frame.world.space == "values":
            return None
        return self.frame.panel if self.round.present is None else self.frame.panel[self.round.present[self.frame.panel]]

    @cached_property
    def shared(self) -> tuple[Tensor, Tensor] | None:    # (p,) × 2: pairs of `minds`, by place, with a common item
        return None if self.minds is None or self.round.held is None else pairs_with_common(self.round.held[self.minds])

    @cached_property
    def pairs(self) -> Tensor:              # (2, P): users who are compared, but for all pairs
        assert self.frame.pairs is not None
        pairs, present = self.frame.pairs, self.round.present
        if self.round.neighbours is not None:
            pairs = torch.stack([torch.arange(self.frame.n_users), self.round.neighbours])
        return pairs if present is None else pairs[:, present[pairs].all(0)]

    @cached_property
    def n_present(self) -> int:
        return self.frame.n_users if self.round.present is None else int(self.round.present.sum())

    @cached_property
    def interests(self) -> Tensor:          # (n present, T)
        return self.of_present(self.round.interests)

    @cached_property
    def interest_entropies(self) -> Tensor:  # (n present,)
        return entropy(self.interests)

    @cached_property
    def interest_partition(self) -> Partition:
        return diversity_partition(self.interests, self.interest_entropies)

    @cached_property
    def utility_per_user(self) -> Tensor:   # (n present,)
        return self.of_present(utility_per_user(self.round.utility, self.round.taken))


def mean(values: Tensor) -> float:
    """Mean in float64, summed pairwise in one thread: the same number whatever the number of threads."""
    return float(np.mean(values.numpy(), dtype=np.float64))
