"""The feedback loops of Jiang et al. 2019, as Khritankov & Pilkevich 2021 have them in code, in plain NumPy.

    python tests/independent/loops.py --items 10 --slate 5 --half-width 1 --rounds 2000 --loops 4000

prints the mean of ‖μ − μ_0‖² under each bandit and its standard error: the numbers to which the notes of
scenarios/replications/r4_degenerate_loops.yaml compare. Nothing of the simulator is used.
"""

from __future__ import annotations

import argparse

import numpy as np

POLICIES = ("oracle", "ts", "ucb", "random")


def amplitude(rng: np.random.Generator, policy: str, loops: int, items: int, slate: int, half_width: float, rounds: int,
              restart: float = 0) -> np.ndarray:
    """‖μ_t − μ_0‖² (loops,) after so many rounds in which a slate is shown, and what is clicked grows dearer."""
    start = rng.uniform(-half_width, half_width, (loops, items))
    interests, clicks, shown = start.copy(), np.zeros((loops, items)), np.zeros((loops, items))
    for t in range(rounds):
        key = {
            "oracle": lambda: interests,
            "ts": lambda: rng.beta(1 + clicks, 1 + shown - clicks),
            "ucb": lambda t=t: np.where(shown > 0, clicks / np.maximum(shown, 1) + np.sqrt(2 * np.log(t + 1) /
                                        np.maximum(shown, 1)), 1e6 + rng.random(shown.shape)),      # never shown: first
            "random": lambda: rng.random(interests.shape),
        }[policy]()
        on = np.argpartition(-key, slate - 1, 1)[:, :slate]
        mine = np.take_along_axis(interests, on, 1)
        clicked = rng.random(on.shape) < 1 / (1 + np.exp(-mine))
        moved = mine + np.where(clicked, 1, -1) * rng.uniform(0, 0.01, on.shape)
        fresh = rng.random(on.shape) < restart
        np.put_along_axis(interests, on, np.where(fresh, rng.uniform(-0.5, 0.5, on.shape), moved), 1)
        np.put_along_axis(clicks, on, np.take_along_axis(clicks, on, 1) + clicked, 1)
        np.put_along_axis(shown, on, np.take_along_axis(shown, on, 1) + 1, 1)
    return ((interests - start) ** 2).sum(1)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in (("items", 10), ("slate", 4), ("rounds", 2000), ("loops", 4000), ("seed", 1)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--half-width", type=float, default=0.5)
    options.add_argument("--restart", type=float, default=0)
    options.add_argument("--policies", nargs="+", choices=POLICIES, default=POLICIES)
    given = options.parse_args()
    for policy in given.policies:
        found = amplitude(np.random.default_rng(given.seed), policy, given.loops, given.items, given.slate, given.half_width,
                          given.rounds, given.restart)
        print(f"{policy:8s} {found.mean():.4g}, standard error {found.std(ddof=1) / len(found)**0.5:.2g}")


if __name__ == "__main__":
    main()
