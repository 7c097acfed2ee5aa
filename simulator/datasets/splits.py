"""How a real log is cut into what a policy learns from, what its training is judged by, and what it is tested on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from simulator.datasets.dataset import Dataset


class Split(NamedTuple):
    """Places in the log's columns, each in the log's order; together all of them, none twice."""

    train: np.ndarray               # (n,) int64
    validation: np.ndarray
    test: np.ndarray


def random_split(data: Dataset, seed: int) -> Split:
    """8 : 1 : 1 at random within each user: a tenth of her interactions, rounded down, for test and for validation each.

    Of fewer than ten one is for test, and one for validation if one is then left to learn from, as in RecBole.

    Source: Zhao et al. 2021 (CIKM), "RecBole", its ratio-based split with `group_by: user`.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(data.users))
    by_user = shuffled[np.argsort(data.users[shuffled], kind="stable")]
    counts = np.bincount(data.users, minlength=len(data.user_labels))
    n_test = np.where(counts >= 10, counts // 10, counts > 1)
    n_validation = np.where(counts >= 10, counts // 10, counts > 2)
    return _cut(data, by_user, counts, n_test, n_validation)


def leave_one_out(data: Dataset, seed: int = 0) -> Split:
    """Each user's newest interaction for test, the one before it for validation, the older ones to learn from.

    Nothing is random. Users with one interaction only train; with two, nothing of theirs is for validation.

    Source: Kang & McAuley 2018 (ICDM).
    """
    newest_first = np.lexsort((-np.arange(len(data.users)), data.users))        # the log is in the order of time
    counts = np.bincount(data.users, minlength=len(data.user_labels))
    return _cut(data, newest_first, counts, counts > 1, counts > 2)


SPLITS: dict[str, Callable[[Dataset, int], Split]] = {"random": random_split, "leave-one-out": leave_one_out}


def _cut(data: Dataset, by_user: np.ndarray, counts: np.ndarray, n_test: np.ndarray, n_validation: np.ndarray) -> Split:
    """Take the first `n_test` of each user's places for test and the next `n_validation` for validation."""
    users = data.users[by_user]
    place = np.arange(len(users)) - (np.cumsum(counts) - counts)[users]         # 0, 1, … within each user
    test = place < n_test[users]
    validation = ~test & (place < (n_test + n_validation.astype(np.int64))[users])
    return Split(*(np.sort(by_user[part]) for part in (~test & ~validation, validation, test)))
