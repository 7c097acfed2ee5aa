"""A bidirectional transformer over each user's sequence of items, trained to fill in gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor, nn

from policies.base import Count, UnitInterval
from policies.log import FeedbackLog
from policies.losses import Losses, backward
from policies.sequence import SequencePolicy, newest
from policies.transformer import Transformer
from policies.validation import Size
from policies.weights import drop


@dataclass
class BERT4Rec(SequencePolicy["Cloze"]):
    """Users are shown what best fills the gap after what they took lately.

    A transformer reads a user's last items, each position attending to all, earlier and later. In training some items are
    hidden behind a mask, and the output x_t there must tell which ones: the loss is the cross-entropy −ln p_t(item) over the
    catalogue, p_t = softmax(g(x_t) Eᵀ + b), g a layer with GELU and layer norm. What comes next is what stands behind a mask
    put after the newest of `max_length` − 1 items.

    Only some positions are learnt from in each epoch, so it needs several times the epochs of SASRec. The newest `max_length`
    items of each user are trained on; the original also has windows over older ones, a warm-up and weight decay.

    Source: Sun et al. 2019 (CIKM), BERT4Rec; training length and its effect, Petrov & Macdonald 2022 (RecSys), "A systematic
    review and replicability study of BERT4Rec".
    """

    heads: Count = 2
    """Attention heads; must divide `hidden`."""

    max_length: Annotated[int, Interval(ge=2)] = 50
    """Newest items of a user that are read in training; one fewer, and the mask, afterwards."""

    dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.2
    """Share of units and of attention weights dropped in training."""

    epochs: Count = 100
    """Most passes over the users' sequences at each retraining."""

    expansion: Count = 4
    """Width of the feed-forward layers in units of `hidden`."""

    masked: Annotated[float, Interval(gt=0, le=1)] = 0.2
    """Share of a sequence's items that are hidden in training, at least one."""

    last_masked: UnitInterval = 0.1
    """Share of sequences in which the newest item alone is hidden, which is the task afterwards (original code: 1 in 11)."""

    def network(self, n_items: int, content: Tensor | None) -> Cloze:
        return Cloze(
            n_items, self.max_length, self.hidden, self.layers, self.heads, self.dropout, content, self.expansion * self.hidden
        )

    def backward(self, users: Tensor, log: FeedbackLog, rng: torch.Generator) -> tuple[float, int]:
        device, network = self.features_.device, self.network_
        sequence, present = newest(log, users, self.max_length)
        hidden = gaps(present, self.masked, self.last_masked, rng).to(device)
        sequence, present = sequence.to(device), present.to(device)
        output, targets = network.guess(network(sequence, present, hidden, rng)[hidden]), sequence[hidden]
        return backward(_cross_entropy, [network.items.table(), network.bias + self.barred_], [output, targets]), len(targets)

    def positions(self, users: Tensor, log: FeedbackLog) -> int:
        """Return how many positions training reads, though it learns from those alone that are hidden."""
        return int(log.takes()[users].clamp(max=self.max_length).sum())

    def read(self, users: Tensor, log: FeedbackLog) -> Tensor:
        sequence, present = newest(log, users, self.max_length - 1)
        gap = torch.arange(sequence.shape[1] + 1).expand(len(users), -1) == sequence.shape[1]       # after all others
        sequence, present = F.pad(sequence, (0, 1)), F.pad(present, (0, 1), value=True)
        sequence, present, gap = (x.to(self.features_.device) for x in (sequence, present, gap))
        output = self.network_.guess(self.network_(sequence, present, gap)[:, -1])
        return output @ self.network_.items.table().T + self.network_.bias


def _cross_entropy(table: Tensor, bias: Tensor, output: Tensor, targets: Tensor) -> Losses:
    loss = F.cross_entropy(torch.addmm(bias, output, table.T), targets, reduction="none")
    return loss, torch.zeros_like(loss)


def gaps(present: Tensor, share: float, last_share: float, rng: torch.Generator) -> Tensor:
    """Return a bool (b, l): what to hide of sequences that end at the right. A share of each, at least one item; of a
    `last_share` of the sequences, the last item only."""
    count = (present.sum(1) * share).round().clamp(min=1)
    order = torch.rand(present.shape, generator=rng).masked_fill(~present, torch.inf).argsort(1).argsort(1)
    hidden = order < count[:, None]
    last = torch.arange(present.shape[1]) == present.shape[1] - 1
    alone = torch.rand(len(present), 1, generator=rng) < last_share
    return torch.where(alone, last, hidden)


class Cloze(Transformer):
    """Embedding with a mask, layer norm, bidirectional blocks of post-norm and GELU, a layer before the softmax."""

    def __init__(
        self, n_items: int, max_length: int, hidden: int, layers: int, heads: int, dropout: float,
        content: Tensor | None = None, inner: int | None = None,
    ):
        super().__init__(
            n_items, max_length, hidden, layers, heads, dropout, content, inner or 4 * hidden, F.gelu, norm_first=False
        )
        self.mask = nn.Embedding(1, hidden)
        self.norm, self.head_norm = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, hidden)
        self.bias = nn.Parameter(torch.zeros(n_items))

    def size(self) -> Size:
        """Count the weights; every item has a bias of its own, too."""
        total, beyond = super().size()
        return Size(total, beyond - len(self.bias))

    def grow(self, n_items: int, rng: torch.Generator) -> None:
        super().grow(n_items, rng)
        if n_items > len(self.bias):
            self.bias = nn.Parameter(F.pad(self.bias.detach(), (0, n_items - len(self.bias))))

    def forward(self, sequence: Tensor, present: Tensor, hidden: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Return the representation (b, l, d) of each place, of which `hidden` are masked. With `rng`: training."""
        l = sequence.shape[1]
        x = torch.where(hidden[..., None], self.mask.weight, self.items(sequence)) + self.last_positions(l)
        x = drop(self.norm(x), self.dropout, rng)
        # A padded query sees itself, or its softmax would be over nothing; nobody looks at its output.
        visible = present[:, None, :] | torch.eye(l, dtype=torch.bool, device=sequence.device)
        for block in self.blocks:
            x = block(x, visible[:, None], rng)
        return x

    def guess(self, x: Tensor) -> Tensor:
        """Return what to multiply the items' vectors by (…, d)."""
        return self.head_norm(F.gelu(self.head(x)))
