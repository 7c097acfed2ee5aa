"""What stays the same while a run is measured: the world, and which users and pairs stand for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from simulator.measures.normative import classes, stirred
from simulator.measures.usefulness import majority
from simulator.rounds import World

Pairs = Literal["sample", "all", "nearest", "policy"]


@dataclass(frozen=True)
class Frame:
    """The world, the panel and the pairs. Item id M is an empty place here: no topics, no features."""

    world: World
    panel: Tensor                   # int64 users in random order, for measures too costly for everybody
    pairs: Tensor | None            # (2, P) int64 users whose consumption is compared; None = all pairs; P = 0: the policy's

    @property
    def n_users(self) -> int:
        return len(self.world.interests)

    @property
    def n_items(self) -> int:
        return len(self.world.topics)

    @property
    def n_topics(self) -> int:
        return self.world.topics.shape[1]

    @cached_property
    def topics(self) -> Tensor:             # (M + 1, T); the last row is 0
        return torch.cat([self.world.topics, torch.zeros_like(self.world.topics[:1])])

    @cached_property
    def features(self) -> Tensor:           # (M + 1, d); the last row is 0
        return torch.cat([self.world.features, torch.zeros_like(self.world.features[:1])])

    @cached_property
    def leading_topic(self) -> Tensor:      # (M + 1,) int64; T for the empty place
        return torch.cat([self.world.topics.argmax(1), torch.tensor([self.n_topics])])

    @cached_property
    def stirred(self) -> Tensor | None:     # (M, B) 0/1: classes of |activation|
        return None if self.world.activation is None else stirred(self.world.activation)

    @cached_property
    def voices(self) -> Tensor | None:      # (M, 2) 0/1: majority, minority
        return None if self.world.minority is None else classes(self.world.minority)

    @cached_property
    def viewpoints(self) -> Tensor | None:  # (M, views) 0/1
        return None if self.world.viewpoint is None else classes(self.world.viewpoint)

    @cached_property
    def majority(self) -> Tensor:           # (N,) bool, by the interests of round 0
        return majority(self.world.interests)


def draw_frame(world: World, panel: int, pairs: Pairs, pair_sample: int, seed: int) -> Frame:
    """Checks the world, and draws the panel and the pairs from a generator of the measures' own."""
    check(world)
    if panel < 1:
        raise ValueError(f"panel: must be at least 1 user (got {panel})")
    if pair_sample < 1:
        raise ValueError(f"pair_sample: must be at least 1 (got {pair_sample})")
    n = len(world.interests)
    # One stream each, so that the size of the panel does not change the pairs
    for_panel, for_pairs = np.random.default_rng(seed).spawn(2)
    members = torch.from_numpy(for_panel.permutation(n)[:panel])
    if pairs == "all":
        return Frame(world, members, None)
    if pairs == "policy":                   # it sees others in each round: `Round.neighbours`
        return Frame(world, members, torch.zeros(2, 0, dtype=torch.int64))
    if pairs == "nearest":
        if world.neighbours is None:
            raise ValueError("world.neighbours: needed for pairs: nearest")
        return Frame(world, members, torch.stack([torch.arange(n), world.neighbours]))
    if pairs == "sample":
        return Frame(world, members, sample_pairs(n, pair_sample, for_pairs))
    raise ValueError(f"pairs: must be one of {', '.join(get_args(Pairs))} (got {pairs!r})")


def sample_pairs(n: int, size: int, rng: np.random.Generator) -> Tensor:
    """`size` random pairs of different users, with replacement; each pair once if there are no more."""
    if n * (n - 1) // 2 <= size:
        return torch.triu_indices(n, n, offset=1)
    first = rng.integers(0, n, size)
    second = (first + rng.integers(1, n, size)) % n     # a step of 1 … n − 1: never back to herself
    return torch.from_numpy(np.stack([first, second]))


def check(world: World) -> None:
    n, m = len(world.interests), len(world.topics)
    lengths = {"features": m, "creators": m, "popularity": m, "group": n, "activation": m, "minority": m, "viewpoint": m}
    for name, length in lengths.items():
        if getattr(world, name) is not None and len(getattr(world, name)) != length:
            raise ValueError(f"world.{name}: expected {length} rows, got {len(getattr(world, name))}")
    if world.interests.shape[1] != world.topics.shape[1]:
        raise ValueError(
            f"world.interests has {world.interests.shape[1]} topics, world.topics {world.topics.shape[1]}"
        )
    if (world.popularity > n).any():
        raise ValueError(
            f"world.popularity: counts distinct users, so at most {n} (got {int(world.popularity.max())})"
        )
    if world.neighbours is not None:
        if len(world.neighbours) != n:
            raise ValueError(f"world.neighbours: expected {n} rows, got {len(world.neighbours)}")
        if (world.neighbours == torch.arange(n)).any():
            raise ValueError("world.neighbours: a user is listed as her own neighbour")
