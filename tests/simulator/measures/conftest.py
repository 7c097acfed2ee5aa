"""Small random worlds in which no two sizes are equal, so that an axis taken for another one shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from simulator.rounds import Round, World

N, M, T, K, PLACES, D, CREATORS = 23, 41, 5, 4, 3, 7, 6


def simplex(rng: np.random.Generator, rows: int, topics: int, concentration: float = 0.4) -> Tensor:
    return torch.tensor(rng.dirichlet(np.full(topics, concentration), rows), dtype=torch.float32)


@pytest.fixture(scope="session")
def make_world() -> Callable[..., World]:
    def make(
        seed: int = 0, n: int = N, m: int = M, t: int = T, d: int = D, creators: int = CREATORS
    ) -> World:
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(m, d))
        interests = simplex(rng, n, t)
        unit = interests / interests.norm(dim=1, keepdim=True)
        return World(
            topics=simplex(rng, m, t),
            features=torch.tensor(
                features / np.linalg.norm(features, axis=1, keepdims=True), dtype=torch.float32
            ),
            creators=torch.from_numpy(
                np.concatenate([np.arange(creators), rng.integers(0, creators, m - creators)])
            ),
            interests=interests,
            popularity=torch.from_numpy(rng.integers(0, 1 + n // 3, m)),
            neighbours=(unit @ unit.T).fill_diagonal_(-1).argmax(1),
            group=torch.from_numpy(rng.permutation(np.minimum(np.arange(n) * 7 // n, 4) // 2)),
            activation=torch.from_numpy(rng.uniform(-1, 1, m).astype(np.float32)),
            minority=torch.from_numpy(rng.random(m) < 0.3),
            viewpoint=torch.from_numpy(rng.integers(0, 3, m)),
        )

    return make


@pytest.fixture(scope="session")
def play() -> Callable[..., list[Round]]:
    """Rounds in which users take random unseen items, some off slates; masked ids are out of range."""

    def rounds(
        world: World,
        count: int,
        seed: int = 1,
        k: int = K,
        places: int = PLACES,
        first: int = 0,
        take: float = 0.6,
    ) -> list[Round]:
        rng = np.random.default_rng(seed)
        n, m = len(world.interests), len(world.topics)
        seen: list[set[int]] = [set() for _ in range(n)]
        interests, played = world.interests, []
        for t in range(first, first + count):
            shown = (rng.random(n) < 0.8) & (k > 0)
            slate = np.full((n, k), m + 7)
            items, taken = np.full((n, places), -3), np.zeros((n, places), dtype=bool)
            from_slate, best = np.zeros((n, places), dtype=bool), np.zeros((n, k), dtype=np.int64)
            for u in range(n):
                unseen = rng.permutation([i for i in range(m) if i not in seen[u]])
                best[u] = unseen[:k]
                if shown[u]:
                    slate[u] = rng.permutation(unseen[: k + 3])[:k]
                order = slate[u] if shown[u] else unseen
                for j in range(min(places, len(order))):
                    if rng.random() < take:
                        items[u, j], taken[u, j], from_slate[u, j] = order[j], True, shown[u]
                        seen[u].add(int(order[j]))
            ideal = torch.from_numpy(best)
            played.append(
                Round(
                    round=t,
                    slate=torch.from_numpy(slate),
                    shown=torch.from_numpy(shown),
                    items=torch.from_numpy(items),
                    taken=torch.from_numpy(taken),
                    from_slate=torch.from_numpy(from_slate),
                    utility=torch.tensor(rng.normal(size=(n, places)), dtype=torch.float32),
                    interests=interests,
                    best=lambda users, size, ideal=ideal: ideal[users, :size],
                )
            )
            interests = 0.9 * interests + 0.1 * simplex(rng, n, interests.shape[1])
        return played

    return rounds
