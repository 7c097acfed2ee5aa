"""The best k of many scores, against torch.topk and plain Python."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from policies.log import FeedbackLog
from policies.ranking import blocks, rank, top_k

SEEDS = st.integers(0, 2**31)


@given(b=st.integers(1, 5), n=st.integers(1, 400), share=st.floats(0, 1), values=st.integers(1, 50), seed=SEEDS)
def test_top_k_finds_the_same_values_as_torch(b, n, share, values, seed):
    """Few distinct values make many ties, −∞ among them; small k takes the detour over groups, large k does not."""
    k = max(1, round(n * share**4))
    rng = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, values, (b, n), generator=rng).float()
    scores[scores == 0] = -torch.inf
    best, ids = top_k(scores, k)
    assert torch.equal(best, scores.topk(k).values)
    assert torch.equal(scores.gather(1, ids), best)
    assert all(len(set(row)) == k for row in ids.tolist())


@pytest.mark.parametrize("n", [31, 32, 33, 257, 2048, 4099])
def test_top_k_finds_the_same_items_as_torch_where_no_two_are_equal(n):
    scores = torch.stack([torch.randperm(n, generator=torch.Generator().manual_seed(s)) for s in range(20)]).float()
    assert torch.equal(top_k(scores, 1)[1], scores.topk(1).indices)
    assert torch.equal(top_k(scores, 7)[1], scores.topk(7).indices)


def test_the_best_items_are_found_wherever_they_are():
    """Also in the odd columns at the end that belong to no group, and several in one group."""
    n = 8 * 100 + 5
    for places in ([804, 803, 802, 801, 800], [0, 100, 200, 300, 400], [99, 799, 800, 0, 804]):
        scores = torch.zeros(1, n)
        scores[0, places] = torch.tensor([5.0, 4, 3, 2, 1])
        assert top_k(scores, 5)[1][0].tolist() == places


@given(n=st.integers(0, 300), size=st.integers(1, 300))
def test_blocks_cover_the_users_in_order_and_none_is_small(n, size):
    users = torch.arange(n) * 3
    cut = list(blocks(users, size))
    assert len(cut) == -(-n // size)
    for block, expected in zip(cut, users.split(size), strict=False):
        missing = max(64 - len(expected), 0)
        assert block.tolist() == expected.tolist() + [int(expected[-1])] * missing


@given(n_items=st.integers(1, 60), share=st.floats(0, 1), block=st.integers(1, 90), seed=SEEDS, biased=st.booleans())
def test_rank_is_the_sorted_list_of_unseen_items(n_items, share, block, seed, biased):
    n_users = 67
    rng = torch.Generator().manual_seed(seed)
    seen = torch.rand(n_users, n_items, generator=rng) < share
    log = FeedbackLog(n_users, n_items)
    log.record(1, *seen.nonzero(as_tuple=True))
    scores = torch.stack([torch.randperm(n_items, generator=rng) for _ in range(n_users)]).float()
    bias = torch.randperm(n_items, generator=rng) * 1000.0 if biased else None
    users = torch.randperm(n_users, generator=rng)[: 1 + seed % n_users]
    k = 1 + seed % n_items
    ids, values = rank(lambda rows: scores[rows], users, k, log, bias, block)
    for user, row, row_values in zip(users.tolist(), ids.tolist(), values.tolist(), strict=True):
        total = (scores[user] + (0 if bias is None else bias)).tolist()
        unseen = sorted((i for i in range(n_items) if not seen[user, i]), key=lambda i: -total[i])[:k]
        assert row[: len(unseen)] == unseen
        assert row_values == [total[i] for i in unseen] + [-float("inf")] * (k - len(unseen))
        assert len(set(row)) == k
