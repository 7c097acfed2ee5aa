"""What was shown to whom and what came of it: exposure, and the takes that no slate led to."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from policies.log import FeedbackLog


class Shown(NamedTuple):
    """The slates of one round and what was taken of them in that round."""

    users: Tensor                   # (b,) int64
    items: Tensor                   # (b, k) int64
    taken: Tensor                   # (b, k) bool
    skipped: Tensor                 # (b, k) bool: looked at and passed over, as far as the platform sees it


def impressions(log: FeedbackLog) -> list[Shown]:
    """Return all slates of the log, oldest first. Taken in another round, or found by herself then, is not taken here."""
    users, items, rounds = log.interactions()
    order = rounds.argsort(stable=True)
    users, items, rounds = users[order], items[order], rounds[order].contiguous()
    row_of = torch.full((log.n_users,), -1)
    passed = {int(skips.rounds[0]): skips for skips in log.skips if len(skips.rounds)}
    found = []
    for round, shown_to, slates in log.slates:
        if not len(shown_to):
            continue
        start, stop = torch.searchsorted(rounds, torch.tensor([round, round + 1])).tolist()
        row_of[shown_to] = torch.arange(len(shown_to))
        row = row_of[users[start:stop]]
        row_of[shown_to] = -1
        took, row = items[start:stop][row >= 0], row[row >= 0]
        taken = torch.zeros(slates.shape, dtype=torch.bool)
        which, place = (slates[row] == took[:, None]).nonzero(as_tuple=True)
        taken[row[which], place] = True
        skipped = torch.zeros((), dtype=torch.bool).expand(slates.shape)
        if (skips := passed.get(round)) is not None:
            skipped = torch.isin(shown_to[:, None] * log.n_items + slates, skips.users * log.n_items + skips.items)
        found.append(Shown(shown_to, slates.long(), taken, skipped))
    return found


def exposures(log: FeedbackLog) -> Tensor:
    """Return how often each item (n_items,) was met: times shown, and times taken without having been shown."""
    count = torch.bincount(log.interactions().items, minlength=log.n_items)
    for shown in impressions(log):
        count += torch.bincount(shown.items[~shown.taken], minlength=log.n_items)   # a take from a slate is counted already
    return count.float()


_LEAST = 0.01
"""Propensities below this count as this: a few rarely met items must not outweigh all others."""


def inverse_propensity(log: FeedbackLog, power: float) -> Tensor:
    """Return by how much an interaction with each item (n_items,) counts: less, the more the item was met.

    (propensity_i)^−power with propensity_i = exposures_i / max exposures, clipped from below, and scaled so that the mean over
    the log's interactions is 1.

    Source: Schnabel et al. 2016 (ICML), "Recommendations as treatments", the self-normalised estimator; relative exposure to
    some power as propensity, and its clipping, as in Saito et al. 2020 (WSDM), "Unbiased recommender learning from
    missing-not-at-random implicit feedback" (power ½ there).
    """
    exposure = exposures(log)
    weight = (exposure / exposure.max().clamp(min=1)).clamp(min=_LEAST) ** -power
    taken = log.interactions().items
    return weight / weight[taken].mean() if len(taken) else torch.ones_like(weight)
