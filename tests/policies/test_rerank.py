"""Every re-ranker: one contract for the table, its own paper in plain loops, and its measure as its strength is turned."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyversity.strategies.dpp import dpp
from torch import Tensor

from policies import dpp as dpp_module
from policies.aspects import PM2, XQuAD
from policies.calibration import Calibrated
from policies.candidates import Candidates, Reranker
from policies.discount import PopularityDiscount, TopicQuota
from policies.dpp import DPP
from policies.log import FeedbackLog, ItemData
from policies.rerank import RERANKERS

few = settings(max_examples=25, deadline=None)
STRENGTHS = st.sampled_from([0.0, 0.15, 0.5, 0.8, 1.0])


def world(seed: int, b: int, c: int, m: int, topics: int, seen: int = 0, scale: float = 1.0) -> Candidates:
    """Random candidate lists of users with some history; user 0 has none. Up to `seen` candidates of a row are seen ones."""
    rng = torch.Generator().manual_seed(seed)
    z = torch.rand(m, topics, generator=rng) ** 4
    catalogue = ItemData(z / z.sum(1, keepdim=True), torch.nn.functional.normalize(torch.randn(m, topics, generator=rng)))
    log = FeedbackLog(b + 2, m)
    users = torch.randperm(b + 2, generator=rng)[:b]
    for round in range(3):
        log.record(round, torch.arange(1, b + 2), torch.stack([torch.randperm(m, generator=rng)[round] for _ in range(b + 1)]))
    ids = torch.stack([torch.randperm(m, generator=rng)[:c] for _ in range(b)])
    scores = torch.randn(b, c, generator=rng).sort(1, descending=True).values * scale
    shut = torch.randint(0, seen + 1, (b, 1), generator=rng)
    scores = scores.masked_fill(torch.arange(c) >= c - shut, -torch.inf)
    return Candidates(users, ids, scores, catalogue, log, torch.randint(0, 40, (m,), generator=rng).float())


@st.composite
def worlds(draw: st.DrawFn, some_seen: bool = False) -> tuple[Candidates, int]:
    c = draw(st.integers(1, 18))
    candidates = world(
        draw(st.integers(0, 2**31)), draw(st.integers(1, 5)), c, 23, draw(st.integers(2, 6)), c if some_seen else 0,
        draw(st.sampled_from([0.001, 1.0, 90.0])),
    )
    return candidates, draw(st.integers(1, c))


@pytest.mark.parametrize("kind", RERANKERS)
class TestContract:
    @few
    @given(case=worlds(some_seen=True), strength=STRENGTHS)
    def test_places_are_distinct_and_seen_items_come_last(self, kind, case, strength):
        candidates, k = case
        places = RERANKERS[kind](strength=strength).rerank(candidates, k)
        assert places.shape == (len(candidates.items), k)
        assert places.dtype == torch.int64
        assert all(len(set(row)) == k for row in places.tolist())
        assert ((places >= 0) & (places < candidates.items.shape[1])).all()
        unseen = candidates.open.gather(1, places)
        assert torch.equal(unseen, torch.arange(k) < candidates.open.sum(1, keepdim=True))

    @few
    @given(case=worlds(some_seen=True))
    def test_without_strength_the_policy_s_order_stays(self, kind, case):
        candidates, k = case
        places = RERANKERS[kind](strength=0.0).rerank(candidates, k)
        assert torch.equal(places, torch.arange(k).expand(len(places), -1))

    @few
    @given(case=worlds(some_seen=True), strength=STRENGTHS, power=st.integers(-6, 6))
    def test_the_scale_of_the_scores_does_not_matter(self, kind, case, strength, power):
        candidates, k = case
        reranker = RERANKERS[kind](strength=strength)
        scaled = replace(candidates, scores=candidates.scores * 2.0**power)
        assert torch.equal(reranker.rerank(scaled, k), reranker.rerank(candidates, k))

    @few
    @given(case=worlds(some_seen=True), strength=STRENGTHS)
    def test_each_user_s_slate_is_her_own_affair(self, kind, case, strength):
        candidates, k = case
        reranker = RERANKERS[kind](strength=strength)
        together = reranker.rerank(candidates, k)
        for row in range(len(together)):
            alone = replace(
                candidates, users=candidates.users[row, None], items=candidates.items[row, None],
                scores=candidates.scores[row, None],
            )
            assert torch.equal(reranker.rerank(alone, k)[0], together[row])

    def test_nobody_asks_and_nobody_gets(self, kind):
        some = world(0, 3, 9, 23, 4)
        nobody = replace(some, users=some.users[:0], items=some.items[:0], scores=some.scores[:0])
        assert RERANKERS[kind]().rerank(nobody, 4).shape == (0, 4)

    def test_the_best_candidate_opens_the_slate_when_all_else_is_equal(self, kind):
        some = world(1, 4, 9, 23, 3)
        alike = ItemData(some.catalogue.topics[:1].expand(23, -1), some.catalogue.features[:1].expand(23, -1))
        equal = replace(some, catalogue=alike, popularity=torch.ones(23))
        for strength in (0.3, 1.0):
            places = RERANKERS[kind](strength=strength).rerank(equal, 5)
            assert torch.equal(places, torch.arange(5).expand(4, -1))


Value = Callable[[int, list[int]], float]


def is_greedy(places: list[int], value: Value, c: int, slack: float = 2e-5) -> bool:
    """Does every place hold a candidate of the highest value given those above it?"""
    return all(
        value(place, places[:n]) >= max(value(i, places[:n]) for i in range(c) if i not in places[:n]) - slack
        for n, place in enumerate(places)
    )


def relevance(candidates: Candidates, row: int) -> np.ndarray:
    s = candidates.scores[row].double().numpy()
    return (s - s.min()) / max(s.max() - s.min(), 1e-12)


def topics(candidates: Candidates, row: int) -> np.ndarray:
    return candidates.catalogue.topics[candidates.items[row]].double().numpy()


def tastes(candidates: Candidates, row: int) -> np.ndarray:
    user, z = int(candidates.users[row]), candidates.catalogue.topics.double().numpy()
    users, items, _ = (column.numpy() for column in candidates.log.interactions())
    return z[items[users == user]].mean(0) if (users == user).any() else z.mean(0)


def all_greedy(reranker: Reranker, case: tuple[Candidates, int], value: Callable[[Candidates, int], Value]) -> bool:
    candidates, k = case
    places = reranker.rerank(candidates, k).tolist()
    c = candidates.items.shape[1]
    return all(is_greedy(row, value(candidates, number), c) for number, row in enumerate(places))


@few
@given(worlds(), st.sampled_from([0.15, 0.5, 0.8, 1.0]))
def test_dpp_is_the_naive_greedy_maximisation_of_the_log_determinant(case, strength):
    def value(candidates: Candidates, row: int) -> Value:
        x = candidates.catalogue.features[candidates.items[row]].double().numpy()
        similarity = 0.99 * x @ x.T
        np.fill_diagonal(similarity, 1)
        q = np.exp((1 - strength) / (2 * strength) * relevance(candidates, row))
        kernel = q[:, None] * similarity * q

        def log_determinant(slate: list[int]) -> float:
            return float(np.linalg.slogdet(kernel[np.ix_(slate, slate)])[1])

        return lambda i, picked: strength * log_determinant([*picked, i])

    assert all_greedy(DPP(strength), case, value)


@few
@given(st.integers(0, 2**31), st.floats(0.05, 0.95))
def test_dpp_is_that_of_pyversity(seed, strength):
    """As long as the features span a volume, that is for no more places than dimensions; theirs has no off-diagonal factor.

    Theirs is q = exp(β (rel − mean) / std), ours exp(α rel): the same for α = β / std.
    """
    candidates, d = world(seed, 3, 12, 31, 6), 6
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dpp_module, "_OWN", 0.0)
        places = DPP(strength).rerank(candidates, d - 1)
    for row in range(3):
        scores = relevance(candidates, row)
        theirs = dpp(
            candidates.catalogue.features[candidates.items[row]].numpy(), scores.astype(np.float32), d - 1, diversity=0.5,
            scale=2 * (1 - strength) / (2 * strength) * scores.std(),
        )
        assert places[row].tolist() == theirs.indices.tolist()


def test_dpp_still_spreads_places_when_the_features_span_no_more():
    """Two directions and eight items; any third item lies in the plane of the first two."""
    items = ItemData(torch.eye(2).repeat_interleave(4, 0), torch.eye(2).repeat_interleave(4, 0))
    candidates = Candidates(
        torch.tensor([0]), torch.arange(8)[None], torch.arange(8, 0, -1.0)[None], items, FeedbackLog(1, 8), torch.ones(8)
    )
    assert (DPP(1.0).rerank(candidates, 6)[0] // 4).tolist() in ([0, 1, 0, 1, 0, 1], [0, 1, 1, 0, 0, 1], [0, 1, 0, 1, 1, 0])


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    """KL(p ‖ q̃) of Steck 2018."""
    smooth = 0.99 * q + 0.01 * p
    return float(sum(a * math.log(a / b) for a, b in zip(p, smooth, strict=True) if a > 0))


@few
@given(worlds(), STRENGTHS)
def test_calibration_is_the_greedy_maximisation_of_its_objective(case, strength):
    def value(candidates: Candidates, row: int) -> Value:
        rel, z, p = relevance(candidates, row), topics(candidates, row), tastes(candidates, row)

        def objective(slate: list[int]) -> float:
            return (1 - strength) * rel[slate].sum() - strength * divergence(p, z[slate].mean(0))

        return lambda i, picked: objective([*picked, i])

    assert all_greedy(Calibrated(strength), case, value)


@few
@given(st.integers(0, 2**31))
def test_calibration_is_hardly_worse_than_the_best_of_all_slates(seed):
    candidates, k = world(seed, 2, 9, 23, 4), 4
    places = Calibrated(1.0).rerank(candidates, k).tolist()
    for row in range(2):
        z, p = topics(candidates, row), tastes(candidates, row)

        def gain(slate: list[int], z: np.ndarray = z, p: np.ndarray = p) -> float:
            """The submodular surrogate: Σ_g p_g ln Σ_i q̃(g|i), above that of the smallest slate that is possible."""
            return float(p @ np.log((0.99 * z[slate] + 0.01 * p).sum(0) / (0.01 * p)))

        best = max(gain(list(slate)) for slate in combinations(range(9), k))
        assert gain(places[row]) >= (1 - 1 / math.e) * best


@few
@given(worlds(), STRENGTHS)
def test_xquad_is_the_formula_of_the_paper(case, strength):
    def value(candidates: Candidates, row: int) -> Value:
        rel, z, p = relevance(candidates, row), topics(candidates, row), tastes(candidates, row)

        def marginal(i: int, picked: list[int]) -> float:
            gain = sum(p[a] * z[i, a] * math.prod(1 - z[j, a] for j in picked) for a in range(len(p)))
            return (1 - strength) * rel[i] + strength * gain

        return marginal

    assert all_greedy(XQuAD(strength), case, value)


@few
@given(worlds(), STRENGTHS, st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_pm2_is_algorithm_1_of_the_paper_with_relevance_mixed_in(case, strength, focus):
    candidates, k = case
    places = PM2(strength, focus).rerank(candidates, k).tolist()
    for row, picked in enumerate(places):
        rel, z, votes = relevance(candidates, row), topics(candidates, row), tastes(candidates, row)
        seats = np.zeros_like(votes)
        for n, place in enumerate(picked):
            quotient = votes / (2 * seats + 1)
            due = int(quotient.argmax())
            if np.partition(quotient, -2)[-2] > quotient[due] * (1 - 1e-5):
                break                                                                  # two topics owed alike: either is right
            own = focus * quotient[due] * z[:, due]
            worth = own + (1 - focus) * sum(quotient[a] * z[:, a] for a in range(len(votes)) if a != due)
            value = (1 - strength) * rel + strength * worth / quotient[due]
            rest = [i for i in range(len(rel)) if i not in picked[:n]]
            assert value[place] >= value[rest].max() - 2e-5
            seats += z[place] / z[place].sum()


@few
@given(worlds(), STRENGTHS)
def test_the_popularity_discount_sorts(case, strength):
    def value(candidates: Candidates, row: int) -> Value:
        rel, fame = relevance(candidates, row), np.log1p(candidates.popularity[candidates.items[row]].double().numpy())
        fame = (fame - fame.min()) / max(float(np.ptp(fame)), 1e-6)
        return lambda i, picked: (1 - strength) * rel[i] - strength * fame[i]

    assert all_greedy(PopularityDiscount(strength), case, value)


@few
@given(st.integers(0, 2**31), STRENGTHS)
def test_the_topic_quota_makes_the_best_slate_that_keeps_to_it(seed, strength):
    candidates, k, n_topics = world(seed, 2, 9, 23, 3), 4, 3
    quota = math.ceil(k * (1 - strength * (1 - 1 / n_topics)) - 1e-9)
    places = TopicQuota(strength).rerank(candidates, k).tolist()
    for row in range(2):
        rel, main = relevance(candidates, row), topics(candidates, row).argmax(1)
        fits = [list(slate) for slate in combinations(range(9), k) if np.bincount(main[list(slate)]).max() <= quota]
        if fits:
            assert np.bincount(main[places[row]]).max() <= quota
            assert rel[places[row]].sum() == pytest.approx(max(rel[slate].sum() for slate in fits), abs=1e-6)


def test_what_no_candidate_is_left_for_is_filled_beyond_the_quota():
    items = ItemData(torch.eye(3)[[0, 0, 0, 0, 1]], torch.eye(3)[[0, 0, 0, 0, 1]])
    candidates = Candidates(
        torch.tensor([0]), torch.arange(5)[None], torch.tensor([[5.0, 4, 3, 2, 1]]), items, FeedbackLog(1, 5), torch.ones(5)
    )
    assert TopicQuota(1.0).rerank(candidates, 4)[0].tolist() == [0, 1, 4, 2]        # ⌈4 / 3⌉ = 2 of a topic


N, M, TOPICS, K = 120, 80, 5, 6


@pytest.fixture(scope="module")
def biased() -> Candidates:
    """Users who have taken some of every topic, and whom the policy offers mostly one, the popular first."""
    rng = torch.Generator().manual_seed(0)
    z = torch.eye(TOPICS).repeat(M // TOPICS, 1) + 0.1 * torch.rand(M, TOPICS, generator=rng)
    items = ItemData(z / z.sum(1, keepdim=True), torch.nn.functional.normalize(z))
    log = FeedbackLog(N, M)
    for round in range(8):
        log.record(round, torch.arange(N), torch.randint(0, M, (N,), generator=rng))
    popularity = torch.randint(0, 200, (M,), generator=rng).float()
    favourite = torch.arange(N)[:, None] % TOPICS == torch.arange(M) % TOPICS
    scores = torch.randn(N, M, generator=rng) + 1.5 * favourite + popularity / 100
    scores, ids = scores.topk(40)
    return Candidates(torch.arange(N), ids, scores, items, log, popularity)


def distance_within(slates: Tensor, candidates: Candidates) -> float:
    x = candidates.catalogue.features[slates]
    return float(((1 - x @ x.mT).sum((1, 2)) / (K * (K - 1))).mean())


def miscalibration(slates: Tensor, candidates: Candidates) -> float:
    z = candidates.catalogue.topics[slates].mean(1).double().numpy()
    return float(np.mean([divergence(tastes(candidates, user), z[user]) for user in range(N)]))


def coverage(slates: Tensor, candidates: Candidates) -> float:
    """Σ_a p(a|u) (1 − Π (1 − z_ia)): the chance that a topic of the user's is met."""
    met = 1 - (1 - candidates.catalogue.topics[slates]).prod(1)
    return float((candidates.tastes() * met).sum(1).mean())


