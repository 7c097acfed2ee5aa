"""Distances on the ring against brute force."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import torch

from simulator.measures.along_ring import ring_distance, spread, steps


def test_the_shorter_way_round() -> None:
    assert ring_distance(torch.tensor([0, 1, 9, 5]), torch.tensor([9, 4, 1, 5]), 10).tolist() == [1, 3, 2, 0]


def test_spread_is_the_mean_over_ordered_pairs() -> None:
    rng = np.random.default_rng(0)
    taken = np.stack([rng.permutation(30)[:7] for _ in range(5)])
    brute = [np.mean([min(abs(a - b), 30 - abs(a - b)) for a, b in permutations(row, 2)]) / 30 for row in taken]
    padded = torch.from_numpy(np.hstack([taken, np.full((5, 2), 30)]))
    np.testing.assert_allclose(spread(padded, 30), brute)
    assert spread(torch.tensor([[3, 30]]), 30).isnan().all()


def test_steps_are_from_one_take_to_the_next() -> None:
    """On a ring of 10, empty places being 10: of two rounds of two places, only what was taken in the newer one counts."""
    taken = torch.tensor([
        [3, 10, 9, 1],          # 3 → 9: 4, 9 → 1: 2
        [10, 10, 5, 10],        # the first take of all
        [7, 2, 10, 2],          # 2 → 2: 0; nothing in between
        [4, 8, 10, 10],         # nothing this round
    ])  # fmt: skip
    assert steps(taken, 2, 10).tolist() == [4, 2, 0]
    assert steps(taken, 4, 10).tolist() == [4, 2, 5, 0, 4]
    assert steps(taken[:, :0], 0, 10).tolist() == []


def test_steps_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(1)
    taken = rng.integers(0, 31, (40, 12))
    brute = []
    for row in taken:
        took = [(place, item) for place, item in enumerate(row) if item < 30]
        brute += [min(abs(a - b), 30 - abs(a - b)) for (_, a), (place, b) in pairwise(took) if place >= 7]
    assert steps(torch.from_numpy(taken), 5, 30).tolist() == brute
