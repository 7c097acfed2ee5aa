"""Names for items that say what they are: tuples of tokens, alike for items that are alike, and the tree that they form."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor

_SWEEPS = 100
"""Most sweeps of k-means; it stops as soon as no vector changes its cluster."""

_SAME = 1e-6
"""Of the vectors' root mean square length: residuals shorter than this are rounding, and not told apart."""


def semantic_ids(vectors: Tensor, levels: int, codes: int, rng: torch.Generator) -> Tensor:
    """Return tokens (n, levels + 1), no two rows equal: codes of residual k-means, and a number among those that share them.

    Source: Rajput et al. 2023 (NeurIPS), TIGER, sect. 3.1. Its residual-quantised autoencoder is replaced by k-means on the
    residuals (Chen, Guan & Wang 2010, Sensors), whose codebooks cannot collapse on a few thousand items; Ju et al. 2025
    (arXiv), "Generative recommendation with semantic IDs: a practitioner's handbook", compares the two.
    """
    tokens = residual_kmeans(vectors, levels, codes, rng)[0]
    group = tokens.unique(dim=0, return_inverse=True)[1]
    order = group.argsort(stable=True)                          # groups side by side, each in the order of the items
    count = group.bincount()
    number = torch.empty_like(group)
    number[order] = torch.arange(len(group)) - (count.cumsum(0) - count)[group[order]]
    return torch.cat([tokens, number[:, None]], 1)


def residual_kmeans(vectors: Tensor, levels: int, codes: int, rng: torch.Generator) -> tuple[Tensor, list[Tensor]]:
    """Return tokens (n, levels) and each level's centroids (at most `codes`, d), which sum to an approximation of the vectors.

    Each level clusters what the levels before it have left: r_1 = x, r_{l+1} = r_l − c_l with c_l the centroid next to r_l.
    """
    residual = vectors.double()
    closest = (_SAME * residual.norm() / max(len(residual), 1) ** 0.5).item() ** 2
    tokens, codebooks = [], []
    for _ in range(levels):
        centroids, nearest = lloyd(residual, spread(residual, codes, closest, rng))
        residual = residual - centroids[nearest]
        tokens.append(nearest)
        codebooks.append(centroids)
    return torch.stack(tokens, 1), codebooks


def spread(x: Tensor, k: int, closest: float, rng: torch.Generator) -> Tensor:
    """Return at most k of the rows of x (n, d), each drawn by its squared distance from those drawn before.

    Fewer if all are within a squared distance of `closest`. Of several draws the one that leaves the least is kept.

    Source: Arthur & Vassilvitskii 2007 (SODA), k-means++, its greedy form.
    """
    chosen = [int(torch.randint(len(x), (1,), generator=rng))]
    left = (x - x[chosen[0]]).square().sum(1)
    draws = 2 + int(torch.tensor(k).log())
    while len(chosen) < k and left.max() > closest:
        drawn = torch.multinomial(left, draws, replacement=True, generator=rng)
        then = torch.minimum(left, _squared_distances(x[drawn], x))
        best = int(then.sum(1).argmin())
        chosen.append(int(drawn[best]))
        left = then[best]
    return x[chosen]


def lloyd(x: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """Return the centroids (k, d) that k-means comes to from these, and the nearest one to each row of x (n,).

    A centroid that is nearest to nothing stays where it is.

    Source: Lloyd 1982 (IEEE Transactions on Information Theory).
    """
    nearest = None
    for _ in range(_SWEEPS):
        previous, nearest = nearest, _nearest(x, centroids)
        if previous is not None and torch.equal(nearest, previous):
            break
        sums = torch.zeros_like(centroids).index_add_(0, nearest, x)
        count = nearest.bincount(minlength=len(centroids))[:, None]
        centroids = torch.where(count > 0, sums / count.clamp(min=1), centroids)
    return centroids, _nearest(x, centroids)


def _nearest(x: Tensor, centroids: Tensor) -> Tensor:
    return _squared_distances(x, centroids).argmin(1)


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Return ‖x_i − y_j‖² (n, m), through one matrix product."""
    return (x.square().sum(1)[:, None] + y.square().sum(1) - 2 * (x @ y.T)).clamp(min=0)


class Level(NamedTuple):
    """The distinct prefixes of one length: nodes, ordered by their parents among those one shorter, then by their tokens."""

    parents: Tensor                 # (p,) int64
    tokens: Tensor                  # (p,) int64: the last token of each
    prefixes: Tensor                # (p, length) int64
    allowed: Tensor                 # (p of the level before, vocabulary) bool: is there a child with this token?

    @property
    def vocabulary(self) -> int:
        return self.allowed.shape[1]

    def children(self, parents: Tensor) -> Tensor:
        """Return the nodes (…, vocabulary) below `parents` (…), by token; any node where there is no such child."""
        wanted = parents[..., None] * self.vocabulary + torch.arange(self.vocabulary, device=parents.device)
        return torch.searchsorted(self.parents * self.vocabulary + self.tokens, wanted).clamp(max=len(self.parents) - 1)


class Trie:
    """The tree of all ids: its root is the empty prefix, its leaves are the items."""

    def __init__(self, tokens: Tensor):
        """`tokens` (n_items, length): no two rows equal."""
        self.tokens = tokens
        nodes, levels = [torch.zeros(len(tokens), dtype=torch.int64)], []
        for length, token in enumerate(tokens.T, start=1):
            vocabulary = int(token.max()) + 1
            keys, node = (nodes[-1] * vocabulary + token).unique(return_inverse=True)
            parents, last = keys // vocabulary, keys % vocabulary
            allowed = torch.zeros(int(parents.max()) + 1, vocabulary, dtype=torch.bool)
            allowed[parents, last] = True
            prefixes = torch.empty(len(keys), length, dtype=torch.int64)
            prefixes[node] = tokens[:, :length]
            levels.append(Level(parents, last, prefixes, allowed))
            nodes.append(node)
        self.levels = levels
        self.nodes = torch.stack(nodes, 1)          # (n_items, length + 1): the nodes from the root to each item
        self.items = self.nodes[:, -1].argsort()    # (n_items,): the item of each leaf

    def to(self, device: torch.device) -> Self:
        """Move the tree there."""
        self.tokens, self.nodes, self.items = (x.to(device) for x in (self.tokens, self.nodes, self.items))
        self.levels = [Level(*(x.to(device) for x in level)) for level in self.levels]
        return self
