"""What was rated best, and its rating for everybody to see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Interval
from torch import Tensor

from policies.base import Policy
from policies.explanation import Explanation, nothing
from policies.log import FeedbackLog, Interactions, ItemData


class Sums:
    """The sum and the number of the ratings of each item; kept up to date as the log grows."""

    def __init__(self, n_items: int):
        self.total = torch.zeros(n_items, dtype=torch.float64)
        self.count = torch.zeros(n_items, dtype=torch.int64)
        self._records: list[Interactions] = []                      # the log's own list: whose log this is of
        self._read = 0                                              # records

    def follow(self, log: FeedbackLog, signal: str) -> Sums:
        """Return the sums of a log: these, brought up to date, if it is the one that they are of, else new ones."""
        same = self._records is log.records() and len(self.total) == log.n_items
        sums = self if same else Sums(log.n_items)
        sums._records = log.records()
        for record, signals in zip(sums._records[sums._read :], log.signal_records()[sums._read :], strict=True):
            if signal in signals:
                rated = ~signals[signal].isnan()
                items = record.items[rated]
                sums.total.index_add_(0, items, signals[signal][rated].double())
                sums.count += torch.bincount(items, minlength=log.n_items)
        sums._read = len(sums._records)
        return sums


@dataclass
class AverageRating(Policy):
    """Everybody is shown what was rated best on average, and the rating beside each item.

    s_i = Σ ratings / (prior + n_i) over the n_i ratings of item i; with a `reach`, what is further below the best than that is
    shown as that far below. Of items with the same score, the first in the catalogue comes first. It learns from every round,
    also between trainings and when it is frozen.

    Source: Schmit & Riquelme 2018 (AISTATS), "Human interaction with recommendation systems", the naive score, with the
    regularisation and the bound of their simulations.
    """

    signal: str = "rating"
    """The signal that is averaged, one of those that users give (`users.feedback`): rating, review, fair_review, dwell …"""

    prior: Annotated[float, Interval(ge=0, le=1e6)] = 0.1
    """Ratings of 0 that every item begins with."""

    reach: Annotated[float, Interval(ge=0, le=1e6)] | None = None
    """How far below the best score another may be; null = any."""

    trains: ClassVar[bool] = False
    reads_features: ClassVar[bool] = True       # none are needed: what is new has no rating yet

    def reads_signal(self) -> str | None:
        return self.signal

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        if not hasattr(self, "sums_"):
            self.sums_ = Sums(log.n_items)
        return iter(())                         # sums are always up to date

    def ratings(self, log: FeedbackLog) -> Tensor:
        self.sums_ = self.sums_.follow(log, self.signal)
        score = self.sums_.total / (self.prior + self.sums_.count).clamp(min=1e-12)
        return (score if self.reach is None else score.clamp(min=float(score.max()) - self.reach)).float()

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return self.ratings(log).repeat(len(users), 1)

    def unknown(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return torch.zeros(len(users), dtype=torch.bool)        # the ranking is everybody's, with or without a history

    def explain(self, user: int, items: Tensor, log: FeedbackLog) -> Explanation:
        return nothing(items, self.ratings(log)[items])
