"""A recommender that spells the name of the next item."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor, nn

from policies.base import Count
from policies.beam import beam_search
from policies.chance import Draws
from policies.device import place
from policies.encoder import WORDLLAMA, check_encoder, text_features
from policies.log import FeedbackLog, History, ItemData
from policies.semantic_ids import Trie, semantic_ids
from policies.sequence import SequencePolicy, newest
from policies.spectral import spectral_vectors
from policies.transformer import Block, Transformer
from policies.weights import drop

_FLOATS_AT_ONCE = 4_000_000
"""Largest intermediate tensor in scoring, 16 MB of float32: users are taken so few at a time that it is not exceeded."""


_DIRECTIONS = 32
"""Length of the vectors that say who took an item, for `names: log`."""


@dataclass
class Generative(SequencePolicy["Speller"]):
    """Users are shown the items whose names a language model of taking items would write next.

    An item's name is a tuple of tokens, coarse to fine, got by residual quantisation of its features, its title, or of who
    took it; items that are alike share the first ones, and a last one tells apart those that share all. A causal transformer
    reads the tokens of a user's last `max_length` items, a second, small one spells the next name:
    ln p(i | u) = Σ_l ln p(c_l | u, c_1 … c_{l−1}), each a softmax over the tokens that go on to some item. Training maximises
    it at every position; a slate is found by beam search in the tree of names. An item that nobody has taken shares tokens
    with items that were.

    Source: Rajput et al. 2023 (NeurIPS), "Recommender systems with generative retrieval" (TIGER); here without its user
    token, with k-means for its autoencoder, and with the two causal transformers, over items and within an item, of Lee et
    al. 2022 (CVPR), "Autoregressive image generation using residual quantization", for its encoder and decoder.
    """

    names: Literal["features", "text", "log"] = "features"
    """What names are made from: the items' features, their titles, or the log, items that the same users took being alike. The
    log's are the most accurate where it is rich, but an item that nobody took is then like no other."""

    encoder: str = WORDLLAMA
    """What turns titles into vectors for `names: text`: `wordllama` or the path of a model folder, as in the policy `text`."""

    levels: Annotated[int, Interval(ge=1, le=8)] = 3
    """Tokens of a name, before the one that makes it unique."""

    codes: Count = 64
    """Different tokens at each level."""

    beam: Count = 50
    """Beginnings of names kept in the search; at least as many as items are asked for."""

    content: Literal["none", "features"] = "none"
    """What is read of the items of the history beside their names: features = a linear image of their public features."""

    def reads_titles(self) -> bool:
        return self.names == "text"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.names == "text":
            check_encoder(self.encoder)

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        if not (self.warm and hasattr(self, "trie_") and self._still_named(log, items)):
            vectors = self._vectors(log, items, rng)
            self.trie_ = Trie(semantic_ids(vectors, self.levels, self.codes, rng)).to(place(self.device))
            self.named_, self.named_from_ = items, len(log)
            vars(self).pop("network_", None)            # it spells the old names
        yield from super().learn(log, items, rng)

    def _vectors(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Tensor:
        if self.names == "log":
            return spectral_vectors(log, _DIRECTIONS, rng)
        return items.features if self.names == "features" else text_features(items.titles, self.encoder)

    def _still_named(self, log: FeedbackLog, items: ItemData) -> bool:
        """Are the names made from the same features or titles as now, or from more than half of the log of now?"""
        if self.names == "features":
            return torch.equal(items.features, self.named_.features)
        if self.names == "text":
            return items.titles == self.named_.titles
        return len(items) == len(self.named_) and len(log) < 2 * self.named_from_

    def knows(self) -> Tensor:
        return super().knows() if self.names == "log" else torch.ones_like(self.popularity_, dtype=torch.bool)

    def network(self, n_items: int, content: Tensor | None) -> Speller:
        vocabulary = [level.vocabulary for level in self.trie_.levels]
        inner = self.expansion * self.hidden
        return Speller(vocabulary, self.max_length, self.hidden, self.layers, self.heads, self.dropout, content, inner)

    def backward(self, users: Tensor, log: FeedbackLog, rng: torch.Generator) -> tuple[float, int]:
        sequence, present = (x.to(self.features_.device) for x in newest(log, users, self.max_length + 1))
        before, present = sequence[:, :-1], present[:, :-1]
        states = self.network_.read(before, self.trie_.tokens[before], present, rng)[present]
        loss = self._losses(states, sequence[:, 1:][present], rng).mean()
        loss.backward()
        return loss.item(), len(states)

    def read(self, users: Tensor, log: FeedbackLog) -> Tensor:
        """Return ln p of every item, exactly: each prefix in the tree of names is continued once."""
        levels = self.trie_.levels
        branching = [level.allowed.sum(1) > 1 for level in levels]                      # an only child has probability 1
        floats = max(
            int(many.sum()) * max(level.vocabulary, 4 * self.hidden * (depth + 1))
            for depth, (many, level) in enumerate(zip(branching, levels, strict=True))
        )
        scores = torch.zeros(len(users), log.n_items, device=self.features_.device)
        for rows in _parts(~self.unknown(users, log), floats):
            states = self._states(users[rows], log)
            total = states.new_zeros(len(rows), 1)
            for depth, (many, level) in enumerate(zip(branching, levels, strict=True)):
                one_of_many = many[level.parents]
                parent = (many.cumsum(0) - 1)[level.parents[one_of_many]]               # its place among those that branch
                shares = self._shares(states, depth, many.nonzero()[:, 0].expand(len(rows), -1))
                step = states.new_zeros(len(rows), len(level.parents))
                step[:, one_of_many] = shares[:, parent, level.tokens[one_of_many]]
                total = total[:, level.parents] + step
            scores[rows.to(scores.device)] = total[:, self.trie_.nodes[:, -1]]
        return scores

    @torch.no_grad()
    def rank(
        self, users: Tensor, k: int, log: FeedbackLog, draws: Draws, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Like every policy, but by beam search; by all scores for those who have fewer than k items left to see."""
        searched = ~self.unknown(users, log) & (log.n_items - log.seen(users).present.sum(1) >= k)
        ids, scores = torch.empty(len(users), k, dtype=torch.int64), torch.empty(len(users), k)
        ids[~searched], scores[~searched] = super().rank(users[~searched], k, log, draws, bias)
        width, device = max(self.beam, k), self.features_.device
        floats = width * max(max(level.vocabulary, 4 * self.hidden * len(self.trie_.levels)) for level in self.trie_.levels)
        for rows in _parts(searched, floats):
            states = self._states(users[rows], log)
            best = beam_search(
                partial(self._shares, states), self.trie_,
                History(*(x.to(device) for x in log.seen(users[rows]))), width, None if bias is None else bias.to(device),
            )
            ids[rows], scores[rows] = (x[:, :k].cpu() for x in best)
        return ids, scores

    def loss_of(self, scores: Tensor, users: Tensor, rows: Tensor, items: Tensor) -> Tensor:
        return -scores[rows, items]

    @torch.no_grad()
    def code_entropies(self, users: Tensor) -> list[float]:
        """Return, for each level of names, coarse to fine, the entropy of its tokens in the mean over `users` of p(next item).

        Each is relative to ln `codes`; from 0, one token alone, to 1, all as likely. What makes names unique is no level.
        """
        expected = self.score(users, self.log_).double().exp().mean(0)                  # (n_items,)
        tokens, found = self.trie_.tokens.cpu(), []
        for level in range(self.levels):
            shares = torch.zeros(self.codes, dtype=torch.float64).index_add_(0, tokens[:, level], expected)
            shares = shares[shares > 0] / shares.sum()
            found.append(float(-(shares * shares.log()).sum()) / math.log(self.codes) if self.codes > 1 else 0.0)
        return found

    def _states(self, users: Tensor, log: FeedbackLog) -> Tensor:
        """Return what is known of users (b,) from the items that they took, (b, hidden)."""
        sequence, present = (x.to(self.features_.device) for x in newest(log, users, self.max_length))
        return self.network_.read(sequence, self.trie_.tokens[sequence], present)[:, -1]

    def _losses(self, states: Tensor, items: Tensor, rng: torch.Generator) -> Tensor:
        """Return −ln p (m,) of items (m,) to users in states (m, hidden)."""
        tokens, nodes = self.trie_.tokens[items], self.trie_.nodes[items]
        output = self.network_.spell(states, tokens[:, :-1], rng)                       # (m, length, hidden)
        return torch.stack([
            F.cross_entropy(self._logits(output[:, depth], depth, nodes[:, depth]), tokens[:, depth], reduction="none")
            for depth in range(tokens.shape[1])
        ]).sum(0)

    def _logits(self, output: Tensor, depth: int, nodes: Tensor) -> Tensor:
        """Return the logits (…, vocabulary) of the tokens after each of the nodes (…,), −∞ where there is no such child."""
        return (output @ self.network_.table(depth).T).masked_fill(~self.trie_.levels[depth].allowed[nodes], -torch.inf)

    def _shares(self, states: Tensor, depth: int, nodes: Tensor) -> Tensor:
        """Return ln p (b, w, vocabulary) of each token after nodes (b, w) of this depth, for users in states (b, hidden)."""
        prefixes = self.trie_.levels[depth - 1].prefixes[nodes] if depth else nodes[..., None][..., :0]     # (b, w, depth)
        each = states[:, None].expand(-1, nodes.shape[1], -1)
        output = self.network_.spell(each.flatten(0, 1), prefixes.flatten(0, 1))[:, -1]
        return self._logits(output.view_as(each), depth, nodes).log_softmax(-1)


def _parts(chosen: Tensor, floats: int) -> Sequence[Tensor]:
    """Cut the places of the chosen ones (b,) into parts small enough, at so many numbers for each."""
    places = chosen.nonzero()[:, 0]
    return places.split(max(_FLOATS_AT_ONCE // max(floats, 1), 1)) if len(places) else ()       # `split` makes an empty part


class Speller(Transformer):
    """Reads items as the sums of their tokens' vectors, and spells the next name with the same vectors.

    b sequences of l items with names of n tokens, width d.
    """

    def __init__(
        self, vocabulary: Sequence[int], max_length: int, hidden: int, layers: int, heads: int, dropout: float,
        content: Tensor | None = None, inner: int | None = None,
    ):
        super().__init__(sum(vocabulary), max_length, hidden, layers, heads, dropout, content, inner)
        self.vocabulary = list(vocabulary)
        self.places = nn.Embedding(len(vocabulary), hidden)
        self.spellers = nn.ModuleList(Block(hidden, heads, dropout, inner) for _ in range(math.ceil(layers / 2)))
        self.norm, self.spelt_norm = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.scale = math.sqrt(hidden)

    def grow(self, n_items: int, rng: torch.Generator) -> None:
        """Nothing grows: vectors are of tokens, and new items mean new names and another network."""

    def work(self, positions: int) -> float:
        """Return the floating-point operations: the spellers go through every token of an item, the others through items."""
        spelling = sum(weight.numel() for part in (self.spellers, self.spelt_norm) for weight in part.parameters())
        return super().work(positions) + 6.0 * spelling * positions * (len(self.vocabulary) - 1)

    def table(self, depth: int) -> Tensor:
        """Return the vectors (vocabulary, d) of the tokens at this place of a name."""
        return self.items.weight.split(self.vocabulary)[depth]

    def read(self, items: Tensor, tokens: Tensor, present: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Return the state (b, l, d) of the user after each of items (b, l) named tokens (b, l, n). With `rng`: in training."""
        l = items.shape[1]
        vectors = torch.stack(self._vectors(tokens)).sum(0)
        if self.items.content is not None:
            vectors = vectors + self.items.projection(self.items.content[items])
        x = drop(vectors * self.scale + self.last_positions(l), self.dropout, rng) * present[..., None]
        # A padded query sees itself, or its softmax would be over nothing; nobody looks at its output.
        itself = torch.eye(l, dtype=torch.bool, device=x.device)
        visible = torch.ones_like(itself).tril() & present[:, None, :] | itself
        for block in self.blocks:
            x = block(x, visible[:, None], rng)
        return self.norm(x)

    def spell(self, states: Tensor, tokens: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Return what follows each prefix of tokens (m, j), the empty one first, for users in states (m, d): (m, j + 1, d)."""
        spelt = [vectors * self.scale for vectors in self._vectors(tokens)]
        x = torch.stack([states, *spelt], 1) + self.places.weight[: len(spelt) + 1]
        x = drop(x, self.dropout, rng)
        visible = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).tril()
        for block in self.spellers:
            x = block(x, visible[None, None], rng)
        return self.spelt_norm(x)

    def _vectors(self, tokens: Tensor) -> list[Tensor]:
        """Return the vectors (…, d) of the tokens (…, j) at each place."""
        return [F.embedding(token, self.table(depth)) for depth, token in enumerate(tokens.unbind(-1))]
