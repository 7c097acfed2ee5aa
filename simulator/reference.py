"""The reference: what there is to choose from and what it means, for `filterbubble list` and `show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

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
from simulator.fitting.keys import FitKeys
from simulator.keys.cohorts import OneCohort
from simulator.measures import DERIVED, MEASURES
from simulator.parts import OneOf, Section
from simulator.scenario import Scenario
from simulator.sweeping.keys import SweepKeys
from simulator.sweeping.remedy_keys import RemedyKeys
from simulator.tuning.keys import TuneKeys

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
COMMANDS: dict[str, type[Section]] = {"sweep": SweepKeys, "remedies": RemedyKeys, "tune": TuneKeys, "fit": FitKeys}
"""Sections of files for other commands than `run`."""

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
    yield from _within(Scenario, "")
    for key, section in COMMANDS.items():
        yield document("sections", key, section)
        yield from _within(section, f"{key}.")


def _within(section: type[Section], prefix: str) -> Iterator[PartDoc]:
    """The sections inside a section, at whatever depth, by their dotted names."""
    for key, field in section.model_fields.items():
        for inner in dict.fromkeys(_named(field.annotation)):
            yield document("sections", f"{prefix}{key}", inner)
            yield from _within(inner, f"{prefix}{key}.")


def _named(annotation: Any) -> Iterator[type[Section]]:
    """The sections that an annotation names: itself, or of an option, a list or a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for each in get_args(annotation):
        yield from _named(each)


def describe(name: str) -> list[PartDoc]:
    """The documentation of every part, measure and section of this name; groups may share a name."""
    everything = [doc for group in GROUPS for doc in catalogue(group)]
    found = [doc for doc in everything if name in (doc.kind, f"{doc.group}.{doc.kind}")]
    if not found:
        hint = did_you_mean(name, dict.fromkeys(doc.kind for doc in everything), listed=False)
        raise LookupError(f"there is nothing called {name!r}{hint}; see `filterbubble list`")
    return found
