"""Who took what, in order: all that a stylised fact may look at, of a real log and of a simulated one alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from simulator.datasets import Dataset


@dataclass(frozen=True)
class Log:
    """Takes in the order of time."""

    users: np.ndarray               # (n,) int64 user ids, 0 … n_users − 1
    items: np.ndarray               # (n,) int64 rows of `topics`
    topics: np.ndarray              # (M, T) rows on the simplex: the whole catalogue, taken or not
    n_users: int

    def __len__(self) -> int:
        return len(self.users)

    def counts(self) -> np.ndarray:
        """Return the number of takes of each user (n_users,)."""
        return np.bincount(self.users, minlength=self.n_users)

    def of_users(self, users: np.ndarray) -> Log:
        """Return the log of these users (k,), numbered anew in the order given."""
        number = np.full(self.n_users, -1)
        number[users] = np.arange(len(users))
        kept = number[self.users] >= 0
        return replace(self, users=number[self.users[kept]], items=self.items[kept], n_users=len(users))

    def with_at_least(self, takes: int) -> Log:
        """Return the log of the users who took so many items or more."""
        return self.of_users(np.flatnonzero(self.counts() >= takes))

    def by_user(self) -> Log:
        """Return the same log with each user's takes together, still in her order."""
        order = np.argsort(self.users, kind="stable")
        return replace(self, users=self.users[order], items=self.items[order])

    def places(self) -> np.ndarray:
        """Return the place (n,) of each take in its user's history: 0, 1, …"""
        order = np.argsort(self.users, kind="stable")
        counts = self.counts()
        places = np.empty(len(self), np.int64)
        places[order] = np.arange(len(self)) - np.repeat(np.cumsum(counts) - counts, counts)
        return places

    def rarefied(self, takes: int, rng: np.random.Generator) -> Log:
        """Return `takes` of each user, drawn at random from hers without replacement; fewer of whoever has fewer.

        Rarefaction (Hurlbert 1971, Ecology): histories of unequal length are compared at equal length.
        """
        order = np.lexsort((rng.random(len(self)), self.users))
        shuffled = replace(self, users=self.users[order], items=self.items[order])
        kept = shuffled.places() < takes
        return replace(shuffled, users=shuffled.users[kept], items=shuffled.items[kept])

    def part(self, start: float, stop: float) -> Log:
        """Return what lies between two shares of each user's history, rounded down at both ends: (0, 1/3), her first third."""
        places, counts = self.places(), self.counts()[self.users]
        kept = (places >= np.floor(start * counts)) & (places < np.floor(stop * counts))
        return replace(self, users=self.users[kept], items=self.items[kept])


def log_of(data: Dataset) -> Log:
    """Return the log that a data set holds."""
    return Log(data.users, data.items, data.topics.astype(np.float64), data.n_users)
