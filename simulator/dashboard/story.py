"""One user's story: what she was shown, what she took, and where it took her."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.dashboard.pair import Happened, PairModel, WatchedModel


@dataclass(frozen=True)
class Take:
    """An item that she took."""

    item: int
    place: int | None               # in her slate, from 0; None: she found it by herself
    utility: float                  # its true utility to her


@dataclass(frozen=True)
class Chapter:
    """One round of one user in one arm."""

    round: int
    slate: tuple[int, ...]          # item ids, best first; empty: she was given none
    takes: tuple[Take, ...]
    interests: np.ndarray           # (T,) on the simplex, after the round


def story(model: WatchedModel, row: int, last: int) -> list[Chapter]:
    """Return rounds 1 … `last` of the watched user in this row of `model.watched`, in order."""
    return [_chapter(happened, row) for happened in model.diary[:last]]


def _chapter(happened: Happened, row: int) -> Chapter:
    slate = tuple(happened.slate[row].tolist()) if happened.shown[row] else ()
    takes = [
        Take(int(item), slate.index(int(item)) if from_slate else None, float(utility))
        for item, taken, from_slate, utility in zip(
            happened.items[row], happened.taken[row], happened.from_slate[row], happened.utility[row], strict=True
        )
        if taken
    ]
    return Chapter(happened.round, slate, tuple(takes), happened.interests[row])


def row_of(pair: PairModel, user: int) -> int:
    """Return the row of the watched user whose number is nearest."""
    return int(np.abs(pair.left.watched.numpy() - user).argmin())


def interests_now(model: WatchedModel, round: int) -> np.ndarray:
    """Return the watched users' interests (w, T) at the end of a round."""
    return model.start if round == 0 else model.diary[round - 1].interests


def most_apart(pair: PairModel) -> int:
    """Return the row of the user whom the arms have led furthest apart: total variation, ½ Σ_t |θ − θ′|."""
    left, right = (interests_now(model, pair.round) for model in pair.sides)
    return int(np.abs(left - right).sum(1).argmax())
