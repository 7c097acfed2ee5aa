"""A causal transformer over each user's sequence of items."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Gt, Interval
from torch import Tensor, nn

from policies.base import Count, Policy
from policies.log import FeedbackLog, ItemData
from policies.validation import HeldOut


@dataclass
class SASRec(Policy):
    """Users are shown what usually comes next after what they took lately.

    A transformer reads a user's last `max_length` items, each position attending to itself and to earlier ones; the output
    at the last position scores the next item by its dot product with the item embeddings. Trained by full cross-entropy over
    the catalogue at every position, with Adam.

    Source: Kang & McAuley 2018 (ICDM), SASRec; cross-entropy instead of one sampled negative as in Klenitskiy & Vasilev
    2023 (RecSys), "Turning dross into gold loss".
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
    """Share of units dropped in training."""

    epochs: Count = 40
    """Most passes over the users' sequences at each retraining."""

    patience: Count | None = 10
    """Epochs without a higher held-out NDCG after which training stops and goes back to the best; null = all epochs."""

    learning_rate: Annotated[float, Gt(0)] = 1e-3
    """Step size of Adam."""

    batch_size: Count = 128
    """Sequences per step."""

    warm: bool = True
    """Start a retraining from the weights learnt before; false = from scratch."""

    def __post_init__(self) -> None:
        if self.hidden % self.heads:
            raise ValueError(f"heads must divide hidden: {self.heads} does not divide {self.hidden}")

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        if not (self.warm and hasattr(self, "network_")):
            with torch.device("meta"):          # torch's own initialisation would read global random state
                network = Transformer(log.n_items, self.max_length, self.hidden, self.layers, self.heads, self.dropout)
            self.network_ = network.to_empty(device="cpu")
            self.network_.initialise(rng)
        optimiser = torch.optim.Adam(self.network_.parameters(), lr=self.learning_rate, betas=(0.9, 0.98), fused=True)
        learners = (log.counts() >= 2).nonzero()[:, 0]
        if not len(learners):
            return
        for _ in range(self.epochs):
            total, targets = 0.0, 0
            # Sequences of like length share a batch, and batches come in random order: little padding, no order effect.
            for batch in _batches(log, learners, self.batch_size, rng):
                sequence, present = newest(log, batch, self.max_length + 1)
                present = present[:, :-1]
                output = self.network_(sequence[:, :-1], present, rng)[present]     # (n_targets, hidden)
                loss = F.cross_entropy(output @ self.network_.items.weight.T, sequence[:, 1:][present])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                total += loss.item() * len(output)
                targets += len(output)
            yield total / targets

    def epochs_without_gain(self) -> int | None:
        return self.patience

    @torch.no_grad()
    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        if not len(log):
            return torch.zeros(len(users), log.n_items)
        sequence, present = newest(log, users, self.max_length)
        return self.network_(sequence, present)[:, -1] @ self.network_.items.weight.T

    def unknown(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return log.counts()[users] == 0             # whoever has taken anything since training can be read too

    def held_out_loss(self, held: HeldOut) -> float | None:
        return F.cross_entropy(self.score(held.users, self.log_), held.items).item()


def newest(log: FeedbackLog, users: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Return the newest items of each user, oldest first and padded on the left: ids (b, l), present (b, l), l ≤ length.

    Padding stands on the left so that the newest item always has the same position embedding, as in the original code.
    """
    history = log.history(users)
    counts = history.present.sum(1, keepdim=True)
    l = min(length, max(history.items.shape[1], 1))
    place = counts - l + torch.arange(l)                                            # (b, l)
    present = place >= 0
    if not history.items.shape[1]:
        return torch.zeros(len(users), l, dtype=torch.int64), present
    return history.items.gather(1, place.clamp(min=0)).masked_fill(~present, 0), present


def _batches(log: FeedbackLog, users: Tensor, size: int, rng: torch.Generator) -> list[Tensor]:
    shuffled = users[torch.randperm(len(users), generator=rng)]
    by_length = shuffled[log.counts()[shuffled].argsort(stable=True)].split(size)
    return [by_length[b] for b in torch.randperm(len(by_length), generator=rng).tolist()]


class Transformer(nn.Module):
    """Embedding, causal self-attention blocks, final layer norm. b sequences of length l, width d."""

    def __init__(self, n_items: int, max_length: int, hidden: int, layers: int, heads: int, dropout: float):
        super().__init__()
        self.items = nn.Embedding(n_items, hidden)
        self.positions = nn.Embedding(max_length, hidden)
        self.blocks = nn.ModuleList(Block(hidden, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)
        self.dropout = dropout

    def initialise(self, rng: torch.Generator) -> None:
        """Draw all weights from `rng`: Normal(0, 0.02²) for matrices, the identity for norms, 0 for biases."""
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                nn.init.normal_(weight, std=0.02, generator=rng)
            else:
                nn.init.constant_(weight, 1.0 if "norm" in name and name.endswith("weight") else 0.0)

    def forward(self, sequence: Tensor, present: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Return the representation (b, l, d) of the user after each item. With `rng`: training, with dropout from it."""
        l = sequence.shape[1]
        position = torch.arange(len(self.positions.weight) - l, len(self.positions.weight))
        x = self.items(sequence) * math.sqrt(self.items.embedding_dim) + self.positions(position)
        x = drop(x, self.dropout, rng) * present[..., None]
        # A padded query sees itself, or its softmax would be over nothing; nobody looks at its output.
        visible = torch.ones(l, l, dtype=torch.bool).tril() & present[:, None, :] | torch.eye(l, dtype=torch.bool)
        for block in self.blocks:
            x = block(x, visible[:, None], rng)
        return self.norm(x)


class Block(nn.Module):
    """Pre-norm self-attention and a position-wise feed-forward layer of the same width, each with a residual."""

    def __init__(self, hidden: int, heads: int, dropout: float):
        super().__init__()
        self.attention_norm = nn.LayerNorm(hidden)
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.mix = nn.Linear(hidden, hidden)
        self.forward_norm = nn.LayerNorm(hidden)
        self.inner, self.outer = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.heads, self.dropout = heads, dropout

    def forward(self, x: Tensor, visible: Tensor, rng: torch.Generator | None) -> Tensor:
        b, l, d = x.shape
        q, k, v = self.query_key_value(self.attention_norm(x)).view(b, l, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=visible)               # (b, heads, l, d / heads)
        x = x + drop(self.mix(attended.transpose(1, 2).reshape(b, l, d)), self.dropout, rng)
        return x + drop(self.outer(F.relu(self.inner(self.forward_norm(x)))), self.dropout, rng)


def drop(x: Tensor, share: float, rng: torch.Generator | None) -> Tensor:
    """Dropout from the policy's own generator (`F.dropout` reads the global one); the identity without one."""
    if rng is None or share == 0:
        return x
    kept = torch.rand(x.shape, generator=rng) >= share
    return x * kept / (1 - share)
