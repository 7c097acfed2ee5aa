"""Propagation and both graph models against dense matrices and plain NumPy; what new items change; what explains a user."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import nn

from policies import Policy
from policies.graph import GraphPolicy, bipartite, propagate
from policies.lightgcn import LightGCN
from policies.log import FeedbackLog
from policies.ngcf import NGCF

MODELS = pytest.mark.parametrize("model", [LightGCN, NGCF])


@pytest.fixture
def log(make_log) -> FeedbackLog:
    """40 users, 15 items, of which some users and the last item have no edge."""
    log = make_log(n=40, m=15, rounds=4, share=0.5)
    assert (log.counts() == 0).any()
    return log


def dense(log: FeedbackLog) -> np.ndarray:
    """Â = D^−½ A D^−½, with 0 for nodes without an edge."""
    n = log.n_users + log.n_items
    a = np.zeros((n, n))
    for user, item, _ in zip(*(column.tolist() for column in log.interactions()), strict=True):
        a[user, log.n_users + item] = a[log.n_users + item, user] = 1
    degree = a.sum(1)
    scale = np.divide(1, np.sqrt(degree), out=np.zeros(n), where=degree > 0)
    return scale[:, None] * a * scale


def plain_lightgcn(a: np.ndarray, e: np.ndarray, layers: int) -> np.ndarray:
    return sum(np.linalg.matrix_power(a, l) @ e for l in range(layers + 1)) / (layers + 1)


def leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.2 * x)


def plain_ngcf(a: np.ndarray, e: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Node by node and message by message, as in sections 2.2 and 2.3 of the paper; layers after the first at length 1."""
    out = [e]
    for w1, w2 in w:
        new = []
        for u, own in enumerate(out[-1]):
            messages = [a[u, i] * (other @ w1 + (other * own) @ w2) for i, other in enumerate(out[-1]) if a[u, i]]
            new.append(leaky(np.sum([own @ w1, *messages], 0)))
        out.append(np.array(new))
    return np.hstack([e, *(layer / np.linalg.norm(layer, axis=1, keepdims=True) for layer in out[1:])])


def plain(policy: GraphPolicy, log: FeedbackLog, e: np.ndarray | None = None, w: np.ndarray | None = None) -> np.ndarray:
    """The vectors of all nodes (n_nodes, d), from the policy's own weights unless others are given."""
    e = policy.embeddings_.detach().double().numpy() if e is None else e
    if isinstance(policy, LightGCN):
        return plain_lightgcn(dense(log), e, policy.layers)
    return plain_ngcf(dense(log), e, policy.transforms_.detach().double().numpy() if w is None else w)


def fitted(model: type[GraphPolicy], log: FeedbackLog, make_items, **keys: object) -> GraphPolicy:
    policy = model(**{"factors": 4, "layers": 3, "epochs": 3, "learning_rate": 0.05, **keys})
    return policy.fit(log, make_items(log.n_items), torch.Generator().manual_seed(0))


@pytest.fixture
def all_of_it(monkeypatch) -> None:
    """Nothing is held out."""
    monkeypatch.setattr(Policy, "held_out_share", 0.0)


