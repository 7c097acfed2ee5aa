"""Small random worlds in which no two sizes are equal, so that an axis taken for another one shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

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
