"""Are the recommenders as good as published ones? MovieLens 100K, by the protocol of RecBole's quick start.

All 100 000 events are positive; each user's are split 8 : 1 : 1 at random; all items are ranked, those of training and
validation left out. RecBole reports NDCG@10 of .277 to .292 for BPR with 64 factors; popularity is near .14.
Run with FILTERBUBBLE_ML100K=<folder with u.data> pytest -m slow.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from policies import MatrixFactorisation, Popularity
from simulator.arms import Arm
from simulator.datasets import Dataset, load
from simulator.evaluation import evaluate

FOLDER = os.environ.get("FILTERBUBBLE_ML100K")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER, reason="FILTERBUBBLE_ML100K does not name a folder with MovieLens 100K"),
]


@pytest.fixture(scope="module")
def data() -> Dataset:
    data = load(Path(str(FOLDER)))
    assert (len(data.user_labels), len(data.item_labels), len(data.users)) == (943, 1682, 100_000)
    return data


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
def test_ndcg_is_what_is_published(data, policy, low, high):
    assert low < evaluate(Arm("it", policy), data, "random", 10, seed=0).metrics["ndcg"] < high
