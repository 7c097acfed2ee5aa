"""Creators as Mesa agents, and how they respond to their audience: the CREATORS table."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import torch
from annotated_types import Interval
from scipy import special
from torch import Tensor
from torch.nn.functional import one_hot

from agents.abm import mesa
from agents.catalog import Catalog
from agents.chance import Draws
from agents.space import Space, unit

_LEAST = 1e-4
"""Least share of a topic in a creator's style (Lucherini et al. 2021, code): she never forgets one altogether."""


@dataclass
class Creators:
    """Row i is creator i for the whole run. A slice of creators shares its memory with the whole."""

    ids: Tensor                     # (C,) int64: what draws are keyed by
    style: Tensor                   # (C, d) float64, rows as items have them: what hers are like on average
    origin: Tensor                  # (C, d) float64: her style before anything happened
    quality: Tensor                 # (C,) float64: of her items, in units of utility
    active: Tensor                  # (C,) bool: False = has given up for good

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: slice) -> Creators:
        return Creators(*(getattr(self, field.name)[rows] for field in fields(self)))


class Audience(NamedTuple):
    """What became of the items in one round."""

    shown: Tensor                   # (M,) int64: times on a slate
    taken: Tensor                   # (M,) int64
    users: int                      # how many there are

    def of(self, kind: Literal["taken", "shown"]) -> Tensor:
        return self.taken if kind == "taken" else self.shown


class CreatorModel(Protocol):
    """Decides what a creator's next items are like. `spaces`: where it is defined."""

    spaces: ClassVar[tuple[Space, ...]]

    def respond(self, creators: Creators, items: Catalog, audience: Audience, draws: Draws) -> Tensor:
        """Return the styles (C, d) after a round with this audience."""
        ...


@dataclass(frozen=True)
class Steady:
    """Creators go on as they began, whoever likes it."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere", "values")

    def respond(self, creators: Creators, items: Catalog, audience: Audience, draws: Draws) -> Tensor:
        return creators.style


@dataclass(frozen=True)
class Adaptive:
    """Creators make more of what found an audience: styles move toward those of their own items that did.

    c ← normalise(c + rate · Σ_j (n_j / N) z_j) over the creator's own items j, taken or shown n_j times this round, N the
    number of users. Of a mixture no topic falls below 1e-4, and it sums to 1; a direction has length 1.

    Source: Lucherini, Sun, Winecoff & Narayanan 2021, "T-RECS", content creators of its replication code, where a style moves
    by 0.0005 for each take with 100 users: rate 0.05 here.
    """

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere", "values")

    rate: Annotated[float, Interval(ge=0, le=1e3)] = 0.05
    """How far a style moves toward an item in a round in which every user takes it, relative to the style's own weight."""

    by: Literal["taken", "shown"] = "taken"
    """What counts as success: that an item is taken, or that it is on a slate."""

    def respond(self, creators: Creators, items: Catalog, audience: Audience, draws: Draws) -> Tensor:
        return _settled(creators.style + self.rate * _met(creators, items, audience.of(self.by) / audience.users), items.space)


@dataclass(frozen=True)
class Imitative:
    """Creators go where the audience is: styles move toward what is successful, whoever made it.

    c ← normalise((1 − rate) c + rate · Σ_j n_j z_j / Σ_j n_j) over all items j, taken or shown n_j times this round; nothing
    moves in a round without any.

    Source: after Ben-Porat & Tennenholtz 2018 (NeurIPS), "A game-theoretic approach to recommendation systems with strategic
    content providers": providers choose their content for exposure. Theirs choose the best reply; these take a step toward the
    mean of what others are rewarded for.
    """

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere", "values")

    rate: Annotated[float, Interval(ge=0, le=1)] = 0.05
    """Share of the way to the mean of what was successful."""

    by: Literal["taken", "shown"] = "taken"
    """What counts as success: that an item is taken, or that it is on a slate."""

    def respond(self, creators: Creators, items: Catalog, audience: Audience, draws: Draws) -> Tensor:
        counts = audience.of(self.by).double()
        if not counts.any():
            return creators.style
        where = (counts[:, None] * items.features).sum(0) / counts.sum()
        return _settled((1 - self.rate) * creators.style + self.rate * where, items.space)


def _met(creators: Creators, items: Catalog, weight: Tensor) -> Tensor:
    """Return Σ_j weight_j z_j over each creator's own items (C, d)."""
    mine = (items.creator >= creators.ids[0]) & (items.creator <= creators.ids[-1]) & (weight > 0)
    found = weight[mine, None].double() * items.features[mine]
    return torch.zeros_like(creators.style).index_add_(0, items.creator[mine] - creators.ids[0], found)


def _settled(style: Tensor, space: Space) -> Tensor:
    """Return styles as rows of the space."""
    if space == "sphere":
        return unit(style)
    style = (style / style.sum(1, keepdim=True)).clamp(min=_LEAST)
    return style / style.sum(1, keepdim=True)


CREATORS: dict[str, type[CreatorModel]] = {"steady": Steady, "adaptive": Adaptive, "imitative": Imitative}


