"""The tables: every entry plays, and nothing that could be an entry is missing."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest
import torch

import agents
from agents import choice, drift, interests
from agents.choice import CHOICES, ChoiceModel
from agents.drift import DRIFTS, DriftModel
from agents.interests import INTERESTS, Interests
from simulator.model import FilterBubbleModel
from simulator.parts import kind_of
from simulator.scenario import Scenario
from simulator.world import load_data

KETTLE = Path(__file__).parents[1] / "data" / "kettle" / "movielens-csv"

TABLES = [(choice, CHOICES, ChoiceModel), (drift, DRIFTS, DriftModel), (interests, INTERESTS, Interests)]


def family(module: ModuleType) -> list[ModuleType]:
    """The module of a table and those of its parts: agents.drift, agents.drift_opinion, …"""
    names = [found.name for found in pkgutil.iter_modules(agents.__path__, "agents.")]
    return [importlib.import_module(name) for name in names if f"{name}_".startswith(f"{module.__name__}_")]


def members(protocol: type) -> set[str]:
    methods = {name for name, _ in inspect.getmembers(protocol, inspect.isfunction) if not name.startswith("_")}
    return set(protocol.__annotations__) | methods


def signature(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(("module", "table", "protocol"), TABLES)
def test_what_satisfies_a_protocol_is_in_its_table(module: ModuleType, table: dict, protocol: type):
    own = {
        thing for part in family(module) for _, thing in inspect.getmembers(part, inspect.isclass)
        if thing.__module__ == part.__name__
    }
    able = {thing for thing in own - {protocol} if all(hasattr(thing, name) for name in members(protocol))}
    assert able == set(table.values())
    assert len(set(table.values())) == len(table)


@pytest.mark.parametrize(("module", "table", "protocol"), TABLES)
def test_what_is_in_a_table_satisfies_its_protocol_and_says_where_it_is_from(module: ModuleType, table: dict, protocol: type):
    for kind, part in table.items():
        for name in members(protocol):
            if inspect.isfunction(getattr(protocol, name, None)):
                assert signature(getattr(part, name)) == signature(getattr(protocol, name)), (kind, name)
            else:
                assert getattr(part, name), (kind, name)
        assert "Source:" in inspect.getdoc(part), kind


def entries() -> list:
    found = []
    for key, table in (("interests", INTERESTS), ("choice", CHOICES), ("drift", DRIFTS)):
        for kind, part in table.items():
            for space in getattr(part, "spaces", ("simplex", "sphere")):
                found.append(pytest.param(key, kind, space, id=f"{key}={kind}, {space}"))
    return found


INTERESTS_OF = {"simplex": "dirichlet", "sphere": "sphere", "values": "uniform", "plane": "points"}

BELIEF = {"interests": "correlated", "choice": "certainty_equivalent", "drift": "belief"}
"""What goes together: who does not know her interests."""

STAY = {"none", "belief"}
"""Drift models that move no interests."""


@pytest.mark.parametrize(("key", "kind", "space"), entries())
def test_every_entry_plays(key: str, kind: str, space: str):
    """31 users, 19 items, 6 topics, slates of 4, for a few rounds of every phase."""
    users = {"takes": 2, "interests": INTERESTS_OF[space], "choice": {"kind": "best", "outside_utility": -1}}
    if BELIEF.get(key) == kind:
        users |= BELIEF
    items = {"count": 19, "topics": 6, "space": space}
    if kind == "newcomers":
        users |= {"interests": "varied"}                        # whose law they come by
    if kind == "alike":
        items |= {"topics": 2}                                  # as many as it has shares
    if space == "plane":                                        # nothing is better than 0 there
        users["choice"] = {"kind": "logit", "outside_utility": -99}
    if space == "values":
        items |= {"topics": 19, "mixture": "one_hot"}           # each item has a worth of its own
        users |= {"drift": "item_feedback"} if users["interests"] == "uniform" else {}
    world = {
        "title": "t", "rounds": 5, "warmup": 2, "slate_size": 4, "discovery": {"awareness": 3}, "policies": ["popularity"],
        "users": {"count": 31, **users, key: kind}, "items": items,
        "measures": {"names": ["interests.drift", "consumption.alpha"]},
    }
    if kind in ("data", "recorded"):
        world |= {"slate_size": 2, "data": {"kind": "movielens", "path": str(KETTLE)}}
        world["users"]["count"] = world["items"]["count"] = None
    if kind == "recorded":
        world["data"] |= {"known": 0.5}
        world["users"]["interests"] = "data"
    scenario = Scenario.model_validate(world)
    model = FilterBubbleModel(scenario, scenario.policies[0], data=load_data(scenario))
    try:
        model.run()
        moved = (model.users.interests - model.users.origin).norm(dim=1)
        taken = sum(cohort.memory.counts.sum() for cohort in model.cohorts)
        assert taken > len(model.past.users), "somebody took something"
        assert (model.takes > 0).any()
        assert (moved.max() > 1e-4) == (kind_of(DRIFTS, scenario.users.drift) not in STAY)
        assert model.users.interests.isfinite().all()
        if space not in ("values", "plane"):
            size = model.users.interests.square() if space == "sphere" else model.users.interests
            assert torch.allclose(size.sum(1), torch.ones(len(model.users)), atol=1e-5)
        assert len(model.trajectory) == 6
    finally:
        model.close()
