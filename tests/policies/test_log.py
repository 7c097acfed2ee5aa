"""The feedback log against plain Python lists."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from policies.log import FeedbackLog

N_USERS, N_ITEMS = 5, 400

ROUNDS = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1)), max_size=40)),
    max_size=8,
)
"""(rounds since the record before, [(user, item)]): rounds may be skipped, empty, or recorded in two goes."""


def recorded(rounds: list) -> tuple[FeedbackLog, list[tuple[int, int, int]]]:
    """The same record twice: as a log, and as a list of (user, item, round)."""
    log, plain, now = FeedbackLog(N_USERS, N_ITEMS), [], -3
    for later, taken in rounds:
        now += later
        users, items = (torch.tensor([pair[side] for pair in taken], dtype=torch.int64) for side in (0, 1))
        log.record(now, users, items)
        plain += [(user, item, now) for user, item in taken]
    return log, plain


def rows(log: FeedbackLog) -> list[tuple[int, int, int]]:
    columns = log.interactions()
    assert all(column.dtype == torch.int64 for column in columns)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def histories(log: FeedbackLog, users: list[int]) -> list[list[int]]:
    items, present = log.history(torch.tensor(users, dtype=torch.int64))
    assert items.dtype == torch.int64
    assert (present[:, :-1] >= present[:, 1:]).all()        # padding on the right
    return [row[here].tolist() for row, here in zip(items, present, strict=True)]


def own(plain: list[tuple[int, int, int]], user: int) -> list[int]:
    return [item for who, item, _ in plain if who == user]


@given(ROUNDS)
def test_both_views_hold_what_was_recorded_in_its_order(rounds):
    log, plain = recorded(rounds)
    assert rows(log) == plain
    assert len(log) == len(plain)
    assert log.counts().tolist() == [len(own(plain, user)) for user in range(N_USERS)]
    for users in ([0, 1, 2, 3, 4], [3], [4, 0, 4], []):
        assert histories(log, users) == [own(plain, user) for user in users]
        longest = max([len(own(plain, user)) for user in users], default=0)
        assert log.history(torch.tensor(users, dtype=torch.int64)).items.shape == (len(users), longest)


@given(ROUNDS, st.data())
def test_without_leaves_out_these_places_and_leaves_the_log_alone(rounds, data):
    log, plain = recorded(rounds)
    log.record_slates(1, torch.tensor([0]), torch.tensor([[1, 2]]))
    places = data.draw(st.sets(st.sampled_from(range(len(plain))))) if plain else set()
    rest = log.without(torch.tensor(sorted(places), dtype=torch.int64))
    kept = [row for place, row in enumerate(plain) if place not in places]
    assert rows(rest) == kept
    assert histories(rest, list(range(N_USERS))) == [own(kept, user) for user in range(N_USERS)]
    lost = any((plain[place][0], plain[place][2]) == (0, 1) for place in places)
    assert [len(users) for _, users, _ in rest.slates] == [0 if lost else 1]
    rest.record(99, torch.tensor([1]), torch.tensor([2]))
    assert rows(log) == plain
    assert histories(log, [1]) == [own(plain, 1)]


def test_counts_are_the_caller_s_own():
    log, _ = recorded([(1, [(0, 7)])])
    log.counts().fill_(9)
    assert log.counts().tolist() == [1, 0, 0, 0, 0]


def test_a_long_history_is_kept_whole():
    log = FeedbackLog(3, N_ITEMS)
    for round in range(N_ITEMS):
        log.record(round, torch.tensor([2, 0]), torch.tensor([round, N_ITEMS - 1 - round]))
    assert histories(log, [0, 1, 2]) == [list(range(N_ITEMS))[::-1], [], list(range(N_ITEMS))]


def test_slates_are_kept_as_shown():
    log = FeedbackLog(3, N_ITEMS)
    log.record_slates(4, torch.tensor([2, 0]), torch.tensor([[9, 8, 7], [1, 2, 3]]))
    (round, users, slates), = log.slates
    assert (round, users.tolist(), slates.tolist()) == (4, [2, 0], [[9, 8, 7], [1, 2, 3]])


def test_some_rounds_are_kept_with_their_slates():
    log = FeedbackLog(3, 9)
    for round in (-2, 0, 1, 4):
        log.record(round, torch.tensor([0, 2]), torch.tensor([round + 2, round + 3]))
        log.record_slates(round, torch.tensor([0]), torch.tensor([[1, 2]]))
    rest = log.between(1)
    assert rest.interactions().rounds.tolist() == [1, 1, 4, 4]
    assert rest.history(torch.tensor([0])).items.tolist() == [[3, 6]]
    assert [round for round, *_ in rest.slates] == [1, 4]
    before = log.between(0, 4)
    assert before.interactions().rounds.tolist() == [0, 0, 1, 1]
    assert [round for round, *_ in before.slates] == [0, 1]
    assert len(log) == 8
