"""Aridor, Gonçalves & Sikdar 2020, "Deconstructing the filter bubble", in plain NumPy: nothing of the simulator is used.

    python tests/independent/aridor.py --correlation 0.1 --populations 300

plays populations of each of the 125 cells with β > 0 at one ρ, and says how far each regime's people go and how well off they
are, a second for each population. A program in C that does the same told how many populations
scenarios/replications/r1_deconstructing.yaml asks for.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np

ITEMS, TAKES = 200, 20
COMMON, VARIANCE, AVERSION = (0.4, 0.8, 1, 2, 5), (0.25, 0.5, 1, 2, 4), (0, 0.3, 0.6, 1, 5)        # β, s, γ of the paper's grid


def ring(correlation: float) -> np.ndarray:
    """ρ^d for all pairs of items d steps apart (M, M)."""
    steps = np.abs(np.subtract.outer(np.arange(ITEMS), np.arange(ITEMS)))
    return np.float64(correlation) ** np.minimum(steps, ITEMS - steps)


def take(mean: np.ndarray, prior: np.ndarray, found: np.ndarray, told: np.ndarray, aversion: float) -> np.ndarray:
    """What people (n) take in turn (n, T): each the largest of μ + told − γ/2 S; its worth (n, M) is found out."""
    n, rows = len(mean), np.arange(len(mean))
    mean, left = mean.copy(), np.tile(np.diag(prior), (n, 1))
    factors, taken = np.zeros((n, TAKES, ITEMS)), np.zeros((n, TAKES), int)
    for t in range(TAKES):
        worth = mean + told - aversion / 2 * left
        np.put_along_axis(worth, taken[:, :t], -np.inf, 1)
        taken[:, t] = item = worth.argmax(1)
        column = prior[item] - np.einsum("ns,nsm->nm", factors[rows, :t, item], factors[:, :t])
        root = np.sqrt(column[rows, item])
        factors[:, t] = factor = column / root[:, None]
        mean += factor * ((found[rows, item] - mean[rows, item]) / root)[:, None]
        left -= factor**2
    return taken


def populations(rng: np.random.Generator, count: int, users: int, correlation: float, common: float, variance: float,
                aversion: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Diversity and welfare (count,) of the populations of a cell under each regime, in the same worlds."""
    prior = variance * ring(correlation)
    root = np.linalg.cholesky(prior)
    quality = np.repeat(common * (rng.standard_normal((count, ITEMS)) @ root.T), users, 0)           # β V
    expected = 0.1**0.5 * rng.standard_normal((count * users, ITEMS))
    own = expected + rng.standard_normal((count * users, ITEMS)) @ root.T
    value = own + quality
    taken = {
        "none": take(expected, (1 + common**2) * prior, value, np.zeros_like(value), aversion),
        "rec": take(expected, prior, own, quality, aversion),
        "oracle": np.argsort(-value, 1)[:, :TAKES],
    }
    return {regime: (spread(items).reshape(count, users).mean(1),
                     np.take_along_axis(value, items, 1).mean(1).reshape(count, users).mean(1))
            for regime, items in taken.items()}


def spread(taken: np.ndarray) -> np.ndarray:
    """Mean ring distance between what each (n) took (n, T), in lengths of the ring."""
    steps = np.abs(taken[:, :, None] - taken[:, None])
    return np.minimum(steps, ITEMS - steps).sum((1, 2)) / (TAKES * (TAKES - 1)) / ITEMS


def grid(rng: np.random.Generator, count: int, users: int, correlation: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The means (count,) of `populations` over the cells with β > 0: a population of each cell is one draw of the whole."""
    cells = [populations(rng, count, users, correlation, *cell) for cell in product(COMMON, VARIANCE, AVERSION)]
    return {regime: (np.mean([cell[regime][0] for cell in cells], 0), np.mean([cell[regime][1] for cell in cells], 0))
            for regime in cells[0]}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--correlation", type=float, default=0.1)
    options.add_argument("--populations", type=int, default=300)
    options.add_argument("--users", type=int, default=50)
    options.add_argument("--seed", type=int, default=7)
    given = options.parse_args()
    rng = np.random.default_rng(given.seed)
    parts = [grid(rng, min(20, given.populations - start), given.users, given.correlation)
             for start in range(0, given.populations, 20)]
    found = {regime: [np.concatenate([part[regime][place] for part in parts]) for place in (0, 1)] for regime in parts[0]}
    for regime, (diversity, welfare) in found.items():
        print(f"{regime:8s} diversity {said(diversity, 5)}, welfare {said(welfare, 3)}")
    more = found["oracle"][0] - found["rec"][0]
    print(f"oracle less rec: {said(more, 5)}, above 0 in {np.mean(more > 0):.1%} of {len(more)} draws")


def said(values: np.ndarray, digits: int) -> str:
    return f"{values.mean():.{digits}f} ± {1.96 * values.std(ddof=1) / len(values)**0.5:.{digits}f}"


if __name__ == "__main__":
    main()
