"""What every policy does with items that it does not know: published since its training, or taken by nobody so far."""

from __future__ import annotations

import copy
import dataclasses
import sys
from pathlib import Path

import pytest
import torch

from policies.base import Policy
from policies.cold import NEIGHBOURS, explain_all, rank_all, stand_ins
from policies.log import FeedbackLog, ItemData
from policies.sequence import SequencePolicy
from simulator.draws import Draws

sys.path.append(str(Path(__file__).parent))
from test_contract import VARIANTS, fitted

M, USERS, PER_TOPIC = 48, 60, 12
OLD = M - 8                     # known when policies are trained: 10 of each of 4 topics; the new: 2 of each
TOPIC = torch.cat([torch.arange(OLD) % 4, torch.arange(8) % 4])


def catalogue(size: int, available: torch.Tensor | None = None) -> ItemData:
    mixed = torch.nn.functional.one_hot(TOPIC, 4).float() + 0.02 * torch.rand(M, 4, generator=torch.Generator().manual_seed(0))
    titles = tuple(f"The {('river', 'robot', 'dance', 'court')[topic]}" for topic in TOPIC.tolist())
    mixed = mixed[:size]
    there = torch.ones(size, dtype=torch.bool) if available is None else available
    return ItemData(
        mixed / mixed.sum(1, keepdim=True), torch.nn.functional.normalize(mixed), titles[:size], there,
        torch.zeros(size, dtype=torch.int64), torch.zeros(size, dtype=torch.int64),
    )


@pytest.fixture(scope="module")
def log() -> FeedbackLog:
    """Each user takes 7 of the 10 old items of her own topic, one a round."""
    rng, log = torch.Generator().manual_seed(3), FeedbackLog(USERS, OLD)
    own = torch.stack([torch.randperm(10, generator=rng) for _ in range(USERS)]) * 4 + (torch.arange(USERS) % 4)[:, None]
    for round in range(7):
        log.record(round, torch.arange(USERS), own[:, round])
    return log


def grown(log: FeedbackLog) -> FeedbackLog:
    later = log.without(torch.zeros(0, dtype=torch.int64))
    later.grow(M)
    return later


ALIKE_TO_THEM = {"random", "popularity", "popularity of late", "external"}      # any item is
PERSONAL = [                    # friends, round a ring, are of all tastes, and what is rated well is so for everybody
    name for name in VARIANTS if name not in ALIKE_TO_THEM and not name.startswith(("average rating", "click rates", "friends"))
]


def well_trained(name: str, log: FeedbackLog) -> Policy:
    """The variant, large and trained enough to tell topics apart: the contract's are too small and make a step or two."""
    policy = copy.deepcopy(VARIANTS[name])
    if isinstance(policy, SequencePolicy):
        policy = dataclasses.replace(policy, hidden=32, dropout=0.0, epochs=80, patience=None, learning_rate=0.01)
    elif hasattr(policy, "learning_rate"):
        policy = dataclasses.replace(policy, epochs=60)
    return policy.fit(log, catalogue(OLD), torch.Generator().manual_seed(1), k=4)


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_not_available_has_no_score_and_the_rest_is_ranked(name, log):
    available = torch.rand(M, generator=torch.Generator().manual_seed(5)) < 0.6
    policy, later = fitted(name, log, catalogue(OLD)), grown(log)
    later.record(8, torch.arange(USERS), torch.full((USERS,), M - 1))       # something that it does not know
    users = torch.arange(USERS)
    ids, scores = rank_all(policy, users, M, later, catalogue(M, available), Draws(1)("slate"))
    history = later.history(users)
    for user in range(USERS):
        open_ = scores[user] > -torch.inf
        taken = set(history.items[user][history.present[user]].tolist())
        assert set(ids[user][open_].tolist()) == set(available.nonzero()[:, 0].tolist()) - taken


@pytest.mark.parametrize("name", PERSONAL)
def test_a_new_item_like_what_a_user_takes_goes_before_a_new_one_unlike_it(name, log):
    policy, later = well_trained(name, log), grown(log)
    new = torch.arange(M) >= OLD
    ids, _ = rank_all(policy, torch.arange(USERS), M, later, catalogue(M, new), Draws(1)("slate"))
    first = TOPIC[ids[:, :2]] == (torch.arange(USERS) % 4)[:, None]
    assert first.float().mean() > (0.55 if name == "thompson" else 0.8)     # by chance 0.25


def test_stand_ins_by_hand():
    features = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [3.0, 4.0]]))
    stand = stand_ins(torch.tensor([3]), torch.tensor([0, 1, 2]), features)
    assert stand.neighbours[0].tolist() == [2, 1, 0]
    cosines = torch.tensor([7 / 5 / 2**0.5, 0.8, 0.6])
    assert torch.allclose(stand.weights[0], cosines / cosines.sum())
    known = torch.tensor([[1.0, 2.0, 4.0, 99.0], [0.0, 0.0, 1.0, 99.0]])
    assert torch.allclose(stand.scores(known), known[:, [2, 1, 0]] @ stand.weights.T)
    assert stand_ins(torch.tensor([0]), torch.arange(1, 4).repeat(9), features).neighbours.shape == (1, NEIGHBOURS)
    assert stand_ins(torch.tensor([0]), torch.zeros(0, dtype=torch.int64), features).scores(known).tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("name", ["als", "itemknn", "ease", "userknn", "content", "linucb", "popularity"])
def test_the_explanation_of_a_new_item_accounts_for_its_score(name, log):
    policy, later, items = fitted(name, log, catalogue(OLD)), grown(log), catalogue(M)
    asked = torch.tensor([M - 1, 3, M - 2, 7])
    ids, scores = rank_all(policy, torch.tensor([5]), M, later, items, Draws(1)("slate"))
    value = torch.zeros(M).index_copy(0, ids[0], scores[0])[asked]
    why = explain_all(policy, 5, asked, later, items)
    whole = why.parts.sum(1) + why.rest
    seen = value == -torch.inf
    assert torch.allclose(whole[~seen], value[~seen], atol=1e-4)


@pytest.mark.parametrize("name", [name for name, policy in VARIANTS.items() if getattr(policy, "warm", False)])
def test_a_warm_refit_takes_in_what_has_been_published(name, log):
    policy, later = fitted(name, log, catalogue(OLD)), grown(log)
    later.record(8, torch.arange(USERS), M - 8 + torch.arange(USERS) % 4)
    policy.fit(later, catalogue(M), torch.Generator().manual_seed(2), k=4, since=7)
    assert policy.score(torch.arange(9), later).shape == (9, M)
    assert policy.score(torch.arange(9), later).isfinite().all()
