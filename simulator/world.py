"""Builds what a scenario describes: users, items, and what had been consumed before the first round."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from agents.awareness import Awareness
from agents.catalog import Catalog, draw_catalog
from agents.discovery import Discovery
from agents.interests import Correlated, Drawn, Interests
from agents.network import Network
from agents.users import Users, divide, trait
from agents.wants import by_user
from policies.log import Interactions
from simulator.blocks import build_blocks
from simulator.datasets import Dataset, DatasetError, load
from simulator.draws import Draws
from simulator.keys.cohorts import Cohort
from simulator.keys.traits import Trait
from simulator.keys.users import UserKeys
from simulator.network import build_network, check_network
from simulator.scenario import Scenario
from simulator.supply import Supply, grown


@dataclass
class Beginning:
    """The world of one replicate before its first round: the same for every arm."""

    users: Users
    cohorts: list[tuple[slice, Cohort]]     # rows of each cohort, and what holds for it
    catalog: Catalog
    discovery: Discovery
    past: Interactions              # a real log, oldest first; empty in a synthetic world
    supply: Supply | None           # None: nothing is published after the beginning
    network: Network | None         # None: users know nothing of each other
    awareness: Awareness | None     # what users know of at the start; None: there is no such thing, they find what they find


def load_data(scenario: Scenario) -> Dataset | None:
    """Read the real log that the scenario names, if it names one. What is wrong with it is a `DatasetError`."""
    if scenario.data is None:
        return None
    assert scenario.data.path is not None       # a scenario without is refused at the door
    data = load(
        scenario.data.path, min_rating=scenario.data.min_rating,
        max_users=scenario.users.count, max_items=scenario.items.count,
    )
    for key, size in (("slate_size", scenario.slate_size), ("discovery.awareness", scenario.discovery.awareness)):
        if not isinstance(size, str) and size > data.n_items:
            raise DatasetError(
                f"{scenario.data.path}: {data.n_items} items are left of it, and `{key}` is {size}: "
                f"choose at most {data.n_items}, for instance with --set {key}={data.n_items}"
            )
    for rows, cohort in _cohorts(scenario.users.each_cohort(), data.n_users):
        if rows.start == rows.stop:
            raise DatasetError(
                f"{scenario.data.path}: {data.n_users} users are left of it, and of them the cohort {cohort.name!r} "
                f"(share {cohort.share:g}) would have none"
            )
    check_network(scenario, data)
    return data


def begin(scenario: Scenario, draws: Draws, data: Dataset | None) -> Beginning:
    """Build the world of one replicate. Every draw is keyed by what it is for, so no part depends on another."""
    keys = scenario.users
    count = len(data.user_labels) if data else keys.count
    assert count is not None                    # a scenario without data has one
    cohorts, arrival = _cohorts(keys.each_cohort(), count), None
    if keys.churn is not None:
        cohorts, arrival = _with_arrivals(cohorts, keys, scenario.rounds, draws)
        count = len(arrival)
    if data is not None and len(cohorts) > 1:   # which real user is in which cohort is chance
        data = data.with_users(draws("cohorts").numpy().permutation(count))
    catalog, supply = _catalog(scenario, draws, data), None
    if scenario.creators is not None:
        catalog, supply = grown(scenario, catalog, draws)
    catalog.labels = scenario.items.attributes.draw(catalog, draws)
    voice = scenario.items.attributes.voice
    if voice is not None and catalog.labels.minority is not None:
        catalog.salience = _dimmed(catalog.salience, catalog.labels.minority, voice.prominence)
        if supply is not None:
            supply.shelf.weight = _dimmed(supply.shelf.weight, catalog.labels.minority, voice.prominence)
    seen = _topic_counts(data) if data else None

    def draw_interests(keys: Interests, rows: slice, stream: str) -> Drawn:
        size = len(range(*rows.indices(count)))
        return keys.draw(size, catalog.topics.shape[1], None if seen is None else seen[rows], draws(stream).numpy())

    def draw_trait(name: str) -> torch.Tensor:
        def draw(value: Trait, rows: slice, stream: str) -> torch.Tensor:
            return trait(value.mean, value.spread, len(range(*rows.indices(count))), draws(stream).numpy())

        values = draw(getattr(keys, name), slice(None), name)
        for rows, cohort in cohorts:            # drawn for everybody first: a cohort of its own changes nobody else
            if getattr(cohort, name) != getattr(keys, name):
                values[rows] = draw(getattr(cohort, name), rows, f"{name} of {cohort.name}")
        return values

    drawn = draw_interests(keys.interests, slice(None), "interests")
    for rows, cohort in cohorts:
        if cohort.interests != keys.interests:
            own = draw_interests(cohort.interests, rows, f"interests of {cohort.name}")
            for everybody, theirs in zip(drawn, own, strict=True):
                if isinstance(everybody, np.ndarray):       # laws are everybody's: see `newcomer_conflicts`
                    everybody[rows] = theirs
    interests = torch.from_numpy(drawn.interests.astype(np.float32))
    group = torch.from_numpy(data.groups if data is not None and data.groups is not None else drawn.group).clone()
    membership = torch.zeros(count, dtype=torch.int64)
    for place, (rows, cohort) in enumerate(cohorts):
        membership[rows] = place
        if cohort.group is not None:
            group[rows] = cohort.group
    activity = draw_trait("activity")
    if data is not None and scenario.data is not None and scenario.data.activity == "relative":
        activity = activity * _relative_activity(data)
    past, wants = _past(data, 1.0 if scenario.data is None else scenario.data.known, draws)
    catalog.modalities, leanings = build_blocks(scenario.items.features, catalog, torch.arange(count), draws, data)
    users = Users(
        ids=torch.arange(count),
        interests=interests,
        origin=interests.clone(),
        susceptibility=draw_trait("susceptibility"),
        activity=activity,
        adoption=draw_trait("adoption"),
        group=group,
        cohort=membership,
        expected=None if drawn.expected is None else torch.from_numpy(drawn.expected.astype(np.float32)),
        doubt=None if drawn.doubt is None else torch.from_numpy(drawn.doubt.astype(np.float32)),
        present=None if arrival is None else arrival <= 0,
        arrival=arrival,
        leanings=leanings,
        law=drawn.law,
        wants=wants,
    )
    network = build_network(scenario, users, len(catalog), draws, data)
    discovery = Discovery(**scenario.discovery.model_dump(exclude={"known"}), n_users=count)
    known = scenario.discovery.known
    awareness = None if known is None else Awareness(**known.model_dump())
    return Beginning(users, cohorts, catalog, discovery, past, supply, network, awareness)


def _cohorts(keys: tuple[Cohort, ...], count: int) -> list[tuple[slice, Cohort]]:
    """Give each cohort the rows of `count` users that are its share."""
    return list(zip(divide(count, [cohort.share for cohort in keys]), keys, strict=True))


def _with_arrivals(
    cohorts: list[tuple[slice, Cohort]], keys: UserKeys, rounds: int, draws: Draws
) -> tuple[list[tuple[slice, Cohort]], torch.Tensor]:
    """Let a row follow those of her cohort for each user who will arrive, by each cohort's share of them.

    Return the cohorts' rows with these, and the round (N,) int64 in which each user arrives; 0 = there from the beginning.
    """
    assert keys.churn is not None
    number = [draws.at(round)("arrivals").numpy().poisson(keys.churn.arrivals) for round in range(1, rounds + 1)]
    arrivals = np.repeat(np.arange(1, rounds + 1), number)
    order = draws("arrivals").numpy().permutation(len(arrivals))
    longer, columns = [], []
    for (rows, cohort), (more, _) in zip(cohorts, _cohorts(keys.each_cohort(), len(arrivals)), strict=True):
        longer.append((slice(rows.start + more.start, rows.stop + more.stop), cohort))
        columns += [np.zeros(rows.stop - rows.start, dtype=np.int64), arrivals[order[more]]]
    return longer, torch.from_numpy(np.concatenate(columns))


def _catalog(scenario: Scenario, draws: Draws, data: Dataset | None) -> Catalog:
    keys, rng = scenario.items, draws("items").numpy()
    if data is None:
        assert keys.count is not None
        return draw_catalog(
            keys.count, keys.topics, keys.concentration, keys.space, _quality(scenario),
            keys.popularity_skew, keys.creators, rng, cosine=keys.affinity == "cosine", mixed=keys.mixture,
            correlation=getattr(scenario.users.interests, "correlation", None), topic_skew=keys.topic_skew,
            topics_per_item=keys.topics_per_item, popularity=keys.popularity, axis_variances=keys.axis_variances,
            scatter=keys.scatter, extent=keys.extent, quality_law=keys.quality_law,
        )
    topics = torch.from_numpy(data.topics)
    popularity = np.bincount(data.items, minlength=len(topics)).astype(np.float64)
    return Catalog(
        space="simplex",
        features=topics,
        topics=topics,
        quality=torch.from_numpy((keys.quality * _rated(data)).astype(np.float32)),
        salience=torch.from_numpy(popularity / popularity.sum()),
        creator=torch.from_numpy(rng.integers(0, keys.creators, len(topics))),
        titles=data.titles,
        topic_names=data.topic_names,
        cosine=keys.affinity == "cosine",
    )


def _quality(scenario: Scenario) -> float:
    """Return the standard deviation of the items' quality, in units of utility."""
    interests = scenario.users.interests
    if isinstance(interests, Correlated) and interests.common is not None:
        return interests.common * math.sqrt(interests.variance)
    return scenario.items.quality


