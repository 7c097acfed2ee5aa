"""Every explorer: one contract for the table, its law of chance, and its measure as its strength is turned."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from policies import Popularity
from policies.candidates import Candidates, Explorer
from policies.explore import EXPLORERS, Boltzmann, EpsilonGreedy, Proportional
from policies.log import FeedbackLog, ItemData
from policies.mmr import MMR
from policies.pipeline import recommend
from simulator.draws import Draws, Stream

few = settings(max_examples=25, deadline=None)

STRENGTH = {"epsilon_greedy": "epsilon", "boltzmann": "temperature"}         # the key that says how much is explored
ALWAYS_ALIKE = {"proportional"}                                              # has no such key
LEVELS = st.sampled_from([0.0, 0.1, 0.5, 1.0])


def chance(round: int = 1) -> Stream:
    return Draws(seed=3).at(round)("explore")


def explorer(kind: str, level: float) -> Explorer:
    return EXPLORERS[kind](**({} if kind in ALWAYS_ALIKE else {STRENGTH[kind]: level}))


def world(seed: int, b: int, m: int, c: int, most_seen: int) -> Candidates:
    """The best c of m items for each of b users, who have seen up to `most_seen` items."""
    rng = torch.Generator().manual_seed(seed)
    log = FeedbackLog(b, m)
    for user in range(b):
        n = int(torch.randint(0, most_seen + 1, (1,), generator=rng))
        log.record(1, torch.full((n,), user), torch.randperm(m, generator=rng)[:n])
    scores = torch.randn(b, m, generator=rng)
    history = log.history(torch.arange(b))
    rows, places = history.present.nonzero(as_tuple=True)
    scores[rows, history.items[rows, places]] = -torch.inf
    scores, ids = scores.topk(c)
    features = torch.nn.functional.normalize(torch.rand(m, 3, generator=rng))
    return Candidates(torch.arange(b), ids, scores, ItemData(features, features), log, torch.ones(m))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Candidates, int]:
    m = draw(st.integers(1, 30))
    c = draw(st.integers(1, m))
    return world(draw(st.integers(0, 2**31)), 5, m, c, draw(st.sampled_from([0, m // 3, m]))), draw(st.integers(1, c))


def explored(part: Explorer, candidates: Candidates, k: int) -> Tensor:
    """What is shown of the candidates, as the pipeline does it without a re-ranker."""
    perturbed, order = part.perturb(candidates, chance()).sort(dim=1, descending=True, stable=True)
    candidates = replace(candidates, items=candidates.items.gather(1, order), scores=perturbed)
    return part.replace(candidates.items[:, :k], candidates, chance())


def test_the_strength_of_every_explorer_is_known_here():
    assert STRENGTH.keys() | ALWAYS_ALIKE == EXPLORERS.keys()


@pytest.mark.parametrize("kind", EXPLORERS)
class TestContract:
    @few
    @given(case=worlds(), level=LEVELS)
    def test_items_are_distinct_and_seen_ones_come_last(self, kind, case, level):
        candidates, k = case
        shown = explored(explorer(kind, level), candidates, k)
        log = candidates.log
        assert shown.shape == (5, k)
        assert shown.dtype == torch.int64
        for user, slate in enumerate(shown.tolist()):
            assert len(set(slate)) == k
            seen = set(log.history(torch.tensor([user])).items[0].tolist())
            unseen = min(k, log.n_items - len(seen))
            assert [item in seen for item in slate] == [False] * unseen + [True] * (k - unseen)

    @few
    @given(case=worlds(), level=LEVELS, power=st.integers(-6, 6))
    def test_the_scale_of_the_scores_does_not_matter(self, kind, case, level, power):
        candidates, k = case
        scaled = replace(candidates, scores=candidates.scores * 2.0**power)
        part = explorer(kind, level)
        assert torch.equal(explored(part, scaled, k), explored(part, candidates, k))

    @few
    @given(case=worlds(), level=LEVELS)
    def test_each_user_s_slate_is_her_own_affair(self, kind, case, level):
        candidates, k = case
        part = explorer(kind, level)
        together = explored(part, candidates, k)
        for row in range(5):
            alone = replace(
                candidates, users=candidates.users[row, None], items=candidates.items[row, None],
                scores=candidates.scores[row, None],
            )
            assert torch.equal(explored(part, alone, k)[0], together[row])

    def test_nobody_asks_and_nobody_gets(self, kind):
        some = world(0, 3, 20, 8, 4)
        nobody = replace(some, users=some.users[:0], items=some.items[:0], scores=some.scores[:0])
        assert explored(explorer(kind, 0.5), nobody, 4).shape == (0, 4)

    def test_it_works_with_a_re_ranker(self, kind):
        log = FeedbackLog(40, 30)
        log.record(1, torch.arange(40), torch.arange(40) % 30)
        features = torch.nn.functional.normalize(torch.rand(30, 3, generator=torch.Generator().manual_seed(0)))
        items = ItemData(features, features)
        policy = Popularity().fit(log, items, torch.Generator().manual_seed(0))
        slate = Draws(0).at(1)("slate")
        stages = recommend(
            policy, torch.arange(40), 6, log, items, slate, chance(), rerank=MMR(0.5), explore=explorer(kind, 0.5)
        )
        assert not torch.equal(stages.shown, stages.retrieved)
        for user, shown in enumerate(stages.shown.tolist()):
            assert len(set(shown)) == 6
            assert user % 30 not in shown


@pytest.mark.parametrize("kind", STRENGTH)
@few
@given(case=worlds())
def test_without_strength_the_policy_s_slate_stays(kind, case):
    candidates, k = case
    assert torch.equal(explored(explorer(kind, 0.0), candidates, k), candidates.items[:, :k])


def test_the_share_of_places_given_away_is_epsilon():
    n, k = 4000, 5
    log = FeedbackLog(n, 500)
    some = world(0, 1, 500, k, 0)
    candidates = Candidates(
        torch.arange(n), some.items.expand(n, -1), some.scores.expand(n, -1), some.catalogue, log, torch.ones(500)
    )
    changed = explored(EpsilonGreedy(0.3), candidates, k) != candidates.items
    assert changed.float().mean(0).numpy() == pytest.approx(np.full(k, 0.3), abs=4 * (0.21 / n) ** 0.5)


def test_with_epsilon_1_every_unseen_item_is_as_likely_at_every_place():
    """Also those that the policy would have shown."""
    n, m, k = 6000, 9, 3
    log = FeedbackLog(n, m)
    log.record(1, torch.arange(n), torch.full((n,), 8))
    candidates = Candidates(
        torch.arange(n), torch.arange(k).expand(n, -1), torch.arange(k, 0, -1.0).expand(n, -1),
        ItemData(torch.eye(m), torch.eye(m)), log, torch.ones(m),
    )
    shown = explored(EpsilonGreedy(1.0), candidates, k)
    for place in range(k):
        counts = torch.bincount(shown[:, place], minlength=m).numpy()
        assert counts[8] == 0
        assert stats.chisquare(counts[:8]).pvalue > 1e-3


def test_boltzmann_draws_from_the_plackett_luce_law():
    n, temperature = 20_000, 0.4
    scores = torch.tensor([1.0, 0.7, 0.4, 0.0])
    items = ItemData(torch.eye(4), torch.eye(4))
    candidates = Candidates(
        torch.arange(n), torch.arange(4).expand(n, -1), scores.expand(n, -1), items, FeedbackLog(n, 4), torch.ones(4)
    )
    shown = explored(Boltzmann(temperature), candidates, 2)
    weight = np.exp(scores.double().numpy() / temperature)
    orders = list(permutations(range(4), 2))
    expected = [n * weight[a] / weight.sum() * weight[b] / (weight.sum() - weight[a]) for a, b in orders]
    found = [int((shown == torch.tensor(order)).all(1).sum()) for order in orders]
    assert stats.chisquare(found, expected).pvalue > 1e-3


def test_proportional_draws_in_proportion_to_what_is_above_the_worst():
    n = 20_000
    scores = torch.tensor([9.0, 6.0, 4.0, 3.0])                     # 6 : 3 : 1 : 0 above the worst
    items = ItemData(torch.eye(4), torch.eye(4))
    candidates = Candidates(
        torch.arange(n), torch.arange(4).expand(n, -1), scores.expand(n, -1), items, FeedbackLog(n, 4), torch.ones(4)
    )
    shown = explored(Proportional(), candidates, 4)
    assert (shown[:, 3] == 3).all()
    counts = torch.bincount(shown[:, 0], minlength=4).numpy()
    assert stats.chisquare(counts[:3], n * np.array([0.6, 0.3, 0.1])).pvalue > 1e-3
    second = torch.bincount(shown[shown[:, 0] == 0, 1], minlength=4).numpy()
    assert stats.chisquare(second[1:3], second.sum() * np.array([0.75, 0.25])).pvalue > 1e-3
    alike = replace(candidates, scores=torch.ones(n, 4))
    assert stats.chisquare(torch.bincount(explored(Proportional(), alike, 1)[:, 0], minlength=4).numpy()).pvalue > 1e-3


@pytest.mark.parametrize("kind", STRENGTH)
def test_the_stronger_the_more_of_the_catalogue_is_shown_and_the_less_known(kind):
    n, m, k = 150, 300, 5
    rng = torch.Generator().manual_seed(0)
    log = FeedbackLog(n, m)
    popularity = 100 / torch.arange(1, m + 1.0)
    scores, ids = (popularity.log() + 0.3 * torch.randn(n, m, generator=rng)).topk(100)
    candidates = Candidates(torch.arange(n), ids, scores, ItemData(torch.ones(m, 1), torch.ones(m, 1)), log, popularity)
    novelty = -(popularity / popularity.sum()).log2()
    shown = [explored(explorer(kind, level), candidates, k) for level in (0.0, 0.05, 0.2, 0.5, 1.0)]
    covered = [len(slates.unique()) for slates in shown]
    novel = [float(novelty[slates].mean()) for slates in shown]
    assert all(more > less for less, more in pairwise(covered)), covered
    assert all(more > less for less, more in pairwise(novel)), novel


def test_exploration_is_new_in_every_round():
    candidates = world(0, 50, 60, 40, 5)
    slates = candidates.items[:, :4]
    first, second = (EpsilonGreedy(0.5).replace(slates, candidates, chance(round)) for round in (1, 2))
    assert not torch.equal(first, second)
    for drawn in (Boltzmann(0.5), Proportional()):
        first, second = (drawn.perturb(candidates, chance(round)).argsort(1) for round in (1, 2))
        assert not torch.equal(first, second)
