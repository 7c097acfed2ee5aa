"""The six stylised facts: pure functions of a log, each with the distance in which two logs differ in it.

Every fact compares equal numbers of takes: a longer history is more diverse, more concentrated and less novel for no other
reason than its length. `depth` is that number; users who took fewer items are in no fact, of the real log and of the
simulated one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import scipy.sparse
from scipy import stats

from simulator.fitting.log import Log

GRID = np.linspace(0, 1, 201)
"""Shares of the catalogue at which a Lorenz curve is read."""


@dataclass(frozen=True)
class Sample:
    """A log of users with at least `depth` takes each, and `depth` takes of each drawn at random."""

    log: Log
    depth: int
    rng: np.random.Generator

    @cached_property
    def rarefied(self) -> Log:
        return self.log.rarefied(self.depth, self.rng)


def popularity(sample: Sample) -> np.ndarray:
    """Return the Lorenz curve of the items' takes on `GRID`: which share of all takes goes to the least taken items.

    Items of the catalogue that nobody took count with 0. Lorenz (1905).
    """
    log = sample.rarefied
    takes = np.sort(np.bincount(log.items, minlength=len(log.topics)))
    curve = np.concatenate([[0.0], np.cumsum(takes) / takes.sum()])
    return np.interp(GRID, np.linspace(0, 1, len(curve)), curve)


def activity(sample: Sample) -> np.ndarray:
    """Return ln of each user's number of takes (n_users,): in logarithms, as activity differs by factors."""
    return np.log(sample.log.counts())


def diversity(sample: Sample) -> np.ndarray:
    """Return the topic entropy of each user's diet (n_users,), nats: H(p_u), p_u the mean topics of `depth` takes."""
    return _entropies(sample.rarefied)


def narrowing(sample: Sample) -> np.ndarray:
    """Return how far each user's entropy moved: H of `depth` takes of the last third of her history − that of the first third.

    Only of users with three times `depth` takes or more; empty if there are none.
    """
    long = sample.log.with_at_least(3 * sample.depth)
    first, last = long.part(0, 1 / 3), long.part(2 / 3, 1)
    return _entropies(last.rarefied(sample.depth, sample.rng)) - _entropies(first.rarefied(sample.depth, sample.rng))


def novelty(sample: Sample) -> np.ndarray:
    """Return the share of new topics in takes 2 … depth (depth − 1,), mean over users.

    Of a user's k-th take: the share of its main topics that were main topics of none of her takes before; one minus it is the
    repeat rate. Main topics have at least half the share of the item's largest: all genres of a film, as they weigh the same.
    After Anderson et al. (2014, WWW), repeat consumption, and Tria et al. (2014, Scientific Reports), novelty as a history
    grows; of topics, as nobody takes an item twice.
    """
    log, depth = sample.log, sample.depth
    main = log.topics >= log.topics.max(1, keepdims=True) / 2
    places = log.places()
    early = places < depth
    topics = np.zeros((log.n_users, depth, main.shape[1]), bool)
    topics[log.users[early], places[early]] = main[log.items[early]]
    known = np.logical_or.accumulate(topics, axis=1)[:, :-1]
    new = (topics[:, 1:] & ~known).sum(2) / topics[:, 1:].sum(2)
    return new.mean(0)


def overlap(sample: Sample) -> np.ndarray:
    """Return |A ∩ B| / |A ∪ B| of the `depth` items of every two users (n_pairs,).

    Jaccard; as a measure of what users have in common after Chaney et al. (2018, RecSys).
    """
    log = sample.rarefied
    sets = scipy.sparse.csr_array((np.ones(len(log)), (log.users, log.items)), shape=(log.n_users, len(log.topics)))
    sets.data[:] = 1                    # a set: an item that was taken twice, in a world where that is done, is in it once
    sizes, pairs = np.diff(sets.indptr), np.triu_indices(log.n_users, 1)
    shared = (sets @ sets.T).toarray()[pairs]
    return shared / ((sizes[:, None] + sizes)[pairs] - shared)


