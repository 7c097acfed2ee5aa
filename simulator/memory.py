"""How many processes the memory of this machine is enough for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from policies.ease import EASE
from simulator.datasets import Dataset
from simulator.scenario import Scenario

_PROCESS = 450e6            # bytes of a process that has loaded everything and plays a small world
_USER, _INTEREST = 4e3, 300 # bytes a user, and a user and topic: two copies of the world, and windows of rounds
_TAKE, _SHOWN = 48, 8       # bytes in the log of something taken, and of something shown
_DENSE = 25                 # bytes a pair of items while EASE inverts its matrix
"""Seen as the largest resident size of worlds of 100 to 20 000 users and items; on the safe side by up to a factor of 1.6."""

_CGROUP = Path("/sys/fs/cgroup")


def bytes_of(scenario: Scenario, data: Dataset | None) -> float:
    """Estimate the memory of a process that plays any arm of a scenario to its end."""
    users, items, topics = (
        (data.n_users, data.n_items, data.n_topics) if data else
        (scenario.users.count or 0, scenario.items.count or 0, scenario.items.topics)
    )
    past = _TAKE * len(data.users) if data else 0
    rounds = scenario.rounds + scenario.warmup
    if scenario.users.churn is not None:
        users += round(scenario.users.churn.arrivals * scenario.rounds)
    if scenario.creators is not None:
        items += round(scenario.creators.rate * scenario.items.creators * rounds)
    log = users * rounds * (scenario.users.takes * _TAKE + scenario.slate_size * _SHOWN)
    dense = _DENSE * items**2 if any(isinstance(arm.policy, EASE) for arm in scenario.policies) else 0
    return _PROCESS + users * (_USER + topics * _INTEREST) + past + log + dense


def affordable(needs: Iterable[float], available: float | None) -> int:
    """Return how many processes fit side by side, one at least, if each may come to play what needs most.

    `needs` and `available` are bytes; None: nobody knows, so that all do.
    """
    largest = max(needs, default=0)
    return max(int(available // largest), 1) if available is not None and largest else 2**31


def available() -> float | None:
    """Return the bytes that this process and its children may still take; None where the system does not say."""
    found = [size for size in (_of_machine(), _of_group()) if size is not None]
    return min(found, default=None)


def _of_machine() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None


def _of_group() -> float | None:
    """What is left of the limit of a container (cgroup v2)."""
    try:
        limit, used = ((_CGROUP / name).read_text(encoding="ascii").strip() for name in ("memory.max", "memory.current"))
        return None if limit == "max" else float(limit) - float(used)
    except (OSError, ValueError):
        return None
