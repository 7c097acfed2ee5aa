import inspect
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.measures import (
    DERIVED,
    MEASURES,
    Recorder,
    between,
    catalogue,
    divergence,
    equity,
    groups,
    lists,
    normative,
    state,
    usefulness,
    within,
)

FAMILIES = {
    "exposure", "consumption", "interests", "utility", "creators", "escape", "feedback", "network", "users", "training",
}


def test_names_say_what_is_measured_and_every_measure_is_described() -> None:
    for name, measure in [*MEASURES.items(), *DERIVED.items()]:
        assert name == measure.name
        assert name.split(".")[0] in FAMILIES
        assert measure.bubble in {-1, 0, 1}
        assert measure.label
        assert measure.unit
        assert measure.range
        assert measure.source
        assert measure.description.endswith(".")
    labels = [measure.label for measure in [*MEASURES.values(), *DERIVED.values()]]
    assert len(set(labels)) == len(labels)
    assert not DERIVED.keys() & MEASURES.keys()
    assert all(measure.base in MEASURES for measure in DERIVED.values())


def test_every_function_of_the_formula_modules_is_reached_from_the_table(
    make_world: Callable, play: Callable
) -> None:
    formulas = {
        function.__code__: f"{module.__name__}.{name}"
        for module in (within, between, catalogue, divergence, equity, groups, lists, normative, state, usefulness)
        for name, function in vars(module).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__
    }
    assert len(formulas) > 30
    called = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        called.add(frame.f_code)

    world = make_world()
    world = replace(world, origin=world.interests)                  # where users stand is told, too
    nothing_again = torch.zeros_like(next(iter(play(world, 1))).taken)
    rounds = [replace(r, places=r.interests, again=nothing_again) for r in play(world, 2)]
    sys.setprofile(note)
    try:
        for pairs in ("sample", "all"):
            recorder = Recorder(world, pairs=pairs)
            for r in rounds:
                recorder.observe(r)
    finally:
        sys.setprofile(None)
    assert {name for code, name in formulas.items() if code not in called} == set()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 9),
    t=st.integers(1, 6),
    k=st.integers(0, 4),
    window=st.one_of(st.none(), st.integers(1, 3)),
    take=st.floats(0, 1),
)
def test_every_value_lies_in_the_range_of_its_measure(
    make_world: Callable, play: Callable, seed: int, n: int, t: int, k: int, window: int | None, take: float
) -> None:
    world = make_world(seed=seed, n=n, m=31, t=t)
    world = replace(world, popularity=torch.zeros_like(world.popularity))  # so that takes keep n_i ≤ N
    recorder = Recorder(world, window=window, panel=5)
    for r in play(world, 3, seed=seed, k=k, take=take):
        for name, value in recorder.observe(r).items():
            measure = MEASURES[name]
            assert isinstance(value, float)
            assert measure.lower is None or value >= measure.lower - 1e-5, name
            assert measure.upper is None or value <= measure.upper + 1e-5, name
            ends = {"1 … T": t, "1 … min(N, T)": min(n, t), "1 … M": 31, "1 … k": k, "0 … N": n}
            assert value <= ends.get(measure.range, math.inf) * (1 + 1e-5), name


@pytest.mark.parametrize("name", ["consumption.alpha", "exposure.alpha", "interests.alpha"])
def test_narrowing_is_told_from_homogenisation(name: str) -> None:
    assert MEASURES[name].bubble == -1
    assert MEASURES[name.replace("alpha", "beta")].bubble == 1
