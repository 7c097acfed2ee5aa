"""Two ways to more diverse slates, by the training loss and by re-ranking: each knob turns, and the right way."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pyversity.strategies.mmr import mmr
from torch import Tensor

from policies import MatrixFactorisation
from policies.candidates import Candidates
from policies.log import FeedbackLog, ItemData
from policies.mmr import MMR
from simulator.draws import Draws

N, M, TOPICS, K = 150, 60, 4, 6


@pytest.fixture(scope="module")
def items() -> ItemData:
    """Each item is mostly about one topic."""
    topics = torch.eye(TOPICS).repeat_interleave(M // TOPICS, 0) + 0.05
    return ItemData(topics / topics.sum(1, keepdim=True), torch.nn.functional.normalize(topics))


@pytest.fixture(scope="module")
def log() -> FeedbackLog:
    """Each user mostly takes items of one topic, and some of any."""
    rng = np.random.default_rng(0)
    log = FeedbackLog(N, M)
    for user in range(N):
        favourite = user % TOPICS * 15 + rng.permutation(15)[:5]
        taken = np.unique(np.concatenate([favourite, rng.integers(0, M, 2)]))
        log.record(user, torch.full((len(taken),), user), torch.from_numpy(rng.permutation(taken)))
    return log


def distance_within(slates: Tensor, features: Tensor) -> float:
    """Mean over users of the mean 1 − cosine over the pairs of a slate."""
    x = features[slates]
    k = slates.shape[1]
    return float(((1 - x @ x.mT).sum((1, 2)) / (k * (k - 1))).mean())


@pytest.mark.parametrize(
    ("loss", "strengths", "keys"),
    [("als", (0.0, 0.1, 0.3, 1.0), {}), ("bpr", (0.0, 1.0, 3.0, 10.0), {"learning_rate": 0.02, "epochs": 40})],
)
def test_the_stronger_the_penalty_in_training_the_more_diverse_the_slates(items, log, loss, strengths, keys):
    """Paired by seed, since the drawn start moves slates as much as a weak penalty does."""
    within = np.array([[diverse(loss, diversity, seed, items, log, keys) for diversity in strengths] for seed in range(6)])
    gains = np.diff(within)                                                         # (seeds, steps)
    assert (gains.mean(0) > 2 * gains.std(0, ddof=1) / len(gains) ** 0.5).all(), within


def diverse(loss: str, diversity: float, seed: int, items: ItemData, log: FeedbackLog, keys: dict[str, float]) -> float:
    policy = MatrixFactorisation(loss, factors=8, diversity=diversity, **keys)
    policy.fit(log, items, torch.Generator().manual_seed(seed))
    slates, _ = policy.rank(torch.arange(N), K, log, Draws(0).at(1)("slate"))
    return distance_within(slates, items.features)


@st.composite
def candidates(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor, int]:
    """Candidate lists (b, c), best first, their scores, item features (m, d) of length 1, and k."""
    rng = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    b, c, m = 3, draw(st.integers(2, 20)), 31
    k = draw(st.integers(1, c))
    features = torch.nn.functional.normalize(torch.rand(m, 4, generator=rng) ** 3)     # pyversity takes cosines below 0 as 0
    ids = torch.stack([torch.randperm(m, generator=rng)[:c] for _ in range(b)])
    scores = torch.randn(b, c, generator=rng).sort(1, descending=True).values * draw(st.sampled_from([0.01, 1.0, 50.0]))
    return ids, scores, features, k


def scaled(scores: Tensor) -> Tensor:
    low, high = scores.amin(1, keepdim=True), scores.amax(1, keepdim=True)
    return (scores - low) / (high - low)


def mmr_places(strength: float, ids: Tensor, scores: Tensor, features: Tensor, k: int) -> Tensor:
    """Re-rank candidate lists by MMR; it reads nothing but them and the features."""
    catalogue = ItemData(features, features)
    log = FeedbackLog(len(ids), len(features))
    return MMR(strength).rerank(Candidates(torch.arange(len(ids)), ids, scores, catalogue, log, torch.ones(len(features))), k)


STRENGTHS = st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0])


@given(candidates(), STRENGTHS)
def test_mmr_is_that_of_pyversity(case, strength):
    ids, scores, features, k = case
    places = mmr_places(strength, ids, scores, features, k)
    for user in range(len(ids)):
        theirs = mmr(features[ids[user]].numpy(), scaled(scores)[user].numpy(), k, diversity=strength)
        assert places[user].tolist() == theirs.indices.tolist()


@given(candidates(), STRENGTHS)
def test_mmr_takes_the_best_marginal_candidate_at_every_place(case, strength):
    ids, scores, features, k = case
    places = mmr_places(strength, ids, scores, features, k)
    relevance = scaled(scores).double().numpy()
    for user in range(len(ids)):
        x = features[ids[user]].double().numpy()
        likeness = x @ x.T
        picked: list[int] = []
        for place in places[user].tolist():
            def marginal(i: int, picked: list[int] = picked, user: int = user, likeness: np.ndarray = likeness) -> float:
                nearest = max((likeness[i, j] for j in picked), default=0.0)
                return (1 - strength) * relevance[user, i] - strength * nearest

            rest = [i for i in range(len(x)) if i not in picked]
            assert marginal(place) >= max(map(marginal, rest)) - 1e-5
            assert place in rest
            picked.append(place)


@given(candidates())
def test_without_strength_the_policy_s_order_stays(case):
    ids, scores, features, k = case
    assert torch.equal(mmr_places(0.0, ids, scores, features, k), torch.arange(k).expand(len(ids), -1))


@given(candidates(), st.floats(0.1, 100), st.floats(-50, 50))
def test_the_scale_of_the_scores_does_not_matter(case, scale, shift):
    ids, scores, features, k = case
    places = mmr_places(0.5, ids, scores, features, k)
    assert torch.equal(places, mmr_places(0.5, ids, scores * 2, features, k))
    moved = (scores.double() * scale + shift).float()
    if torch.allclose(scaled(moved), scaled(scores), atol=1e-7):            # else float32 has lost the differences
        assert torch.equal(places, mmr_places(0.5, ids, moved, features, k))


def test_the_stronger_the_re_ranking_the_more_diverse_the_slates(items, log):
    policy = MatrixFactorisation(factors=8).fit(log, items, torch.Generator().manual_seed(0))
    ids, scores = policy.rank(torch.arange(N), 40, log, Draws(0).at(1)("slate"))
    within = [
        distance_within(ids.gather(1, mmr_places(strength, ids, scores, items.features, K)), items.features)
        for strength in (0.0, 0.2, 0.5, 1.0)
    ]
    assert all(more >= less for less, more in pairwise(within)), within
    assert within[-1] > within[0] + 0.2


def test_seen_candidates_come_last_and_only_when_nothing_else_is_left(items):
    ids = torch.arange(6).expand(3, -1)
    scores = torch.tensor([[3.0, 2.0, 1.0, *[-torch.inf] * 3], [2.0, *[-torch.inf] * 5], [-torch.inf] * 6])
    for strength in (0.0, 0.5, 1.0):
        places = mmr_places(strength, ids, scores, items.features, 5)
        assert set(places[0, :3].tolist()) == {0, 1, 2}
        assert places[1, 0] == 0
        assert all(len(set(row)) == 5 for row in places.tolist())


def test_equal_scores_leave_only_difference_to_choose_by(items):
    ids = torch.tensor([[0, 1, 2, 15, 30, 45]])                 # topics 0 0 0 1 2 3
    places = mmr_places(0.3, ids, torch.zeros(1, 6), items.features, 4)
    assert ids[0, places[0]].tolist() == [0, 15, 30, 45]
