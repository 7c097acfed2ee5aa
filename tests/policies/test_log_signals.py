"""The log's further columns, and the part of it that a policy learns from."""

from __future__ import annotations

import copy

import torch
from hypothesis import given
from hypothesis import strategies as st

from policies.bandits import Feedback
from policies.impressions import impressions
from policies.log import FeedbackLog
from policies.popularity import Popularity
from policies.ranking import rank

N, M = 5, 20
NAN = float("nan")
Rounds = st.lists(
    st.lists(st.tuples(st.integers(0, N - 1), st.sampled_from([NAN, 0.0, 1.0, 2.5, 40.0])), max_size=6), min_size=1, max_size=6
)


def log_of(rounds: list[list[tuple[int, float]]]) -> FeedbackLog:
    """A log in which items come one after the other, so that nobody takes one twice."""
    log, item = FeedbackLog(N, M), 0
    for number, takes in enumerate(rounds):
        users, values = torch.tensor([u for u, _ in takes], dtype=torch.int64), torch.tensor([v for _, v in takes])
        items = torch.arange(item, item + len(takes)) % M
        log.record(number, users, items, {"dwell": values.float()} if number % 3 else None)     # some rounds without a signal
        item += len(takes)
    return log


def rows(log: FeedbackLog) -> list[tuple[int, ...]]:
    return list(zip(*(column.tolist() for column in log.interactions()), strict=True))


@given(rounds=Rounds, least=st.sampled_from([0.0, 1.0, 30.0]), early=st.booleans())
def test_a_part_is_what_has_enough_of_the_signal_and_grows_with_the_log(rounds: list, least: float, early: bool):
    if early:                                                           # asked for before anything is recorded, or after
        log = FeedbackLog(N, M)
        part = log.only("dwell", least)
        whole = log_of(rounds)
        for chunk, signals in zip(whole._chunks, whole._signals, strict=True):
            number = int(chunk.rounds[0]) if len(chunk.rounds) else 0
            log.record(number, chunk.users, chunk.items, signals)
    else:
        log = log_of(rounds)
        part = log.only("dwell", least)
    values = log.signals().get("dwell", torch.full((len(log),), NAN))
    assert rows(part) == [row for row, value in zip(rows(log), values.tolist(), strict=True) if value >= least]
    users = torch.arange(N)
    assert torch.equal(part.seen(users).items, log.history(users).items)
    kept = [[item for user, item, _ in rows(part) if user == u] for u in range(N)]
    assert [h[p].tolist() for h, p in zip(*part.history(users), strict=True)] == kept
    assert part is log.only("dwell", least)
    assert not len(log.only("like", 1.0))                               # a signal that nobody gives


@given(rounds=Rounds, since=st.integers(0, 6), lost=st.sets(st.integers(0, 40), max_size=5))
def test_signals_stay_beside_their_interactions(rounds: list, since: int, lost: set[int]):
    log = log_of(rounds)
    column = log.signals().get("dwell", torch.full((len(log),), NAN)).tolist()
    known = dict(zip(rows(log), map(str, column), strict=True))
    places = torch.tensor(sorted(place for place in lost if place < len(log)), dtype=torch.int64)
    for rest in (log.between(since), log.without(places), copy.deepcopy(log)):
        values = rest.signals().get("dwell", torch.full((len(rest),), NAN)).tolist()
        assert [known[row] for row in rows(rest)] == list(map(str, values))


def test_what_was_taken_without_the_signal_is_not_shown_again():
    log = FeedbackLog(2, 4)
    log.record(0, torch.tensor([0, 0, 1]), torch.tensor([0, 1, 2]), {"like": torch.tensor([1.0, 0.0, 1.0])})
    part = log.only("like", 1.0)
    ids, _ = rank(lambda users: torch.zeros(len(users), 4), torch.arange(2), 2, part)
    assert sorted(ids[0].tolist()) == [2, 3]
    assert 2 not in ids[1].tolist()


def test_popularity_of_likes_is_not_that_of_takes(make_items):
    log = FeedbackLog(3, 3)
    likes = torch.tensor([0.0, 0.0, 0.0, 1.0])
    log.record(0, torch.tensor([0, 1, 2, 0]), torch.tensor([0, 0, 0, 1]), {"like": likes})
    items = make_items(3)
    taken, liked = (Popularity().fit(view, items, torch.Generator().manual_seed(0)) for view in (log, log.only("like", 1.0)))
    assert taken.ranking_[0] == 0
    assert liked.ranking_[0] == 1


def test_skips_are_refusals_for_who_reads_them():
    log = FeedbackLog(2, 6)
    log.record_slates(1, torch.tensor([0, 1]), torch.tensor([[0, 1, 2], [3, 4, 5]]))
    log.record(1, torch.tensor([0]), torch.tensor([2]))
    log.record_skips(1, torch.tensor([0]), torch.tensor([1]))
    (shown,) = impressions(log)
    assert shown.skipped.tolist() == [[False, True, False], [False] * 3]
    assert shown.taken.tolist() == [[False, False, True], [False] * 3]
    x, users = torch.eye(6), torch.arange(2)
    for refusals, met in (("shown", [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]), ("skipped", [[0, 1, 1, 0, 0, 0], [0] * 6])):
        root = Feedback(log, refusals).posterior(users, x, 1.0).root
        seen = (root @ root.mT).diagonal(dim1=1, dim2=2) - 1            # A = I + Σ x xᵀ of unit vectors
        assert seen.round().int().tolist() == met


def test_a_held_out_take_takes_its_skips_along():
    """Without the take, its slate would look refused."""
    log = FeedbackLog(2, 6)
    log.record_skips(1, torch.tensor([0, 1]), torch.tensor([1, 3]))
    log.record(1, torch.tensor([0, 1]), torch.tensor([2, 5]))
    rest = log.without(torch.tensor([0]))
    assert [skips.users.tolist() for skips in rest.skips] == [[1]]
    assert len(log.between(2).skips) == len(log.between(0, 1).skips) == 0
    assert len(log.between(1, 2).skips) == 1


def test_a_round_without_skips_is_none_at_all():
    log = FeedbackLog(3, 5)
    log.record(1, torch.tensor([0, 1]), torch.tensor([0, 2]))
    log.record_skips(1, torch.tensor([0]), torch.tensor([1]))
    log.record(2, torch.tensor([0, 1]), torch.tensor([3, 4]))
    log.record_skips(2, torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
    rest = log.without(torch.tensor([0, 2]))
    assert rest.skips == []
    assert rest.without(torch.tensor([0])).skips == []


def test_of_users_who_are_forgotten_no_skips_are_left_even_of_rounds_in_which_they_took_nothing():
    log = FeedbackLog(3, 5)
    log.record(1, torch.tensor([1]), torch.tensor([2]))
    log.record_skips(1, torch.tensor([0, 1]), torch.tensor([1, 3]))
    log.record_skips(2, torch.tensor([0]), torch.tensor([4]))
    assert [skips.users.tolist() for skips in log.without_users(torch.tensor([0])).skips] == [[1]]
