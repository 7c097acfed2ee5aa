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

_GOLDEN = -7046029254386353131              # 0x9E3779B97F4A7C15 as int64: the increment of SplitMix64
_LOW_32 = 0xFFFFFFFF
_UNIT_23 = 2.0**-23                         # 23 bits and a half fit float32 exactly: draws never round to 0 or 1


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's finaliser (Steele, Lea & Flood 2014, variant 13 of Stafford): a bijection of 64-bit words.

    torch shifts int64 arithmetically; the masks make the shifts logical. In place: `x` is used up.
    """
    x ^= (x >> 30) & 0x3FFFFFFFF
    x *= -4658895280553007687
    x ^= (x >> 27) & 0x1FFFFFFFFF
    x *= -7723592293110705685
    x ^= (x >> 31) & 0x1FFFFFFFF
    return x


@dataclass(frozen=True)
class Stream:
    """The draws of one named decision in one round: independent over users, and over items within a user."""

    key: int                                # 64-bit, signed

    def bits(self, users: Tensor, items: Tensor | int = 0) -> Tensor:
        """Return int64 words, one per broadcast pair of user id and item id (or slot, or position)."""
        user_words = _mix(users * _GOLDEN + self.key)           # (…,) hashed before the items are spread out
        return _mix(user_words + (torch.as_tensor(items) + 1) * _GOLDEN)    # a tensor wraps around; an int would not

    def uniform(self, users: Tensor, items: Tensor | int = 0) -> Tensor:
        """Return float32 draws from U(0, 1), both ends excluded."""
        return _unit(self.bits(users, items))

    def uniform_pair(self, users: Tensor, items: Tensor | int = 0) -> tuple[Tensor, Tensor]:
        """Return two independent U(0, 1) draws per pair, float32 and float64 (32 bits), for the cost of one hash."""
        word = self.bits(users, items)
        return _unit(word), ((word & _LOW_32).to(torch.float64) + 0.5) * 2.0**-32

    def gumbel(self, users: Tensor, items: Tensor | int = 0) -> Tensor:
        """Return float32 draws from the standard Gumbel distribution, −ln(−ln U): the noise of a logit choice."""
        return self.uniform(users, items).log_().neg_().log_().neg_()

    def generator(self) -> torch.Generator:
        """Return a sequential generator under the same key, for training: initialisation, batches, negatives."""
        return torch.Generator().manual_seed(self.key & (2**63 - 1))

    def numpy(self) -> np.random.Generator:
        """Return a NumPy generator under the same key, for building the world with NumPy's distributions."""
        return np.random.Generator(np.random.Philox(key=self.key & (2**64 - 1)))


def _unit(word: Tensor) -> Tensor:
    return ((word >> 41) & 0x7FFFFF).to(torch.float32).add_(0.5).mul_(_UNIT_23)


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
