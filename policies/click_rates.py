"""Bandits without features: how often each user takes each item when it is shown to her, and what is not known of that yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Interval
from scipy import special
from torch import Tensor

from policies.base import Policy
from policies.chance import Draws
from policies.explanation import Explanation, nothing
from policies.failure import PolicyFailed
from policies.log import FeedbackLog, Interactions, ItemData
from policies.ranking import rank

MOST_PAIRS = 50_000_000
"""Pairs of a user and an item that are counted: two tables of 4 bytes each."""

Pseudocount = Annotated[float, Interval(ge=1e-6, le=1e6)]


class Counts:
    """How often each item was shown to each user and how often she took it then; kept up to date as the log grows."""

    def __init__(self, n_users: int, n_items: int):
        if n_users * n_items > MOST_PAIRS:
            raise PolicyFailed(
                f"keeps count of each item for each user, and {n_users:,} users × {n_items:,} items are more than "
                f"{MOST_PAIRS:,} pairs. linucb and thompson learn what items have in common."
            )
        self.shown = torch.zeros(n_users, n_items, dtype=torch.int32)
        self.taken = torch.zeros_like(self.shown)
        self.slates = torch.zeros(n_users, dtype=torch.int64)       # shown to each user
        self._records: list[Interactions] = []                      # the log's own list: whose log this counts
        self._counted = self._read = 0                              # slates, records

    def follow(self, log: FeedbackLog) -> Counts:
        """Return the counts of a log: these, brought up to date, if it is the one that they are of, else new ones."""
        same = self._records is log.records() and self._counted <= len(log.slates) and self.shown.shape[1] == log.n_items
        counts = self if same else Counts(log.n_users, log.n_items)
        counts._records = log.records()
        took: dict[int, list[Interactions]] = {}
        for record in counts._records[counts._read :]:
            if len(record.rounds):
                took.setdefault(int(record.rounds[0]), []).append(record)
        for round, users, slates in log.slates[counts._counted :]:
            counts._add(users, slates.long(), took.get(round, []))
        counts._counted, counts._read = len(log.slates), len(counts._records)
        return counts

    def _add(self, users: Tensor, slates: Tensor, took: list[Interactions]) -> None:
        """Count the slates (b, k) of users (b,), and what of them was taken in the same round."""
        shown = torch.zeros(len(self.shown), dtype=torch.bool).index_fill(0, users, True)
        rows = users[:, None].expand_as(slates)
        self.shown[rows, slates] += 1                               # no item stands twice in a slate
        self.slates[users] += 1
        on_slate = torch.zeros_like(self.shown, dtype=torch.bool)
        on_slate[rows, slates] = True
        for record in took:
            clicks = shown[record.users] & on_slate[record.users, record.items]
            self.taken.index_put_((record.users[clicks], record.items[clicks]), torch.ones((), dtype=torch.int32), True)


@dataclass
class ClickRates(Policy):
    """Each user is shown the items that she is most likely to take when they are shown to her, or that may turn out to be so.

    Of n times that item i was shown to user u she took it c times. mean: the largest (a + c) / (a + b + n), the posterior mean
    under a Beta(a, b) prior; thompson: the largest draws from Beta(a + c, b + n − c), anew each round; ucb: the largest
    c / n + √(2 ln t / n) after t slates, what was never shown first. Ties are broken at random. Items have nothing in common
    here, nor users. It learns from every round, also between trainings and when it is frozen.

    Source: Thompson 1933 (Biometrika) and Chapelle & Li 2011 (NeurIPS), "An empirical evaluation of Thompson sampling"; UCB1 of
    Auer, Cesa-Bianchi & Fischer 2002 (Machine Learning), "Finite-time analysis of the multiarmed bandit problem".
    """

    by: Literal["mean", "thompson", "ucb"] = "thompson"
    """What items are ranked by. With `mean`, say under `explore` how the others get a chance."""

    prior_takes: Pseudocount = 1.0
    """a: takes that every item begins with; ucb has no prior."""

    prior_refusals: Pseudocount = 1.0
    """b: refusals that every item begins with."""

    trains: ClassVar[bool] = False
    reads_features: ClassVar[bool] = True       # none are needed: what is new has its prior

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        if not hasattr(self, "counts_"):
            self.counts_ = Counts(log.n_users, log.n_items)
        return iter(())                         # counts are always up to date

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return self._worth(users, self._follow(log), None).float()

    def unknown(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return torch.zeros(len(users), dtype=torch.bool)            # of whom nothing is known, the prior holds

    def explain(self, user: int, items: Tensor, log: FeedbackLog) -> Explanation:
        return nothing(items, self.score(torch.tensor([user]), log)[0, items])

    def rank(
        self, users: Tensor, k: int, log: FeedbackLog, draws: Draws, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        counts, items = self._follow(log), torch.arange(log.n_items)

        def score(block: Tensor) -> Tensor:
            ties, quantile = draws.uniform_pair(block[:, None], items)
            worth = self._worth(block, counts, quantile)
            if self.by == "thompson":
                return worth.float()
            # Rates of many rounds differ by less than float32 tells apart: what counts is the order, and then chance.
            by_chance = ties.argsort(1)
            order = by_chance.gather(1, worth.gather(1, by_chance).argsort(dim=1, stable=True))
            return torch.empty_like(worth, dtype=torch.float32).scatter_(
                1, order, torch.linspace(0, 1, log.n_items).expand(len(block), -1)
            )

        return rank(score, users, k, log, bias)

    def _follow(self, log: FeedbackLog) -> Counts:
        self.counts_ = self.counts_.follow(log)
        return self.counts_

    def _worth(self, users: Tensor, counts: Counts, quantile: Tensor | None) -> Tensor:
        """Return what items are ranked by (b, n_items) float64; without a quantile to draw at, of a posterior the mean."""
        n, c = counts.shown[users].double(), counts.taken[users].double()
        if self.by == "ucb":
            t = counts.slates[users].clamp(min=1).double()[:, None]
            return torch.where(n > 0, c / n.clamp(min=1) + (2 * t.log() / n.clamp(min=1)).sqrt(), 1e6)
        a, b = self.prior_takes + c, self.prior_refusals + n - c
        if self.by == "mean" or quantile is None:
            return a / (a + b)
        return torch.from_numpy(special.betaincinv(a.numpy(), b.numpy(), quantile.double().numpy()))
