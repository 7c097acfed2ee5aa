"""What is wrong between keys that are right by themselves: a module for each group of them says what it needs of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from simulator.keys.conflicts.arms import arm_conflicts
from simulator.keys.conflicts.awareness import awareness_conflicts
from simulator.keys.conflicts.beliefs import belief_conflicts
from simulator.keys.conflicts.creators import creator_conflicts
from simulator.keys.conflicts.data import data_conflicts, recorded_conflicts
from simulator.keys.conflicts.events import event_conflicts
from simulator.keys.conflicts.feedback import feedback_conflicts
from simulator.keys.conflicts.growth import growth_conflicts
from simulator.keys.conflicts.items import feature_conflicts, item_conflicts
from simulator.keys.conflicts.measures import pair_conflicts, precision_conflicts, snapshot_conflicts, topic_conflicts
from simulator.keys.conflicts.network import network_conflicts
from simulator.keys.conflicts.newcomers import newcomer_conflicts
from simulator.keys.conflicts.news import news_conflicts
from simulator.keys.conflicts.sizes import size_conflicts
from simulator.keys.conflicts.users import space_conflicts, user_conflicts

if TYPE_CHECKING:
    from simulator.scenario import Scenario

_ALL = (
    data_conflicts,
    item_conflicts,
    space_conflicts,
    creator_conflicts,
    user_conflicts,
    feedback_conflicts,
    network_conflicts,
    news_conflicts,
    growth_conflicts,
    feature_conflicts,
    belief_conflicts,
    newcomer_conflicts,
    recorded_conflicts,
    awareness_conflicts,
    precision_conflicts,
    pair_conflicts,
    arm_conflicts,
    size_conflicts,
    topic_conflicts,
    event_conflicts,
    snapshot_conflicts,
)
"""Where several find fault with the same key, the first is heard."""


def conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Keys that are right by themselves and wrong together, each at the key that the file sets."""
    for conflicts_of_some in _ALL:
        yield from conflicts_of_some(scenario)
