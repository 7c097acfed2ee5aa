"""Memory against a dict of lists."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.memory import Memory

N, M = 5, 13


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, M - 1)), max_size=30), max_size=6),
    st.integers(1, 20),
)
def test_memory_is_a_dict_of_lists(batches, capacity):
    memory, lists = Memory(N, capacity), {user: [] for user in range(N)}
    for batch in batches:
        rows, taken = torch.tensor(batch, dtype=torch.int64).reshape(-1, 2).T
        memory.append(rows, taken)
        for user, item in batch:
            lists[user].append(item)
        assert memory.counts.tolist() == [len(lists[user]) for user in range(N)]
        for user in range(N):
            assert memory.items[user, : memory.counts[user]].tolist() == lists[user]
        users, items = torch.cartesian_prod(torch.arange(N), torch.arange(M)).T
        expected = [item in lists[user] for user, item in zip(users.tolist(), items.tolist(), strict=True)]
        assert memory.contains(users, items).tolist() == expected


def test_an_empty_memory_holds_nothing_not_even_item_0():
    memory = Memory(N)
    users = torch.arange(N)
    assert not memory.contains(users, torch.zeros(N, dtype=torch.int64)).any()
    nobody = torch.zeros(0, dtype=torch.int64)
    assert memory.contains(nobody, nobody).shape == (0,)
    memory.append(nobody, nobody)
    assert memory.counts.sum() == 0


def test_the_padding_of_a_full_row_does_not_leak_into_a_short_one():
    memory = Memory(2, capacity=1)
    memory.append(torch.tensor([1, 1, 1, 0]), torch.tensor([4, 5, 6, 7]))
    users, items = torch.tensor([[0, 0, 0, 1, 1], [0, 7, 4, 0, 6]])
    assert memory.contains(users, items).tolist() == [False, True, False, False, True]


def test_a_long_memory_forgets_nothing_old_or_new():
    lengths = [200, 0, 31, 32, 33, 64, 1]
    memory = Memory(len(lengths))
    generator = torch.Generator().manual_seed(0)
    lists = [torch.randperm(300, generator=generator)[:length] for length in lengths]
    rows = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    memory.append(rows, torch.cat(lists))
    users, items = torch.cartesian_prod(torch.arange(len(lengths)), torch.arange(300)).T
    for order in (torch.arange(len(users)), torch.randperm(len(users), generator=generator)):
        expected = torch.stack([torch.isin(torch.arange(300), taken) for taken in lists]).flatten()[order]
        assert torch.equal(memory.contains(users[order], items[order]), expected)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, M - 1)), max_size=60), max_size=6),
    st.integers(-1, 7), st.integers(0, 400),
)
def test_a_dated_memory_knows_since_when(batches, since, asked):
    """Whether much is asked at once, and a table made of everything, or little, and the newest looked at first."""
    memory, last = Memory(N, dated=True), {}
    for round, batch in enumerate(batches):
        rows, taken = torch.tensor(batch, dtype=torch.int64).reshape(-1, 2).T
        memory.append(rows, taken, round)
        last |= dict.fromkeys(batch, round)
    users, items = torch.randint(0, N, (asked,)), torch.randint(0, M, (asked,))
    for some in (torch.arange(asked), torch.arange(min(asked, 3))):
        expected = [last.get(pair, -9) >= since for pair in zip(users[some].tolist(), items[some].tolist(), strict=True)]
        assert memory.contains(users[some], items[some], since).tolist() == expected
