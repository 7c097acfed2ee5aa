"""Normative diversity: does what is shown mirror what there is, in the labels that items carry.

RADio compares a slate with the pool of items that it could have been made of, here all that is available: places of the slate
are weighted 1/r, items of the pool alike, and the divergence is √JSD (`lists.radio_divergence`). 0 = the slate is as the pool.
A slate of k items is never quite like a large pool, so a random slate is not at 0: compare arms. Vrijenhoek et al. (2022).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import embedding_bag, one_hot

from simulator.measures.lists import radio_divergence, rank_weights

BINS = 5
"""Classes of equal width that activation is sorted into: the number in the code published with RADio."""


def stirred(activation: Tensor) -> Tensor:
    """Classes of |activation|, how far from neutral, from the pool's lowest to its highest. (M,) → (M, BINS) 0/1."""
    strength = activation.abs().double()
    lowest, highest = strength.min(), strength.max()
    place = ((strength - lowest) / (highest - lowest).clamp_min(1e-12) * BINS).long().clamp(max=BINS - 1)
    return one_hot(place, BINS).double()


def classes(label: Tensor) -> Tensor:
    """Any label with few values, as indicators. (M,) bool or int64 → (M, values) 0/1."""
    return one_hot(label.long()).double()


def radio_pool(indicators: Tensor, slates: Tensor, pool: Tensor) -> Tensor:
    """Divergence of each slate's labels, weighted by rank, from those of the pool. (M, V) 0/1, (n, k), (V,) → (n,), 0 … 1.

    Representation, for viewpoints; activation, for classes of |activation|; alternative voices, for minority and majority.
    """
    weights = rank_weights(slates.shape[1]).expand(slates.shape).contiguous()
    shown = embedding_bag(slates, indicators, per_sample_weights=weights, mode="sum")
    return radio_divergence(shown, pool.expand_as(shown))
