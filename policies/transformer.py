"""What transformers over sequences of items are made of. b sequences of length l, width d."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from policies.validation import Size
from policies.weights import drop

Activation = Callable[[Tensor], Tensor]


class Items(nn.Embedding):
    """A vector for each item: its own, plus a linear image of its content (n_items, d_content) if that is known."""

    def __init__(self, n_items: int, hidden: int, content: Tensor | None = None):
        super().__init__(n_items, hidden)
        self.content = content
        if content is not None:
            self.projection = nn.Linear(content.shape[1], hidden, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        own = super().forward(ids)
        return own if self.content is None else own + self.projection(self.content[ids])

    def table(self) -> Tensor:
        """Return all vectors (n_items, d)."""
        return self.weight if self.content is None else self.weight + self.projection(self.content)


class Transformer(nn.Module):
    """Items, positions and a stack of blocks. What goes in, and what is read off, is up to the model."""

    def __init__(
        self, n_items: int, max_length: int, hidden: int, layers: int, heads: int, dropout: float,
        content: Tensor | None = None, inner: int | None = None, activation: Activation = F.relu, norm_first: bool = True,
    ):
        super().__init__()
        self.items = Items(n_items, hidden, content)
        self.positions = nn.Embedding(max_length, hidden)
        self.blocks = nn.ModuleList(Block(hidden, heads, dropout, inner, activation, norm_first) for _ in range(layers))
        self.dropout = dropout

    def grow(self, n_items: int, rng: torch.Generator) -> None:
        """Give vectors to the items that have been published since, drawn as those of the first ones were."""
        old = self.items.weight.detach()
        if n_items > len(old):
            new = torch.empty(n_items - len(old), old.shape[1])
            nn.init.normal_(new, std=0.02, generator=rng)
            self.items.weight = nn.Parameter(torch.cat([old, new.to(old.device)]))
            self.items.num_embeddings = n_items

    def size(self) -> Size:
        """Count the weights. A layer's own are all but the tables of vectors: of items, positions, tokens."""
        total = sum(weight.numel() for weight in self.parameters())
        return Size(total, total - sum(part.weight.numel() for part in self.modules() if isinstance(part, nn.Embedding)))

    def work(self, positions: int) -> float:
        """Return the floating-point operations of learning from so many positions: 6 for each weight beyond embeddings.

        Two in the forward pass, a product and a sum, and twice as many in the backward pass. What attention adds for each
        pair of positions, and the softmax over the catalogue, are left out, as there.

        Source: Kaplan et al. 2020, "Scaling laws for neural language models" (arXiv 2001.08361).
        """
        return 6.0 * self.size().beyond_embeddings * positions

    def last_positions(self, length: int) -> Tensor:
        """Return the vectors (l, d) of the last positions: the newest item of a user always has the same one."""
        return self.positions.weight[len(self.positions.weight) - length :]

    def initialise(self, rng: torch.Generator) -> Self:
        """Draw all weights from `rng`: Normal(0, 0.02²) for matrices, the identity for norms, 0 for biases."""
        for name, weight in self.named_parameters():
            if weight.dim() > 1:
                nn.init.normal_(weight, std=0.02, generator=rng)
            else:
                nn.init.constant_(weight, 1.0 if "norm" in name and name.endswith("weight") else 0.0)
        return self


N = TypeVar("N", bound=Transformer)


def drawn(make: Callable[[], N], rng: torch.Generator) -> N:
    """Return a network with weights drawn from `rng`; torch's own initialisation would read global random state."""
    with torch.device("meta"):
        network = make()
    return network.to_empty(device="cpu").initialise(rng)


class Block(nn.Module):
    """Self-attention and a position-wise feed-forward layer, each with a residual and a layer norm.

    The norm stands before the layer, x + f(norm(x)), or after the residual, norm(x + f(x)).
    """

    def __init__(
        self, hidden: int, heads: int, dropout: float, inner: int | None = None, activation: Activation = F.relu,
        norm_first: bool = True,
    ):
        super().__init__()
        inner = inner or hidden
        self.attention_norm = nn.LayerNorm(hidden)
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.mix = nn.Linear(hidden, hidden)
        self.forward_norm = nn.LayerNorm(hidden)
        self.inner, self.outer = nn.Linear(hidden, inner), nn.Linear(inner, hidden)
        self.heads, self.dropout, self.activation, self.norm_first = heads, dropout, activation, norm_first

    def forward(self, x: Tensor, visible: Tensor, rng: torch.Generator | None) -> Tensor:
        """`visible` (b or 1, 1, l, l): may the query (row) see the key (column)?"""
        if self.norm_first:
            x = x + drop(self._attend(self.attention_norm(x), visible, rng), self.dropout, rng)
            return x + drop(self._feed(self.forward_norm(x)), self.dropout, rng)
        x = self.attention_norm(x + drop(self._attend(x, visible, rng), self.dropout, rng))
        return self.forward_norm(x + drop(self._feed(x), self.dropout, rng))

    def _attend(self, x: Tensor, visible: Tensor, rng: torch.Generator | None) -> Tensor:
        b, l, d = x.shape
        q, k, v = self.query_key_value(x).view(b, l, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        return self.mix(attention(q, k, v, visible, self.dropout, rng).transpose(1, 2).reshape(b, l, d))

    def _feed(self, x: Tensor) -> Tensor:
        return self.outer(self.activation(self.inner(x)))


def attention(q: Tensor, k: Tensor, v: Tensor, visible: Tensor, dropout: float, rng: torch.Generator | None) -> Tensor:
    """Scaled dot-product attention (b, heads, l, d / heads); in training some of the weights are dropped."""
    if rng is None or dropout == 0:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=visible)
    weights = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~visible, -torch.inf).softmax(-1)
    return drop(weights, dropout, rng) @ v
