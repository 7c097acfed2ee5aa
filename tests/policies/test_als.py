"""Alternating least squares against dense normal equations, its own objective, and the `implicit` library."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from implicit.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits
from torch import Tensor

from policies import MatrixFactorisation, Policy, als
from policies.log import FeedbackLog, ItemData

N, M, D = 60, 40, 3


@pytest.fixture(autouse=True)
def nothing_held_out(monkeypatch) -> None:
    """The whole log is trained on, so that the objective can be written down from it."""
    monkeypatch.setattr(Policy, "held_out_share", 0.0)


def objective(policy: MatrixFactorisation, w: Tensor, h: Tensor, log: FeedbackLog, items: ItemData) -> Tensor:
    """The loss in MatrixFactorisation's docstring, from the dense matrix of scores, in double precision."""
    users, taken, _ = log.interactions()
    n, m = log.n_users, log.n_items
    seen = torch.zeros(n, m, dtype=torch.float64)
    seen[users, taken] = 1
    scores, weight = w @ h.T, policy.unobserved_weight
    count = seen.sum(0)
    v = (count / count.max()).clamp(min=0.01) ** -policy.propensity                # nothing was shown: exposures are takes
    v = v / (v * count).sum() * count.sum()
    loss = (v * seen * (scores - 1) ** 2).sum() + weight * (scores**2).sum()
    loss = loss + policy.regularisation * ((seen.sum(1) + weight * m) * (w**2).sum(1)).sum()
    loss = loss + policy.regularisation * ((seen.sum(0) + weight * n) * (h**2).sum(1)).sum()
    cosine = items.features.double() @ items.features.double().T
    return loss + policy.diversity / m * torch.einsum("jk,uj,uk->", cosine, scores, scores)


def value(policy: MatrixFactorisation, w: Tensor, h: Tensor, log: FeedbackLog, items: ItemData) -> float:
    return float(objective(policy, w.double(), h.double(), log, items))


def sweep(policy: MatrixFactorisation, log: FeedbackLog, items: ItemData) -> MatrixFactorisation:
    return policy.fit(log, items, torch.Generator().manual_seed(0))


def started(policy: MatrixFactorisation, log: FeedbackLog, seed: int) -> MatrixFactorisation:
    rng = torch.Generator().manual_seed(seed)
    policy.user_factors_ = torch.randn(log.n_users, policy.factors, generator=rng)
    policy.item_factors_ = torch.randn(log.n_items, policy.factors, generator=rng)
    return policy


@given(
    seed=st.integers(0, 2**31), weight=st.floats(0.01, 2), share=st.floats(0, 1), more=st.booleans(),
    weighted=st.booleans(), d=st.integers(1, 6),
)
def test_a_half_sweep_solves_the_normal_equations_of_every_row(seed, weight, share, more, weighted, d):
    rng = np.random.default_rng(seed)
    n, m = 13, 9
    seen = rng.random((n, m)) < share * rng.random((n, 1))
    rows, columns = (torch.from_numpy(side) for side in seen.nonzero())
    shuffled = torch.from_numpy(rng.permutation(len(rows)))
    v = rng.uniform(0.2, 3, (n, m)) if weighted else np.ones((n, m))
    x, ridge, pull = rng.normal(size=(m, d)), rng.uniform(0.1, 2, n), rng.normal(size=(n, d)) * more
    extra = np.cov(rng.normal(size=(d, 9))).reshape(d, d) * more

    def single(a: np.ndarray) -> Tensor:
        return torch.tensor(a, dtype=torch.float32)

    found = als.solve(
        als.lists(rows[shuffled], columns[shuffled], n, single(v[seen])[shuffled] if weighted else None),
        single(x), weight, single(ridge),
        single(extra) if more else None, single(pull) if more else None,
    )
    for row in range(n):
        c = np.diag(v[row] * seen[row] + weight)                    # the confidence of each column
        left = x.T @ c @ x + ridge[row] * np.eye(d) + extra
        right = x.T @ (v[row] * seen[row]) + pull[row]
        np.testing.assert_allclose(found[row].numpy(), np.linalg.solve(left, right), rtol=2e-3, atol=2e-4)


def test_the_blocks_of_rows_change_nothing_but_work_space(make_log, monkeypatch):
    log = make_log(n=1100, m=M, rounds=12, share=0.5)
    users, taken, _ = log.interactions()
    known = als.lists(users, taken, log.n_users)
    x = torch.randn(M, D, generator=torch.Generator().manual_seed(0))
    ridge = torch.full((1100,), 0.5)
    whole = als.solve(known, x, 0.1, ridge)
    for cells in (1, 50, 700):
        monkeypatch.setattr(als, "_CELLS", cells)
        torch.testing.assert_close(als.solve(known, x, 0.1, ridge), whole, rtol=1e-5, atol=1e-6)