def disproportionality(slates: Tensor, candidates: Candidates) -> float:
    """Squared distance of the seats' shares from the votes'."""
    return float((candidates.catalogue.topics[slates].mean(1) - candidates.tastes()).square().sum(1).mean())


def most_of_a_topic(slates: Tensor, candidates: Candidates) -> float:
    main = candidates.catalogue.topics[slates].argmax(-1)
    return float(torch.nn.functional.one_hot(main, TOPICS).sum(1).amax(1).float().mean())


def fame(slates: Tensor, candidates: Candidates) -> float:
    return float(candidates.popularity[slates].mean())


@pytest.mark.parametrize(
    ("kind", "measure", "rises"),
    [
        ("mmr", distance_within, True), ("dpp", distance_within, True), ("calibrated", miscalibration, False),
        ("xquad", coverage, True), ("pm2", coverage, True), ("pm2", disproportionality, False),
        ("topic_quota", coverage, True), ("topic_quota", most_of_a_topic, False), ("popularity_discount", fame, False),
    ],
)
def test_the_stronger_the_further_its_measure_moves(biased, kind, measure, rises):
    values = []
    for strength in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        places = RERANKERS[kind](strength=strength, candidates=40).rerank(biased, K)
        values.append(measure(biased.items.gather(1, places), biased) * (1 if rises else -1))
    spread = values[-1] - values[0]
    assert spread > 0.1 * abs(values[0])
    assert all(more >= less - 0.01 * spread for less, more in pairwise(values)), values
