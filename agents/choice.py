"""What users take from what they see: the CHOICES table. A model is a class of a `choice_` module."""

from __future__ import annotations

from agents.choice_base import Choice, ChoiceModel, Examining, Menu, Positive, Utility, take_in_order, true_utility
from agents.choice_best import Best
from agents.choice_logit import Logit
from agents.choice_reading import Cascade

__all__ = ["CHOICES", "Choice", "ChoiceModel", "Examining", "Menu", "Positive", "Utility", "take_in_order", "true_utility"]

CHOICES: dict[str, type[ChoiceModel]] = {"logit": Logit, "cascade": Cascade, "best": Best}