def test_blocks_keep_to_their_work_space(monkeypatch):
    monkeypatch.setattr(als, "_CELLS", 100)
    counts = torch.tensor([0] * 600 + [1] * 90 + [7] * 40 + [60, 300]).sort().values
    cuts = als._blocks(counts)
    assert [i for cut in cuts for i in range(cut.start, cut.stop)] == list(range(len(counts)))
    for cut in cuts:
        n = cut.stop - cut.start
        assert n == 1 or n * int(counts[cut.stop - 1]) <= 100
        assert n <= 512


@pytest.mark.parametrize("diversity", [0.0, 0.3, 30.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_half_sweep_raises_the_objective(make_log, make_items, diversity, seed):
    log, items = make_log(n=N, m=M, seed=seed), make_items(M, seed=seed)
    policy = started(MatrixFactorisation(factors=D, epochs=1, diversity=diversity, regularisation=0.01), log, seed)
    before = value(policy, policy.user_factors_, policy.item_factors_, log, items)
    first = before
    for _ in range(25):
        h = policy.item_factors_
        sweep(policy, log, items)
        halfway = value(policy, policy.user_factors_, h, log, items)
        after = value(policy, policy.user_factors_, policy.item_factors_, log, items)
        assert halfway <= before * (1 + 1e-6)
        assert after <= halfway * (1 + 1e-6)
        before = after
    assert before < 0.8 * first


@pytest.mark.parametrize("propensity", [0.3, 1.0])
def test_a_sweep_with_weights_solves_the_weighted_objective(make_log, make_items, propensity):
    """Items are solved last: the objective's gradient is 0 in them, and, at the items before, in the users."""
    log, items = make_log(n=N, m=M), make_items(M)
    policy = started(MatrixFactorisation(factors=D, epochs=1, regularisation=0.02, propensity=propensity), log, 0)
    before = policy.item_factors_
    sweep(policy, log, items)
    for known, solved_items in ((before, False), (policy.item_factors_, True)):
        w, h = policy.user_factors_.double().requires_grad_(), known.double().requires_grad_()
        objective(policy, w, h, log, items).backward()
        assert (h if solved_items else w).grad.abs().max() < 1e-3
        assert (w if solved_items else h).grad.abs().max() > 0.05


@pytest.mark.parametrize("diversity", [0.0, 0.5])
def test_it_converges_to_where_the_gradient_is_zero(make_log, make_items, diversity):
    log, items = make_log(n=N, m=M), make_items(M)
    policy = started(MatrixFactorisation(factors=D, epochs=1, diversity=diversity, regularisation=0.02), log, 0)

    def gradient() -> float:
        w, h = (x.double().requires_grad_() for x in (policy.user_factors_, policy.item_factors_))
        objective(policy, w, h, log, items).backward()
        return float(torch.cat([w.grad.flatten(), h.grad.flatten()]).norm())

    at_start = gradient()
    policy.epochs = 1500
    sweep(policy, log, items)
    assert gradient() < 1e-5 * at_start


def test_the_reported_loss_is_the_fit_per_interaction(make_log, make_items):
    log, items = make_log(n=N, m=M), make_items(M)
    policy = MatrixFactorisation(factors=D, epochs=4, unobserved_weight=0.3)
    sweep(policy, log, items)
    scores = policy.score(torch.arange(N), log).double()
    users, taken, _ = log.interactions()
    observed = ((scores[users, taken] - 1) ** 2).sum()
    assert policy.training_[-1].train_loss == pytest.approx(float((observed + 0.3 * (scores**2).sum()) / len(users)), rel=1e-5)


def test_the_held_out_loss_is_the_same_formula_on_held_out_interactions(make_log, make_items, monkeypatch):
    monkeypatch.setattr(Policy, "held_out_share", 0.5)
    log, items = make_log(n=N, m=M), make_items(M)
    policy = MatrixFactorisation(factors=D, epochs=2)
    sweep(policy, log, items)
    kept = {(u, i) for u, i, _ in zip(*(c.tolist() for c in policy.log_.interactions()), strict=True)}
    pairs = {(u, i) for u, i, _ in zip(*(c.tolist() for c in log.interactions()), strict=True)} - kept
    scores = policy.score(torch.arange(N), log).double()
    assert len(pairs) > 20
    expected = np.mean([(float(scores[u, i]) - 1) ** 2 for u, i in pairs]) + 0.1 * float((scores**2).sum()) / len(kept)
    assert policy.training_[-1].validation_loss == pytest.approx(expected, rel=1e-5)


def test_it_agrees_with_implicit_after_every_sweep(make_items):
    """Implicit minimises Σ_observed c (s − 1)² + Σ_unobserved s² + λ (Σ ‖w‖² + Σ ‖h‖²).

    Ours is that with s = s' / (1 + α_0), c = (1 + α_0) / α_0 and λ_u = λ (n_u + α_0 M) (1 + α_0) / α_0, which is one number
    for all users and items when each has equally many interactions and M = N.
    """
    size, degree, weight, regularisation = 50, 6, 0.2, 0.03
    rng = np.random.default_rng(0)
    relabel = rng.permutation(size)
    users = np.repeat(np.arange(size), degree)
    taken = relabel[(users + np.tile([0, 1, 3, 9, 20, 33], size)) % size]      # every item taken by 6 users too
    log = FeedbackLog(size, size)
    log.record(1, torch.from_numpy(users), torch.from_numpy(taken))
    ours = started(
        MatrixFactorisation(factors=D, epochs=1, regularisation=regularisation, unobserved_weight=weight), log, seed=3
    )
    confidence = sp.csr_matrix((np.full(len(users), (1 + weight) / weight, dtype=np.float32), (users, taken)))
    with threadpool_limits(1, "blas"):              # it warns of more
        theirs = AlternatingLeastSquares(
            factors=D, alpha=1.0, regularization=regularisation * (degree + weight * size) * (1 + weight) / weight,
            iterations=1, use_gpu=False, use_cg=False, num_threads=1, random_state=0,
        )
    theirs.user_factors = (ours.user_factors_ * (1 + weight) ** 0.5).numpy()
    theirs.item_factors = (ours.item_factors_ * (1 + weight) ** 0.5).numpy()
    items = make_items(size)
    for _ in range(8):
        sweep(ours, log, items)
        theirs.fit(confidence, show_progress=False)
        np.testing.assert_allclose(
            ours.score(torch.arange(size), log).numpy() * (1 + weight), theirs.user_factors @ theirs.item_factors.T,
            atol=2e-5,
        )
    assert np.abs(theirs.user_factors @ theirs.item_factors.T).max() > 0.1          # not the trivial solution


def test_with_one_lambda_for_all_it_agrees_with_implicit_on_any_log(make_log, make_items):
    """Where users and items differ in how much they are used: frequency scaling 0 is Hu, Koren & Volinsky's own."""
    log, weight, regularisation = make_log(n=N, m=M), 0.05, 0.02
    users, taken, _ = log.interactions()
    assert log.counts().unique().numel() > 3
    ours = started(
        MatrixFactorisation(
            factors=D, epochs=1, regularisation=regularisation, unobserved_weight=weight, frequency_scaling=0.0,
        ), log, seed=3,
    )
    confidence = sp.csr_matrix(
        (np.full(len(users), (1 + weight) / weight, dtype=np.float32), (users.numpy(), taken.numpy())), shape=(N, M)
    )
    with threadpool_limits(1, "blas"):
        theirs = AlternatingLeastSquares(
            factors=D, alpha=1.0, regularization=regularisation * (1 + weight) / weight, iterations=1, use_gpu=False,
            use_cg=False, num_threads=1, random_state=0,
        )
    theirs.user_factors = (ours.user_factors_ * (1 + weight) ** 0.5).numpy()
    theirs.item_factors = (ours.item_factors_ * (1 + weight) ** 0.5).numpy()
    for _ in range(8):
        sweep(ours, log, make_items(M))
        theirs.fit(confidence, show_progress=False)
        np.testing.assert_allclose(
            ours.score(torch.arange(N), log).numpy() * (1 + weight), theirs.user_factors @ theirs.item_factors.T, atol=5e-5,
        )


def test_lambda_times_ever_so_many_interactions_shrinks_more_than_lambda(make_log, make_items):
    log = make_log(n=N, m=M)
    users, taken, _ = log.interactions()
    scores = []
    for scaling in (1.0, 0.5, 0.0):
        policy = MatrixFactorisation(factors=D, epochs=8, regularisation=0.2, unobserved_weight=0.05, frequency_scaling=scaling)
        policy = started(policy, log, seed=3)
        sweep(policy, log, make_items(M))
        scores.append(float(policy.score(torch.arange(N), log)[users, taken].mean()))
    assert scores[0] < scores[1] < scores[2]


def test_a_row_without_interactions_comes_out_as_zero(make_log, make_items):
    log = make_log(n=N, m=M)
    policy = sweep(MatrixFactorisation(factors=D, epochs=2), log, make_items(M))
    assert (policy.item_factors_[-1] == 0).all()           # nobody took the last item
    assert (policy.item_factors_[0] != 0).any()


@pytest.mark.parametrize("regularisation", [0.0, 1e-9])
def test_hardly_any_regularisation_and_fewer_users_than_factors(make_log, make_items, regularisation):
    """The least-squares problems of the items have no unique solution then; training goes on all the same."""
    log = make_log(n=5, m=300)
    policy = MatrixFactorisation(factors=16, epochs=10, regularisation=regularisation)
    sweep(policy, log, make_items(300))
    losses = [epoch.train_loss for epoch in policy.training_]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_an_explanation_is_the_exact_sum_over_what_the_user_took(make_log, make_items):
    """Hu, Koren & Volinsky's decomposition: the user's vector, and so each score, is a sum over her items; nothing is left."""
    log, items = make_log(), make_items()
    for diversity, propensity in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.8)):
        policy = MatrixFactorisation(factors=6, epochs=4, regularisation=0.01, diversity=diversity, propensity=propensity)
        policy.fit(log, items, torch.Generator().manual_seed(0))
        why = policy.explain(12, torch.arange(20), log)
        assert why.method == "exact"
        assert torch.allclose(why.parts.sum(1), policy.score(torch.tensor([12]), log)[0, :20], atol=1e-5)
        assert why.rest.abs().max() < 1e-5
