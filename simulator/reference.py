"""The reference: what there is to choose from and what it means, for `filterbubble list` and `show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from agents.choice import CHOICES
from agents.churn import DEPARTURES
from agents.cohorts import COHORTS
from agents.creator import CREATORS
from agents.drift import DRIFTS
from agents.feedback import FEEDBACKS
from agents.graphs import GENERATORS
from agents.influence import INFLUENCES
from agents.interests import INTERESTS
from policies import POLICIES
from policies.explore import EXPLORERS
from policies.people import PEOPLE
from policies.rerank import RERANKERS
from simulator.arms import WHO_TO_FOLLOW, OneArm
from simulator.controls import CONTROLS
from simulator.docs import PartDoc, document
from simulator.events import EVENTS, OneEvent
from simulator.faults import did_you_mean
from simulator.keys.cohorts import OneCohort
from simulator.measures import DERIVED, MEASURES
from simulator.parts import OneOf, Section
from simulator.scenario import Scenario

PARTS: dict[str, tuple[OneOf, dict[str, type]]] = {
    "policies": (OneArm(), dict(POLICIES)),
    "controls": (OneArm(), dict(CONTROLS)),
    "rerankers": (OneOf(RERANKERS, "reranker"), dict(RERANKERS)),
    "explorers": (OneOf(EXPLORERS, "explorer"), dict(EXPLORERS)),
    "interests": (OneOf(INTERESTS, "interest model"), dict(INTERESTS)),
    "choices": (OneOf(CHOICES, "choice model"), dict(CHOICES)),
    "cohorts": (OneCohort(), dict(COHORTS)),
    "drifts": (OneOf(DRIFTS, "drift model"), dict(DRIFTS)),
    "networks": (OneOf(GENERATORS, "network"), dict(GENERATORS)),
    "influences": (OneOf(INFLUENCES, "social influence"), dict(INFLUENCES)),
    "people": (WHO_TO_FOLLOW, dict(PEOPLE)),
    "creators": (OneOf(CREATORS, "behaviour of creators"), dict(CREATORS)),
    "events": (OneEvent(), dict(EVENTS)),
    "feedbacks": (OneOf(FEEDBACKS, "kind of feedback"), dict(FEEDBACKS)),
    "departures": (OneOf(DEPARTURES, "reason to leave"), dict(DEPARTURES)),
}
GROUPS = (*PARTS, "measures", "sections")


def catalogue(group: str) -> list[PartDoc]:
    """All that a group has, in the order of its table: "policies", "measures", "sections" of a scenario …"""
    if group in PARTS:
        choice, table = PARTS[group]
        return [document(group, kind, choice.model(kind), leave_out={"kind"}) for kind in table]
    if group == "measures":
        return [
            PartDoc(group, name, f"{measure.label}.", measure.description, (), measure.source)
            for name, measure in (MEASURES | DERIVED).items()
        ]
    if group == "sections":
        return list(_sections())
    raise LookupError(f"there is no list of {group!r}{did_you_mean(group, GROUPS)}")


def _sections() -> Iterator[PartDoc]:
    yield document("sections", "scenario", Scenario)
    for key, field in Scenario.model_fields.items():
        for hint in (field.annotation, *get_args(field.annotation)):
            if isinstance(hint, type) and issubclass(hint, Section):
                yield document("sections", key, hint)


def describe(name: str) -> list[PartDoc]:
    """The documentation of every part, measure and section of this name; groups may share a name."""
    everything = [doc for group in GROUPS for doc in catalogue(group)]
    found = [doc for doc in everything if name in (doc.kind, f"{doc.group}.{doc.kind}")]
    if not found:
        hint = did_you_mean(name, dict.fromkeys(doc.kind for doc in everything), listed=False)
        raise LookupError(f"there is nothing called {name!r}{hint}; see `filterbubble list`")
    return found
