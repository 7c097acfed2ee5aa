"""Neighbours against brute force and two libraries, ties, what is not linked to anything, and what is held in memory."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from implicit.nearest_neighbours import CosineRecommender
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from policies import Policy, neighbours
from policies.interaction_matrix import history_matrix, interaction_matrix, unrelated_by_popularity
from policies.log import FeedbackLog, ItemData
from policies.neighbours import ItemKNN, UserKNN

N, M = 40, 17


@pytest.fixture(autouse=True)
def nothing_held_out(monkeypatch) -> None:
    """The whole log is trained on, so that similarities can be written down from it."""
    monkeypatch.setattr(Policy, "held_out_share", 0.0)


def log_of(taken: NDArray) -> FeedbackLog:
    """The log in which user u took item i where `taken` (n_users, n_items) is true."""
    log = FeedbackLog(*taken.shape)
    users, items = np.nonzero(taken)
    log.record(1, torch.from_numpy(users), torch.from_numpy(items))
    return log


def fitted(policy: Policy, log: FeedbackLog, seed: int = 0) -> Policy:
    vectors = torch.eye(log.n_items)
    return policy.fit(log, ItemData(vectors, vectors), torch.Generator().manual_seed(seed))


def scores(policy: Policy, log: FeedbackLog) -> NDArray:
    """What `policy` scores by its own formula: without what orders the unrelated."""
    scored = policy.score(torch.arange(log.n_users), log).numpy()
    return np.where(scored > 0, scored, 0)


def random_log(seed: int = 0, n: int = N, m: int = M) -> FeedbackLog:
    rng = np.random.default_rng(seed)
    return log_of(rng.random((n, m)) < rng.random((n, 1)) * np.linspace(0.7, 0.05, m))


def later(log: FeedbackLog, user: int, item: int) -> FeedbackLog:
    """The log after one more interaction."""
    more = log.without(torch.zeros(0, dtype=torch.int64))
    more.record(9, torch.tensor([user]), torch.tensor([item]))
    return more


def cosine(x: NDArray, shrink: float = 0.0) -> NDArray:
    """Of the rows of x with each other, one pair at a time; 0 with itself."""
    found = np.zeros((len(x), len(x)))
    for a in range(len(x)):
        for b in range(len(x)):
            if a != b and x[a].any() and x[b].any():
                found[a, b] = (x[a] * x[b]).sum() / (math.sqrt(x[a].sum() * x[b].sum()) + shrink)
    return found


class TestMatrix:
    def test_it_says_who_took_what_once_each(self):
        log = FeedbackLog(3, 4)
        log.record(1, torch.tensor([2, 0, 2]), torch.tensor([3, 1, 0]))
        log.record(2, torch.tensor([0]), torch.tensor([1]))                          # again, as only data from outside have it
        matrix = interaction_matrix(log)
        assert matrix.toarray().tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]]
        assert matrix.dtype == np.float32

    def test_the_rows_of_some_users_are_as_of_now(self):
        log = later(random_log(), 5, M - 1)
        users = torch.tensor([7, 5, 5, 0])
        assert (history_matrix(users, log).toarray() == interaction_matrix(log).toarray()[users]).all()
        assert history_matrix(torch.arange(N), FeedbackLog(N, M)).nnz == 0

    def test_unrelated_items_stand_below_any_related_one_in_the_order_of_popularity(self):
        popularity = torch.tensor([5.0, 0.0, 7.0, 6.0, 2.0])
        ordered = unrelated_by_popularity(torch.tensor([[0.0, 0.0, 0.0, 1e-5, -0.2], [0.0] * 5]), popularity)
        assert ordered.argsort(descending=True).tolist() == [[3, 2, 0, 1, 4], [2, 3, 0, 4, 1]]
        assert ordered[0, [3, 4]].tolist() == pytest.approx([1e-5, -0.2])
        assert unrelated_by_popularity(torch.zeros(2, 3), torch.zeros(3)).isfinite().all()


class TestItemKNN:
    def test_by_hand(self):
        """Items 0 and 1 share users 0 and 1 of their 3 and 2; items 1 and 2 share user 0; item 3 is only user 3's."""
        log = log_of(np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]))
        first, second, third = 2 / math.sqrt(6), 1 / math.sqrt(3), 1 / math.sqrt(2)  # of items 0 and 1, 0 and 2, 1 and 2
        np.testing.assert_allclose(
            scores(fitted(ItemKNN(), log), log)[1:],
            [[first, first, second + third, 0], [0, first, second, 0], [0, 0, 0, 0]], rtol=1e-6,
        )
        nearest_of_shown = scores(fitted(ItemKNN(neighbours=1), log), log)            # 0: 1, 1: 0, 2: 1
        np.testing.assert_allclose(nearest_of_shown[1:3], [[first, first, third, 0], [0, first, 0, 0]], rtol=1e-6)
        nearest_of_taken = scores(fitted(ItemKNN(neighbours=1, neighbours_of="taken"), log), log)
        np.testing.assert_allclose(nearest_of_taken[1:3], [[first, first, 0, 0], [0, first, 0, 0]], rtol=1e-6)
        shrunk = scores(fitted(ItemKNN(shrink=2.0), log), log)
        np.testing.assert_allclose(shrunk[2], [0, 2 / (math.sqrt(6) + 2), 1 / (math.sqrt(3) + 2), 0], rtol=1e-6)

    @settings(max_examples=20, deadline=None)
    @given(
        seed=st.integers(0, 2**31), k=st.integers(1, M + 3), shrink=st.sampled_from([0.0, 0.5, 20.0]), normalise=st.booleans(),
        of=st.sampled_from(["shown", "taken"]),
    )
    def test_by_brute_force(self, seed, k, shrink, normalise, of):
        log = random_log(seed)
        x = interaction_matrix(log).toarray().astype(float)
        similarity = cosine(x.T, shrink)
        ranked = -np.sort(-similarity, axis=1)
        policy = fitted(ItemKNN(k, of, shrink, normalise), log)
        weights = policy.weights_.toarray()
        kept = weights.T if of == "shown" else weights                              # row by row, an item's neighbours
        expected = ranked * (np.arange(M) < k)
        if normalise:
            expected /= np.maximum(expected.sum(1, keepdims=True), 1e-12)
        np.testing.assert_allclose(-np.sort(-kept, axis=1), expected, rtol=1e-5, atol=1e-7)
        if not normalise:                                                           # which of equals is open, how much is not
            np.testing.assert_allclose(kept[kept > 0], similarity[kept > 0], rtol=1e-5)
        np.testing.assert_allclose(scores(policy, log), x @ weights, rtol=1e-4, atol=1e-6)

    @pytest.mark.filterwarnings("ignore:Method expects CSR input")                  # the library's own intermediate
    @pytest.mark.parametrize("k", [3, M])
    def test_it_is_implicit_s_cosine_recommender(self, k):
        """The library prunes the neighbours of what was taken, and counts each item as its own nearest neighbour."""
        log = random_log(3)
        x = interaction_matrix(log)
        theirs = CosineRecommender(K=k + 1, num_threads=1)
        with threadpool_limits(1):
            theirs.fit(sp.csr_matrix(x), show_progress=False)
        similarity = theirs.similarity.toarray()
        np.fill_diagonal(similarity, 0)
        policy = fitted(ItemKNN(k, "taken"), log)
        np.testing.assert_allclose(np.sort(policy.weights_.toarray()), np.sort(similarity), atol=1e-6)
        if k == M:                                                                  # no edge, so no ties that go either way
            np.testing.assert_allclose(scores(policy, log), x @ similarity, atol=1e-5)

    def test_an_explanation_names_the_similarity_of_each_item_of_hers(self):
        log, user, items = random_log(), 4, torch.tensor([15, 2, 9])
        policy = fitted(ItemKNN(neighbours=6), log)
        why = policy.explain(user, items, later(log, user, 16))
        assert why.method == "exact"
        assert why.ids.tolist() == [*np.flatnonzero(interaction_matrix(log).toarray()[user]), 16]
        np.testing.assert_array_equal(why.parts, policy.weights_.toarray()[np.ix_(why.ids, items)].T)
        assert why.rest.abs().max() < 2e-6


