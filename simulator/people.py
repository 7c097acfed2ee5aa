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


class Tally:
    """Sums over rounds for every user, so that a run need not keep the rounds: O(users · topics) numbers."""

    def __init__(self, users: int, topics: int) -> None:
        self.rounds = 0
        self.takes = torch.zeros(users, dtype=torch.int64)
        self.utility = torch.zeros(users, dtype=torch.float64)
        self.topics = torch.zeros(users, topics)            # sums of the topic shares of the items taken

    def add(self, happened: Round, topics: Tensor) -> None:
        """Count a round. `topics`: (M, T), the topic shares of every item."""
        self.rounds += 1
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
        """
        eaten = self.topics.double()
        shares = eaten / eaten.sum(1, keepdim=True)         # NaN where nothing was taken, and so is the diet
        columns = (
            effective_topics(entropy(start.double())),
            effective_topics(entropy(end.double())),
            drift(end.double(), start.double()),
            self.takes,
            effective_topics(entropy(shares)),
            self.utility / max(self.rounds, 1),
        )
        return {name: column.to(torch.float32).numpy() for name, column in zip(OUTCOMES, columns, strict=True)}