def test_propagation_is_the_product_with_the_normalised_adjacency_matrix(log):
    graph, a = bipartite(log), dense(log)
    x = torch.randn(len(a), 6, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(propagate(graph, x).numpy(), a @ x.double().numpy(), atol=1e-6)


def test_its_gradient_is_that_of_finite_differences(log):
    graph = bipartite(log)
    graph = graph._replace(weights=graph.weights.double())
    x = torch.randn(len(graph.starts) - 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: propagate(graph, x).sin(), x.requires_grad_())


def test_without_interactions_nothing_is_propagated():
    assert not propagate(bipartite(FeedbackLog(3, 2)), torch.ones(5, 4)).any()


@pytest.mark.parametrize("layers", [1, 2, 4])
@MODELS
def test_scores_are_those_of_the_model_written_out(model, layers, log, make_items, all_of_it):
    policy = fitted(model, log, make_items, layers=layers)
    vectors = plain(policy, log)
    known = ~policy.unknown(torch.arange(40), log)
    assert torch.equal(known, log.counts() > 0)
    expected = vectors[:40] @ vectors[40:].T
    np.testing.assert_allclose(policy.score(torch.arange(40), log)[known].numpy(), expected[known], atol=1e-5)


def test_one_user_and_one_item_by_hand(make_items, all_of_it):
    """Each is the other's only neighbour: layers u, i, u."""
    log = FeedbackLog(1, 1)
    log.record(1, torch.tensor([0]), torch.tensor([0]))
    policy = fitted(LightGCN, log, make_items, layers=2)
    u, i = policy.embeddings_.detach()
    assert policy.score(torch.tensor([0]), log).item() == pytest.approx(float((2 * u + i) / 3 @ (2 * i + u) / 3), rel=1e-5)


def test_many_layers_leave_only_popularity(make_items, all_of_it):
    """Far along a connected graph everybody is alike: Â^l tends to the projections on √degree, whatever the embeddings."""
    log = FeedbackLog(4, 5)
    for user, item in [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 0), (2, 3), (3, 3), (3, 4)]:
        log.record(1, torch.tensor([user]), torch.tensor([item]))
    graph = bipartite(log)
    x = torch.randn(9, 1, generator=torch.Generator().manual_seed(0))
    for _ in range(400):
        x = propagate(graph, x)
    ratio = x[:, 0] / graph.starts.diff().sqrt()
    for side in (ratio[:4], ratio[4:]):
        torch.testing.assert_close(side, side[:1].expand_as(side), rtol=1e-3, atol=1e-6)


def adam(x: np.ndarray, rate: float) -> Iterator[np.ndarray]:
    """Kingma & Ba 2015, algorithm 1: send a gradient, get x."""
    mean, square, step = np.zeros_like(x), np.zeros_like(x), 0
    while True:
        gradient = yield x
        step += 1
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        x = x - rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)


def slope(f: Callable[[np.ndarray], float], x: np.ndarray, step: float = 1e-5) -> np.ndarray:
    return np.array([(f(x + step * axis) - f(x - step * axis)) / (2 * step) for axis in np.eye(len(x))])


@MODELS
def test_training_is_adam_on_bpr_and_the_ridge(model, make_items):
    """One user, who took item 0 of two: the negative is always item 1. Four steps with gradients by finite differences."""
    log = FeedbackLog(1, 2)
    log.record(1, torch.tensor([0]), torch.tensor([0]))
    rate, ridge, d, layers = 0.05, 0.1, 2, 2
    keys = {"dropout": 0.0} if model is NGCF else {}
    policy = model(factors=d, layers=layers, epochs=4, regularisation=ridge, learning_rate=rate, **keys)
    policy._initialise(1, 2, torch.Generator().manual_seed(3))
    parameters = [value for value in vars(policy).values() if isinstance(value, nn.Parameter)]

    def flat() -> np.ndarray:
        return np.concatenate([value.detach().double().numpy().ravel() for value in parameters])

    def parts(x: np.ndarray) -> tuple[float, float]:
        e, w = x[: 3 * d].reshape(3, d), x[3 * d :].reshape(-1, 2, d, d)
        u, i, j = plain(policy, log, e, w)
        return math.log1p(math.exp(u @ (j - i))), float((e**2).sum())

    optimiser = adam(flat(), rate)
    x, losses = next(optimiser), []
    for _ in range(4):
        losses.append(parts(x)[0])
        x = optimiser.send(slope(lambda x: parts(x)[0] + ridge * parts(x)[1], x))
    policy.fit(log, make_items(2), torch.Generator().manual_seed(0))
    assert [epoch.train_loss for epoch in policy.training_] == pytest.approx(losses, rel=1e-4)
    np.testing.assert_allclose(flat(), x, atol=1e-4)


