"""A variational autoencoder of what users take."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
import torch.nn.functional as F
from annotated_types import Gt, Interval
from torch import Tensor, nn

from policies import losses
from policies.base import Count, Policy
from policies.device import Device, place
from policies.log import FeedbackLog, ItemData
from policies.ranking import block_size
from policies.validation import Size
from policies.weights import drop, xavier


@dataclass
class MultVAE(Policy):
    """Users are shown what people take whose items, read as a whole, place them near each other in a space of few dimensions.

    A network reads x_u, all that a user has taken by now, scaled to length 1, and says where she may stand: z ~ Normal(μ, σ²).
    Another makes of z the shares π of the items in what she takes: μ, ln σ² = W₂ tanh(W₁ x + b₁) + b₂,
    ln π = log-softmax(W₄ tanh(W₃ z + b₃) + b₄). Training minimises −Σ_i x_ui ln π_i(z) + β KL(Normal(μ, σ²) ‖ Normal(0, 1)) by
    Adam, with one z drawn for each user and some of her items left out of what is read: so others must tell of them. Items
    compete for shares that sum to 1, as they do for places on a slate. s_ui = ln π_i(μ): the mean of the posterior, no draw.

    β grows from 0 to `beta` in equal steps. Full weight, β = 1, would keep z nearer to its prior than good rankings bear;
    β < 1, "partially regularised", gives up that users drawn from the prior look like real ones, of which there is no need.
    Training that stops early keeps the epoch, and so the β, that ranked best. Losses are those of the first term, per
    interaction.

    Source: Liang, Krishnan, Hoffman & Jebara 2018 (WWW), "Variational autoencoders for collaborative filtering": Mult-VAE^PR.
    """

    hidden: Count = 600
    """Width of the layer between the items and z, on either side."""

    latent: Count = 200
    """Dimensions of z."""

    dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.5
    """Share of a user's items that are left out of what is read in training; they remain in what is to be told."""

    beta: Annotated[float, Interval(ge=0)] = 0.2
    """β after annealing: the weight of the Kullback-Leibler divergence; 1 = a lower bound of the likelihood (ELBO)."""

    annealing: Annotated[int, Interval(ge=0)] = 500
    """Steps from β = 0 to `beta`; 0 = it is there from the first. A retraining from the weights learnt before goes on counting.
    The published 40 000 are 172 epochs on MovieLens 20M; of 1000 users they would be 5000, and β hardly leave 0. 500 are 62."""

    epochs: Count = 100
    """Most passes over the users at each retraining."""

    patience: Count | None = 10
    """Epochs without a higher held-out NDCG after which training stops and goes back to the best; null = all epochs."""

    learning_rate: Annotated[float, Gt(0)] = 1e-3
    """Step size of Adam."""

    batch_size: Count = 128
    """Users per step. 500 in the original, of 117 thousand users; of 1000 that is two steps per epoch, and twice the epochs."""

    warm: bool = True
    """Start a retraining from the weights learnt before; false = from scratch."""

    device: Device = "cpu"
    """Where to compute: cuda = on a GPU; auto = on a GPU if there is one."""

    def __post_init__(self) -> None:
        place(self.device)

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        if not (self.warm and hasattr(self, "network_")):
            self.network_, self.steps_ = Autoencoder(log.n_items, self.hidden, self.latent, rng), 0
        self.network_.grow(log.n_items, rng)                                        # published since
        network = self.network_.to(place(self.device))
        learners = (log.counts() > 0).nonzero()[:, 0]
        if not len(learners):
            return
        optimiser = torch.optim.Adam(network.parameters(), lr=self.learning_rate, fused=True)
        for _ in range(self.epochs):
            total = 0.0
            for batch in learners[torch.randperm(len(learners), generator=rng)].split(self.batch_size):
                optimiser.zero_grad()
                total += self._backward(batch, log, rng) * len(batch)
                optimiser.step()
                self.steps_ += 1
            yield total / int(log.counts().sum())

    def annealed(self) -> float:
        """Return β as it is at the next step of training."""
        return self.beta * min(self.steps_ / self.annealing, 1.0) if self.annealing else self.beta

    def epochs_without_gain(self) -> int | None:
        return self.patience

    def size(self) -> Size:
        return self.network_.size()

    @torch.no_grad()
    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        mean, _ = self.network_.encode(*self._read(users, log))
        return self.network_.scores(mean).log_softmax(1).cpu()

    def unknown(self, users: Tensor, log: FeedbackLog) -> Tensor:
        """None of whose items is known from training."""
        return self._read(users, log).starts.diff().cpu() == 0

    @torch.no_grad()
    def representations(self) -> Tensor:
        """Return the means of the posteriors (n_users, latent); of who has taken nothing, 0, the mean of the prior."""
        means = torch.zeros(self.log_.n_users, self.latent)
        for users in torch.arange(self.log_.n_users).split(block_size(self.hidden)):
            mean, _ = self.network_.encode(*self._read(users, self.log_))
            means[users] = mean.cpu()
        return means.masked_fill(self.untrained_[:, None], 0)

    def loss_of(self, scores: Tensor, users: Tensor, rows: Tensor, items: Tensor) -> Tensor:
        return -scores[rows, items]

    def _read(self, users: Tensor, log: FeedbackLog, rng: torch.Generator | None = None) -> Input:
        """Return what the encoder reads of users (b,): items that training knows. With `rng`: training, with dropout."""
        history = log.history(users)
        known = history.present & (self.popularity_[history.items] > 0)
        counts = known.sum(1)
        starts = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        weights = drop(counts.clamp(min=1).rsqrt().repeat_interleave(counts), self.dropout, rng)
        device = self.network_.bias.device
        return Input(history.items[known].to(device), weights.to(device), starts.to(device))

    def _backward(self, users: Tensor, log: FeedbackLog, rng: torch.Generator) -> float:
        """Leave the gradients of the objective, mean over users (b,), and return the mean of its first term."""
        network, history = self.network_, log.history(users)
        mean, log_variance = network.encode(*self._read(users, log, rng))
        noise = torch.randn(mean.shape, generator=rng).to(mean.device)
        hidden = network.decode(mean + noise * (log_variance / 2).exp())
        rest = self.annealed() * divergence(mean, log_variance)
        targets, present = (column.to(mean.device) for column in history)
        return losses.backward(multinomial, [network.shown, network.bias], [hidden, rest, targets, present])


