"""Linear bandits against ridge regression, their formulas and the law of their draws; and do they find out what users like?"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import Ridge

from policies import bandits
from policies.bandits import LinearBandit, LinearThompson, LinUCB
from policies.log import FeedbackLog, ItemData
from simulator.draws import Draws, Stream

N, M, K, D = 90, 40, 4, 5


def chance(round: int) -> Stream:
    return Draws(2).at(round)("slate")


@pytest.fixture(scope="module")
def items() -> ItemData:
    x = torch.nn.functional.normalize(torch.randn(M, D, generator=torch.Generator().manual_seed(0)))
    return ItemData(torch.full((M, D), 1 / D), x)


@pytest.fixture(scope="module")
def log() -> FeedbackLog:
    """User 0 has met nothing, user 1 was only shown items, user 2 only found some by herself; the others did both."""
    rng = np.random.default_rng(0)
    log, taken = FeedbackLog(N, M), {user: set() for user in range(N)}
    for round in range(6):
        active = np.flatnonzero(rng.random(N) < 0.7)
        shown_to = active[(active != 0) & (active != 2)]
        slates = {user: [i for i in rng.permutation(M).tolist() if i not in taken[user]][:K] for user in shown_to}
        log.record_slates(round, torch.from_numpy(shown_to), torch.tensor(list(slates.values())))
        new = []
        for user in active:
            if user > 1:
                own = [*slates.get(user, []), *rng.permutation(M)[:2].tolist()]
                chosen = {item for item in own if rng.random() < 0.3 and item not in taken[user]}
                taken[user] |= chosen
                new += [(user, item) for item in chosen]
        log.record(round, *torch.tensor(new).T)
    return log


def fitted(policy: LinearBandit, log: FeedbackLog, items: ItemData) -> LinearBandit:
    return policy.fit(log, items, torch.Generator().manual_seed(0), k=K)


def met(log: FeedbackLog, user: int) -> tuple[list[int], list[float]]:
    """All that a user was shown or found, and whether she took it then, one by one."""
    rows = set(zip(*(column.tolist() for column in log.interactions()), strict=True))
    seen, rewards, from_slates = [], [], set()
    for round, users, slates in log.slates:
        for item in slates[users == user].flatten().tolist():
            took = (user, item, round) in rows
            seen.append(item)
            rewards.append(float(took))
            from_slates |= {item} if took else set()
    alone = [item for u, item, _ in rows if u == user and item not in from_slates]
    return seen + alone, rewards + [1.0] * len(alone)


def test_the_mean_is_ridge_regression_of_takes_on_features(log, items):
    policy = fitted(LinearThompson(ridge=0.7), log, items)
    scores = policy.score(torch.arange(N), log).numpy()
    x = items.features.double().numpy()
    for user in range(1, N):
        seen, rewards = met(log, user)
        reference = Ridge(alpha=0.7, fit_intercept=False).fit(x[seen], rewards)
        np.testing.assert_allclose(scores[user], x @ reference.coef_, atol=1e-5)
    assert not scores[0].any()


def test_linucb_adds_the_width_of_the_confidence_ellipsoid(log, items):
    mean = fitted(LinUCB(exploration=0.0, ridge=0.7), log, items).score(torch.arange(N), log).numpy()
    upper = fitted(LinUCB(exploration=1.5, ridge=0.7), log, items).score(torch.arange(N), log).numpy()
    x = items.features.double().numpy()
    for user in (0, 1, 2, 3, 50):
        seen, _ = met(log, user)
        a = 0.7 * np.eye(D) + x[seen].T @ x[seen]
        width = np.sqrt(np.einsum("id,de,ie->i", x, np.linalg.inv(a), x))
        np.testing.assert_allclose(upper[user] - mean[user], 1.5 * width, atol=1e-5)


def test_thompson_s_draws_are_the_posterior_s(log, items):
    """Over many rounds, a user's drawn weights have the mean and the covariance of the formula, and are normal."""
    user, rounds = 7, 1000
    policy = fitted(LinearThompson(exploration=0.6, ridge=0.7), log, items)
    posterior = bandits.Feedback(log).posterior(torch.tensor([user]), items.features, 0.7)
    x = items.features.double().numpy()
    seen, _ = met(log, user)
    covariance = 0.36 * np.linalg.inv(0.7 * np.eye(D) + x[seen].T @ x[seen])
    mean = policy.score(torch.tensor([user]), log)[0].double().numpy()
    drawn = np.stack([policy._worth(torch.tensor([user]), posterior, chance(round))[0].numpy() for round in range(rounds)])
    deviation = np.sqrt(np.diag(x @ covariance @ x.T))
    np.testing.assert_allclose(drawn.mean(0), mean, atol=4 * deviation.max() / rounds**0.5)
    np.testing.assert_allclose(np.cov(drawn.T), x @ covariance @ x.T, atol=0.2 * deviation.max() ** 2)
    assert stats.kstest((drawn[:, 3] - mean[3]) / deviation[3], "norm").pvalue > 1e-3


def test_without_exploration_both_show_what_is_thought_best(log, items):
    users = torch.arange(3, N)
    ucb, thompson = (
        fitted(kind(exploration=0.0), log, items).rank(users, K, log, chance(1)) for kind in (LinUCB, LinearThompson)
    )
    assert torch.equal(ucb[0], thompson[0])
    assert torch.equal(ucb[1], thompson[1])