def _entropies(log: Log) -> np.ndarray:
    """Return H(p_u) (n_users,) of the mean topics of each user's takes."""
    taken = scipy.sparse.csr_array((np.ones(len(log)), (log.users, log.items)), shape=(log.n_users, len(log.topics)))
    shares = taken @ log.topics
    shares = shares / shares.sum(1, keepdims=True)
    return -(shares * np.log(shares, where=shares > 0, out=np.zeros_like(shares))).sum(1)


@dataclass(frozen=True)
class Fact:
    """A stylised fact: what it is of, and in which unit two of it are apart.

    curve: values at the same places, apart by their mean absolute difference. distribution: values of users or pairs, apart by
    the Wasserstein-1 distance, the area between the two cumulative distributions.
    """

    name: str
    label: str
    form: Literal["curve", "distribution"]
    axis: str  # what the values are
    unit: str  # of the distance
    of: Callable[[Sample], np.ndarray]
    summaries: Callable[[np.ndarray], tuple[float, float]]  # two numbers that stand for it in the regression

    def distance(self, one: np.ndarray, other: np.ndarray) -> float:
        """Return how far apart two logs are in this fact, 0 or more; ∞ where one has no users to tell it of."""
        if not len(one) or not len(other):
            return np.inf
        if self.form == "curve":
            return float(np.abs(one - other).mean())
        return float(stats.wasserstein_distance(one, other))


def _moments(values: np.ndarray) -> tuple[float, float]:
    return (float(values.mean()), float(values.std())) if len(values) else (np.nan, np.nan)


def _gini_and_top(curve: np.ndarray) -> tuple[float, float]:
    """Gini = 1 − 2 · area under the Lorenz curve, and the share of the top tenth of the items."""
    return float(1 - 2 * np.trapezoid(curve, GRID)), float(1 - np.interp(0.9, GRID, curve))


def _early_and_late(curve: np.ndarray) -> tuple[float, float]:
    half = len(curve) // 2
    return float(curve[:half].mean()), float(curve[half:].mean())


def _mean_and_none(values: np.ndarray) -> tuple[float, float]:
    return (float(values.mean()), float((values == 0).mean())) if len(values) else (np.nan, np.nan)


FACTS: dict[str, Fact] = {
    fact.name: fact
    for fact in (
        Fact("popularity", "Popularity of items", "curve", "share of the catalogue, least taken first", "share of takes",
             popularity, _gini_and_top),
        Fact("activity", "Activity of users", "distribution", "ln of the number of takes", "ln takes", activity, _moments),
        Fact("diversity", "Topic entropy of users", "distribution", "entropy of a diet", "nats", diversity, _moments),
        Fact("narrowing", "Its change over time", "distribution", "entropy of the last third − first third", "nats",
             narrowing, _moments),
        Fact("novelty", "Novelty of takes", "curve", "number of the take", "share of topics", novelty, _early_and_late),
        Fact("overlap", "Co-consumption", "distribution", "Jaccard overlap of two users", "Jaccard", overlap, _mean_and_none),
    )
}  # fmt: skip
"""The facts that a fit goes by, by name."""


def facts_of(log: Log, depth: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return every fact of a log, by name, over the users who took `depth` items or more."""
    sample = Sample(log.with_at_least(depth), depth, rng)
    return {name: fact.of(sample) for name, fact in FACTS.items()}


def summarised(facts: dict[str, np.ndarray]) -> np.ndarray:
    """Return two numbers for each fact, one fact after the other (2 · facts,)."""
    return np.ravel([fact.summaries(facts[name]) for name, fact in FACTS.items()])


def distances(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> dict[str, float]:
    """Return how far apart two logs are in every fact."""
    return {name: fact.distance(one[name], other[name]) for name, fact in FACTS.items()}
