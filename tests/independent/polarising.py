"""The three recommenders of Dandekar, Goel & Lee 2013 on random graphs, in plain NumPy with dense path counts.

    python tests/independent/polarising.py --users 400 --graphs 200

prints by how much what a user is shown (unbiased users) or accepts (biased users) is of the side that she leans to more often
than she is herself. The levels of small graphs in scenarios/replications/r8_polarising_recommenders.yaml are from here.
"""

from __future__ import annotations

import argparse

import numpy as np

ITEMS, FINDS = 800, 80
TIE = 1e-9


def shown(rng: np.random.Generator, likes: np.ndarray) -> dict[str, np.ndarray]:
    """The one item (n,) that each recommender shows each user, from who likes what (n, M)."""
    edges = likes.astype(np.float32)
    per_user, per_item = edges.sum(1, keepdims=True), edges.sum(0)
    to_item, to_user = edges / per_user.clip(1), (edges / per_item.clip(1)).T
    walk = to_item @ (to_user @ to_item)                    # P(end | user) of three steps
    cosine = edges.T @ edges / np.sqrt(np.outer(per_item, per_item) + TIE)
    np.fill_diagonal(cosine, -1)
    nearest = (cosine + TIE * rng.random(cosine.shape)).argmax(1)
    return {
        "SimpleICF": nearest[drawn(rng, to_item)],          # the item most like one that she likes
        "SimplePPR": np.where(likes, -1, walk + TIE * rng.random(walk.shape)).argmax(1),
        "SimpleSALSA": drawn(rng, walk),
    }


def drawn(rng: np.random.Generator, chances: np.ndarray) -> np.ndarray:
    """One column (n,) for each row of chances (n, M), which need not sum to 1."""
    below = chances.cumsum(1)
    return (below > rng.random((len(below), 1)) * below[:, -1:]).argmax(1)


def graph(rng: np.random.Generator, users: int) -> dict[str, float]:
    """How much more often than users themselves what they are shown, or accept, is of their own side; on one graph."""
    red_share, red_item = rng.beta(2, 2, users), np.arange(ITEMS) % 2 == 0
    likes, rows = np.zeros((users, ITEMS), bool), np.arange(users)
    for _ in range(FINDS):
        found = rng.integers(0, ITEMS, users)
        likes[rows, found] |= rng.random(users) < np.where(red_item[found], red_share, 1 - red_share)
    own_share = np.maximum(red_share, 1 - red_share)
    result = {}
    for name, item in shown(rng, likes).items():
        own = red_item[item] == (red_share > 0.5)
        accepted = rng.random(users) < np.where(red_item[item], red_share, 1 - red_share)
        result[f"{name}, unbiased users"] = own.mean() - own_share.mean()
        result[f"{name}, biased users"] = own[accepted].mean() - own_share[accepted].mean()
    return result


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in (("users", 400), ("graphs", 200), ("seed", 7)):
        options.add_argument(f"--{name}", type=int, default=default)
    given = options.parse_args()
    rng = np.random.default_rng(given.seed)
    graphs = [graph(rng, given.users) for _ in range(given.graphs)]
    for name in graphs[0]:
        values = np.array([each[name] for each in graphs])
        print(f"{name:28s} {values.mean():+.4f} ± {1.96 * values.std(ddof=1) / len(values)**0.5:.4f}")


if __name__ == "__main__":
    main()
