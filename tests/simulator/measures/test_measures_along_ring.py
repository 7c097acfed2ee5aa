"""Distances on the ring against brute force."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import torch

from simulator.measures.along_ring import ring_distance, spread


def test_the_shorter_way_round() -> None:
    assert ring_distance(torch.tensor([0, 1, 9, 5]), torch.tensor([9, 4, 1, 5]), 10).tolist() == [1, 3, 2, 0]


def test_spread_is_the_mean_over_ordered_pairs() -> None:
    rng = np.random.default_rng(0)
    taken = np.stack([rng.permutation(30)[:7] for _ in range(5)])
    brute = [np.mean([min(abs(a - b), 30 - abs(a - b)) for a, b in permutations(row, 2)]) / 30 for row in taken]
    padded = torch.from_numpy(np.hstack([taken, np.full((5, 2), 30)]))
    np.testing.assert_allclose(spread(padded, 30), brute)
    assert spread(torch.tensor([[3, 30]]), 30).isnan().all()
