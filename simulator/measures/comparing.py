"""What comparisons between recommenders rest on: overlap of slates, the long tail, and entropy at equal numbers of takes."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from simulator.measures import between
from simulator.measures.measure import SLATE, Measure
from simulator.measures.observation import Observation, mean

HEAD = 0.2
"""Share of the catalogue, the most popular of it, that is not the tail (Abdollahpouri et al. 2019)."""


def tail(popularity: Tensor) -> Tensor:
    """Return a bool (M,): which items are not among the ⌈M/5⌉ that most users have consumed; of equals the first ones are."""
    head = max(1, int(np.ceil(HEAD * len(popularity) - 1e-9)))
    order = popularity.argsort(descending=True, stable=True)
    return torch.ones_like(popularity, dtype=torch.bool).index_fill_(0, order[:head], False)


def rarefied_entropy(counts: Tensor, size: int) -> Tensor:
    """Return the expected entropy of `size` draws without replacement from each row of whole numbers (n, T), in nats.

    E H = −Σ_t Σ_j P(J_t = j) j/m ln j/m, with J_t hypergeometric: m draws from n_u of which n_ut are of topic t. So users who
    took much and users who took little are compared at the same number of takes; the plain entropy grows with their number
    alone. Rows that sum to less than `size` are left out.

    Source: rarefaction, Hurlbert 1971 (Ecology), there of the number of species.
    """
    counts = counts[counts.sum(1) >= size]
    if not len(counts):
        return torch.zeros(0, dtype=torch.float64)
    totals, row = counts.sum(1).unique(return_inverse=True)
    drawn = np.arange(1, size + 1)
    terms = -drawn / size * np.log(drawn / size)                                        # (m,)
    of_topic = np.arange(int(counts.max()) + 1)
    possible = of_topic[None, :, None] <= totals.numpy()[:, None, None]
    chance = stats.hypergeom.pmf(drawn, totals.numpy()[:, None, None], np.where(possible, of_topic[None, :, None], 0), size)
    table = torch.from_numpy((chance * terms).sum(2))                                   # by total and by number of one topic
    return table[row[:, None], counts].sum(1)


def _slate_overlap(o: Observation) -> float | None:
    if o.no_slates:
        return None
    slates = torch.where(o.round.shown[:, None], o.round.slate, o.frame.n_items)
    if o.frame.pairs is None:
        return between.jaccard_of_all_pairs(o.slates, o.frame.n_items)
    pairs = o.frame.pairs[:, o.round.shown[o.frame.pairs].all(0)]
    return between.jaccard_of_pairs(slates, o.frame.n_items, *pairs)


def _tail_share(o: Observation) -> float | None:
    return None if o.no_slates else mean(tail(o.popularity)[o.slates].double())


def _rarefied(o: Observation) -> float | None:
    items = o.of_present(o.items.now(torch.arange(o.frame.n_users))).long()
    topics = o.frame.n_topics
    led = o.frame.leading_topic[items]                                                  # T in an empty place
    counts = torch.zeros(len(items), topics + 1, dtype=torch.int64).scatter_add_(1, led, torch.ones_like(led))[:, :topics]
    values = rarefied_entropy(counts, o.frame.world.rarefied_to)
    return mean(values) if len(values) else None


COMPARING = [
    Measure(
        "exposure.mean_jaccard", "Mean overlap of slates", "Jaccard", "0 … 1", 0, 1, 0,
        "Mean over pairs of different users who were both given a slate of |A ∩ B|/|A ∪ B|, the sets shown. Up: everybody is "
        "shown the same; pairs as in consumption.mean_jaccard." + SLATE,
        "Chaney et al. 2018",
        _slate_overlap,
    ),
    Measure(
        "exposure.tail_share", "Share of the long tail", "share of slates", "0 … 1", 0, 1, -1,
        "Share of the items shown that are not among the fifth of the catalogue that most users had consumed. High in a "
        "recommender that shows everybody the same few unpopular items, too: read it beside coverage and gini." + SLATE,
        "Abdollahpouri, Burke & Mobasher 2019",
        _tail_share,
    ),
    Measure(
        "consumption.rarefied_entropy", "Topic entropy at equal numbers", "nats", "0 … ln m", 0, None, -1,
        "What was consumed in the window: expected entropy of the leading topics (argmax z_i) of m = `measures.rarefied_to` of "
        "a user's items, drawn without replacement. Mean over the users who consumed at least m.",
        "Hurlbert 1971; Shannon 1948",
        _rarefied,
    ),
]  # fmt: skip
