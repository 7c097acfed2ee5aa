"""Being on a Ray cluster: found, silent, and with the same software on every node, or a clear word why not."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

HERE, RUNNING = "local", "auto"
"""Instead of host:port: a cluster of this machine alone, started for the run; the one that this machine is a node of."""

_ANSWER = 5.0       # seconds for a cluster to take a connection
_LOOK = 60.0        # seconds for every node to say what is installed on it

Versions = dict[str, str | None]
"""Of whatever must be the same where numbers are to be the same; None: not installed."""


class ClusterError(RuntimeError):
    """There is no cluster to play on. The message says why, and what to do."""


@contextmanager
def connected(address: str) -> Iterator[ModuleType]:
    """Be on the cluster at `address` and give the module ray.

    `address`: host:port of a cluster that this machine is a node of, or `HERE` or `RUNNING`. Whoever is on a cluster already
    stays on it. Raises `ClusterError` when there is none, or one of its nodes has other versions than this machine.
    """
    ray = _import()
    if ray.is_initialized():
        yield ray
        return
    _connect(ray, address)
    worker = ray._private.worker
    before, worker._worker_logs_enabled = worker._worker_logs_enabled, False    # raylets' words on the dead: no other switch
    try:
        _compare(ray, address)
        yield ray
    finally:
        ray.shutdown()
        worker._worker_logs_enabled = before


def _import() -> ModuleType:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise ClusterError("--ray needs Ray: pip install 'filterbubble[cluster]'") from None
    return ray


def _connect(ray: ModuleType, address: str) -> None:
    silent = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    try:
        if address == HERE:
            ray.init(HERE, include_dashboard=False, **silent)
        else:
            found = _find(address)
            _knock(address, found)
            ray.init(found, **silent)
    except ClusterError:
        raise
    except SystemExit:                              # is how Ray says that something else than a cluster answered
        raise ClusterError(f"--ray {address}: what answers there is no Ray cluster") from None
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ClusterError(f"--ray {address}: cannot be used: {reason}") from None


def _find(address: str) -> str:
    """Return host:port."""
    if address == RUNNING:
        from ray._private.services import canonicalize_bootstrap_address_or_die

        try:
            return canonicalize_bootstrap_address_or_die(RUNNING)
        except ConnectionError:
            raise ClusterError(
                f"--ray {RUNNING}: no Ray cluster runs on this machine. Start one, or make this machine a node of one, with "
                f"`ray start`; or use --ray {HERE}."
            ) from None
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal()) or "/" in host:
        raise ClusterError(f"--ray {address}: must be host:port of a Ray cluster, {RUNNING}, or {HERE}")
    return address


def _knock(address: str, found: str) -> None:
    """See that somebody is there: Ray itself would try for more than a minute, and then end this process."""
    host, _, port = found.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER).close()
    except (OSError, OverflowError) as error:
        where = "" if found == address else f" {found}:"
        reason = getattr(error, "strerror", None) or str(error)
        raise ClusterError(f"--ray {address}:{where} no Ray cluster answers there ({reason})") from None


def inspector() -> Callable[[], Versions]:
    """Return what says which versions are installed.

    It is made here because Ray sends such a function whole: also a node without filterbubble can carry it out.
    """

    def look() -> Versions:
        from importlib.metadata import PackageNotFoundError, version
        from importlib.util import find_spec

        found: Versions = {}
        for package, module in (("filterbubble", "simulator"), ("torch", "torch")):
            try:
                found[package] = version(package) if find_spec(module) else None
            except PackageNotFoundError:
                found[package] = "of no version"        # only lies in the path
        return found

    return look


def mismatch(ours: Versions, theirs: Versions) -> str:
    """Say what a node has else; "" if nothing."""
    return ", ".join(
        f"{theirs.get(package)} instead of {package} {version}" if theirs.get(package) else f"no {package}"
        for package, version in ours.items() if theirs.get(package) != version
    )


def _compare(ray: ModuleType, address: str) -> None:
    """Refuse a cluster on a node of which something else is installed than here."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(inspector())
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    if not nodes:
        raise ClusterError(f"--ray {address}: the cluster has no node with a CPU to play on")
    asked = {
        look.options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote():
            node["NodeManagerAddress"]
        for node in nodes
    }  # fmt: skip
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=_LOOK)
    ours, faults = inspector()(), [f"{asked[each]} does not answer" for each in silent]
    for each in answered:
        try:
            wrong = mismatch(ours, ray.get(each))
        except ray.exceptions.RayError as error:
            faults.append(f"{asked[each]} cannot run anything: {' '.join(str(error).split())[:300]}")
        else:
            if wrong:
                faults.append(f"{asked[each]} has {wrong}")
    if faults:
        raise ClusterError(
            f"--ray {address}: the same numbers need the same software on all nodes. " + "; ".join(faults) + ". "
            f"Install there what is here ({', '.join(f'{package} {version}' for package, version in ours.items())})."
        )
