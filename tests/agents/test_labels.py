"""Labels of items: their distributions, what they belong to, and that each is a function of that alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from agents.labels import bearers, draw_activation, draw_minority, draw_viewpoint
from simulator.draws import Draws

CHANCE = Draws(5)("label")


def test_labels_have_the_distributions_that_they_are_given():
    many = torch.arange(20_000)
    sentiment = draw_activation(0.3, 0.4, many, CHANCE).double().numpy()
    total = (1 - 0.09) / 0.16 - 1
    assert stats.kstest((sentiment + 1) / 2, stats.beta(0.65 * total, 0.35 * total).cdf).pvalue > 0.001
    assert sentiment.mean() == pytest.approx(0.3, abs=0.01)
    assert sentiment.std() == pytest.approx(0.4, abs=0.01)
    assert draw_activation(-0.3, 0.0, many[:3], CHANCE).tolist() == pytest.approx([-0.3] * 3)
    assert draw_minority(0.2, many, CHANCE).double().mean() == pytest.approx(0.2, abs=0.01)
    views = np.bincount(draw_viewpoint((0.5, 0.3, 0.2), many, CHANCE)) / len(many)
    assert views == pytest.approx([0.5, 0.3, 0.2], abs=0.01)


def test_a_label_belongs_to_an_item_a_creator_or_a_topic():
    creator = torch.tensor([2, 0, 2, 1])
    topics = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    assert bearers("item", creator, topics).tolist() == [0, 1, 2, 3]
    assert bearers("creator", creator, topics).tolist() == [2, 0, 2, 1]
    assert bearers("topic", creator, topics).tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    "draw",
    [
        lambda ids: draw_activation(0.1, 0.3, ids, CHANCE),
        lambda ids: draw_minority(0.4, ids, CHANCE),
        lambda ids: draw_viewpoint((0.2, 0.3, 0.5), ids, CHANCE),
    ],
)
def test_more_bearers_change_nobody_s_label_and_one_bearer_has_one(draw):
    assert torch.equal(draw(torch.arange(50))[:20], draw(torch.arange(20)))
    shared = draw(torch.tensor([3, 7, 3, 3, 7]))
    assert torch.equal(shared, draw(torch.arange(8))[[3, 7, 3, 3, 7]])
