"""Small random worlds in which no two sizes are equal, so that an axis taken for another one shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from policies import Policy
from policies.log import FeedbackLog, ItemData

N, M, TOPICS = 300, 70, 5           # users, items, topics


@pytest.fixture(scope="session")
def make_items() -> Callable[..., ItemData]:
    def make(m: int = M, topics: int = TOPICS, seed: int = 0) -> ItemData:
        mixed = torch.rand(m, topics, generator=torch.Generator().manual_seed(seed)) ** 4
        return ItemData(mixed / mixed.sum(1, keepdim=True), torch.nn.functional.normalize(mixed))

    return make


@pytest.fixture(scope="session")
def make_log() -> Callable[..., FeedbackLog]:
    def make(n: int = N, m: int = M, rounds: int = 9, seed: int = 0, share: float = 0.7) -> FeedbackLog:
        """Each round a `share` of the users takes a new item, the low ids more often; the last item is never taken."""
        rng = torch.Generator().manual_seed(seed)
        fame = 1 / torch.arange(1, m).float()
        order = torch.multinomial(fame.expand(n, -1), rounds, generator=rng)    # (n, rounds) without repeats
        log = FeedbackLog(n, m)
        for round in range(rounds):
            users = (torch.rand(n, generator=rng) < share).nonzero()[:, 0]
            log.record(round, users, order[users, round])
        return log

    return make


@pytest.fixture(scope="module")
def groups() -> FeedbackLog:
    """Three groups of 30 users, each of whom took half of her group's 14 items; and one who took nothing."""
    rng = np.random.default_rng(0)
    log = FeedbackLog(91, 42)
    for user in range(90):
        log.record(user, torch.full((7,), user), torch.from_numpy(rng.permutation(14)[:7] * 3 + user % 3))
    return log


@pytest.fixture(scope="module")
def auc_of_own_group(groups: FeedbackLog) -> Callable[[Policy], float]:
    """How surely a policy puts an item of the user's group, of those that she has not taken, before one of another group."""

    def auc(policy: Policy) -> float:
        users = torch.arange(90)
        scores, history = policy.score(users, groups), groups.history(users)
        same_group = (users[:, None] - torch.arange(42)) % 3 == 0
        open_ = torch.ones_like(same_group)
        open_[users[:, None], history.items] = False
        return roc_auc_score(same_group[open_], scores[open_])

    return auc
