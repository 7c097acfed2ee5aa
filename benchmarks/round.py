"""How long a round takes: against the bare matrix product of its scores, and on T-RECS's benchmark world.

Run by hand: `python benchmarks/round.py`. Each figure is the median over rounds; ratios are taken within one run, because the
machine is shared. Results are in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable

import torch

from policies.ranking import block_size
from simulator.allocator import keep_freed_memory
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario


def seconds(action: Callable[[], object], times: int) -> float:
    """Return the median duration of `action` over some calls, after one to warm up."""
    action()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def against_bare_product(n_users: int, n_items: int, factors: int, measures: list[str]) -> None:
    """(a) A round with `mf`, against torch.mm of the same scores in blocks of the same size."""
    scenario = Scenario.model_validate({
        "title": "a round with mf",
        "rounds": 1_000_000,
        "slate_size": 10,
        "users": {"count": n_users},
        "items": {"count": n_items},
        "measures": {"names": measures},
        "policies": [{"kind": "mf", "factors": factors, "epochs": 2, "retrain_every": 1_000_000}],
    })
    model = FilterBubbleModel(scenario, scenario.policies[0])
    while model.round < 1:
        model.step()
    users, items = model.platform.policy.user_factors_, model.platform.policy.item_factors_

    def product() -> None:
        for rows in torch.arange(n_users).split(block_size(n_items)):
            torch.mm(users[rows], items.T)

    bare, full = [], []
    for _ in range(7):                          # alternately, so that both meet the same neighbours on the machine
        bare.append(seconds(product, 3))
        full.append(seconds(model.step, 3))
    print(f"(a) {n_users} users x {n_items} items, {factors} factors, {len(model.values)} measures")
    print(f"    bare product {statistics.median(bare):.3f} s, round {statistics.median(full):.3f} s: "
          f"ratio {statistics.median(f / b for f, b in zip(full, bare, strict=True)):.2f}")


def t_recs_world(policy: dict, rounds: int) -> None:
    """(b) T-RECS's benchmark: 10 000 users x 10 000 items, 20 attributes, 10 shown, 1 taken, homogeneity each round."""
    scenario = Scenario.model_validate({
        "title": "the world of T-RECS's benchmark",
        "rounds": rounds,
        "slate_size": 10,
        "users": {"count": 10_000, "drift": "none", "choice": {"kind": "best", "rank_discount": 0.8}},
        "items": {"count": 10_000, "topics": 20, "concentration": 0.1},
        "measures": {"names": ["consumption.mean_jaccard", "utility.per_user"], "window": "cumulative"},
        "policies": [policy],
    })
    model = FilterBubbleModel(scenario, scenario.policies[0])
    while model.round < 0:
        model.step()
    each = []
    for _ in range(rounds):
        started = time.perf_counter()
        model.step()
        each.append(time.perf_counter() - started)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"(b) {policy}: {statistics.mean(each):.3f} s a round, retraining included (most {max(each):.3f}); "
          f"{memory:.2f} GiB at most so far in this process")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    keep_freed_memory()
    rounds = parser.parse_args().rounds
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for policy in ({"kind": "popularity", "retrain_every": 1}, {"kind": "mf", "factors": 20, "epochs": 1, "retrain_every": 1}):
        t_recs_world(policy, rounds)
    against_bare_product(20_000, 10_000, 64, ["*"])
    against_bare_product(20_000, 10_000, 64, ["exposure.gini", "consumption.*", "interests.drift", "utility.mean"])
