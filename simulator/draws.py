"""Random numbers that are a pure function of who, what and when.

A draw is a counter-based hash of (seed, replicate, decision, round, user id, item id). It does not depend on
what else was drawn, in which order, in which block, cohort, process or arm. So two arms differ only by what
their policies did (common random numbers; Glasserman & Yao 1992), and their paired difference is the policies'
effect.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)     # the increment of SplitMix64
_ROUNDS = [(np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB))]
_LAST = np.uint64(31)
_LOW_32 = np.uint64(0xFFFFFFFF)
_HIGH_23 = np.uint64(64 - 23)
_UNIT_23 = np.float32(2.0**-23)             # 23 bits and a half fit float32 exactly: draws never round to 0 or 1


def _mix(x: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser (Steele, Lea & Flood 2014, variant 13 of Stafford): a bijection of 64-bit words.

    In place: `x`, uint64, is used up. NumPy because torch, whose integers have a sign, takes three times as long.
    """
    for shift, factor in _ROUNDS:
        x ^= x >> shift
        x *= factor
    x ^= x >> _LAST
    return x


def _words(ids: Tensor) -> np.ndarray:
    """Return whole numbers as unsigned words, at least one of them: a lone one would not wrap around without a warning."""
    return np.atleast_1d(ids.numpy(force=True)).astype(np.int64, copy=False).view(np.uint64)


@dataclass(frozen=True)
class Stream:
    """The draws of one named decision in one round: independent over users, and over items within a user."""

    key: int                                # 64-bit, signed

    def bits(self, users: Tensor, items: Tensor | int = 0) -> Tensor:
        """Return int64 words, one per broadcast pair of user id and item id (or slot, or position)."""
        return _drawn(self._bits(users, items).view(np.int64), users, items)

    def uniform(self, users: Tensor, items: Tensor | int = 0) -> Tensor:
        """Return float32 draws from U(0, 1), both ends excluded."""
        return _drawn(_unit(self._bits(users, items)), users, items)

    def uniform_pair(self, users: Tensor, items: Tensor | int = 0) -> tuple[Tensor, Tensor]:
        """Return two independent U(0, 1) draws per pair, float32 and float64 (32 bits), for the cost of one hash."""
        words = self._bits(users, items)
        other = ((words & _LOW_32) + 0.5) * 2.0**-32
        return _drawn(_unit(words), users, items), _drawn(other, users, items)

    def _bits(self, users: Tensor, items: Tensor | int) -> np.ndarray:
        user_words = _mix(_words(users) * _GOLDEN + np.uint64(self.key % 2**64))     # hashed before the items are spread out
        item_words = _words(items) if isinstance(items, Tensor) else np.array([items % 2**64], np.uint64)
        return _mix(user_words + (item_words + np.uint64(1)) * _GOLDEN)

    def gumbel(self, users: Tensor, items: Tensor | int = 0) -> Tensor:
        """Return float32 draws from the standard Gumbel distribution, −ln(−ln U): the noise of a logit choice."""
        return self.uniform(users, items).log_().neg_().log_().neg_()

    def generator(self) -> torch.Generator:
        """Return a sequential generator under the same key, for training: initialisation, batches, negatives."""
        return torch.Generator().manual_seed(self.key & (2**63 - 1))

    def numpy(self) -> np.random.Generator:
        """Return a NumPy generator under the same key, for building the world with NumPy's distributions."""
        return np.random.Generator(np.random.Philox(key=self.key & (2**64 - 1)))


def _drawn(numbers: np.ndarray, users: Tensor, items: Tensor | int) -> Tensor:
    """Return numbers for each pair as a tensor where the users are; of one user and one item, a single number."""
    drawn = torch.from_numpy(numbers).to(users.device)
    return drawn if users.ndim or (isinstance(items, Tensor) and items.ndim) else drawn[0]


def _unit(words: np.ndarray) -> np.ndarray:
    return ((words >> _HIGH_23).astype(np.float32) + np.float32(0.5)) * _UNIT_23


@dataclass(frozen=True)
class Draws:
    """All randomness of one replicate. `draws.at(round)("choice")` is the stream of one decision."""

    seed: int
    replicate: int = 0
    round: int = 0
    luck: int = 0                           # 0 in all arms; another one: the same world, in which things turn out otherwise

    def at(self, round: int) -> Draws:
        """The draws of a round. Those of round 0 that users and items are born with are the same for every luck."""
        return Draws(self.seed, self.replicate, round)

    def with_luck(self, luck: int) -> Draws:
        """The draws of the same round with another luck."""
        return Draws(self.seed, self.replicate, self.round, luck)

    def __call__(self, decision: str) -> Stream:
        name = f"{self.seed}/{self.replicate}/{decision}/{self.round}" + (f"/{self.luck}" if self.luck else "")
        return Stream(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little", signed=True))