NEWCOMER = 90


@pytest.fixture(scope="module", params=[LightGCN, NGCF])
def learnt(request, groups, make_items) -> GraphPolicy:
    """Each model when it knows the groups."""
    keys = {"layers": 2, "epochs": 20, "batch_size": 128, "patience": None}
    return fitted(request.param, groups, make_items, **keys)


def test_it_finds_the_untaken_items_of_the_user_s_group(learnt, auc_of_own_group):
    assert auc_of_own_group(learnt) > 0.95
    assert learnt.training_[-1].train_loss < 0.7 * learnt.training_[0].train_loss
    assert learnt.training_[-1].validation_loss < learnt.training_[0].validation_loss


def test_a_newcomer_of_after_training_is_shown_more_of_what_she_took(learnt, groups):
    """Nobody retrains; three items of a group say which group it is."""
    newcomer = torch.tensor([NEWCOMER])
    assert learnt.unknown(newcomer, groups).item()
    later = groups.without(torch.zeros(0, dtype=torch.int64))
    later.record(100, newcomer.repeat(3), torch.tensor([1, 4, 7]))
    assert not learnt.unknown(newcomer, later).item()
    best = learnt.score(newcomer, later)[0].topk(14).indices
    assert (best % 3 == 1).float().mean() > 0.9


@MODELS
def test_what_was_taken_since_training_joins_the_user_s_neighbours(model, log, make_items, all_of_it):
    """Her row of Â is made anew, the items' layers stay; whoever took nothing has the same scores."""
    policy = fitted(model, log, make_items, layers=2)
    user, new = int(log.counts().argmax()), 9
    later = log.without(torch.zeros(0, dtype=torch.int64))
    assert new not in log.history(torch.tensor([user])).items
    before = policy.score(torch.arange(40), log)
    later.record(10, torch.tensor([user]), torch.tensor([new]))
    after = policy.score(torch.arange(40), later)
    others = torch.arange(40) != user
    assert torch.equal(before[others], after[others])

    degree = torch.bincount(log.interactions().items, minlength=15).numpy()
    e, a = policy.embeddings_.detach().double().numpy(), dense(log)
    joined = later.history(torch.tensor([user])).items[0].numpy()
    row = np.zeros(len(a))
    row[40 + joined] = 1 / np.sqrt(degree[joined] * len(joined))
    own, all_layers = [e[user]], [e]                                    # hers as they become; everybody's as they were
    for l in range(2):
        if model is LightGCN:
            own.append(row @ all_layers[-1])
            all_layers.append(a @ all_layers[-1])
        else:
            w1, w2 = policy.transforms_[l].detach().double().numpy()
            for layers, near in ((own, row @ all_layers[-1]), (all_layers, a @ all_layers[-1])):
                layers.append(leaky((layers[-1] + near) @ w1 + (layers[-1] * near) @ w2))
    vector = sum(own) / 3 if model is LightGCN else np.hstack([own[0], *(x / np.linalg.norm(x) for x in own[1:])])
    np.testing.assert_allclose(after[user].numpy(), plain(policy, log)[40:] @ vector, atol=1e-5)


@MODELS
def test_an_item_that_training_never_saw_tells_nothing(model, log, make_items, all_of_it):
    policy = fitted(model, log, make_items)
    stranger = (log.counts() == 0).nonzero()[0]
    later = log.without(torch.zeros(0, dtype=torch.int64))
    later.record(10, stranger, torch.tensor([14]))
    assert policy.popularity_[14] == 0
    assert policy.unknown(stranger, later).item()


