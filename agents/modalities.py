"""What items are like beside their topics: blocks of features, such as text, sound or pictures, and tastes in each.

Affinity is w_0 · (affinity in topics) + Σ_b w_b · cos(τ_ub, v_ib). In block b an item is
v_ib = unit(ρ · unit(z_i A_b) + √(1 − ρ²) · e_ib), and a user's taste in it, τ_ub, is the same of her interests θ_u and of what
is her own, e_ub. A_b gives each topic a direction in the block, so what is about the same topics looks alike, the more so the
larger ρ; e is drawn once, uniform in direction. So where her interests drift, her tastes go along as far as ρ says, and what
is her own in them stays: a block with ρ = 0 is a taste that never changes.

Source: multimodal content as in He & McAuley 2016 (AAAI), VBPR, where a user's preference is a sum of products, one of
latent factors and one of a visual vector with her taste in it; that vectors go along with topics is a world of our own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from agents.chance import Stream
from agents.space import affinity, unit


@dataclass(frozen=True)
class Block:
    """One block of features of M items, of d dimensions. F: width of the topics' features."""

    name: str
    weight: float                   # w_b: in affinity
    shown: float                    # weight in what platforms compare items by; 0: hidden from them
    correlation: float              # ρ: with topics
    anchors: Tensor                 # (F, d) float32: A_b
    own: Tensor                     # (M, d) float32, rows of length 1: e_ib

    def of(self, rows: Tensor, own: Tensor) -> Tensor:
        """Return the vectors (n, d) of items, or the tastes of users, whose rows in the space are (n, F).

        One column at a time, by products and sums along a row, so that a row's numbers do not depend on the others.
        """
        if not self.correlation:
            return own
        topical = torch.stack([affinity(rows, direction) for direction in self.anchors.T], -1)
        return unit(self.correlation * unit(topical) + math.sqrt(1 - self.correlation**2) * own)


@dataclass(frozen=True)
class Modalities:
    """The blocks that items have, and how much each counts. The first is always topics."""

    weight: float                   # w_0: of topics in affinity
    shown: float                    # weight of topics in what platforms compare items by
    blocks: tuple[Block, ...]

    def appeal(self, topical: Tensor, features: Tensor) -> Tensor:
        """Return what a taste is multiplied with (M, …): the topics' appeal (M, F) and the blocks' vectors, weighted."""
        return torch.cat([self.weight * topical, *(b.weight * b.of(features, b.own) for b in self.blocks)], 1)

    def taste(self, topical: Tensor, interests: Tensor, leanings: Tensor) -> Tensor:
        """Return what an appeal is multiplied with (n, …): the taste in topics (n, F), and in each block."""
        own = leanings.split([b.own.shape[1] for b in self.blocks], dim=1)
        return torch.cat([topical, *(b.of(interests, e) for b, e in zip(self.blocks, own, strict=True))], 1)

    def compared(self, features: Tensor, by_platforms: bool) -> Tensor:
        """Return rows of length 1 (M, …) whose dot product is the weighted mean of the blocks' cosines."""
        counted: tuple[Modalities | Block, ...] = (self, *self.blocks)
        weights = [each.shown if by_platforms else each.weight for each in counted]
        total = math.fsum(weights)
        vectors = [unit(features), *(b.of(features, b.own) for b in self.blocks)]
        return torch.cat([math.sqrt(w / total) * v for w, v in zip(weights, vectors, strict=True) if w], 1)


def directions(ids: Tensor, dimensions: int, chance: Stream) -> Tensor:
    """Return a direction (n, d) for each id, uniform on the sphere, a function of the id alone (Box & Muller 1958)."""
    radius, angle = chance.uniform_pair(ids[:, None], torch.arange(dimensions))
    normal = (-2 * radius.log()).sqrt() * (2 * math.pi * angle).cos().float()
    return unit(normal)