def _dimmed(salience: torch.Tensor, minority: torch.Tensor, prominence: float) -> torch.Tensor:
    """Return the salience (M,) when what is of the minority is met `prominence` times as easily."""
    weights = torch.where(minority, prominence * salience, salience)
    return weights / weights.sum()


_RATINGS_OF_DOUBT = 5
"""Ratings of the average kind that every item is given beside its own, so that one rave does not make a masterpiece."""


def _rated(data: Dataset) -> np.ndarray:
    """Return how well each item is rated (M,), in standard deviations over items; 0 for all where ratings do not differ.

    The mean rating is drawn toward that of all items: (Σ r + m r̄) / (n + m).
    """
    count = np.bincount(data.items, minlength=len(data.topics))
    total = np.bincount(data.items, weights=data.ratings.astype(np.float64), minlength=len(data.topics))
    mean = (total + _RATINGS_OF_DOUBT * total.sum() / count.sum()) / (count + _RATINGS_OF_DOUBT)
    spread = mean.std()
    return (mean - mean.mean()) / spread if spread > 1e-9 else np.zeros(len(mean))


def _topic_counts(data: Dataset) -> np.ndarray:
    """Return the topic mass (N, T) that each user consumed."""
    counts = np.zeros((len(data.user_labels), data.topics.shape[1]))
    np.add.at(counts, data.users, data.topics[data.items])
    return counts


