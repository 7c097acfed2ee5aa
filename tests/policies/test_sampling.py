"""Negatives: uniform over what a user has not taken, against counting."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from policies.log import FeedbackLog
from policies.sampling import Unseen


def log_of(taken: list[list[int]], n_items: int) -> FeedbackLog:
    log = FeedbackLog(len(taken), n_items)
    for user, items in enumerate(taken):
        log.record(user, torch.full((len(items),), user), torch.tensor(items, dtype=torch.int64))
    return log


def test_every_unseen_item_is_drawn_equally_often_and_no_seen_one():
    taken = [[], [0, 9, 4], [3, 1, 2, 0], list(range(1, 10)), [9]]
    users = torch.tensor([4, 2, 0, 1, 3])
    drawn = Unseen(log_of(taken, 10)).draw(users[:, None].expand(-1, 20_000), torch.Generator().manual_seed(0))
    for user, items in zip(users.tolist(), drawn, strict=True):
        counts = torch.bincount(items, minlength=10).numpy()
        assert counts[taken[user]].sum() == 0
        left = np.delete(counts, taken[user])
        assert len(left) == 1 or stats.chisquare(left).pvalue > 1e-3


def test_who_has_seen_all_gets_any():
    drawn = Unseen(log_of([[2, 0, 3, 1]], 4)).draw(torch.zeros(200, dtype=torch.int64), torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == {0, 1, 2, 3}


def test_of_an_empty_log_anything_is_unseen():
    drawn = Unseen(FeedbackLog(2, 3)).draw(torch.tensor([0, 1]).repeat(100), torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == {0, 1, 2}


@st.composite
def histories(draw) -> tuple[int, list[list[int]]]:
    n = draw(st.integers(1, 9))
    orders = draw(st.lists(st.permutations(range(n)), min_size=1, max_size=5))
    return n, [order[: draw(st.integers(0, n))] for order in orders]


@settings(max_examples=100, deadline=None)
@given(histories())
def test_the_draw_is_the_unseen_item_of_the_drawn_rank(world: tuple[int, list[list[int]]]):
    """With the same uniform numbers, against lists of what is left."""
    n, taken = world
    users = torch.arange(len(taken)).repeat(20)
    drawn = Unseen(log_of(taken, n)).draw(users, torch.Generator().manual_seed(1))
    uniform = torch.rand(users.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    left = [sorted(set(range(n)) - set(items)) or list(range(n)) for items in taken]
    expected = [left[user][int(u * len(left[user]))] for user, u in zip(users.tolist(), uniform.tolist(), strict=True)]
    assert drawn.tolist() == expected
