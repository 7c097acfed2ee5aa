"""Embeddings that spread over the graph of who took what."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import torch
import torch.nn.functional as F
from annotated_types import Gt, Interval
from torch import Tensor, nn

from policies.base import Count, Policy
from policies.log import FeedbackLog, ItemData
from policies.ranking import block_size
from policies.sampling import Unseen
from policies.validation import HeldOut
from policies.weights import xavier


class Graph(NamedTuple):
    """Users and items, joined where one took the other; node u is user u, node n_users + i is item i.

    The rows of Â = D^−½ A D^−½ one after another, with A the adjacency matrix and D its diagonal of degrees.
    """

    starts: Tensor                  # (n_nodes + 1,) int64: where each node's neighbours begin
    neighbours: Tensor              # (2 n,) int64 nodes, n = number of pairs of a user and an item that she took
    weights: Tensor                 # (2 n,) float32: 1 / √(degree · degree of the neighbour)


def bipartite(log: FeedbackLog) -> Graph:
    """Return the graph of everything in the log."""
    users, items = log.pairs()
    one, other = torch.cat([users, items + log.n_users]), torch.cat([items + log.n_users, users])
    order = one.argsort(stable=True)
    one, other = one[order], other[order]
    degrees = torch.bincount(one, minlength=log.n_users + log.n_items)
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), degrees.cumsum(0)])
    return Graph(starts, other, (degrees[one] * degrees[other]).float().rsqrt())


def propagate(graph: Graph, x: Tensor) -> Tensor:
    """Return Â x (n_nodes, d): for each node the weighted sum of its neighbours' rows of x."""
    return _Propagation.apply(x, graph)


