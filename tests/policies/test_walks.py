"""Random walks and click-rate bandits against brute force and closed forms on small logs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from policies import SALSA, ClickRates, NearestItem, PageRank, Policy
from policies.failure import PolicyFailed
from policies.log import FeedbackLog, ItemData
from simulator.draws import Draws

TAKES = [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 3), (3, 0), (3, 1)]       # users and items


def items(count: int) -> ItemData:
    return ItemData(torch.eye(count), torch.eye(count))


def fitted(policy: Policy) -> tuple[Policy, FeedbackLog]:
    log = FeedbackLog(4, 4, again_after=1)
    users, taken = (torch.tensor(column) for column in zip(*TAKES, strict=True))
    log.record(0, users, taken)
    policy.held_out_share = 0.0                 # type: ignore[misc]  # all of it
    return policy.fit(log, items(4), torch.Generator().manual_seed(0)), log


def matrices() -> tuple[np.ndarray, np.ndarray]:
    x = np.zeros((4, 4))
    x[tuple(zip(*TAKES, strict=True))] = 1
    return x / x.sum(1, keepdims=True), x.T / x.T.sum(1, keepdims=True)


def test_salsa_is_three_steps() -> None:
    policy, log = fitted(SALSA())
    to_items, to_users = matrices()
    np.testing.assert_allclose(policy.score(torch.arange(4), log), to_items @ to_users @ to_items, atol=1e-6)


def test_pagerank_is_the_walk_in_the_long_run() -> None:
    policy, log = fitted(PageRank(restart=0.3, steps=80))
    to_items, to_users = matrices()
    exact = 0.3 * to_items @ np.linalg.inv(np.eye(4) - 0.7 * to_users @ to_items)
    np.testing.assert_allclose(policy.score(torch.arange(4), log), exact, atol=1e-6)


def test_the_nearest_item_by_hand() -> None:
    policy, log = fitted(NearestItem())
    # Columns: 0 = {0, 3}, 1 = {0, 1, 3}, 2 = {1, 2}, 3 = {2}; nearest 0 → 1, 1 → 0, 2 → 3 (1/√2 before 1/√6), 3 → 2.
    expected = [[0.5, 0.5, 0, 0], [0.5, 0, 0, 0.5], [0, 0, 0.5, 0.5], [0.5, 0.5, 0, 0]]
    np.testing.assert_allclose(policy.score(torch.arange(4), log), expected, atol=1e-6)


def test_a_drawn_walk_shows_items_as_often_as_it_ends_there() -> None:
    policy, log = fitted(SALSA())
    log.now = 5                                 # all may be shown again
    shown = [policy.rank(torch.tensor([0]), 1, log, Draws(1).at(round)("slate"))[0].item() for round in range(1000)]
    ends = policy.score(torch.tensor([0]), log)[0]
    expected = ends.double() / ends.double().sum() * 1000
    there = (expected > 0).numpy()
    assert stats.chisquare(np.bincount(shown, minlength=4)[there], expected.numpy()[there]).pvalue > 0.001


def shown_to_both(rounds: int, clicks: list[int]) -> FeedbackLog:
    """Two users are shown items 0 and 1 of three in every round; user 0 takes item 0 in some rounds."""
    log = FeedbackLog(2, 3, again_after=1)
    for round in range(1, rounds + 1):
        log.record_slates(round, torch.arange(2), torch.tensor([[0, 1], [0, 1]]))
        took = torch.zeros(int(round in clicks), dtype=torch.int64)
        log.record(round, took, took)
    log.now = rounds + 1
    return log


def test_click_rates_are_posterior_means_however_the_log_grew() -> None:
    log = shown_to_both(10, [2, 3, 7])
    policy = ClickRates(by="mean").fit(log, items(3), torch.Generator())
    expected = [[4 / 12, 1 / 12, 1 / 2], [1 / 12, 1 / 12, 1 / 2]]
    np.testing.assert_allclose(policy.score(torch.arange(2), log), expected, atol=1e-6)
    log.record_slates(11, torch.tensor([1]), torch.tensor([[2, 0]]))
    log.record(11, torch.tensor([1]), torch.tensor([2]))
    expected[1] = [1 / 13, 1 / 12, 2 / 3]
    np.testing.assert_allclose(policy.score(torch.arange(2), log), expected, atol=1e-6)         # went on counting
    np.testing.assert_allclose(policy.score(torch.arange(2), shown_to_both(10, [])), [[1 / 12, 1 / 12, 1 / 2]] * 2, atol=1e-6)


def test_what_was_taken_without_being_shown_is_no_click() -> None:
    log = shown_to_both(4, [])
    log.record_slates(5, torch.tensor([0]), torch.tensor([[0, 1]]))
    log.record(5, torch.tensor([0, 1]), torch.tensor([2, 0]))                                   # not on her slate; no slate
    policy = ClickRates(by="mean").fit(log, items(3), torch.Generator())
    np.testing.assert_allclose(policy.score(torch.arange(2), log), [[1 / 7, 1 / 7, 1 / 2], [1 / 6, 1 / 6, 1 / 2]], atol=1e-6)


def test_thompson_draws_from_the_posterior_and_ucb_is_ucb1() -> None:
    log = shown_to_both(10, [2, 3, 7])
    policy = ClickRates().fit(log, items(3), torch.Generator())
    draws = [policy.rank(torch.tensor([0]), 3, log, Draws(2).at(round)("slate")) for round in range(600)]
    of_first = [float(scores[0][ids[0] == 0]) for ids, scores in draws]
    assert stats.kstest(of_first, stats.beta(4, 8).cdf).pvalue > 0.001
    bound = ClickRates(by="ucb").fit(log, items(3), torch.Generator()).score(torch.tensor([0]), log)[0]
    width = (2 * np.log(10) / 10) ** 0.5
    np.testing.assert_allclose(bound[:2], [0.3 + width, width], atol=1e-6)
    assert bound[2] > 1000                                                                      # never shown: first


def test_ties_are_broken_by_chance() -> None:
    log = FeedbackLog(400, 2, again_after=1)
    policy = ClickRates(by="mean").fit(log, items(2), torch.Generator())
    first = policy.rank(torch.arange(400), 1, log, Draws(3).at(1)("slate"))[0][:, 0]
    assert stats.binomtest(int(first.sum()), 400).pvalue > 0.001


def test_more_pairs_than_can_be_counted_are_refused_with_what_to_take_instead():
    log = FeedbackLog(50_001, 1000)
    with pytest.raises(PolicyFailed, match=r"50,001 users × 1,000 items are more than 50,000,000 pairs\. linucb"):
        ClickRates().fit(log, ItemData(torch.ones(1000, 1), torch.ones(1000, 1)), torch.Generator())
