"""Policies that read each user's items in the order in which she took them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Generic, Literal

import torch
from annotated_types import Gt, Interval
from torch import Tensor

from policies.base import Count, Policy
from policies.device import Device, place
from policies.encoder import WORDLLAMA, check_encoder, text_features
from policies.log import FeedbackLog, ItemData
from policies.transformer import N, drawn
from policies.validation import Size

_SEEDS_APART = 0x9E3779B97F4A7C15
"""Odd, so that no two seeds below 2⁶⁴ come to the same."""


@dataclass
class SequencePolicy(Policy, Generic[N]):
    """A transformer reads a user's newest items and scores what comes next.

    Explanations are by leaving out: attention is not one, since the residuals carry every item past it and the second layer
    attends to mixtures (Jain & Wallace 2019, NAACL).
    """

    layers: Count = 2
    """Transformer blocks."""

    hidden: Count = 64
    """Width of the embeddings."""

    heads: Count = 1
    """Attention heads; must divide `hidden`."""

    max_length: Count = 50
    """Newest items of a user that are read."""

    dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.1
    """Share of units and of attention weights dropped in training."""

    expansion: Count = 1
    """Width of the feed-forward layers in units of `hidden`: 1 in the original, 4 in most transformers since."""

    epochs: Count = 40
    """Most passes over the users' sequences at each retraining."""

    patience: Count | None = 10
    """Epochs without a higher held-out NDCG after which training stops and goes back to the best; null = all epochs."""

    stop_at_ndcg: Annotated[float, Interval(gt=0, le=1)] | None = None
    """Held-out NDCG at which training stops: after the first epoch that comes to it. So arms of different size can be compared
    at equal accuracy. null = it goes on."""

    compute: Annotated[float, Gt(0)] | None = None
    """Most floating-point operations of a training, 6 · N · tokens with N weights beyond embeddings; the last epoch may be cut
    short. So arms of different size can be compared at equal compute, with `patience: null` and enough `epochs`. null = no
    limit."""

    held_out: Annotated[float, Interval(ge=0, le=1)] | None = None
    """Share of the users whose newest item is kept out of training to see how good it is, at most 1000 of them; null = a
    tenth."""

    learning_rate: Annotated[float, Gt(0)] = 1e-3
    """Step size of Adam."""

    batch_size: Count = 128
    """Sequences per step."""

    warm: bool = True
    """Start a retraining from the weights learnt before; false = from scratch."""

    warm_share: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """Share of `epochs` and of `compute` that a retraining has which starts from the weights learnt before."""

    training_seed: Annotated[int, Interval(ge=0, lt=2**31)] = 0
    """Another number: other initial weights and batches in the same world, with the same users held out, to tell luck in
    training from what differs between policies."""

    content: Literal["none", "features", "text"] = "none"
    """What an item's vector is made of beside its own embedding: a linear image of its public features, or of its encoded
    title. Items that nobody took are then left out of the loss, and so are judged by their content."""

    encoder: str = WORDLLAMA
    """What turns titles into vectors for `content: text`: `wordllama` or a model folder, as in the policy `text`."""

    device: Device = "cpu"
    """Where to compute: cuda = on a GPU; auto = on a GPU if there is one."""

    def __post_init__(self) -> None:
        if self.hidden % self.heads:
            raise ValueError(f"heads must divide hidden: {self.heads} does not divide {self.hidden}")
        place(self.device)
        if self.content == "text":
            check_encoder(self.encoder)

    def reads_titles(self) -> bool:
        return self.content == "text"

    def knows(self) -> Tensor:
        return super().knows() if self.content == "none" else torch.ones_like(self.popularity_, dtype=torch.bool)

    @abstractmethod
    def network(self, n_items: int, content: Tensor | None) -> N:
        """Return the network, its weights not drawn yet."""

    def contents(self, items: ItemData) -> Tensor | None:
        """Return what is known of the items (n_items, d) and goes into their vectors."""
        if self.content == "text":
            return text_features(items.titles, self.encoder)
        return items.features if self.content == "features" else None

    @abstractmethod
    def backward(self, users: Tensor, log: FeedbackLog, rng: torch.Generator) -> tuple[float, int]:
        """Leave the gradients of the loss on some users' sequences; return its mean and over how many targets."""

    @abstractmethod
    def read(self, users: Tensor, log: FeedbackLog) -> Tensor:
        """Return the scores (b, n_items) of the next item, on the device."""

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        device = place(self.device)
        if self.training_seed:
            rng = torch.Generator().manual_seed((rng.initial_seed() + self.training_seed * _SEEDS_APART) % 2**63)
        content = self.contents(items)
        cold = not (self.warm and hasattr(self, "network_"))
        self.flop_ = 0.0
        if cold:
            self.network_: N = drawn(lambda: self.network(log.n_items, content), rng)
        self.network_.grow(log.n_items, rng)
        self.network_.items.content = None if content is None else content.to(device)
        self.features_ = items.features.to(device)
        # Of an item that nobody took, training could only learn to keep it away from those whom its content suits.
        absent = torch.bincount(log.interactions().items, minlength=log.n_items) == 0
        self.barred_ = torch.zeros(log.n_items).masked_fill(absent & (content is not None), -torch.inf).to(device)
        network = self.network_.to(device)
        optimiser = torch.optim.Adam(network.parameters(), lr=self.learning_rate, betas=(0.9, 0.98), fused=True)
        learners = (log.takes() >= 2).nonzero()[:, 0]
        if not len(learners):
            return
        share = 1.0 if cold else self.warm_share
        budget = math.inf if self.compute is None else share * self.compute
        for epoch in range(max(round(share * self.epochs), 1)):
            total, targets, self.flop_, over = 0.0, 0, 0.0, False
            for batch in batches(log, learners, self.batch_size, rng):
                cost = network.work(self.positions(batch, log))
                over = self.flop_ + cost > budget and (epoch > 0 or targets > 0)        # one step there is in any case
                if over:
                    break
                optimiser.zero_grad()
                loss, count = self.backward(batch, log, rng)
                optimiser.step()
                total += loss * count
                targets += count
                self.flop_ += cost
            budget -= self.flop_
            if targets:
                yield total / targets
            if over:
                return

    def _learnt(self) -> dict[str, object]:
        return {"network_": self.network_}

    def positions(self, users: Tensor, log: FeedbackLog) -> int:
        """Return how many positions training on the sequences of these users (b,) goes through: all but each newest item."""
        return int((log.takes()[users] - 1).clamp(max=self.max_length).sum())

    def epochs_without_gain(self) -> int | None:
        return self.patience

    def enough(self) -> float | None:
        return self.stop_at_ndcg

    def share_held_out(self) -> float:
        return self.held_out_share if self.held_out is None else self.held_out

    def size(self) -> Size:
        return self.network_.size()

    def work(self) -> float:
        return self.flop_

    @torch.no_grad()
    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        if not len(log):
            return torch.zeros(len(users), log.n_items)
        return self.read(users, log).cpu()

    def loss_of(self, scores: Tensor, users: Tensor, rows: Tensor, items: Tensor) -> Tensor:
        return scores.logsumexp(1)[rows] - scores[rows, items]


def newest(log: FeedbackLog, users: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Return the newest items of each user, oldest first and padded on the left: ids (b, l), present (b, l), l ≤ length.

    Padding stands on the left so that the newest item always has the same position embedding, as in the original code.
    """
    history = log.sequence(users)
    counts = history.present.sum(1, keepdim=True)
    l = min(length, max(history.items.shape[1], 1))
    place = counts - l + torch.arange(l)                                            # (b, l)
    present = place >= 0
    if not history.items.shape[1]:
        return torch.zeros(len(users), l, dtype=torch.int64), present
    return history.items.gather(1, place.clamp(min=0)).masked_fill(~present, 0), present


def batches(log: FeedbackLog, users: Tensor, size: int, rng: torch.Generator) -> list[Tensor]:
    """Cut users into batches: of like length, for little padding, and in random order, or training would see long ones last."""
    shuffled = users[torch.randperm(len(users), generator=rng)]
    by_length = shuffled[log.takes()[shuffled].argsort(stable=True)].split(size)
    return [by_length[b] for b in torch.randperm(len(by_length), generator=rng).tolist()]
