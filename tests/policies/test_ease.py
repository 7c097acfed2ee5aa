"""EASE against one ridge regression per item, its own objective, and its limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from policies import Policy
from policies.ease import EASE
from policies.interaction_matrix import interaction_matrix
from policies.log import FeedbackLog, ItemData

N, M = 40, 17


@pytest.fixture(autouse=True)
def nothing_held_out(monkeypatch) -> None:
    """The whole log is trained on, so that the objective can be written down from it."""
    monkeypatch.setattr(Policy, "held_out_share", 0.0)


def log_of(taken: NDArray) -> FeedbackLog:
    """The log in which user u took item i where `taken` (n_users, n_items) is true."""
    log = FeedbackLog(*taken.shape)
    users, items = np.nonzero(taken)
    log.record(1, torch.from_numpy(users), torch.from_numpy(items))
    return log


def random_taken(seed: int = 0) -> NDArray:
    rng = np.random.default_rng(seed)
    return rng.random((N, M)) < rng.random((N, 1)) * np.linspace(0.7, 0.0, M)


def fitted(log: FeedbackLog, regularisation: float) -> EASE:
    vectors = torch.eye(log.n_items)
    return EASE(regularisation).fit(log, ItemData(vectors, vectors), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("regularisation", [0.1, 5.0, 250.0])
def test_each_item_is_a_ridge_regression_on_the_others(regularisation):
    taken = random_taken()
    x = taken.astype(float)
    weights = fitted(log_of(taken), regularisation).weights_
    for item in range(M):
        others = np.arange(M) != item
        ridge = Ridge(alpha=regularisation, fit_intercept=False, solver="cholesky").fit(x[:, others], x[:, item])
        np.testing.assert_allclose(weights[others, item], ridge.coef_, atol=1e-6)
        assert weights[item, item] == 0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), regularisation=st.floats(0.01, 1000))
def test_no_weight_can_be_moved_to_lower_the_loss(seed, regularisation):
    """The gradient of ‖X − XB‖² + λ‖B‖² is 0 for every weight that is free, and the loss is convex."""
    taken = random_taken(seed)
    x, b = taken.astype(float), fitted(log_of(taken), regularisation).weights_.astype(float)
    gradient = x.T @ (x @ b - x) + regularisation * b
    np.fill_diagonal(gradient, 0)
    assert abs(gradient).max() < 1e-6 * N * (1 + regularisation)


def test_more_regularisation_than_interactions_leaves_counts_of_common_users():
    taken = random_taken()
    x, strong = taken.astype(float), 1e7
    counts = x.T @ x
    np.fill_diagonal(counts, 0)
    np.testing.assert_allclose(fitted(log_of(taken), strong).weights_ * strong, counts, rtol=1e-4, atol=1e-4)


def test_two_items_by_hand():
    """Taken by 3 and 2 users, 2 in common: the regression of each on the other is 2 / (n + λ)."""
    log = log_of(np.array([[1, 1], [1, 1], [1, 0]]))
    weights = fitted(log, 0.5).weights_
    assert weights[0, 1].item() == pytest.approx(2 / 3.5)
    assert weights[1, 0].item() == pytest.approx(2 / 2.5)
    assert fitted(log, 0.5).score(torch.tensor([2]), log)[0].tolist() == pytest.approx([0, 2 / 3.5], abs=2e-6)


def test_an_alternative_weighs_against():
    """Everybody takes item 0 and one of items 1 and 2: who took 1 is less likely to take 2 than item 0 alone says."""
    taken = np.ones((60, 3), dtype=bool)
    taken[np.arange(60), 1 + np.arange(60) % 2] = False
    weights = fitted(log_of(taken), 1.0).weights_
    assert weights[1, 2] < 0 < weights[0, 2]


def test_scores_are_the_history_of_now_times_the_weights():
    taken = random_taken(3)
    log = log_of(taken)
    policy = fitted(log, 5.0)
    user = int(np.flatnonzero(~taken[:, 2])[0])
    log.record(2, torch.tensor([user]), torch.tensor([2]))
    scores = policy.score(torch.arange(N), log).numpy()
    np.testing.assert_allclose(scores, interaction_matrix(log).toarray() @ policy.weights_, atol=3e-6)


def test_an_explanation_is_the_weight_of_each_item_of_hers():
    log, user, items = log_of(random_taken()), 4, torch.tensor([15, 2, 9])
    policy = fitted(log, 5.0)
    why = policy.explain(user, items, log)
    assert why.method == "exact"
    for part, j in zip(why.parts.T, why.ids, strict=True):
        assert torch.equal(part, torch.from_numpy(policy.weights_[j, items]))
    assert torch.allclose(why.parts.sum(1) + why.rest, policy.score(torch.tensor([user]), log)[0, items], atol=1e-6)
    assert why.rest.abs().max() < 2e-6


def test_what_is_linked_to_nothing_of_hers_follows_by_popularity():
    taken = np.zeros((9, 6), dtype=bool)
    taken[:2, :2] = taken[2:, 2] = taken[3:, 3] = taken[5:, 4] = True
    taken[0, 0] = False
    log = log_of(taken)
    scores = fitted(log, 1.0).score(torch.tensor([0]), log)[0]
    assert -2e-6 < scores[5] < scores[4] < scores[3] < scores[2] <= 0 < scores[0]


def test_people_are_shown_what_their_own_kind_takes():
    """Three kinds of users, each of whom took half of her kind's 14 items and a tenth of the others'."""
    rng = np.random.default_rng(0)
    own = np.arange(42) // 14 == (np.arange(90) % 3)[:, None]
    taken = rng.random((90, 42)) < np.where(own, 0.5, 0.1)
    log = log_of(taken)
    scores = fitted(log, 20.0).score(torch.arange(90), log).numpy()
    assert roc_auc_score(own[~taken], scores[~taken]) > 0.9
