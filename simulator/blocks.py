"""Builds the blocks of features that a scenario gives its items, and the users' tastes in them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from agents.catalog import Catalog
from agents.modalities import Block, Modalities, directions
from agents.space import unit
from policies.encoder import text_features
from simulator.datasets import Dataset
from simulator.draws import Draws
from simulator.keys.features import TOPICS, FeatureKeys


def build_blocks(
    keys: tuple[FeatureKeys, ...], catalog: Catalog, users: Tensor, draws: Draws, data: Dataset | None
) -> tuple[Modalities | None, Tensor | None]:
    """Return the blocks, and what is each user's own in her tastes (N, …); nothing where topics are all there is.

    `users` (N,): ids. Every draw is keyed by the block's name and by the id of the item or user.
    """
    if not keys:
        return None, None
    topics = next((key for key in keys if key.name == TOPICS), FeatureKeys(name=TOPICS))
    blocks, leanings = [], []
    for key in keys:
        if key.name == TOPICS:
            continue
        if key.source == "titles":
            assert data is not None             # a scenario without is refused at the door
            own, taste, correlation = encoded(data.titles), tastes_of_the_past(encoded(data.titles), data), 0.0
        else:
            items = torch.arange(len(catalog))
            own = directions(items, key.dimensions, draws(f"{key.name} of items"))
            taste = directions(users, key.dimensions, draws(f"taste in {key.name}"))
            correlation = key.correlation
        anchors = directions(torch.arange(catalog.features.shape[1]), own.shape[1], draws(f"{key.name} of topics"))
        blocks.append(Block(key.name, key.weight, key.shown, correlation, anchors, own))
        leanings.append(taste)
    if not blocks and topics.weight == 1:
        return None, None
    empty = torch.zeros(len(users), 0)
    return Modalities(topics.weight, topics.shown, tuple(blocks)), torch.cat([empty, *leanings], 1)


@lru_cache(maxsize=1)
def encoded(titles: tuple[str, ...]) -> Tensor:
    """Return the encoded titles (M, d), made once for all arms and replicates."""
    return text_features(titles)


def tastes_of_the_past(vectors: Tensor, data: Dataset) -> Tensor:
    """Return the direction of the mean of the vectors of what each user took (N, d): Rocchio's profile."""
    taken = sp.csr_array(
        (np.ones(len(data.users), np.float32), (data.users, data.items)), shape=(len(data.user_labels), len(vectors))
    )
    return unit(torch.from_numpy(taken @ vectors.numpy()))