@dataclass(frozen=True)
class Viability:
    """A creator gives up for good when her items had less than this in the last so many rounds, all of them together.

    Rounds of the warm-up do not count.

    Source: Mladenov et al. 2020 (ICML), "Optimizing long-term social welfare in recommender systems: a constrained matching
    approach": a provider leaves who had less than a threshold of engagement in an epoch; here the epoch is the newest rounds.
    """

    least: float
    rounds: int
    by: Literal["taken", "shown"]

    def survive(self, record: Tensor) -> Tensor:
        """Return who goes on (C,), from what each creator had in the newest rounds (C, n), n ≤ `rounds`."""
        if record.shape[1] < self.rounds:       # too early to tell
            return torch.ones(len(record), dtype=torch.bool)
        return record.sum(1) >= self.least


@dataclass(frozen=True)
class Craft:
    """How an item comes from its creator: her style, and chance that belongs to the item alone.

    Mixtures: z_j ~ Dirichlet(concentration · T · c), so that a creator of all topics alike makes what generated items are.
    Directions: v_j ∝ c + spread · n / √d, n standard normal. Quality ~ Normal(creator's, quality²).

    Draws are quantiles keyed by the item: in another arm the same item differs only by what its creator has learnt there.
    """

    concentration: float            # per topic of an item, as in the scenario's `items`
    spread: float                   # length of the random part of a direction, relative to its creator's
    quality: float                  # standard deviation within a creator

    def make(self, items: Tensor, style: Tensor, quality: Tensor, space: Space, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return features (n, d) float32 and quality (n,) float32 of items (n,) by creators of these styles (n, d)."""
        d = style.shape[1]
        _, quantile = draws("content").uniform_pair(items[:, None], torch.arange(d))
        if space == "sphere":
            rows = unit(style + self.spread / d**0.5 * torch.special.ndtri(quantile))
        else:
            rows = _dirichlet(self.concentration * d * style, quantile)
        _, luck = draws("quality").uniform_pair(items)
        return rows.float(), (quality + self.quality * torch.special.ndtri(luck)).float()


def _dirichlet(concentration: Tensor, quantile: Tensor) -> Tensor:
    """Return rows (n, d) ~ Dirichlet(concentration) from uniform draws: Gamma quantiles, divided by their sum.

    In logarithms: with concentrations like 0.005 most Gamma variates are below the smallest number. There
    P(G < g) = g^a / Γ(a + 1) to the last digit.
    """
    a, u = concentration.clamp(min=1e-8).numpy(), quantile.numpy()
    gamma = special.gammaincinv(a, u)
    tiny = gamma < 1e-20
    log = np.log(gamma, where=~tiny, out=np.zeros_like(gamma))
    log = torch.from_numpy(np.where(tiny, (np.log(u) + special.gammaln(a + 1)) / a, log))
    rows = (log - log.amax(1, keepdim=True)).exp()
    return rows / rows.sum(1, keepdim=True)


class Talk(NamedTuple):
    """A topic that everybody talks about: each item published is about it alone with probability `share`."""

    topic: int                      # 0 … T − 1
    share: float


class CreatorCohort(mesa.Agent):
    """Acts for the creators in `rows`: all of them, or exactly one.

    Draws are keyed by creator and item, so one cohort of N and N cohorts of one make the same items.
    """

    def __init__(
        self, model: Any, rows: slice, creators: Creators, catalog: Catalog, craft: Craft, behaviour: CreatorModel,
        viability: Viability | None,
    ):
        super().__init__(model)
        self.rows = rows                # the cohort's rows among all creators
        self.creators = creators        # views of those rows
        self.catalog = catalog
        self.craft = craft
        self.behaviour = behaviour
        self.viability = viability
        self.record = torch.zeros(len(creators), 0, dtype=torch.int64)      # had in the newest rounds, oldest first

    def publish(self, due: Tensor, draws: Draws, talk: Talk | None = None) -> None:
        """Make those of the items (n,) that are planned for this round and by creators who are still there.

        `draws` are those of the whole run: what an item is like does not hang on when it is asked for. `talk`: what everybody
        talks about in this round.
        """
        place = self.catalog.creator[due] - self.rows.start
        ours = (place >= 0) & (place < len(self.creators))
        due, place = due[ours], place[ours]
        there = self.creators.active[place]
        due, place = due[there], place[there]
        if len(due):
            style = self.creators.style[place]
            if talk is not None:
                style[draws("talk").uniform(due) < talk.share] = one_hot(torch.tensor(talk.topic), style.shape[1]).to(style)
            made = self.craft.make(due, style, self.creators.quality[place], self.catalog.space, draws)
            self.catalog.publish(due, *made)

    def respond(self, audience: Audience, draws: Draws, counts: bool) -> None:
        """Styles change with how the round went, and who has not had enough for too long gives up.

        `counts`: is it a round that viability is judged by?
        """
        self.creators.style[:] = self.behaviour.respond(self.creators, self.catalog, audience, draws)   # in place: shared
        if self.viability and counts:
            had = torch.bincount(
                self.catalog.creator, weights=audience.of(self.viability.by).double(), minlength=self.rows.stop
            )[self.rows].long()
            self.record = torch.cat([self.record, had[:, None]], 1)[:, -self.viability.rounds :]
            self.creators.active &= self.viability.survive(self.record)
