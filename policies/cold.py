"""Items that a policy does not know yet: published since it was trained, or taken by nobody so far.

A catalogue that stands still has no need of this, and there it does nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from policies.base import Policy
from policies.chance import Draws
from policies.explanation import Explanation
from policies.log import FeedbackLog, ItemData
from policies.ranking import rank

NEIGHBOURS = 10
"""Known items that stand for an unknown one."""

_ROWS = 1024
"""Unknown items compared with all known ones at once."""


class Stand(NamedTuple):
    """Which known items stand for which unknown ones, and with what weight."""

    items: Tensor                   # (c,) int64: unknown
    neighbours: Tensor              # (c, n) int64: known
    weights: Tensor                 # (c, n) float32, rows sum to 1

    def scores(self, known: Tensor) -> Tensor:
        """Return the scores (b, c) of the unknown items from those of the known ones (b, m)."""
        total = torch.zeros(len(known), len(self.items))
        for place in range(self.neighbours.shape[1]):       # one neighbour after the other: no (b, c, n) in memory
            total += known[:, self.neighbours[:, place]] * self.weights[:, place]
        return total


def stand_ins(unknown: Tensor, known: Tensor, features: Tensor) -> Stand:
    """Find for each unknown item (c,) the known ones (m,) that are most like it, by the cosine of their features.

    Weights are the cosines, or equal where none is above 0.
    """
    n = min(NEIGHBOURS, len(known))
    neighbours, weights = torch.zeros(len(unknown), n, dtype=torch.int64), torch.zeros(len(unknown), n)
    for rows in torch.arange(len(unknown)).split(_ROWS):
        likeness, place = (features[unknown[rows]] @ features[known].T).topk(n)
        likeness = likeness.clamp(min=0)
        total = likeness.sum(1, keepdim=True)
        neighbours[rows], weights[rows] = known[place], (likeness / total).where(total > 0, 1 / max(n, 1))
    return Stand(unknown, neighbours, weights)


def rank_all(
    policy: Policy, users: Tensor, k: int, log: FeedbackLog, items: ItemData, draws: Draws, bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Like `policy.rank`, over a catalogue that has grown since the policy was trained, and of which not everything is there.

    What is not available has score −∞. A policy that reads an item's features scores new ones as it scores any. For every other
    one, the score of an item that it does not know is the mean of the scores of the known items most like it in public
    features, weighted with their likeness. What users took that was not there when it was trained, it does not hear of.

    Source: after Gantner, Drumond, Freudenthaler, Rendle & Schmidt-Thieme 2010 (ICDM), "Learning attribute-to-feature mappings
    for cold-start recommendations": its k-nearest-neighbour mapping, which averages factors; with scores that are linear in
    an item's factors this is the same, and it also serves policies without any.
    """
    bias = items.hidden(bias)
    if policy.reads_features:
        policy.meet(items)
        return policy.rank(users, k, log, draws, bias)
    stand = _stand_ins_of(policy, items)
    size = len(policy.popularity_)                      # of the catalogue that it was trained on
    past = log.of_first(size)
    popularity = policy.popularity_ / policy.popularity_.max().clamp(min=1)

    def score(block: Tensor) -> Tensor:
        scores = torch.zeros(len(block), len(items))
        scores[:, :size] = policy.score(block, past)
        scores[policy.unknown(block, past), :size] = popularity
        scores[:, stand.items] = stand.scores(scores)
        return scores

    return rank(score, users, k, log, bias)


def rank_trained(
    policy: Policy, users: Tensor, k: int, log: FeedbackLog, items: ItemData, draws: Draws, bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Like `rank_all`, without anything that stands in for what a policy has not learnt: every item has the policy's own score.

    Equal scores, such as those of items that nobody has taken, come in an order of chance, for each user in another and anew
    in each round. What was published since the training is for `bias` to hide.
    """
    bias = items.hidden(bias)
    if policy.reads_features:
        policy.meet(items)
    size = len(items) if policy.reads_features else len(policy.popularity_)
    past = log.of_first(size)
    popularity = policy.popularity_ / policy.popularity_.max().clamp(min=1)

    def score(block: Tensor) -> Tensor:
        scores = torch.zeros(len(block), len(items))
        scores[:, :size] = policy.score(block, past)
        scores[policy.unknown(block, past), :size] = popularity
        return scores

    return rank(score, users, k, log, bias, luck=lambda block: policy.luck(block, len(items), draws))


def explain_all(
    policy: Policy, user: int, asked: Tensor, log: FeedbackLog, items: ItemData, cold_start: bool = True
) -> Explanation:
    """Like `policy.explain`, of items `asked` (k,) not all of which it need know: the others have the reasons of stand-ins.

    `cold_start`: are there stand-ins?
    """
    if items.age is None or policy.reads_features:
        return policy.explain(user, asked, log)
    if not cold_start:
        return policy.explain(user, asked, log.of_first(len(policy.popularity_)))
    stand, past = _stand_ins_of(policy, items), log.of_first(len(policy.popularity_))
    place = torch.full((len(items),), -1).index_copy(0, stand.items, torch.arange(len(stand.items)))[asked]
    new = place >= 0
    found, row = torch.cat([asked[~new], stand.neighbours[place[new]].flatten()]).unique(return_inverse=True)
    why = policy.explain(user, found, past)
    parts, rest = torch.zeros(len(asked), len(why.ids)), torch.zeros(len(asked))
    old = int((~new).sum())
    weights, near = stand.weights[place[new]], row[old:].view(-1, stand.neighbours.shape[1])
    parts[~new], rest[~new] = why.parts[row[:old]], why.rest[row[:old]]
    parts[new], rest[new] = (weights[..., None] * why.parts[near]).sum(1), (weights * why.rest[near]).sum(1)
    return replace(why, parts=parts, rest=rest)


def _stand_ins_of(policy: Policy, items: ItemData) -> Stand:
    """Return which of the items that it was trained on stand for those that it does not know; gaps are neither."""
    knows, real = policy.knows(), items.features.any(1)
    known = (knows & real[: len(knows)]).nonzero()[:, 0]
    return stand_ins(real.index_fill(0, known, False).nonzero()[:, 0], known, items.features)


def up_to(n_items: int, column: Tensor) -> Tensor:
    """Return a column of the items of an earlier catalogue as one of `n_items`: 0 for those that have come since."""
    return F.pad(column, (0, n_items - len(column)))
