"""The programs beside this file say what scenarios/replications has from them, and fit as the simulator does."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from random import Random
from types import ModuleType

import numpy as np
import pytest
import torch

from policies import als
from simulator.replicating.loading import find, load_replication

LEVELS = {name: load_replication(*find(name)).keys.claims for name in ("r4", "r8")}


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def near(found: np.ndarray, published: float, errors: float = 0.0) -> bool:
    """Within 3.5 standard errors, those of what was published among them."""
    return abs(found.mean() - published) < 3.5 * np.hypot(found.std(ddof=1) / len(found) ** 0.5, errors)


@pytest.mark.parametrize(("policy", "published"), [("oracle", 2.24), ("ts", 1.54), ("ucb", 1.22), ("random", 0.44)])
def test_loops_grow_as_the_levels_of_the_file(policy: str, published: float) -> None:
    found = program("loops").amplitude(np.random.default_rng(2), policy, 500, 10, 4, 0.5, 500)
    assert near(found, published, found.std() / 200**0.5)           # which is a mean over 200 loops
    assert published in {level for claim in LEVELS["r4"] if isinstance(claim.paper, tuple) for level in claim.paper}


def test_small_graphs_polarise_as_the_levels_of_the_file() -> None:
    rng = np.random.default_rng(3)
    graphs = [program("polarising").graph(rng, 400) for _ in range(40)]
    asked = {claim.claim: claim.paper for claim in LEVELS["r8"] if "400 users" in claim.claim and "independent" in claim.claim}
    assert len(asked) == 4
    for claim, level in asked.items():
        recommender, _, users, _ = claim.split(", ")
        assert near(np.array([graph[f"{recommender}, {users}"] for graph in graphs]), level, 0.002), claim


def test_people_on_the_ring_go_as_far_as_in_another_implementation() -> None:
    """β = 1, s = 1, γ = 0.3, ρ = 0.5; the numbers are those of tests/agents/test_belief.py."""
    aridor = program("aridor")
    found = aridor.populations(np.random.default_rng(4), 40, 50, 0.5, 1, 1, 0.3)
    for regime, diversity, welfare in (("none", 0.2214, 0.776), ("rec", 0.2369, 1.906), ("oracle", 0.2415, 2.518)):
        assert near(found[regime][0], diversity, 0.003), regime
        assert near(found[regime][1], welfare, 0.03), regime


@pytest.mark.parametrize(("strategy", "published"), [("random", 12_626), ("repost", 10_312), ("recommendation", 5_109)])
def test_people_split_as_soon_as_in_another_implementation(strategy: str, published: int) -> None:
    """The numbers are means over 400 runs of a program in C."""
    random = Random(5)
    found = [program("unfollowing").steps(random, 0.5, 0.5, strategy) for _ in range(40)]
    taken = np.array([15_000 if steps is None else steps for steps in found])
    assert near(taken, published, taken.std() / 400**0.5)


def test_a_fit_is_ours() -> None:
    dimensions = program("dimensions")
    rng = np.random.default_rng(5)
    known, columns, rows = rng.random((30, 40)) < 0.2, rng.normal(size=(40, 6)), np.zeros((30, 6))
    dimensions.solve(rows, columns, known)
    user, item = map(torch.from_numpy, known.nonzero())
    ridge = dimensions.RIDGE * (torch.from_numpy(known.sum(1)) + dimensions.UNKNOWN * 40)
    ours = als.solve(als.lists(user, item, 30), torch.from_numpy(columns).float(), dimensions.UNKNOWN, ridge.float())
    np.testing.assert_allclose(ours.numpy(), rows, atol=1e-4)