class TestUserKNN:
    def test_by_hand(self):
        """User 0 shares item 0 with user 1 (of 2), items 0 and 1 with user 2 (of 3), and nothing with user 3."""
        log = log_of(np.array([[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [1, 1, 0, 1, 0], [0, 0, 0, 0, 1]]))
        near, nearer = 1 / 2, 2 / math.sqrt(6)
        np.testing.assert_allclose(
            scores(fitted(UserKNN(), log), log)[0], [near + nearer, nearer, near, nearer, 0], rtol=1e-6
        )
        np.testing.assert_allclose(
            scores(fitted(UserKNN(neighbours=1), log), log)[0], [nearer, nearer, 0, nearer, 0], rtol=1e-6
        )
        shrunk = scores(fitted(UserKNN(neighbours=1, shrink=3.0), log), log)
        np.testing.assert_allclose(shrunk[0, 3], 2 / (math.sqrt(6) + 3), rtol=1e-6)

    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(0, 2**31), shrink=st.sampled_from([0.0, 0.5, 20.0]), user=st.integers(0, N - 1))
    def test_by_brute_force(self, seed, shrink, user):
        """With her newest item in her row, and not in those of the others."""
        log = random_log(seed)
        x = interaction_matrix(log).toarray().astype(float)
        untaken = np.flatnonzero(x[user] == 0)
        if not len(untaken):
            return
        now = later(log, user, int(untaken[0]))
        row = x[user].copy()
        row[untaken[0]] = 1
        weights = cosine(np.vstack([x, row]), shrink)[-1, :-1]
        weights[user] = 0
        policy = fitted(UserKNN(N, shrink), log)
        np.testing.assert_allclose(scores(policy, now)[user], weights @ x, rtol=1e-4, atol=1e-6)

    def test_it_is_sklearn_s_nearest_neighbours(self):
        n, k = 60, 7
        log = random_log(5, n, m=90)
        x = interaction_matrix(log).toarray()
        distance, found = NearestNeighbors(n_neighbors=n, metric="cosine", algorithm="brute").fit(x).kneighbors(x)
        scored, compared = scores(fitted(UserKNN(k), log), log), 0
        for user in np.flatnonzero(x.any(1)):
            others = found[user] != user
            near, far = found[user][others], distance[user][others]
            if far[k] - far[k - 1] > 1e-6:                                          # else chance says who is in
                np.testing.assert_allclose(scored[user], (1 - far[:k]) @ x[near[:k]], atol=1e-5)
                compared += 1
        assert compared > n / 2

    def test_an_explanation_shares_a_neighbour_s_weight_among_the_items_in_common(self):
        log, user, items, shrink = random_log(), 4, torch.tensor([15, 2, 9]), 1.5
        x = interaction_matrix(log).toarray().astype(float)
        history = np.flatnonzero(x[user])
        weights = cosine(x, shrink)[user]
        expected = np.zeros((len(items), len(history)))
        for v in range(N):
            for a, i in enumerate(items):
                for b, j in enumerate(history):
                    if x[v, j] and x[v, i]:
                        expected[a, b] += weights[v] / (x[v] * x[user]).sum()
        why = fitted(UserKNN(N, shrink), log).explain(user, items, log)
        assert why.method == "exact"
        assert why.ids.tolist() == history.tolist()
        np.testing.assert_allclose(why.parts, expected, rtol=1e-4)
        np.testing.assert_allclose(why.parts.sum(1), weights @ x[:, items], rtol=1e-4)
        assert why.rest.abs().max() < 2e-6


