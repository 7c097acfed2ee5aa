"""Where users stand on a topic, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from agents.space import mixture, unit
from simulator.measures.attitudes import axis_shares, directions, fed, log_odds, own_side, resultant_length


def on_sphere(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return unit(torch.randn(n, d, generator=torch.Generator().manual_seed(seed)))


def test_directions_are_what_the_shares_are_the_squares_of() -> None:
    p = on_sphere(50, 4)
    torch.testing.assert_close(directions(mixture(p, "sphere")).float(), p, atol=1e-6, rtol=0)


@pytest.mark.parametrize("topic", [1, 5])
def test_log_odds_are_the_tangent_of_the_angle_to_the_axis(topic: int) -> None:
    p = on_sphere(50, 4)
    tangent = (1 - p[:, 1].double() ** 2).sqrt() / p[:, 1].double().abs()
    found = log_odds(*axis_shares(mixture(p, "sphere"), topic, both=True))
    np.testing.assert_allclose(found, -2 * tangent.log(), rtol=1e-5, atol=1e-5)
    assert log_odds(*axis_shares(torch.tensor([[0.2, 0.8]]), 1, both=False)).item() == pytest.approx(math.log(4))
    assert math.isfinite(log_odds(*axis_shares(torch.tensor([[1.0, 0.0]]), 0, both=False)).item())


def test_the_resultant_of_one_two_and_opposite_directions() -> None:
    east, north = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert resultant_length(east) == 1
    assert resultant_length(torch.cat([east, north])) == pytest.approx(0.5**0.5)
    assert resultant_length(torch.cat([east, -east])) == 0


def test_who_was_mostly_shown_a_topic() -> None:
    one, other = fed(torch.tensor([[3.0, 1.0], [1.0, 3.0], [2.0, 2.0], [0.0, 0.0]]), torch.tensor([4, 4, 4, 0]), 0)
    assert one.tolist() == [True, False, False, False]
    assert other.tolist() == [False, True, False, False]


def test_more_of_ones_own_side_than_one_likes() -> None:
    interests, diet = torch.tensor([[0.7, 0.3], [0.4, 0.6]]), torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    assert own_side(diet, interests).tolist() == pytest.approx([0.3, -0.1])
