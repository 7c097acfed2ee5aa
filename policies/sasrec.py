"""A causal transformer over each user's sequence of items."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor, nn

from policies import losses
from policies.base import Count
from policies.log import FeedbackLog, ItemData
from policies.sampling import Unseen
from policies.sequence import SequencePolicy, newest
from policies.transformer import Transformer
from policies.weights import drop


@dataclass
class SASRec(SequencePolicy["NextItem"]):
    """Users are shown what usually comes next after what they took lately.

    A transformer reads a user's last `max_length` items, each position attending to itself and to earlier ones; the output
    x_t at position t scores the next item by its dot product with the item embeddings. Trained with Adam, at every position.
    loss `ce` is the cross-entropy over the catalogue, −ln p_t(next) with p_t = softmax(x_t Eᵀ), or over a sample of it
    (`negatives`). loss `bce` is the original −ln σ(x_t·e_next) − ln(1 − σ(x_t·e_j)), j drawn uniformly from the unseen items.

    With `diversity` δ > 0 (ce only) the softmax may not pile up on items that are alike: δ times the mean of
    p_tᵀ C p_t is added, C the cosines of the items' features: how alike two items are that are drawn from it.

    Source: Kang & McAuley 2018 (ICDM), SASRec; cross-entropy, full and sampled, as in Klenitskiy & Vasilev 2023 (RecSys),
    "Turning dross into gold loss"; sampled softmax, Jean et al. 2015 (ACL); diversity by a term of the training loss as in
    Wasilewski & Hurley 2016 (FLAIRS), the term itself being the intra-list similarity of Ziegler et al. 2005 (WWW) with shares
    of the softmax in place of membership.
    """

    loss: Literal["ce", "bce"] = "ce"
    """What training minimises."""

    negatives: Count | None = None
    """Items sampled at each step to stand for the catalogue (ce only); null = all. Saves time when the catalogue is large."""

    diversity: Annotated[float, Interval(ge=0)] = 0.0
    """δ: strength of the penalty on similar items in the training loss; 0 = none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss == "bce":
            if self.negatives is not None:
                raise ValueError("negatives is for loss: ce; bce always has one for each position")
            if self.diversity:
                raise ValueError("diversity is for loss: ce; bce has no softmax")

    def network(self, n_items: int, content: Tensor | None) -> NextItem:
        return NextItem(
            n_items, self.max_length, self.hidden, self.layers, self.heads, self.dropout, content, self.expansion * self.hidden
        )

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        if self.loss == "bce":
            self.unseen_ = Unseen(log)
        return super().learn(log, items, rng)

    def backward(self, users: Tensor, log: FeedbackLog, rng: torch.Generator) -> tuple[float, int]:
        device, items = self.features_.device, self.network_.items
        sequence, known = newest(log, users, self.max_length + 1)
        present = known[:, :-1].to(device)
        output = self.network_(sequence[:, :-1].to(device), present, rng)[present]          # (n_targets, hidden)
        targets = sequence[:, 1:].to(device)[present]
        if self.loss == "bce":
            drawn = self.unseen_.draw(users[:, None].expand_as(present), rng).to(device)[present]
            positive, negative = ((output * items(ids)).sum(1) for ids in (targets, drawn))
            loss = losses.binary(positive, negative + self.barred_[drawn]).mean()
            loss.backward()
            mean = loss.item()
        elif self.negatives is None:
            objective = losses.full(self.diversity, self.features_, self.barred_)
            mean = losses.backward(objective, [items.table()], [output, targets])
        else:
            choice = (self.barred_ == 0).nonzero()[:, 0]
            sample = choice[torch.randperm(len(choice), generator=rng)[: self.negatives].to(device)]
            of_sample = losses.sampled(sample, len(choice), self.diversity, self.features_)
            mean = losses.backward(of_sample, [items(sample)], [output, (output * items(targets)).sum(1), targets])
        return mean, len(targets)

    def read(self, users: Tensor, log: FeedbackLog) -> Tensor:
        sequence, present = (x.to(self.features_.device) for x in newest(log, users, self.max_length))
        return self.network_(sequence, present)[:, -1] @ self.network_.items.table().T

    def loss_of(self, scores: Tensor, users: Tensor, rows: Tensor, items: Tensor) -> Tensor:
        if self.loss == "ce":
            return super().loss_of(scores, users, rows, items)
        seen = self.log_.history(users)
        wrong = F.softplus(scores)
        at_seen = (wrong.gather(1, seen.items) * seen.present).sum(1)
        unseen = (wrong.shape[1] - seen.present.sum(1)).clamp(min=1)
        return F.softplus(-scores[rows, items]) + ((wrong.sum(1) - at_seen) / unseen)[rows]     # all negatives, not a sample


class NextItem(Transformer):
    """Embedding, causal self-attention blocks, final layer norm."""

    def __init__(
        self, n_items: int, max_length: int, hidden: int, layers: int, heads: int, dropout: float,
        content: Tensor | None = None, inner: int | None = None,
    ):
        super().__init__(n_items, max_length, hidden, layers, heads, dropout, content, inner)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, sequence: Tensor, present: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Return the representation (b, l, d) of the user after each item. With `rng`: training, with dropout from it."""
        l, device = sequence.shape[1], sequence.device
        x = self.items(sequence) * math.sqrt(self.items.embedding_dim) + self.last_positions(l)
        x = drop(x, self.dropout, rng) * present[..., None]
        # A padded query sees itself, or its softmax would be over nothing; nobody looks at its output.
        itself = torch.eye(l, dtype=torch.bool, device=device)
        visible = torch.ones(l, l, dtype=torch.bool, device=device).tril() & present[:, None, :] | itself
        for block in self.blocks:
            x = block(x, visible[:, None], rng)
        return self.norm(x)
