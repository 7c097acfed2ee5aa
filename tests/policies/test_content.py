"""The content policy by hand, against a library's cosine, and its ties."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity
from torch import Tensor
from torch.nn.functional import normalize

from policies import Policy
from policies.content import Content
from policies.log import FeedbackLog, ItemData

CLOSE = 1.1e-4                  # what breaks ties is added to the cosine


@pytest.fixture(autouse=True)
def nothing_held_out(monkeypatch) -> None:
    monkeypatch.setattr(Policy, "held_out_share", 0.0)


def data(features: Tensor, topics: Tensor | None = None) -> ItemData:
    return ItemData(features if topics is None else topics, normalize(features))


def fitted(policy: Content, log: FeedbackLog, items: ItemData, seed: int = 0) -> Content:
    return policy.fit(log, items, torch.Generator().manual_seed(seed))


def log_of(n_users: int, n_items: int, *taken: tuple[int, int]) -> FeedbackLog:
    """The log of (user, item) pairs, one a round."""
    log = FeedbackLog(n_users, n_items)
    for round, (user, item) in enumerate(taken):
        log.record(round, torch.tensor([user]), torch.tensor([item]))
    return log


def test_by_hand():
    """After one item of each of two topics the profile lies halfway between them."""
    items = data(torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1]]))
    log = log_of(2, 5, (1, 0), (1, 1))
    scores = fitted(Content(), log, items).score(torch.tensor([1, 0]), log)
    assert scores[0].tolist() == pytest.approx([math.sqrt(0.5), math.sqrt(0.5), 0, 1, 0.5], abs=CLOSE)
    assert scores[1].tolist() == pytest.approx([0] * 5, abs=CLOSE)                   # nothing is known of her


def test_the_past_fades():
    """Items of topics 0, 1 and 2, the newest last, at a decay of one half: a profile of (1/4, 1/2, 1)."""
    items = data(torch.eye(3))
    log = log_of(2, 3, (1, 0), (1, 1), (1, 2))
    scores = fitted(Content(decay=0.5), log, items).score(torch.tensor([1]), log)[0]
    length = math.sqrt(1 / 16 + 1 / 4 + 1)
    assert scores.tolist() == pytest.approx([0.25 / length, 0.5 / length, 1 / length], abs=CLOSE)


@pytest.mark.parametrize("decay", [1.0, 0.8])
def test_it_is_sklearn_s_cosine_with_the_weighted_mean(make_items, make_log, decay):
    items, log = make_items(), make_log()
    profiles = np.zeros((log.n_users, items.features.shape[1]))
    for user in range(log.n_users):
        for age, item in enumerate(reversed(log.history(torch.tensor([user])).items[0].tolist())):
            profiles[user] += decay**age * items.features[item].numpy()
    scores = fitted(Content(decay=decay), log, items).score(torch.arange(log.n_users), log)
    np.testing.assert_allclose(scores, cosine_similarity(profiles, items.features), atol=CLOSE)


def test_topics_may_stand_in_for_features():
    topics = torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.1, 0.9]])
    items = data(torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0]]), topics)
    log = log_of(2, 3, (1, 0))
    by_features = fitted(Content(), log, items).score(torch.tensor([1]), log)[0]
    by_topics = fitted(Content(vectors="topics"), log, items).score(torch.tensor([1]), log)[0]
    assert by_features.tolist() == pytest.approx([1, -1, 0], abs=CLOSE)
    alike = (0.9 + 0.1) / math.sqrt(2) / math.hypot(0.9, 0.1)
    assert by_topics.tolist() == pytest.approx([1, alike, alike], abs=CLOSE)


def test_an_item_that_nobody_took_and_an_interaction_since_training_both_count():
    items = data(torch.tensor([[1.0, 0], [0, 1], [0.1, 1], [1, 0.1]]))
    log = log_of(3, 4, (1, 0))
    policy = fitted(Content(), log, items)
    log.record(9, torch.tensor([2]), torch.tensor([1]))
    assert policy.unknown(torch.arange(3), log).tolist() == [True, False, False]
    assert policy.score(torch.tensor([2]), log)[0].argsort(descending=True).tolist() == [1, 2, 3, 0]


def test_equals_come_in_another_order_for_each_user_and_after_each_training():
    """400 users took item 0; the ten others are all of one kind, and all equally like it."""
    features = torch.tensor([1.0, 0.5]).repeat(11, 1)
    features[0] = torch.tensor([1.0, 0])
    items, log = data(features), FeedbackLog(400, 11)
    log.record(1, torch.arange(400), torch.zeros(400, dtype=torch.int64))
    times_first = torch.zeros(11)
    for seed in range(20):
        policy = fitted(Content(), log, items, seed)
        scores = policy.score(torch.arange(400), log)
        assert torch.equal(scores, policy.score(torch.arange(400), log))
        first = torch.bincount(scores[:, 1:].argmax(1) + 1, minlength=11)
        assert first.max() < 400
        times_first += first
    assert 400 < times_first[1:].min() <= times_first[1:].max() < 1400               # 800 expected


def test_an_explanation_shares_the_cosine_among_what_she_took():
    """By topics 0, 1, 1, newest last, at a decay of one half: the profile is (1/4, 3/2)."""
    features = torch.tensor([[1.0, 0], [0, 1], [0, 1], [1, 1]])
    log = log_of(2, 4, (1, 0), (1, 1), (1, 2))
    why = fitted(Content(decay=0.5), log, data(features)).explain(1, torch.tensor([3, 0]), log)
    length, diagonal = math.hypot(0.25, 1.5), math.sqrt(0.5)
    assert why.method == "exact"
    assert why.ids.tolist() == [0, 1, 2]
    np.testing.assert_allclose(
        why.parts, np.array([[0.25 * diagonal, 0.5 * diagonal, diagonal], [0.25, 0, 0]]) / length, rtol=1e-5
    )
    assert why.rest.abs().max() < CLOSE


def test_a_taste_that_cancels_out_is_no_taste():
    """Opposite features: the profile is 0, every item is equally far, and nothing is divided by 0."""
    items = data(torch.tensor([[1.0, 0], [-1, 0], [0, 1]]))
    log = log_of(2, 3, (1, 0), (1, 1))
    policy = fitted(Content(), log, items)
    assert policy.score(torch.tensor([1]), log).abs().max() < CLOSE
    assert policy.explain(1, torch.tensor([2]), log).parts.isfinite().all()
