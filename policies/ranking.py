"""The best k of many scores, fast and the same for every block size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from policies.log import FeedbackLog

_SCORES_AT_ONCE = 7_000_000
"""28 MB of float32: memory is O(1), and blocks stay below 32 MB, up to which the allocator keeps and reuses them."""

_SMALLEST_BLOCK = 64
"""Rows of a float32 matrix product are bit-equal for any block of at least this many rows; smaller blocks are padded."""

_GROUPS_PER_PLACE = 64
"""torch.topk keeps a heap of k over a row of at least 64 · k, and sorts a shorter one, which is slower."""


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest scores of each row (b, n), best first: values (b, k) and column ids (b, k).

    Wide rows are first reduced to the maxima of strided groups: the k best items are in the k groups of largest maximum,
    and one vectorised pass over the scores is cheaper than a heap (exact; equal scores may come in another order).
    """
    b, n = scores.shape
    size = n // (_GROUPS_PER_PLACE * k)                                             # items in a group
    if size < 2:
        return scores.topk(k)
    width = n // size
    grouped = scores[:, : width * size].unflatten(1, (size, width))
    group = grouped.amax(1).topk(k).indices                                         # (b, k) columns of `grouped`
    members = (group[:, None, :] + (torch.arange(size) * width)[:, None]).flatten(1)     # (b, size · k) item ids
    rest = torch.arange(width * size, n).expand(b, -1)                              # fewer than `size`: in no group
    candidates = torch.cat([members, rest], 1)
    values, place = scores.gather(1, candidates).topk(k)
    return values, candidates.gather(1, place)


def _top_k_of_equals(scores: Tensor, luck: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return what `top_k` does, equal scores (b, n) in the order of `luck` (b, n)."""
    by_luck = luck.argsort(1)
    ordered = scores.gather(1, by_luck).sort(dim=1, descending=True, stable=True)
    return ordered.values[:, :k], by_luck.gather(1, ordered.indices[:, :k])


def block_size(n_items: int) -> int:
    """Return how many users to score at once, from 64 to 1024."""
    return min(max(_SCORES_AT_ONCE // max(n_items, 1), _SMALLEST_BLOCK), 1024)


def blocks(users: Tensor, size: int) -> Iterator[Tensor]:
    """Cut user ids (n,) into blocks, the last one padded with its own last id to at least 64."""
    for start in range(0, len(users), size):                # `split` would make one empty block of no users
        block = users[start : start + size]
        missing = _SMALLEST_BLOCK - len(block)
        yield torch.cat([block, block[-1:].expand(missing)]) if missing > 0 else block


def left_by(bias: Tensor) -> Tensor | None:
    """Return the ids (n,) of the items that a bias leaves to be shown, if all that it does is to hide some (−∞); else None."""
    left = bias > -torch.inf
    return None if left.all() or bias[left].any() else left.nonzero()[:, 0]


def rank(
    score: Callable[[Tensor], Tensor], users: Tensor, k: int, log: FeedbackLog, bias: Tensor | None = None,
    block: int | None = None, luck: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Return for each user (n,) the k unseen items of highest score: ids (n, k) and scores (n, k), best first.

    `score(users (b,)) → (b, n_items)` may be overwritten. `bias` (n_items,) is added to every row. What the user has taken
    before is excluded; a user with fewer than k unseen items gets the rest filled with seen ones, of score −∞. `block`: users
    scored at once, which changes nothing but memory and speed. `luck(users (b,)) → (b, n_items)`: of equal scores the one with
    less of it comes first; without, any may.
    """
    block = block or block_size(log.n_items)
    ids = torch.empty(len(users), k, dtype=torch.int64)
    values = torch.empty(len(users), k)
    for start, padded in zip(range(0, len(users), block), blocks(users, block), strict=True):
        scores = score(padded)
        if bias is not None:
            scores += bias
        seen = log.seen(padded)
        rows, places = seen.present.nonzero(as_tuple=True)
        scores[rows, seen.items[rows, places]] = -torch.inf
        best, items = top_k(scores, k) if luck is None else _top_k_of_equals(scores, luck(padded), k)
        stop = min(start + block, len(users))
        ids[start:stop], values[start:stop] = items[: stop - start], best[: stop - start]
    return ids, values