def _relative_activity(data: Dataset) -> torch.Tensor:
    """Return each user's number of interactions relative to that of a very active user (N,), in (0, 1].

    Very active is the 95th percentile: relative to the one most active user, nearly everybody would be idle.
    """
    counts = np.bincount(data.users, minlength=len(data.user_labels))
    return torch.from_numpy((counts / np.quantile(counts, 0.95)).clip(max=1).astype(np.float32))


def _past(data: Dataset | None, known: float, draws: Draws) -> tuple[Interactions, torch.Tensor | None]:
    """Return what the platform has on record of a real log, oldest first, and what else users took there (N, h), if anything.

    On record is a share of each user's interactions, to the nearest whole number and at least one, those of the smallest draws.
    """
    if data is None:
        empty = torch.zeros(0, dtype=torch.int64)
        return Interactions(empty, empty, empty), None
    whole = Interactions(*(torch.from_numpy(column) for column in (data.users, data.items, data.times)))
    if known == 1:
        return whole, None
    order = draws("known").uniform(whole.users, whole.items).argsort(stable=True)
    order = order[whole.users[order].argsort(stable=True)]              # each user's together, in the order of their draws
    counts = torch.bincount(whole.users)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order)) - (counts.cumsum(0) - counts)[whole.users[order]]
    kept = rank < (known * counts).round().clamp(min=1)[whole.users]
    wants = by_user(whole.users[~kept], whole.items[~kept], len(counts), len(data.topics))
    return Interactions(*(column[kept] for column in whole)), wants
