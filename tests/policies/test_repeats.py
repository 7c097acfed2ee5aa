"""Items that are taken again: the log against plain Python lists, and what policies make of it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from policies import EASE, ItemKNN, LightGCN, LinUCB, MatrixFactorisation, Popularity, SASRec
from policies.bandits import Feedback
from policies.graph import bipartite
from policies.log import FeedbackLog, ItemData
from policies.sampling import Unseen
from policies.validation import hold_out
from simulator.draws import Draws

N, M = 4, 7

ROUNDS = st.lists(st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, M - 1)), max_size=12), max_size=8)
"""[(user, item)] of each round, now and then the same pair twice in one."""

Plain = list[tuple[int, int, int]]  # (user, item, round)


def recorded(rounds: list[list[tuple[int, int]]], after: int = 2) -> tuple[FeedbackLog, Plain]:
    log, plain = FeedbackLog(N, M, after), []
    for number, taken in enumerate(rounds):
        users, items = torch.tensor(taken, dtype=torch.int64).reshape(-1, 2).T
        log.record(number, users, items)
        plain += [(user, item, number) for user, item in taken]
    log.now = len(rounds)
    return log, plain


def last_takes(plain: Plain, user: int) -> dict[int, int]:
    """The round of each item's last take, the item of the oldest one first."""
    last: dict[int, int] = {}
    for who, item, number in plain:
        if who == user:
            last.pop(item, None)
            last[item] = number
    return last


def lists(history: tuple[Tensor, Tensor]) -> list[list[int]]:
    return [row[here].tolist() for row, here in zip(*history, strict=True)]


EVERYBODY = torch.arange(N)


def agree(log: FeedbackLog, plain: Plain, after: int) -> None:
    """Does the log say in all its views what the list says?"""
    assert lists(log.sequence(EVERYBODY)) == [[i for u, i, _ in plain if u == user] for user in range(N)]
    last = [last_takes(plain, user) for user in range(N)]
    assert lists(log.history(EVERYBODY)) == [list(each) for each in last]
    assert lists(log.seen(EVERYBODY)) == [[i for i, r in each.items() if log.now - r < after] for each in last]
    assert log.counts().tolist() == [len(each) for each in last]
    assert log.takes().tolist() == [sum(u == user for u, _, _ in plain) for user in range(N)]
    assert len(log) == len(plain)
    assert sorted(zip(*(x.tolist() for x in log.pairs()), strict=True)) == sorted({(u, i) for u, i, _ in plain})


@settings(max_examples=60)
@given(ROUNDS, st.integers(1, 5), st.data())
def test_every_view_is_that_of_a_list(rounds, after, data):
    log, plain = recorded(rounds, after)
    agree(log, plain, after)
    gone = data.draw(st.sets(st.integers(0, max(len(plain) - 1, 0)), max_size=5)) if plain else set()
    left = [take for place, take in enumerate(plain) if place not in gone]
    agree(log.without(torch.tensor(sorted(gone), dtype=torch.int64)), left, after)
    first, end = data.draw(st.integers(0, 8)), data.draw(st.integers(0, 9))
    agree(log.between(first, end), [take for take in plain if first <= take[2] < end], after)
    size = data.draw(st.integers(1, M))
    few = log.of_first(size)
    agree(few, [take for take in plain if take[1] < size], after)
    once = log.once()
    assert lists(once.seen(EVERYBODY)) == lists(log.history(EVERYBODY))
    users = [user for user in range(N) if last_takes(plain, user)]
    if users:
        user = data.draw(st.sampled_from(users))
        place = data.draw(st.integers(0, len(last_takes(plain, user)) - 1))
        lost = list(last_takes(plain, user))[place]
        forgot = log.forgetting(user, place)
        assert lists(forgot.history(EVERYBODY)) == [
            [i for i in last_takes(plain, u) if (u, i) != (user, lost)] for u in range(N)
        ]
        assert lists(forgot.sequence(EVERYBODY))[user] == [i for u, i, _ in plain if u == user and i != lost]
        agree(log, plain, after)


def test_what_is_seen_by_hand():
    log = FeedbackLog(1, 5, again_after=3)
    for number, item in enumerate([4, 2, 4, 0]):
        log.record(number, torch.tensor([0]), torch.tensor([item]))
    user = torch.tensor([0])
    assert lists(log.history(user)) == [[2, 4, 0]]
    for now, seen in ((3, [2, 4, 0]), (4, [4, 0]), (5, [0]), (6, [])):      # item 2, of round 1, may be shown again in round 4
        log.now = now
        assert lists(log.seen(user)) == [seen]


def test_a_part_of_the_log_has_seen_what_the_whole_has():
    log = FeedbackLog(1, 5, again_after=2)
    user = torch.tensor([0])
    for number, (item, liked) in enumerate([(1, 1.0), (3, 0.0), (1, 0.0)]):
        log.record(number, user, torch.tensor([item]), {"like": torch.tensor([liked])})
        part = log.only("like", 1.0)
    log.now = 3
    assert lists(part.history(user)) == [[1]]
    assert lists(part.seen(user)) == [[1]]                  # of round 2, which was not liked
    assert lists(part.once().seen(user)) == [[3, 1]]
    log.now = 4
    assert lists(part.seen(user)) == [[]]


@given(ROUNDS)
def test_negatives_are_what_was_never_taken(rounds):
    log, plain = recorded(rounds)
    drawn = Unseen(log).draw(EVERYBODY[:, None].expand(-1, 400), torch.Generator().manual_seed(0))
    for user in range(N):
        left = set(range(M)) - {item for who, item, _ in plain if who == user}
        assert set(drawn[user].tolist()) == (left or set(range(M)))


