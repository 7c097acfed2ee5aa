"""What users meet without the recommender."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from scipy import stats
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.space import mixture, topic_at
from agents.users import Users

Source = Literal["drawn", "individual", "central"]
Placing = Literal["beside", "mingled"]


class ItemSampler:
    """Draws items by salience or by topic, in O(log) per draw and without a weight per user and item.

    Row 0 is the distribution of salience over the catalogue; row 1 + t is that of topic t, ∝ z_jt salience_j^fame. The
    cumulative rows stand one after the other in one sorted array, row r between r and r + 1, so that one search serves all.
    """

    def __init__(self, catalog: Catalog, fame: float = 0.0):
        self.fame = fame
        self.look_at(catalog)

    def look_at(self, catalog: Catalog) -> None:
        """Take the catalogue as it is now: what is not available is never drawn, unless nothing is."""
        by_topic = catalog.topics.to(torch.float64).T
        if self.fame:
            by_topic = by_topic * catalog.salience**self.fame
        if catalog.available is not None:
            by_topic = by_topic * catalog.available
        self.empty = catalog.available is not None and not catalog.available.any()
        empty = by_topic.sum(1, keepdim=True) == 0      # a topic without items: its seekers find what is salient
        weights = torch.cat([catalog.salience[None], torch.where(empty, catalog.salience, by_topic)])
        shares = weights.cumsum(1)
        shares /= shares[:, -1:].clone() if not self.empty else 1
        self.n_items = len(catalog)
        self.cumulative = (shares + torch.arange(len(shares))[:, None]).flatten()

    def draw(self, row: Tensor, u: Tensor) -> Tensor:
        """Return the item (b,) at quantile `u` (float64, in (0, 1)) of the distribution `row` (b,)."""
        item = torch.searchsorted(self.cumulative, row + u) - row * self.n_items
        return item.clamp_(0, self.n_items - 1)


@lru_cache
def _binomial(trials: int, chance: float) -> Tensor:
    """Return P(number ≤ 0, 1, … trials) of successes (trials + 1,) float32."""
    return torch.from_numpy(stats.binom.cdf(range(trials + 1), trials, chance)).float()


@dataclass(frozen=True)
class Discovery:
    """Each round every user meets a few items by herself: some because they are everywhere, some because she looks there.

    Each of the `awareness` finds is, with probability popularity_weight, drawn ∝ salience, else from one of the user's
    topics, drawn ∝ her interests, ∝ the item's share of that topic times its salience^fame. Without a recommender she
    considers all of them; when she looks at a slate, each is still noticed with probability `share`.

    Finds may be news instead, each item of the catalogue once, in order: every round brings `awareness` new ones to everybody
    (central), or so many to each user, which nobody else finds (individual).

    Source: Fleder & Hosanagar 2009 (Management Science), awareness from popularity and from closeness; consideration sets
    after Manski 1977 (Theory and Decision); central and individual news: Geschke, Lorenz & Holtz 2019 (British Journal of
    Social Psychology).
    """

    share: float                    # in [0, 1]: chance that an own find is still noticed when a slate is looked at
    awareness: int | Literal["all", "new"]  # items met per user and round, at least one; all: every one; new: this round's
    popularity_weight: float        # in [0, 1]: share of the finds met by salience; the rest are met by interest
    fame: float = 0.0               # ≥ 0: how much sooner the well-known is found among the items of a topic
    source: Source = "drawn"        # where finds come from: drawn as above, or news
    n_users: int = 0                # users in the world, among whom individual news are divided
    placing: Placing = "beside"     # where finds stand for who reads from the top: beside the slate, or mingled with it

    def meet(
        self, users: Users, items: Catalog, sampler: ItemSampler, looks: Tensor, draws: Draws, active: Tensor | None = None,
        round: int = 0,
    ) -> tuple[Tensor, Tensor]:
        """Return finds (n, awareness) int64 and which of them are noticed (n, awareness) bool.

        `looks` (n,): looks at a slate; `active` (n,): is there at all, the others meet nothing (None: everybody is). `round`:
        its number, by which news are dealt out.
        The number noticed is Binomial(awareness, share), and the first so many are: finds are exchangeable, so this is the
        same as thinning them one by one, and what is noticed beside a slate is a part of what the same user would have found
        without it. With an awareness of all, every item has a place of its own and is thinned by itself.
        """
        if self.awareness == "new":
            return self._meet_new(users, items, looks, draws, active)
        if self.awareness == "all":
            return self._meet_all(users, items, looks, draws, active)
        noticed_cdf = _binomial(self.awareness, self.share)
        count = torch.searchsorted(noticed_cdf, draws("notice").uniform(users.ids)).clamp_(max=self.awareness)
        count = torch.where(looks, count, self.awareness)
        if active is not None:
            count = torch.where(active, count, 0)
        if sampler.empty:
            count = torch.zeros_like(count)
        noticed = torch.arange(self.awareness) < count[:, None]
        if self.source != "drawn":
            return self._news(users.ids, len(items), self.awareness, round), noticed
        rows, slots = noticed.nonzero(as_tuple=True)
        source, quantile = draws("find").uniform_pair(users.ids[rows], slots)

        by_interest = source >= self.popularity_weight
        seeker = rows[by_interest]
        u = (source[by_interest] - self.popularity_weight) / (1 - self.popularity_weight)
        cumulative = mixture(users.interests, items.space).cumsum(1)
        row = torch.zeros_like(rows)
        row[by_interest] = 1 + topic_at(cumulative[seeker], u)

        finds = torch.zeros(noticed.shape, dtype=torch.int64)
        finds[rows, slots] = sampler.draw(row, quantile)
        return finds, noticed

    def _news(self, ids: Tensor, n_items: int, each: int, round: int) -> Tensor:
        """Return the news (n, each) of a round: the next of the catalogue, from wherever round 0 stands in it."""
        place = ids if self.source == "individual" else torch.zeros_like(ids)
        first = (round * (self.n_users if self.source == "individual" else 1) + place) * each
        return (first[:, None] + torch.arange(each)) % n_items

    def _meet_new(
        self, users: Users, items: Catalog, looks: Tensor, draws: Draws, active: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Every item that was published in this round has a place of its own and is thinned by itself."""
        assert items.fresh is not None          # a catalogue that grows
        if not len(items.fresh):                # a menu without any place is none
            return torch.zeros(len(users), 1, dtype=torch.int64), torch.zeros(len(users), 1, dtype=torch.bool)
        finds = items.fresh.expand(len(users), -1)
        noticed = ~looks[:, None] | (draws("notice").uniform(users.ids[:, None], finds) < self.share)
        return finds, noticed if active is None else noticed & active[:, None]

    def _meet_all(
        self, users: Users, items: Catalog, looks: Tensor, draws: Draws, active: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        finds = torch.arange(len(items)).expand(len(users), -1)
        noticed = ~looks[:, None].expand(finds.shape)
        if looks.any():
            noticed = noticed | (draws("notice").uniform(users.ids[:, None], finds) < self.share)
        if active is not None:
            noticed &= active[:, None]
        if items.available is not None:
            noticed &= items.available
        return finds, noticed