def test_lightgcn_s_explanation_is_what_each_item_brings_along_its_edge(log, make_items, all_of_it):
    policy = fitted(LightGCN, log, make_items)
    user, asked = int(log.counts().argmax()), torch.tensor([2, 11, 5])
    why = policy.explain(user, asked, log)
    a, e = dense(log), policy.embeddings_.detach().double().numpy()
    powers = [np.linalg.matrix_power(a, l) @ e for l in range(4)]
    items = plain(policy, log)[40:][asked]
    assert why.ids.tolist() == log.history(torch.tensor([user])).items[0].tolist()
    assert why.method == "exact"
    for place, taken in enumerate(why.ids.tolist()):
        brought = sum(a[user, 40 + taken] * layer[40 + taken] for layer in powers[:3]) / 4
        np.testing.assert_allclose(why.parts[:, place].numpy(), items @ brought, atol=1e-5)
    np.testing.assert_allclose(why.rest.numpy(), items @ e[user] / 4, atol=1e-5)


def test_ngcf_s_explanation_is_how_far_the_score_falls_without_the_item(log, make_items, all_of_it):
    policy = fitted(NGCF, log, make_items)
    user, asked = int(log.counts().argmax()), torch.tensor([2, 11, 5])
    why = policy.explain(user, asked, log)
    whole = policy.score(torch.tensor([user]), log)[0, asked]
    assert why.method == "leave-one-out"
    for place in range(len(why.ids)):
        without = policy.score(torch.tensor([user]), log.forgetting(user, place))[0, asked]
        torch.testing.assert_close(why.parts[:, place], whole - without, rtol=1e-4, atol=1e-5)


@MODELS
def test_a_warm_refit_keeps_the_embeddings_and_follows_the_new_graph(model, log, make_log, make_items, all_of_it):
    policy = fitted(model, log, make_items)
    kept = policy.embeddings_.detach().clone()
    policy.learning_rate = 1e-9
    later = make_log(n=40, m=15, rounds=6, seed=5)
    policy.fit(later, make_items(15), torch.Generator().manual_seed(0))
    torch.testing.assert_close(policy.embeddings_.detach(), kept, rtol=0, atol=1e-6)
    np.testing.assert_allclose(policy.item_vectors_.numpy(), plain(policy, later)[40:], atol=1e-5)


@MODELS
def test_the_held_out_loss_takes_every_unseen_item_as_negative(model, make_log, make_items, monkeypatch):
    monkeypatch.setattr(Policy, "held_out_share", 0.5)
    log = make_log(n=40, m=15, rounds=5)
    policy = fitted(model, log, make_items)
    kept = {(u, i) for u, i, _ in zip(*(c.tolist() for c in policy.log_.interactions()), strict=True)}
    held = {(u, i) for u, i, _ in zip(*(c.tolist() for c in log.interactions()), strict=True)} - kept
    scores = policy.score(torch.arange(40), policy.log_).double()
    losses = [
        np.mean([math.log1p(math.exp(float(scores[u, j] - scores[u, i]))) for j in range(15) if (u, j) not in kept])
        for u, i in held
    ]
    best = next(epoch for epoch in policy.training_ if epoch.kept)
    assert best.validation_loss == pytest.approx(np.mean(losses), rel=1e-5)


@MODELS
def test_regularisation_keeps_embeddings_short(model, log, make_items, all_of_it):
    lengths = [
        fitted(model, log, make_items, regularisation=strength, epochs=30).embeddings_.square().sum().item()
        for strength in (0.0, 0.01, 1.0)
    ]
    assert lengths[0] > lengths[1] > 2 * lengths[2]              # from the same start and with the same draws


def test_dropout_is_for_training_only_and_from_the_policy_s_own_stream(log, make_items, all_of_it):
    with_, again, without = (fitted(NGCF, log, make_items, dropout=share) for share in (0.5, 0.5, 0.0))
    assert [epoch.train_loss for epoch in with_.training_] == [epoch.train_loss for epoch in again.training_]
    assert with_.training_[0].train_loss != without.training_[0].train_loss
    users = torch.arange(40)
    assert torch.equal(with_.score(users, log), with_.score(users, log))