def test_a_held_out_repeat_can_be_found():
    """It was seen before, and long enough ago: so it is among what is ranked when accuracy is measured."""
    log = FeedbackLog(40, 6, again_after=2)
    users = torch.arange(40)
    for number, item in enumerate([0, 1, 2, 3, 0]):         # everybody comes back to item 0
        log.record(number, users, torch.full((40,), item))
    log.now = 5
    train, held = hold_out(log, 0.5, None, torch.Generator().manual_seed(0))
    assert held.items.tolist() == [0] * 20
    assert lists(train.history(held.users)) == [[0, 1, 2, 3]] * 20
    policy = Popularity().fit(log, ItemData(torch.eye(6), torch.eye(6)), torch.Generator().manual_seed(0), k=1)
    assert policy.training_[0].recall == 1                  # item 0 is what is taken most


def heavy_log(after: int = 2, seed: int = 0) -> FeedbackLog:
    """60 users, 20 items; each has a favourite few and comes back to them."""
    rng = np.random.default_rng(seed)
    log, fond = FeedbackLog(60, 20, after), [rng.permutation(20)[:5] for _ in range(60)]
    last: dict[tuple[int, int], int] = {}
    for number in range(9):
        takes = [(u, int(i)) for u in range(60) for i in [rng.choice(fond[u])] if number - last.get((u, int(i)), -9) >= after]
        last |= dict.fromkeys(takes, number)
        log.record(number, *torch.tensor(takes).T)
    log.now = 9
    return log


@pytest.fixture(scope="module")
def items() -> ItemData:
    topics = torch.rand(20, 4, generator=torch.Generator().manual_seed(1)).softmax(1)
    return ItemData(topics, torch.nn.functional.normalize(topics))


def test_als_counts_every_take_and_explains_its_scores(items):
    log = heavy_log()
    policy = MatrixFactorisation(factors=4, epochs=4)
    policy.held_out_share = 0.0
    policy.fit(log, items, torch.Generator().manual_seed(0))
    for user in (3, 17):
        why = policy.explain(user, torch.arange(20), log)
        assert why.method == "exact"
        assert why.ids.tolist() == lists(log.history(torch.tensor([user])))[0]
        assert torch.allclose(why.rest, torch.zeros(20), atol=1e-5)
    # As if each take were a pair of its own with that weight.
    w, h, alpha = policy.user_factors_[3], policy.solved_for_, policy.unobserved_weight
    taken = h[log.sequence(torch.tensor([3])).items[0]].double()
    ridge = policy.regularisation * (len(taken) + alpha * 20)
    left = taken.T @ taken + alpha * h.double().T @ h.double() + ridge * torch.eye(4)
    assert torch.allclose(w.double(), torch.linalg.solve(left, taken.sum(0)), atol=1e-5)


def test_a_graph_has_an_edge_however_often_an_item_was_taken():
    log, once = heavy_log(), FeedbackLog(60, 20)
    once.record(0, *log.pairs())
    assert len(log) > len(once)
    graph, simple = bipartite(log), bipartite(once)
    assert graph.starts.equal(simple.starts)
    one, other = (sp.csr_array((g.weights, g.neighbours, g.starts), shape=(80, 80)).toarray() for g in (graph, simple))
    assert (one == other).all()
    assert (one == one.T).all()


def test_sequence_models_read_every_take():
    log = FeedbackLog(1, 4, again_after=1)
    for number, item in enumerate([1, 2, 1, 1]):
        log.record(number, torch.tensor([0]), torch.tensor([item]))
    assert lists(log.sequence(torch.tensor([0]))) == [[1, 2, 1, 1]]
    policy = SASRec(hidden=8, epochs=60, dropout=0.0, learning_rate=0.02, patience=None)
    train = FeedbackLog(30, 4, again_after=1)
    for number in range(8):                                 # everybody goes 1, 2, 1, 2, …
        train.record(number, torch.arange(30), torch.full((30,), 1 + number % 2))
    policy.held_out_share = 0.0
    policy.fit(train, ItemData(torch.eye(4), torch.eye(4)), torch.Generator().manual_seed(0))
    assert policy.score(torch.tensor([0]), train)[0].argmax() == 1      # after 2, which was the last


def test_a_bandit_counts_every_take(items):
    log = heavy_log()
    policy = LinUCB()
    policy.fit(log, items, torch.Generator().manual_seed(0))
    user = torch.tensor([5])
    x = items.features[log.sequence(user).items[0]].double()
    mean = torch.linalg.solve(x.T @ x + policy.ridge * torch.eye(4), x.sum(0))
    assert torch.allclose(policy._posterior(user, Feedback(log)).mean[0].double(), mean, atol=1e-5)


POLICIES = EASE(), ItemKNN(), LightGCN(factors=4, epochs=2), Popularity()


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
def test_slates_repeat_what_may_be_repeated_and_nothing_else(policy, items):
    log, draws = heavy_log(after=4), Draws(0).at(1)("slate")
    policy = copy.deepcopy(policy).fit(log, items, torch.Generator().manual_seed(0))
    users = torch.arange(60)
    ids, _ = policy.rank(users, 5, log, draws)
    assert not (ids[:, :, None] == log.seen(users).items[:, None]).logical_and(log.seen(users).present[:, None]).any()
    had = (ids[:, :, None] == log.history(users).items[:, None]).logical_and(log.history(users).present[:, None]).any(2)
    assert had.any()
    ids, _ = policy.rank(users, 5, log.once(), draws)
    assert not (ids[:, :, None] == log.history(users).items[:, None]).logical_and(log.history(users).present[:, None]).any()
