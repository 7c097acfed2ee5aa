"""Measures of the supply side, and of a catalogue that changes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from simulator.measures import lists
from simulator.measures.creators import differential_entropy, vendi
from simulator.measures.recorder import whole_slates
from simulator.rounds import Round


def test_vendi_of_styles_is_that_of_slates_in_either_shape():
    rng = torch.Generator().manual_seed(1)
    for n, d in ((4, 9), (9, 4)):
        rows = torch.rand(n, d, generator=rng)
        expected = lists.vendi(torch.nn.functional.normalize(rows.double())[None]).item()
        assert vendi(rows) == pytest.approx(expected)
    assert vendi(torch.eye(5)) == pytest.approx(5)
    assert vendi(torch.ones(7, 3)) == pytest.approx(1)
    assert vendi(torch.eye(2)[[0, 0, 0, 1]]) == pytest.approx(math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)))


def test_a_slate_with_an_empty_place_is_not_one_of_k_items():
    n, empty = 3, torch.zeros(3, 1)
    happened = Round(
        round=1, slate=torch.arange(6).view(n, 2), shown=torch.tensor([True, True, False]), items=empty.long(),
        taken=empty.bool(), from_slate=empty.bool(), utility=empty, interests=torch.ones(n, 1), best=lambda users, k: users,
        filled=torch.tensor([[True, True], [True, False], [True, True]]),
    )
    assert whole_slates(happened).shown.tolist() == [True, False, False]


def test_entropy_of_a_dirichlet_is_scipy_s():
    rng = np.random.default_rng(2)
    alpha = np.concatenate([rng.gamma(1, 1, (20, 6)), rng.gamma(0.05, 1, (20, 6)) + 1e-6, np.ones((1, 6))])
    found = differential_entropy(torch.from_numpy(alpha)).numpy()
    assert found == pytest.approx([stats.dirichlet.entropy(row) for row in alpha], rel=1e-9)
    assert found[-1] == pytest.approx(-math.log(math.factorial(5)))         # flat: the largest there is
    assert found.max() == found[-1]


def test_the_entropy_falls_as_creators_specialise():
    """0.1 over all topics, as in T-RECS: from even styles to nothing but one topic."""
    even = torch.full((20,), 1 / 20)
    only = torch.full((20,), 1e-4)
    only[0] = 1 - 19e-4
    mixed = [differential_entropy(0.1 * ((1 - share) * even + share * only)[None]).item() for share in (0, 0.5, 0.9, 0.99, 1)]
    assert all(np.diff(mixed) < 0)
    assert mixed[-1] == pytest.approx(stats.dirichlet.entropy(0.1 * only.double().numpy()), rel=1e-6)
