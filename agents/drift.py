"""How interests change with what was taken, met and remembered: the DRIFTS table. A model is a class of a `drift_` module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice import Choice, Menu
from agents.drift_attraction import Assimilation, BiasedAssimilation, MereExposure, Repulsion
from agents.drift_base import Drifted, DriftModel, no_trace
from agents.drift_belief import GaussianBelief
from agents.drift_feedback import ItemFeedback, Reinforcement
from agents.drift_newcomers import Newcomers
from agents.drift_opinion import MemoryMean, OpinionAveraging
from agents.drift_satiation import Boredom, Satiation
from agents.space import Space
from agents.users import Users


@dataclass(frozen=True)
class NoDrift:
    """Interests never move.

    Source: Chaney, Stewart & Engelhardt 2018 (RecSys): the recommender changes consumption, not taste.
    """

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere", "values", "plane")

    def start(self, interests: Tensor) -> Tensor:
        return no_trace(interests)

    def drift(self, users: Users, items: Catalog, choice: Choice, menu: Menu, draws: Draws) -> Drifted:
        return Drifted(users.interests, users.trace)


DRIFTS: dict[str, type[DriftModel]] = {
    "none": NoDrift,
    "assimilation": Assimilation,
    "biased_assimilation": BiasedAssimilation,
    "repulsion": Repulsion,
    "mere_exposure": MereExposure,
    "opinion_averaging": OpinionAveraging,
    "memory_mean": MemoryMean,
    "reinforcement": Reinforcement,
    "item_feedback": ItemFeedback,
    "satiation": Satiation,
    "boredom": Boredom,
    "belief": GaussianBelief,
    "newcomers": Newcomers,
}
