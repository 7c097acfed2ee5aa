"""Why an item was ranked where it was: what of the user's history carried its score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from policies.log import FeedbackLog

Method = Literal["exact", "attention", "leave-one-out", "similarity", "none"]
"""exact: the parts sum to the score. attention: shares of attention. leave-one-out: how far the score falls without this item
of the history. similarity: of the learnt vectors; says what is alike, not what caused it. none: the history plays no part."""


@dataclass(frozen=True)
class Explanation:
    """What carried the scores of k items for one user: parts per item of her history, or per topic or feature."""

    method: Method
    of: Literal["history", "topics", "features"]
    ids: Tensor                     # (n,) int64: item ids, topic numbers or feature numbers
    parts: Tensor                   # (k, n) float32, in units of the score (attention: shares that sum to at most 1)
    rest: Tensor                    # (k,) float32: what no part carries: popularity, biases, the user's own vector


def nothing(items: Tensor, scores: Tensor) -> Explanation:
    """Return the explanation of scores (k,) in which the user's history plays no part."""
    return Explanation("none", "history", torch.zeros(0, dtype=torch.int64), torch.zeros(len(items), 0), scores)


def leave_one_out(
    score: Callable[[Tensor, FeedbackLog], Tensor], user: int, items: Tensor, log: FeedbackLog
) -> Explanation:
    """Return how far the scores of `items` (k,) fall when one item of the user's history is taken out of what is known.

    `score(users (b,), log) → (b, n_items)` must read the history from the log that it is given.
    """
    asked = torch.tensor([user])
    history = log.history(asked).items[0]
    whole = score(asked, log)[0, items]
    without = [score(asked, log.forgetting(user, place))[0, items] for place in range(len(history))]
    parts = whole[:, None] - torch.stack(without, 1) if without else torch.zeros(len(items), 0)
    return Explanation("leave-one-out", "history", history, parts, whole - parts.sum(1))