class _Propagation(torch.autograd.Function):
    """x ↦ Â x, whose gradient is g ↦ Â g because Â is symmetric: no transpose, and nothing is kept for the way back.

    `embedding_bag` sums rows two to three times as fast as the product of torch's sparse matrices, row by row in a fixed
    order, and its own backward pass, which is slow, is not needed.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, graph: Graph) -> Tensor:
        ctx.graph = graph
        return F.embedding_bag(
            graph.neighbours, x, graph.starts, mode="sum", per_sample_weights=graph.weights, include_last_offset=True
        )

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return propagate(ctx.graph, gradient.contiguous()), None


@dataclass
class GraphPolicy(Policy):
    """Users and items get embeddings, and with each layer a node takes in those of its neighbours: s_ui = e_u·e_i.

    Trained by Bayesian personalised ranking with Adam. What is stored after training are the items' layers; a user's are
    worked out from the items that she has taken by now, which gives the same for whoever has taken nothing since.
    """

    factors: Count = 64
    """Length of the embeddings."""

    layers: Count = 2
    """Steps along the graph: 1 = what she took, 2 = others who took it, 3 = what they took."""

    epochs: Count = 100
    """Most passes over the data at each retraining."""

    patience: Count | None = 10
    """Epochs without a higher held-out NDCG after which training stops and goes back to the best; null = all epochs."""

    regularisation: Annotated[float, Interval(ge=0)] = 0.001
    """λ, per interaction, on the embeddings before propagation."""

    learning_rate: Annotated[float, Gt(0)] = 0.005
    """Step size of Adam."""

    batch_size: Count = 2048
    """Interactions per step; each step propagates over the whole graph."""

    warm: bool = True
    """Start a retraining from the weights learnt before, on the graph of now; false = from scratch."""

    embeddings_ = nn.Parameter(torch.zeros(0, 0))    # (n_users + n_items, factors), which `learn` leaves

    @abstractmethod
    def _next(self, layer: int, x: Tensor, near: Tensor, rng: torch.Generator | None) -> Tensor:
        """Return the next layer (b, factors) from this one, x, and the weighted sum of the neighbours' rows of it, near."""

    @abstractmethod
    def _read_out(self, layers: list[Tensor]) -> Tensor:
        """Return the vectors (b, d) that scores are made of."""

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        if not (self.warm and "embeddings_" in vars(self)):
            self._initialise(log.n_users, log.n_items, rng)
        elif log.n_users + log.n_items > len(self.embeddings_):  # published since
            self._grow(log.n_items, log.n_users + log.n_items - len(self.embeddings_), rng)
        graph = bipartite(log)
        self._settle(graph)
        if not len(log):
            return
        users, taken, _ = log.interactions()
        unseen = Unseen(log)
        parameters = [value for value in vars(self).values() if isinstance(value, nn.Parameter)]
        optimiser = torch.optim.Adam(parameters, lr=self.learning_rate, fused=True)
        for _ in range(self.epochs):
            total = 0.0
            for batch in torch.randperm(len(users), generator=rng).split(self.batch_size):
                negatives = unseen.draw(users[batch], rng)
                nodes = torch.cat([users[batch], taken[batch] + log.n_users, negatives + log.n_users])
                vectors = self._read_out(self._propagated(graph, rng))
                e_u, e_i, e_j = F.embedding(nodes, vectors).chunk(3)
                loss = F.softplus((e_u * (e_j - e_i)).sum(1)).mean()
                ridge = F.embedding(nodes, self.embeddings_).square().sum() / len(batch)
                optimiser.zero_grad()
                (loss + self.regularisation * ridge).backward()
                optimiser.step()
                total += loss.item() * len(batch)
            self._settle(graph)
            yield total / len(users)

    def epochs_without_gain(self) -> int | None:
        return self.patience

    @torch.no_grad()
    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return self._user_vectors(users, log) @ self.item_vectors_.T

    def unknown(self, users: Tensor, log: FeedbackLog) -> Tensor:
        """None of whose items is known from training."""
        history = log.history(users)
        return ~((self.popularity_[history.items] > 0) & history.present).any(1)

    def held_out_loss(self, held: HeldOut) -> float | None:
        total = 0.0
        for rows in torch.arange(len(held.users)).split(block_size(len(self.items_))):
            users, items = held.users[rows], held.items[rows]
            scores, seen = self.score(users, self.log_), self.log_.history(users)
            losses = F.softplus(scores - scores.gather(1, items[:, None]))      # all negatives, not a sample
            row, place = seen.present.nonzero(as_tuple=True)
            losses[row, seen.items[row, place]] = 0
            total += (losses.sum(1) / (len(self.items_) - seen.present.sum(1))).sum().item()
        return total / len(held.users)

    def _initialise(self, n_users: int, n_items: int, rng: torch.Generator) -> None:
        """Draw all parameters from `rng`, by the method of Xavier as in both papers."""
        self.embeddings_ = nn.Parameter(torch.cat([xavier(n, self.factors, rng) for n in (n_users, n_items)]))

    def _grow(self, n_items: int, new: int, rng: torch.Generator) -> None:
        """Draw embeddings for `new` items more, on the scale of all `n_items`."""
        bound = math.sqrt(6 / (n_items + self.factors))
        rows = nn.init.uniform_(torch.empty(new, self.factors), -bound, bound, generator=rng)
        self.embeddings_ = nn.Parameter(torch.cat([self.embeddings_.detach(), rows]))

    def _propagated(self, graph: Graph, rng: torch.Generator | None = None) -> list[Tensor]:
        """Return the layers 0 … `layers` of all nodes. With `rng`: training, with dropout from it."""
        return self._layers(self.embeddings_, lambda layer, x: propagate(graph, x), rng)

    def _layers(
        self, x: Tensor, near: Callable[[int, Tensor], Tensor], rng: torch.Generator | None = None
    ) -> list[Tensor]:
        layers = [x]
        for layer in range(self.layers):
            layers.append(self._next(layer, layers[-1], near(layer, layers[-1]), rng))
        return layers

    @torch.no_grad()
    def _settle(self, graph: Graph) -> None:
        """Store what scores are made of: of each item its vector, and what it tells a user who has taken it."""
        first = len(self.untrained_)
        layers = [layer[first:] for layer in self._propagated(graph)]
        degree = graph.starts.diff()[first:, None]
        self.item_vectors_ = self._read_out(layers)                                         # (n_items, d)
        self.messages_ = torch.cat(layers[:-1], 1) * (degree / degree.clamp(min=1) ** 1.5)  # 1 / √degree; 0 if none

    def _user_vectors(self, users: Tensor, log: FeedbackLog) -> Tensor:
        """Return the vectors (b, d) of users as the items in `log` make them."""
        near = self._heard(users, log).chunk(self.layers, 1)
        return self._read_out(self._layers(self._own(users), lambda layer, x: near[layer]))

    def _own(self, users: Tensor) -> Tensor:
        """Return the users' own embeddings (b, factors); 0 if training has not touched them."""
        return self.embeddings_[users].masked_fill(self.untrained_[users, None], 0)

    def _heard(self, users: Tensor, log: FeedbackLog) -> Tensor:
        """Return Σ_j messages_j / √n_u over the items j that each user has taken (b, layers · factors)."""
        history = log.history(users)
        counts = history.present.sum(1)
        starts = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        total = F.embedding_bag(
            history.items[history.present], self.messages_, starts, mode="sum", include_last_offset=True
        )
        return total * counts.clamp(min=1).rsqrt()[:, None]
