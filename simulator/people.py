"""What became of each user: where her interests began and ended, and what she got on the way."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from simulator.measures.divergence import entropy
from simulator.measures.state import drift
from simulator.measures.usefulness import utility_per_user
from simulator.measures.within import effective_topics
from simulator.rounds import Round

OUTCOMES = ("topics_at_start", "topics_at_end", "drift", "takes", "diet_topics", "utility_per_round")
"""The columns of `Tally.outcomes`, in order."""

STAY = ("rounds_present", "arrived", "left")
"""Further columns where users come and go."""


class Tally:
    """Sums over rounds for every user, so that a run need not keep the rounds: O(users · topics) numbers."""

    def __init__(self, users: int, topics: int) -> None:
        self.rounds = 0
        self.takes = torch.zeros(users, dtype=torch.int64)
        self.utility = torch.zeros(users, dtype=torch.float64)
        self.topics = torch.zeros(users, topics)            # sums of the topic shares of the items taken
        self.stay: Stay | None = None                       # where users come and go

    def add(self, happened: Round, topics: Tensor) -> None:
        """Count a round. `topics`: (M, T), the topic shares of every item."""
        self.rounds += 1
        if happened.present is not None:
            self.stay = self.stay or Stay(len(self.takes))
            self.stay.add(happened.round, happened.present)
        self.takes += happened.taken.sum(1)
        self.utility += utility_per_user(happened.utility, happened.taken)
        for items, taken in zip(happened.items.T, happened.taken.T, strict=True):     # a place at a time: N · T numbers at once
            self.topics[taken] += topics[items[taken]]

    def outcomes(self, start: Tensor, end: Tensor) -> dict[str, np.ndarray]:
        """Return one float32 column (N,) for each of `OUTCOMES`. `start`, `end`: interests (N, T), rows on the simplex.

        topics_at_start, topics_at_end: effective topics of her interests, exp(H), 1 … T (Hill 1973). drift: JSD of the two,
        base 2, 0 … 1 (Lin 1991). takes: items taken in all counted rounds. diet_topics: effective topics of those items'
        shares taken together, NaN if there are none. utility_per_round: true utility of what she took, summed, over the number
        of rounds (0 in a round without a take), so that its mean over users is the mean over rounds of utility.per_user.

        Where users come and go: utility_per_round is over the rounds in which she was there, the end is the round in which she
        was last there, and the columns of `STAY` follow.
        """
        eaten = self.topics.double()
        shares = eaten / eaten.sum(1, keepdim=True)         # NaN where nothing was taken, and so is the diet
        columns = (
            effective_topics(entropy(start.double())),
            effective_topics(entropy(end.double())),
            drift(end.double(), start.double()),
            self.takes,
            effective_topics(entropy(shares)),
            self.utility / (max(self.rounds, 1) if self.stay is None else self.stay.rounds),
        )
        named = dict(zip(OUTCOMES, columns, strict=True)) | ({} if self.stay is None else self.stay.outcomes())
        return {name: column.to(torch.float32).numpy() for name, column in named.items()}


class Stay:
    """In which rounds each user was there."""

    def __init__(self, users: int) -> None:
        self.rounds, self.first, self.last = (torch.zeros(users, dtype=torch.int64) for _ in range(3))
        self.newest = 0

    def add(self, round: int, present: Tensor) -> None:
        """Count a round. `present` (N,) bool."""
        self.newest = round
        self.first = torch.where(present & (self.rounds == 0), round, self.first)
        self.last = torch.where(present, round, self.last)
        self.rounds += present

    def outcomes(self) -> dict[str, Tensor]:
        """Return one column (N,) for each of `STAY`: in how many rounds she was there, and her first and last of them.

        left: NaN for those who were there in the last round of all.
        """
        left = self.last.double().masked_fill(self.last == self.newest, torch.nan)
        return dict(zip(STAY, (self.rounds, self.first, left), strict=True))
