"""BPR by hand on one triple, on a matrix whose structure is known, and its sampling."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score

from policies import MatrixFactorisation, Policy
from policies.log import FeedbackLog
from policies.mf import _similarity
from policies.sampling import unseen


def adam(x: np.ndarray, rate: float) -> Iterator[np.ndarray]:
    """Kingma & Ba 2015, algorithm 1: send a gradient, get x."""
    mean, square, step = np.zeros_like(x), np.zeros_like(x), 0
    while True:
        gradient = yield x
        step += 1
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        x = x - rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)


def test_one_triple_by_hand(make_items):
    """One user, who took item 0 of two: the negative is always item 1. Five steps of Adam with the gradient written out."""
    log = FeedbackLog(1, 2)
    log.record(1, torch.tensor([0]), torch.tensor([0]))
    rate, ridge = 0.05, 0.1
    policy = MatrixFactorisation("bpr", factors=3, epochs=5, regularisation=ridge, learning_rate=rate)
    policy.user_factors_ = torch.tensor([[0.3, -0.2, 0.5]])
    policy.item_factors_ = torch.tensor([[0.1, 0.4, -0.3], [0.2, 0.1, 0.6]])
    x = torch.cat([policy.user_factors_, policy.item_factors_]).double().numpy()
    policy.fit(log, make_items(2), torch.Generator().manual_seed(0))
    optimiser = adam(x, rate)
    x, losses = next(optimiser), []
    for _ in range(5):
        w, i, j = x
        margin = w @ (i - j)
        losses.append(-math.log(1 / (1 + math.exp(-margin))))
        push = 1 / (1 + math.exp(margin))                           # −d/dmargin of −ln σ(margin)
        x = optimiser.send(np.stack([-push * (i - j), -push * w, push * w]) + 2 * ridge * x)
    assert [epoch.train_loss for epoch in policy.training_] == pytest.approx(losses, rel=1e-5)
    np.testing.assert_allclose(torch.cat([policy.user_factors_, policy.item_factors_]).numpy(), x, atol=1e-5)


@pytest.fixture(scope="module")
def blocks_log() -> FeedbackLog:
    """Three groups of users, each of whom took half of her group's 14 items."""
    n, m = 90, 42
    rng = np.random.default_rng(0)
    log = FeedbackLog(n, m)
    for user in range(n):
        own = rng.permutation(14)[:7] * 3 + user % 3
        log.record(user, torch.full((7,), user), torch.from_numpy(own))
    return log


@pytest.mark.parametrize(
    "policy",
    [MatrixFactorisation("bpr", factors=6, epochs=60, learning_rate=0.02), MatrixFactorisation("als", factors=6, epochs=10)],
    ids=lambda policy: policy.loss,
)
def test_it_finds_the_untaken_items_of_the_user_s_group(blocks_log, make_items, policy):
    log = blocks_log
    policy.fit(log, make_items(log.n_items), torch.Generator().manual_seed(0))
    users = torch.arange(log.n_users)
    scores = policy.score(users, log)
    same_group = (users[:, None] - torch.arange(log.n_items)) % 3 == 0
    history = log.history(users)
    open_ = torch.ones_like(same_group)
    open_[users[:, None], history.items] = False
    assert roc_auc_score(same_group[open_], scores[open_]) > 0.95
    assert policy.training_[-1].train_loss < 0.7 * policy.training_[0].train_loss
    assert policy.training_[-1].validation_loss < policy.training_[0].validation_loss


def test_negatives_are_uniform_over_what_the_user_has_not_taken(make_log):
    log = make_log(n=20, m=12, rounds=3)
    rng = torch.Generator().manual_seed(0)
    users = torch.arange(20).repeat(2000)
    drawn = unseen(log, users, rng).view(2000, 20)
    for user in range(20):
        taken = log.history(torch.tensor([user])).items[0].tolist()
        counts = torch.bincount(drawn[:, user], minlength=12).numpy()
        assert counts[taken].sum() == 0
        assert stats.chisquare(np.delete(counts, taken)).pvalue > 1e-4


def test_whoever_has_taken_everything_still_trains(make_items):
    log = FeedbackLog(3, 4)
    log.record(1, torch.tensor([1, 1, 1, 1]), torch.arange(4))
    policy = MatrixFactorisation("bpr", factors=2, epochs=2).fit(log, make_items(4), torch.Generator().manual_seed(0))
    assert all(math.isfinite(epoch.train_loss) for epoch in policy.training_)


def test_the_diversity_penalty_is_estimated_without_bias(make_items):
    m, users, runs = 17, 50, 4000
    features = make_items(m).features
    rng = torch.Generator().manual_seed(1)
    w, h = torch.randn(users, 3, generator=rng), torch.randn(m, 3, generator=rng)
    s, x = (w @ h.T).numpy(), features.numpy()
    full = np.mean([x[j] @ x[k] * s[u, j] * s[u, k] for u in range(users) for j in range(m) for k in range(m)])
    estimates = [_similarity(w, h, features, rng).item() for _ in range(runs)]
    error = np.std(estimates) / runs**0.5
    assert abs(np.mean(estimates) - full) < 4 * error < 0.2 * abs(full)


def test_the_diversity_penalty_has_its_weight_in_the_objective(make_items, monkeypatch):
    """With nothing to regularise by but the penalty, a stronger one leaves less of it."""
    monkeypatch.setattr(Policy, "held_out_share", 0.0)
    m = 20
    log = FeedbackLog(30, m)
    log.record(1, torch.arange(30), torch.arange(30) % (m // 2))
    items = make_items(m)
    left = []
    for diversity in (0.0, 0.1, 1.0, 10.0):
        policy = MatrixFactorisation("bpr", factors=3, epochs=60, learning_rate=0.02, regularisation=0.0, diversity=diversity)
        policy.fit(log, items, torch.Generator().manual_seed(0))
        left.append(float((policy.score(torch.arange(30), log) @ items.features).square().mean()))
    assert all(more < 0.8 * less for less, more in pairwise(left)), left


def test_the_held_out_loss_takes_every_unseen_item_as_negative(make_log, make_items, monkeypatch):
    monkeypatch.setattr(Policy, "held_out_share", 0.5)
    log = make_log(n=40, m=15, rounds=5)
    policy = MatrixFactorisation("bpr", factors=3, epochs=3, learning_rate=0.05)
    policy.fit(log, make_items(15), torch.Generator().manual_seed(0))
    kept = {(u, i) for u, i, _ in zip(*(c.tolist() for c in policy.log_.interactions()), strict=True)}
    held = {(u, i) for u, i, _ in zip(*(c.tolist() for c in log.interactions()), strict=True)} - kept
    scores = policy.score(torch.arange(40), log).double()
    losses = [
        np.mean([math.log1p(math.exp(float(scores[u, j] - scores[u, i]))) for j in range(15) if (u, j) not in kept])
        for u, i in held
    ]
    assert policy.training_[-1].validation_loss == pytest.approx(np.mean(losses), rel=1e-5)
