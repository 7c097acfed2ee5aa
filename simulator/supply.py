"""Builds the supply side that a scenario describes: creators, the plan of what they publish, and the shelf it stands on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from agents.catalog import Catalog
from agents.creator import Craft, Creators
from agents.space import commonness, mixture, unit
from agents.supply import Plan, Shelf, draw_plan
from simulator.draws import Draws
from simulator.keys.creators import CreatorKeys
from simulator.measures.divergence import entropy
from simulator.scenario import Scenario


@dataclass
class Supply:
    """The creators of one replicate before its first round: the same for every arm."""

    creators: Creators
    craft: Craft
    shelf: Shelf


@dataclass(frozen=True)
class Supplied:
    """What became of the supply side in one run."""

    items: np.ndarray               # (m,) int64 ids of the items that were there at some time from round 1 on
    born: np.ndarray                # (M,) int64 rounds
    creator: np.ndarray             # (M,) int64
    creators: dict[str, np.ndarray] # columns of the table of creators, (C,) each


def supplied(supply: Supply, exposures: Tensor, takes: Tensor) -> Supplied:
    """Sum a run up, of whose items (M,) each was shown and taken so often from round 1 on."""
    catalog, creators = supply.shelf.catalog, supply.creators
    assert catalog.born is not None         # the catalogue of a world with creators
    assert catalog.published is not None
    there = catalog.published.clone()
    if supply.shelf.lifetime is not None:
        there &= catalog.born + supply.shelf.lifetime > 1

    def in_total(column: Tensor) -> np.ndarray:
        return torch.bincount(catalog.creator, column.double(), minlength=len(creators)).long().numpy()

    def topics(style: Tensor) -> np.ndarray:
        return entropy(mixture(style, catalog.space) if catalog.space == "sphere" else style).exp().numpy()

    return Supplied(there.nonzero()[:, 0].numpy(), catalog.born.numpy(), catalog.creator.numpy(), {
        "creator": creators.ids.numpy(),
        "active": creators.active.numpy(),
        "topics_at_start": topics(creators.origin),
        "topics_at_end": topics(creators.style),
        "items": in_total(there),
        "exposures": in_total(exposures),
        "takes": in_total(takes),
    })


def grown(scenario: Scenario, initial: Catalog, draws: Draws) -> tuple[Catalog, Supply]:
    """Return the catalogue with a row for everything that will ever be published, and who publishes it.

    The initial items are there, made by their creators; the rows of all others are zeros as yet.
    """
    keys, items = scenario.creators, scenario.items
    assert keys is not None                 # a world with creators
    assert items.count is not None
    first, rounds = len(initial), range(1 - scenario.warmup, scenario.rounds + 1)
    plan = draw_plan(items.creators, rounds, keys.rate, keys.rhythm, draws)
    total = first + len(plan.born)
    catalog = replace(
        initial,
        features=torch.zeros(total, initial.features.shape[1]),
        topics=torch.zeros(total, initial.topics.shape[1]),
        quality=torch.zeros(total),
        creator=torch.cat([initial.creator, plan.creator]),
        born=torch.cat([_born_before(first, scenario.warmup, keys.lifetime, draws), plan.born]),
        published=torch.zeros(total, dtype=torch.bool),
    )
    creators = _creators(scenario, keys, draws, initial.features.shape[1])
    craft = Craft(items.concentration, keys.spread, items.quality)
    ids = torch.arange(first)
    by = catalog.creator[ids]
    catalog.publish(ids, *craft.make(ids, creators.style[by], creators.quality[by], catalog.space, draws))
    shelf = Shelf(catalog, _weights(initial, plan, draws), keys.lifetime, keys.half_life)
    shelf.turn(-scenario.warmup)
    return catalog, Supply(creators, craft, shelf)


def _creators(scenario: Scenario, keys: CreatorKeys, draws: Draws, d: int) -> Creators:
    count, rng = scenario.items.creators, draws("creators").numpy()
    if scenario.items.space == "sphere":
        style = unit(torch.from_numpy(rng.standard_normal((count, d))))
    else:
        style = torch.from_numpy(rng.dirichlet(keys.concentration * commonness(d, scenario.items.topic_skew), count))
    quality = torch.from_numpy(draws("quality of creators").numpy().normal(0.0, keys.quality, count))
    return Creators(torch.arange(count), style, style.clone(), quality, torch.ones(count, dtype=torch.bool))


def _born_before(count: int, warmup: int, lifetime: int | None, draws: Draws) -> Tensor:
    """Return the rounds (n,) in which the initial items were published: now, or of every age that there is, equally likely."""
    now = torch.full((count,), -warmup)
    if lifetime is None:
        return now
    _, quantile = draws("age").uniform_pair(torch.arange(count))
    return now - (quantile * lifetime).long()


def _weights(initial: Catalog, plan: Plan, draws: Draws) -> Tensor:
    """Return the prominence of items when new (M,): each new one is as famous as an initial one drawn at random."""
    first = len(initial)
    if not first:                               # nothing to be as famous as
        return torch.ones(len(plan.born), dtype=torch.float64) / max(len(plan.born), 1)
    _, quantile = draws("prominence").uniform_pair(torch.arange(first, first + len(plan.born)))
    return torch.cat([initial.salience, initial.salience[(quantile * first).long()]])
