"""What users take from what they see: the CHOICES table. A model is a class of a `choice_` module."""

from __future__ import annotations

from agents.choice_acceptance import BiasedAcceptance, BoundedConfidence, LikeMinded
from agents.choice_base import Choice, ChoiceModel, Examining, Menu, Positive, Told, Utility, take_in_order, true_utility
from agents.choice_belief import CertaintyEquivalent
from agents.choice_best import Best, PartialKnowledge
from agents.choice_logit import Logit, NestedLogit
from agents.choice_rating import ByRating
from agents.choice_reading import Cascade, PositionBased, Satisficing
from agents.choice_recorded import Recorded
from agents.choice_spatial import DistanceLogit

__all__ = [
    "CHOICES", "Choice", "ChoiceModel", "Examining", "Menu", "Positive", "Told", "Utility", "take_in_order", "true_utility",
]

CHOICES: dict[str, type[ChoiceModel]] = {
    "logit": Logit,
    "nested_logit": NestedLogit,
    "cascade": Cascade,
    "position_based": PositionBased,
    "satisficing": Satisficing,
    "best": Best,
    "partial_knowledge": PartialKnowledge,
    "certainty_equivalent": CertaintyEquivalent,
    "by_rating": ByRating,
    "bounded_confidence": BoundedConfidence,
    "like_minded": LikeMinded,
    "biased_acceptance": BiasedAcceptance,
    "distance_logit": DistanceLogit,
    "recorded": Recorded,
}
