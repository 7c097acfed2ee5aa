"""What matrix factorisation of few dimensions reveals of what people like, after Ohsaka & Togashi 2023, in plain NumPy.

    python tests/independent/dimensions.py PATH/ml-100k.inter --dimensions 256

On MovieLens 100K, of which half of each user's interactions are known at first: iALS is fitted, its best 20 unknown items are
shown, those that the user has are revealed, and so on. Where scenarios/replications/r12_low_dimensionality.yaml says that 256
dimensions reveal less than 64 by round 6, this program says so too. A fit of 256 dimensions takes a minute.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

UNKNOWN, RIDGE, SWEEPS, SHOWN = 0.1, 0.01, 10, 20           # α_0, λ


def fitted(rng: np.random.Generator, known: np.ndarray, dimensions: int) -> np.ndarray:
    """Scores (n, M) of iALS, Rendle, Krichene, Zhang & Koren 2022, of the interactions known (n, M)."""
    left, right = (rng.normal(0, 0.1 / dimensions**0.5, (size, dimensions)) for size in known.shape)
    for _ in range(SWEEPS):
        solve(left, right, known)
        solve(right, left, known.T)
    return left @ right.T


def solve(rows: np.ndarray, columns: np.ndarray, known: np.ndarray) -> None:
    """Set each row's factors to the least squares of what is known of it, given those of the columns."""
    gram = UNKNOWN * columns.T @ columns
    for row, has in enumerate(known):
        mine = columns[has]
        ridge = RIDGE * (len(mine) + UNKNOWN * len(columns))
        rows[row] = np.linalg.solve(gram + mine.T @ mine + ridge * np.eye(len(gram)), mine.sum(0))


def half(rng: np.random.Generator, likes: np.ndarray) -> np.ndarray:
    """Half of each user's interactions, drawn at random (n, M)."""
    known = np.zeros_like(likes)
    for user, row in enumerate(likes):
        items = rng.permutation(np.flatnonzero(row))
        known[user, items[: len(items) // 2]] = True
    return known


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("ratings", type=Path, help="user and item in the first two columns, numbered from 1")
    for name, default in (("dimensions", 64), ("rounds", 6), ("seed", 1)):
        options.add_argument(f"--{name}", type=int, default=default)
    given = options.parse_args()
    rng = np.random.default_rng(given.seed)
    user, item = np.loadtxt(given.ratings, dtype=int, usecols=(0, 1), skiprows=int(given.ratings.suffix != ".data")).T - 1
    likes = np.zeros((user.max() + 1, item.max() + 1), bool)
    likes[user, item] = True
    known = half(rng, likes)
    for round_ in range(1, given.rounds + 1):
        scores = np.where(known, -np.inf, fitted(rng, known, given.dimensions))
        shown = np.zeros_like(likes)
        np.put_along_axis(shown, np.argpartition(-scores, SHOWN, 1)[:, :SHOWN], True, 1)
        hits, left = shown & likes & ~known, (likes & ~known).sum(1)
        recall = (hits.sum(1) / left.clip(1, SHOWN))[left > 0].mean()
        known |= hits
        liked = likes.any(0)
        print(f"round {round_}: coverage {shown.any(0).mean():.3f}, recall {recall:.3f}, revealed of what users like "
              f"{(known.sum(1) / likes.sum(1)).mean():.3f}, of whom items are liked by "
              f"{(known.sum(0)[liked] / likes.sum(0)[liked]).mean():.3f}", flush=True)


if __name__ == "__main__":
    main()
