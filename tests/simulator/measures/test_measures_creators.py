"""Measures of the supply side, and of a catalogue that changes."""

from __future__ import annotations

import math

import pytest
import torch

from simulator.measures import lists
from simulator.measures.creators import vendi
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