class Input(NamedTuple):
    """The entries of x that are not 0, of some users one after another."""

    items: Tensor                   # (n,) int64
    weights: Tensor                 # (n,) float32
    starts: Tensor                  # (b + 1,) int64: where each user's begin


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(Normal(μ, σ²) ‖ Normal(0, 1)) (b,) of diagonal normals (b, d), in nats."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2


def multinomial(
    shown: Tensor, bias: Tensor, hidden: Tensor, rest: Tensor, targets: Tensor, present: Tensor
) -> losses.Losses:
    """Return −Σ_i ln π_i (r,) over each user's items `targets` (r, l) where `present`, π = softmax(hidden · shown + bias).

    The multinomial coefficient, which no weight changes, is left out. `rest` (r,) is handed on, for `losses.backward`.
    """
    shares = torch.addmm(bias, hidden, shown.T).log_softmax(1)                      # (r, n_items)
    return -(shares.gather(1, targets) * present).sum(1), rest


class Autoencoder(nn.Module):
    """From items through `hidden` units to a normal distribution of z, and back. Weights as by Xavier, biases 0.

    An item has two vectors: what it tells of who took it, and by what it is told. x is sparse: W₁ x is a sum of few rows.
    """

    def __init__(self, n_items: int, hidden: int, latent: int, rng: torch.Generator):
        super().__init__()
        self.told = nn.Parameter(xavier(n_items, hidden, rng))                      # W₁ᵀ
        self.told_bias = nn.Parameter(torch.zeros(hidden))
        self.posterior = nn.Parameter(xavier(2 * latent, hidden, rng))              # W₂
        self.posterior_bias = nn.Parameter(torch.zeros(2 * latent))
        self.inner = nn.Parameter(xavier(hidden, latent, rng))                      # W₃
        self.inner_bias = nn.Parameter(torch.zeros(hidden))
        self.shown = nn.Parameter(xavier(n_items, hidden, rng))                     # W₄
        self.bias = nn.Parameter(torch.zeros(n_items))

    def grow(self, n_items: int, rng: torch.Generator) -> None:
        """Give vectors to the items that have been published since, drawn on the scale of all."""
        old, hidden = self.shown.shape
        if n_items <= old:
            return
        bound, device = math.sqrt(6 / (n_items + hidden)), self.bias.device
        for name in ("told", "shown"):
            new = nn.init.uniform_(torch.empty(n_items - old, hidden), -bound, bound, generator=rng)
            setattr(self, name, nn.Parameter(torch.cat([getattr(self, name).detach(), new.to(device)])))
        self.bias = nn.Parameter(F.pad(self.bias.detach(), (0, n_items - old)))

    def size(self) -> Size:
        """Count the weights; each item has two vectors and a bias of its own."""
        total = sum(weight.numel() for weight in self.parameters())
        return Size(total, total - self.told.numel() - self.shown.numel() - self.bias.numel())

    def encode(self, items: Tensor, weights: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean and the log of the variance (b, latent) of z, from the entries of x (see `Input`)."""
        x = F.embedding_bag(items, self.told, starts, mode="sum", per_sample_weights=weights, include_last_offset=True)
        mean, log_variance = F.linear(torch.tanh(x + self.told_bias), self.posterior, self.posterior_bias).chunk(2, 1)
        return mean, log_variance

    def decode(self, z: Tensor) -> Tensor:
        """Return the last layer (b, hidden) before the items."""
        return torch.tanh(F.linear(z, self.inner, self.inner_bias))

    def scores(self, z: Tensor) -> Tensor:
        """Return ln π (b, n_items), up to a constant for each user."""
        return F.linear(self.decode(z), self.shown, self.bias)
