"""The best items by spelling their ids token by token, without looking at all of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from policies.log import History
from policies.semantic_ids import Trie


def beam_search(
    shares: Callable[[int, Tensor], Tensor], trie: Trie, seen: History, width: int, bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the `width` best unseen items of b users: ids (b, w), scores (b, w), best first; −∞ where none is left.

    `shares(depth, nodes (b, w)) → (b, w, vocabulary)` is the log-probability of each token after each of the nodes of that
    depth, −∞ where the tree has no such child. An item's score is the sum over its tokens, plus its `bias` (n_items,). The
    search keeps the `width` best prefixes of each length that lead to an unseen item; a prefix counts with the highest bias
    below it. It is exact if it is as wide as the tree.

    Source: De Cao et al. 2021 (ICLR), "Autoregressive entity retrieval": beam search within the tree of valid names.
    """
    b = len(seen.items)
    nodes, scores = torch.zeros(b, 1, dtype=torch.int64), torch.zeros(b, 1)
    for depth, level in enumerate(trie.levels):
        children = level.children(nodes)                                        # (b, w, v)
        longer = scores[..., None] + shares(depth, nodes)
        longer = longer.masked_fill(_closed(trie, depth + 1, seen).gather(1, children.flatten(1)).view_as(children), -torch.inf)
        promise = longer if bias is None else longer + _highest(trie, depth + 1, bias)[children]
        best, place = promise.flatten(1).topk(min(width, longer[0].numel()))    # (b, w)
        nodes, scores = children.flatten(1).gather(1, place), longer.flatten(1).gather(1, place)
    return trie.items[nodes], best


def _closed(trie: Trie, length: int, seen: History) -> Tensor:
    """Return a bool (b, p): every item below the node has been seen."""
    on_path = trie.nodes[:, length]
    rows, places = seen.present.nonzero(as_tuple=True)
    below = on_path.bincount()
    count = torch.zeros(len(seen.items) * len(below), dtype=torch.int64)
    count += (rows * len(below) + on_path[seen.items[rows, places]]).bincount(minlength=len(count))
    return count.view(-1, len(below)) == below


def _highest(trie: Trie, length: int, bias: Tensor) -> Tensor:
    """Return the highest bias (p,) of the items below each node."""
    on_path = trie.nodes[:, length]
    return torch.full((int(on_path.max()) + 1,), -torch.inf).scatter_reduce(0, on_path, bias, "amax")