class TestBoth:
    def test_who_of_equals_is_a_neighbour_is_left_to_chance(self):
        """20 users took item 0 and one item each of their own; user 0 took item 0 only, and has two neighbours."""
        n = 21
        log = log_of(np.eye(n, dtype=bool) | (np.arange(n) == 0))
        drawn = np.zeros(n)
        for seed in range(100):
            drawn += scores(fitted(UserKNN(neighbours=2), log, seed), log)[0] > 0
        assert drawn[0] == 100
        assert stats.chisquare(drawn[1:]).pvalue > 0.001
        drawn = np.zeros(n)
        transposed = log_of((np.eye(n, dtype=bool) | (np.arange(n) == 0)).T)         # 20 items, equally similar to item 0
        for seed in range(100):
            drawn += fitted(ItemKNN(2, "taken"), transposed, seed).weights_.toarray()[0] > 0
        assert stats.chisquare(drawn[1:]).pvalue > 0.001

    @pytest.mark.parametrize("policy", [ItemKNN(), UserKNN()], ids=["items", "users"])
    def test_what_is_linked_to_nothing_of_hers_follows_by_popularity(self, policy):
        taken = np.zeros((9, 6), dtype=bool)
        taken[:2, :2] = taken[2:, 2] = taken[3:, 3] = taken[5:, 4] = True
        taken[0, 0] = False                                                         # user 0 took item 1, user 1 items 0 and 1
        log = log_of(taken)
        scored = fitted(policy, log).score(torch.tensor([0]), log)[0]
        assert scored[0] > 0
        assert scored[[2, 3, 4, 5]].tolist() == sorted(scored[[2, 3, 4, 5]].tolist(), reverse=True)
        assert -2e-6 < scored[5] < scored[4] < scored[3] < scored[2] <= 0

    @pytest.mark.parametrize("policy", [ItemKNN(), UserKNN()], ids=["items", "users"])
    def test_a_newcomer_s_first_item_counts_before_the_next_training(self, policy):
        taken = np.random.default_rng(0).random((N, M)) < 0.4
        taken[0] = False
        log = log_of(taken)
        policy = fitted(policy, log)
        now, newcomer = later(log, 0, 3), torch.tensor([0])
        assert policy.unknown(newcomer, log).tolist() == [True]
        assert policy.unknown(newcomer, now).tolist() == [False]
        if isinstance(policy, ItemKNN):
            expected = cosine(taken.T.astype(float))[3]
        else:
            others = taken[:, 3] / np.sqrt(np.maximum(taken.sum(1), 1))
            expected = others @ taken
        np.testing.assert_allclose(scores(policy, now)[0], expected, rtol=1e-5)

    @pytest.mark.parametrize("policy", [ItemKNN(15), ItemKNN(15, "taken"), UserKNN(15)], ids=["shown", "taken", "users"])
    def test_people_are_shown_what_their_own_kind_takes(self, policy):
        """Three kinds of users, each of whom took half of her kind's 14 items and a tenth of the others'."""
        rng = np.random.default_rng(0)
        own = np.arange(42) // 14 == (np.arange(90) % 3)[:, None]
        taken = rng.random((90, 42)) < np.where(own, 0.5, 0.1)
        log = log_of(taken)
        scored = fitted(policy, log).score(torch.arange(90), log).numpy()
        assert roc_auc_score(own[~taken], scored[~taken]) > 0.9

    def test_the_size_of_a_block_changes_nothing(self, monkeypatch):
        log = random_log(1)
        expected = [fitted(policy(4), log).score(torch.arange(N), log) for policy in (ItemKNN, UserKNN)]
        for size in (1, 5, N):
            monkeypatch.setattr(neighbours, "block_size", lambda n, size=size: size)
            found = [fitted(policy(4), log).score(torch.arange(N), log) for policy in (ItemKNN, UserKNN)]
            assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))

    def test_users_against_users_never_stand_in_memory_together(self):
        n, queries = 30_000, 1000
        rng = np.random.default_rng(0)
        log = FeedbackLog(n, 400)
        for round in range(4):
            log.record(round, torch.arange(n), torch.from_numpy(rng.permutation(400)[(np.arange(n) + round) % 400]))
        policy = fitted(UserKNN(), log)
        tracemalloc.start()
        policy.score(torch.arange(queries), log)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 0.5 * queries * n * 4                                         # bytes of what one go would need


@pytest.mark.parametrize("policy", [ItemKNN(), ItemKNN(2, "taken", 1.0, True), UserKNN()], ids=["shown", "taken", "users"])
def test_an_item_or_a_user_alone(policy):
    for shape in ((1, 5), (6, 1), (1, 1)):
        log = log_of(np.ones(shape, dtype=bool))
        assert fitted(policy, log).score(torch.arange(shape[0]), log).isfinite().all()
