"""How long the network takes at a million ties: to draw it, to live a round with it, to measure it.

Run by hand: `python benchmarks/network.py`. Results are in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from agents.graphs import BarabasiAlbert, ErdosRenyi, StochasticBlocks, WattsStrogatz
from simulator.measures import MEASURES, select
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario
from simulator.threads import one_thread


def timed(what: str, action: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    result = action()
    print(f"  {what:<44} {time.perf_counter() - started:7.2f} s", flush=True)
    return result


def draw(users: int, friends: int) -> None:
    import numpy as np

    group, rng = np.arange(users) % 20, np.random.default_rng(0)
    for generator in (
        WattsStrogatz(friends), BarabasiAlbert(friends), ErdosRenyi(friends), StochasticBlocks(friends),
    ):
        timed(type(generator).__name__, lambda generator=generator: generator.draw(users, group, None, rng))


def live(users: int, friends: int) -> None:
    """Two rounds with everything on, and the measures of a third."""
    scenario = Scenario.model_validate({
        "title": "a million ties",
        "rounds": 1000,
        "warmup": 0,
        "users": {"count": users},
        "items": {"count": 2000, "topics": 20},
        "network": {
            "graph": {"kind": "watts_strogatz", "friends": friends},
            "homophily": 0.5,
            "influence": "bounded_confidence",
            "sharing": {"share": 0.3, "passes_on": 0.02},
            "rewiring": {"probability": 0.05, "tolerance": 0.5},
        },
        "measures": {"names": ["utility.mean"]},
        "policies": ["organic"],
    })
    model = timed("the world, users sorted by likeness", lambda: FilterBubbleModel(scenario, scenario.policies[0]))
    print(f"  {len(model.network.ties):,} ties, {users:,} users")
    for _ in range(2):
        timed("a round", model.step)
    draws = model.draws.at(99)
    active = torch.ones(users, dtype=torch.bool)
    timed("of it influence", lambda: model.network.move(model.users, active, draws))
    timed("of it rewiring", lambda: model.network.rewire(model.users, active, draws))
    seen, compute = [], model.recorder.observe
    model.recorder.observe = lambda happened: seen.append(happened) or compute(happened)
    timed("a round", model.step)
    names = model.recorder.names = select(["network.*"])
    assert set(names) == {name for name in MEASURES if name.startswith("network.")}
    timed("all measures of the network", lambda: compute(replace(seen[0], round=model.round + 1)))
    for place, name in enumerate(names, start=2):
        model.recorder.names = (name,)
        timed(f"of them {name}", lambda place=place: compute(replace(seen[0], round=model.round + place)))
    model.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--friends", type=int, default=10)
    given = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads\ndrawing")
    draw(given.users, given.friends)
    print("living")
    with one_thread():          # a shared machine's other work would be measured too
        live(given.users, given.friends)
