"""BPR by hand on one triple, on a matrix whose structure is known, and its sampling."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score

from policies import MatrixFactorisation, Policy
from policies.log import FeedbackLog
from policies.mf import _similarity, pairwise_loss, worst_moves
from policies.sampling import Unseen
from policies.validation import HeldOut


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
        runs = [copy.deepcopy(policy).fit(log, items, torch.Generator().manual_seed(seed)) for seed in range(8)]
        similar = [(run.score(torch.arange(30), log) @ items.features).square().mean() for run in runs]
        left.append(float(torch.stack(similar).mean()))         # over the drawn starts, which matter as much as a weak penalty
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


def triples(seed: int = 0, n: int = 40, users: int = 9, items: int = 14, d: int = 4) -> tuple[torch.Tensor, ...]:
    """Users, taken and untaken items (n,), the vectors of all users and of all items, weights (n,)."""
    rng = torch.Generator().manual_seed(seed)
    u = torch.randint(0, users, (n,), generator=rng)
    i, j = (torch.randint(0, items - 1, (n,), generator=rng) for _ in range(2))
    j = torch.where(i == j, items - 1, j)
    w, h = torch.randn(users, d, generator=rng), torch.randn(items, d, generator=rng)
    return u, i, j, w, h, torch.rand(n, generator=rng) + 0.5


def test_the_adversary_moves_every_vector_along_the_gradient_of_the_loss():
    u, i, j, w, h, v = triples()
    w.requires_grad_(), h.requires_grad_()
    pairwise_loss(w[u], h[i], h[j], v).backward()
    w_moves, i_moves, j_moves = worst_moves(u, i, j, w[u].detach(), h[i].detach(), h[j].detach(), v)
    along_w, along_h = (torch.nn.functional.normalize(x.grad) for x in (w, h))
    torch.testing.assert_close(w_moves, along_w[u], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(i_moves, along_h[i], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(j_moves, along_h[j], rtol=1e-4, atol=1e-5)


def test_no_random_move_of_the_same_length_harms_as_much():
    u, i, j, w, h, v = triples(1)
    rng = torch.Generator().manual_seed(2)

    def harm(w_moves: torch.Tensor, i_moves: torch.Tensor, j_moves: torch.Tensor) -> float:
        return float(pairwise_loss(w[u] + 0.1 * w_moves, h[i] + 0.1 * i_moves, h[j] + 0.1 * j_moves, v))

    worst = harm(*worst_moves(u, i, j, w[u], h[i], h[j], v))
    for _ in range(200):
        w_moves, h_moves = (torch.nn.functional.normalize(torch.randn(x.shape, generator=rng)) for x in (w, h))
        assert harm(w_moves[u], h_moves[i], h_moves[j]) < worst


def test_adversarial_training_by_hand(make_items):
    """One triple as above; every gradient is that of the loss plus λ_adv times it at the moved vectors, the move held fixed.

    From scratch the first half of the epochs would be plain; these vectors are given, so none is.
    """
    log = FeedbackLog(1, 2)
    log.record(1, torch.tensor([0]), torch.tensor([0]))
    rate, strength, size = 0.05, 2.0, 0.5
    policy = MatrixFactorisation(
        "bpr", factors=3, epochs=5, regularisation=0.0, learning_rate=rate, adversarial=strength, perturbation=size
    )
    policy.user_factors_ = torch.tensor([[0.3, -0.2, 0.5]])
    policy.item_factors_ = torch.tensor([[0.1, 0.4, -0.3], [0.2, 0.1, 0.6]])
    x = torch.cat([policy.user_factors_, policy.item_factors_]).double().numpy()
    policy.fit(log, make_items(2), torch.Generator().manual_seed(0))

    def gradient(x: np.ndarray) -> np.ndarray:
        w, i, j = x
        push = 1 / (1 + math.exp(w @ (i - j)))
        return push * np.stack([j - i, -w, w])

    optimiser = adam(x, rate)
    x = next(optimiser)
    for _ in range(5):
        move = gradient(x) / np.linalg.norm(gradient(x), axis=1, keepdims=True)
        x = optimiser.send(gradient(x) + strength * gradient(x + size * move))
    np.testing.assert_allclose(torch.cat([policy.user_factors_, policy.item_factors_]).numpy(), x, atol=1e-5)


def test_training_from_scratch_begins_without_an_adversary(blocks_log, make_items):
    losses = {}
    for strength in (0.0, 5.0):
        policy = MatrixFactorisation("bpr", factors=6, epochs=6, learning_rate=0.05, adversarial=strength)
        policy.fit(blocks_log, make_items(42), torch.Generator().manual_seed(0))
        losses[strength] = [epoch.train_loss for epoch in policy.training_]
    assert losses[0.0][:3] == losses[5.0][:3]
    assert losses[0.0][4] != losses[5.0][4]


def test_an_adversary_is_for_bpr():
    with pytest.raises(ValueError, match="adversarial"):
        MatrixFactorisation("als", adversarial=1.0)


def test_adversarial_training_makes_the_ranking_robust(make_items, monkeypatch):
    """The worst move of all vectors, here of length 1, costs the less held-out accuracy the larger λ_adv is.

    As in He et al. 2018, where accuracy falls under such moves after BPR, and much less after APR.
    """
    monkeypatch.setattr(Policy, "held_out_share", 0.0)
    n, m = 90, 60
    rng = np.random.default_rng(0)
    log, good = FeedbackLog(n, m), torch.zeros(n, m, dtype=torch.bool)
    for user in range(n):
        own = rng.permutation(20) * 3 + user % 3
        taken = np.union1d(own[:7], np.setdiff1d(rng.permutation(m)[:2], own))
        log.record(user, torch.full((len(taken),), user), torch.from_numpy(taken))
        good[user, own[7:]] = True
    users, taken, _ = log.interactions()
    open_ = torch.ones_like(good)
    open_[users, taken] = False
    u, i = users.repeat(20), taken.repeat(20)
    j = Unseen(log).draw(u, torch.Generator().manual_seed(9))
    lost = []
    for strength in (0.0, 0.3, 3.0):
        policy = MatrixFactorisation(
            "bpr", factors=8, epochs=60, learning_rate=0.02, batch_size=256, adversarial=strength, perturbation=0.5
        ).fit(log, make_items(m), torch.Generator().manual_seed(0))
        w, h = policy.user_factors_, policy.item_factors_
        moves = worst_moves(u, i, j, w[u], h[i], h[j], torch.ones(len(u)))
        w_moved, h_moved = w.clone(), h.clone()
        w_moved[u], h_moved[i], h_moved[j] = w[u] + moves[0], h[i] + moves[1], h[j] + moves[2]
        before, after = (roc_auc_score(good[open_], (a @ b.T)[open_]) for a, b in ((w, h), (w_moved, h_moved)))
        lost.append((before - after) / before)
    assert all(more < less for less, more in pairwise(lost)), lost


@pytest.mark.parametrize(
    "keys", [{"loss": "als", "regularisation": 0.01}, {"loss": "bpr", "learning_rate": 0.02, "epochs": 20}]
)
def test_the_more_exposure_is_made_up_for_the_less_popular_are_the_slates(make_log, make_items, keys):
    log, users = make_log(), torch.arange(300)
    fame = []
    for propensity in (0.0, 0.25, 0.5, 1.0):
        policy = MatrixFactorisation(factors=8, propensity=propensity, **keys)
        policy.fit(log, make_items(), torch.Generator().manual_seed(0))
        fame.append(float(policy.popularity_[policy.score(users, log).topk(6).indices].mean()))
    assert all(more < less for less, more in pairwise(fame)), fame


def test_what_was_shown_more_counts_less(make_items):
    """Two items, taken alike; one of them had been shown ten times as often."""
    log = FeedbackLog(40, 3)
    log.record(1, torch.arange(40), torch.arange(40) % 2)
    for round in range(2, 11):
        log.record_slates(round, torch.arange(20), torch.zeros(20, 1, dtype=torch.int64))
    held = HeldOut(torch.tensor([0]), torch.tensor([2]))                # else fit would keep some of the log out
    weighted, plain = (
        MatrixFactorisation(factors=2, propensity=propensity).fit(
            log, make_items(3), torch.Generator().manual_seed(0), validation=held
        ) for propensity in (1.0, 0.0)
    )
    assert weighted.item_weights_[1] / weighted.item_weights_[0] == pytest.approx(10)
    assert plain.item_weights_.tolist() == [1.0, 1.0, 1.0]


def test_an_explanation_is_close_to_what_leaving_out_an_item_does(blocks_log, make_items, monkeypatch):
    """The user's vector is refitted with item vectors as they are, to everything she took and to everything but one item."""
    monkeypatch.setattr(Policy, "held_out_share", 0.0)
    log, user, ridge = blocks_log, 4, 0.02
    policy = MatrixFactorisation("bpr", factors=6, epochs=40, learning_rate=0.02, regularisation=ridge)
    policy.fit(log, make_items(42), torch.Generator().manual_seed(0))
    h = policy.item_factors_.double().numpy()
    history = log.history(torch.tensor([user])).items[0].numpy()
    other = np.setdiff1d(np.arange(42), history)

    def refit(items: np.ndarray) -> np.ndarray:
        def loss(w: np.ndarray) -> float:
            margin = (h[items] @ w)[:, None] - h[other] @ w
            return np.log1p(np.exp(-margin)).mean(1).sum() + len(history) * ridge * w @ w

        return minimize(loss, np.zeros(6), tol=1e-10).x

    whole = refit(history)
    policy.user_factors_[user] = torch.from_numpy(whole).float()
    asked = np.arange(42)
    falls = np.stack([h[asked] @ (whole - refit(np.setdiff1d(history, [item]))) for item in history], 1)
    why = policy.explain(user, torch.from_numpy(asked), log)
    assert why.method == "leave-one-out"
    assert why.ids.tolist() == history.tolist()
    assert np.corrcoef(why.parts.numpy().ravel(), falls.ravel())[0, 1] > 0.98
    assert np.abs(why.parts.numpy() - falls).mean() < 0.25 * np.abs(falls).mean()
