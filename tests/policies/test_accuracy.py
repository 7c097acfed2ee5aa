"""Are the recommenders as good as published ones? MovieLens 100K, by the protocol of RecBole's quick start.

All 100 000 events are positive; each user's are split 8 : 1 : 1 at random; all items are ranked, those of training and
validation left out. RecBole reports NDCG@10 of .277 to .292 for BPR with 64 factors; popularity is near .14.
Run with FILTERBUBBLE_ML100K=<folder with u.data> pytest -m slow.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import ndcg_score
from torch.nn.functional import normalize

from policies import MatrixFactorisation, Policy, Popularity
from policies.log import FeedbackLog, ItemData
from policies.ranking import rank
from simulator.datasets import Dataset, load

FOLDER = os.environ.get("FILTERBUBBLE_ML100K")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER, reason="FILTERBUBBLE_ML100K does not name a folder with MovieLens 100K"),
]

TRAIN, VALIDATION, TEST = range(3)


@pytest.fixture(scope="module")
def data() -> Dataset:
    data = load(Path(str(FOLDER)))
    assert (len(data.user_labels), len(data.item_labels), len(data.users)) == (943, 1682, 100_000)
    return data


@pytest.fixture(scope="module")
def part(data) -> np.ndarray:
    """Of each interaction: training, validation or test."""
    rng = np.random.default_rng(0)
    part = np.full(len(data.users), TRAIN)
    for user in range(len(data.user_labels)):
        own = rng.permutation(np.flatnonzero(data.users == user))
        tenth = len(own) // 10
        part[own[:tenth]], part[own[tenth : 2 * tenth]] = TEST, VALIDATION
    return part


@pytest.mark.parametrize(
    ("policy", "low", "high"),
    [
        pytest.param(Popularity(), 0.13, 0.15, id="popularity"),
        pytest.param(
            MatrixFactorisation("als", factors=64, regularisation=0.01, unobserved_weight=0.1, epochs=15), 0.27, 0.30, id="als"
        ),
        pytest.param(
            MatrixFactorisation("bpr", factors=64, learning_rate=0.002, epochs=40, regularisation=0.003), 0.27, 0.30, id="bpr"
        ),
    ],
)
def test_ndcg_is_what_is_published(data, part, monkeypatch, policy, low, high):
    monkeypatch.setattr(Policy, "held_out_share", 0.0)
    n_users, n_items = len(data.user_labels), len(data.item_labels)

    def log(*parts: int) -> FeedbackLog:
        chosen = np.isin(part, parts)
        log = FeedbackLog(n_users, n_items)
        log.record(0, torch.from_numpy(data.users[chosen]), torch.from_numpy(data.items[chosen]))
        return log

    train, known = log(TRAIN), log(TRAIN, VALIDATION)
    topics = torch.from_numpy(data.topics)
    policy.fit(train, ItemData(topics, normalize(topics)), torch.Generator().manual_seed(0))
    relevant = np.zeros((n_users, n_items))
    test = part == TEST
    relevant[data.users[test], data.items[test]] = 1
    users = np.flatnonzero(relevant.any(1))
    best, _ = rank(lambda block: policy.score(block, train), torch.from_numpy(users), 10, known)
    scores = np.zeros_like(relevant[users])
    np.put_along_axis(scores, best.numpy(), np.arange(10, 0, -1.0), axis=1)
    assert low < ndcg_score(relevant[users], scores, k=10) < high
