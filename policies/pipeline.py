"""From a policy to what is shown: retrieval, re-ranking, exploration."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from policies.base import Policy
from policies.candidates import Candidates, Explorer, Reranker
from policies.chance import Draws
from policies.cold import rank_all, rank_trained, up_to
from policies.log import FeedbackLog, ItemData

_USERS_AT_ONCE = 1024
"""Users whose candidates' features stand in memory together: users × candidates × features."""


class Stages(NamedTuple):
    """The slates (n, k), item ids, best first."""

    retrieved: Tensor               # the policy's own best
    shown: Tensor                   # after re-ranking and exploration


def recommend(
    policy: Policy, users: Tensor, k: int, log: FeedbackLog, items: ItemData, draws: Draws, chance: Draws,
    bias: Tensor | None = None, rerank: Reranker | None = None, explore: Explorer | None = None, cold_start: bool = True,
) -> Stages:
    """Make slates of k unseen items for users (n,). `draws` is the policy's stream, `chance` the explorer's.

    `cold_start`: what the policy has not learnt is scored by what it is like, where the catalogue grows.

    Exploration comes in twice: it may perturb the scores before the slate is made, or replace places of the finished one.
    """
    longer = max(k, rerank.candidates if rerank else 0, explore.candidates if explore else 0)
    longer = min(longer, log.n_items)
    if items.age is None:           # the catalogue stands still
        ids, scores = policy.rank(users, longer, log, draws, items.hidden(bias))
    else:
        ranked = rank_all if cold_start else rank_trained
        ids, scores = ranked(policy, users, longer, log, items, draws, bias)
    retrieved = ids[:, :k]
    if rerank is None and explore is None:
        return Stages(retrieved, retrieved)
    shown, popularity = torch.empty_like(retrieved), up_to(log.n_items, policy.popularity_)
    for rows in torch.arange(len(users)).split(_USERS_AT_ONCE):
        candidates = Candidates(users[rows], ids[rows], scores[rows], items, log, popularity)
        if explore:
            perturbed, order = explore.perturb(candidates, chance).sort(dim=1, descending=True, stable=True)
            candidates = replace(candidates, items=candidates.items.gather(1, order), scores=perturbed)
        slates = candidates.items.gather(1, rerank.rerank(candidates, k)) if rerank else candidates.items[:, :k]
        shown[rows] = explore.replace(slates, candidates, chance) if explore else slates
    return Stages(retrieved, shown)