def test_thompson_s_slates_are_new_in_every_round_and_the_same_for_any_block(log, items):
    policy = fitted(LinearThompson(), log, items)
    ids, scores = policy.rank(torch.arange(N), K, log, chance(1))
    assert not torch.equal(policy.rank(torch.arange(N), K, log, chance(2))[0], ids)
    for users in (torch.tensor([77, 3]), torch.arange(N).flip(0)):
        some, values = policy.rank(users, K, log, chance(1))
        assert torch.equal(some, ids[users])
        assert torch.equal(values, scores[users])


@pytest.mark.parametrize("policy", [LinUCB(), LinearThompson()], ids=lambda policy: type(policy).__name__)
def test_the_work_space_changes_nothing_but_rounding(log, items, monkeypatch, policy):
    policy = fitted(policy, log, items)
    whole = policy.rank(torch.arange(N), K, log, chance(1))
    for floats in (1, 3000):
        monkeypatch.setattr(bandits, "_FLOATS_AT_ONCE", floats)
        ids, scores = policy.rank(torch.arange(N), K, log, chance(1))
        assert torch.equal(ids, whole[0])
        assert torch.allclose(scores, whole[1], atol=1e-6)


def test_who_has_met_nothing_gets_what_is_popular_and_whoever_was_shown_something_does_not(log, items):
    policy = fitted(LinUCB(), log, items)
    assert policy.unknown(torch.tensor([0, 1, 2]), log).tolist() == [True, False, False]
    popular = policy.popularity_.topk(K).values
    shown = policy.rank(torch.tensor([0, 1]), K, log, chance(1))[0]
    assert torch.equal(policy.popularity_[shown[0]], popular)
    assert not torch.equal(policy.popularity_[shown[1]], popular)


def test_what_was_taken_since_training_counts(log, items):
    policy = fitted(LinUCB(exploration=0.0), log, items)
    later = log.without(torch.zeros(0, dtype=torch.int64))
    later.record(9, torch.tensor([0]), torch.tensor([11]))
    x = items.features
    assert torch.allclose(policy.score(torch.tensor([0]), later)[0], x @ x[11] / 2, atol=1e-6)     # (I + x xᵀ)⁻¹ x = x / 2


def test_the_expected_reward_is_explained_feature_by_feature_and_the_bonus_is_the_rest(log, items):
    asked = torch.arange(0, M, 3)
    mean = fitted(LinUCB(exploration=0.0), log, items).score(torch.tensor([9]), log)[0, asked]
    policy = fitted(LinUCB(exploration=2.0), log, items)
    why = policy.explain(9, asked, log)
    assert (why.method, why.of, why.ids.tolist()) == ("exact", "features", list(range(D)))
    assert torch.allclose(why.parts.sum(1), mean, atol=1e-5)
    assert torch.allclose(why.parts.sum(1) + why.rest, policy.score(torch.tensor([9]), log)[0, asked], atol=1e-5)
    assert (why.rest > 0).all()


def play(policy: LinearBandit, rounds: int) -> tuple[list[float], float, float]:
    """Let users with a taste on the sphere take what they like of what they are shown.

    Return the rate of takes in each round, that of items shown at random, and how many different items a user was shown.
    """
    n, m, k, d = 60, 400, 5, 8
    rng = torch.Generator().manual_seed(0)
    x, taste = (torch.nn.functional.normalize(torch.randn(rows, d, generator=rng)) for rows in (m, n))
    like = torch.sigmoid(8 * (taste @ x.T) - 3)
    luck = torch.rand(rounds, n, m, generator=rng)
    log, users = FeedbackLog(n, m), torch.arange(n)
    for _ in range(3):
        log.record(0, users, torch.randint(0, m, (n,), generator=rng))
    policy.fit(log, ItemData(torch.full((m, d), 1 / d), x), torch.Generator().manual_seed(0), k=k)
    rates, ever = [], torch.zeros(n, m, dtype=torch.bool)
    for round in range(1, rounds + 1):
        slates, _ = policy.rank(users, k, log, chance(round))
        ever[users[:, None], slates] = True
        took = like.gather(1, slates) > luck[round - 1].gather(1, slates)
        log.record_slates(round, users, slates)
        rows, places = took.nonzero(as_tuple=True)
        log.record(round, rows, slates[rows, places])
        rates.append(float(took.float().mean()))
    return rates, float(like.mean()), float(ever.float().sum(1).mean())


@pytest.mark.parametrize("kind", [LinUCB, LinearThompson])
def test_it_finds_out_what_users_like(kind):
    rates, by_chance, _ = play(kind(exploration=0.3), rounds=20)
    assert np.mean(rates[5:]) > 2.5 * by_chance
    assert np.mean(rates[5:]) > np.mean(rates[:2]) + 0.1


@pytest.mark.parametrize("kind", [LinUCB, LinearThompson])
def test_the_more_it_explores_the_more_items_a_user_meets(kind):
    met = [play(kind(exploration=exploration), rounds=12)[2] for exploration in (0.0, 0.3, 1.0, 3.0)]
    assert all(more > less for less, more in pairwise(met)), met
