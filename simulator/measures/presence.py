"""users.*: who is there, in worlds where users leave and arrive."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from simulator.measures.measure import Measure
from simulator.measures.observation import Observation


def retained(present: Tensor, founders: Tensor) -> float:
    """Share of the users of round 0 who are present. (N,) bool × 2 → 0 … 1.

    All of them are watched from the same round on and nobody is lost from sight, so this is the Kaplan–Meier curve of their
    survival (Kaplan & Meier 1958), but for those who come back.
    """
    return int((present & founders).sum()) / int(founders.sum())


def left(present: Tensor, before: Tensor) -> float:
    """Share of those who were present in the round before and are not now: the hazard of that round. → 0 … 1."""
    return int((before & ~present).sum()) / int(before.sum())


def with_churn(function: Callable[[Observation, Tensor], float | None]) -> Callable[[Observation], float | None]:
    """Only in worlds where users come and go; `present` (N,) bool."""
    return lambda o: None if o.round.present is None else function(o, o.round.present)


def _left(o: Observation, present: Tensor) -> float | None:
    before = o.presence.before
    return left(present, before) if before is not None and before.any() else None


def _retained(o: Observation, present: Tensor) -> float | None:
    founders = o.presence.founders
    return retained(present, founders) if founders is not None and founders.any() else None


PRESENCE = [
    Measure(
        "users.present", "Users present", "users", "0 … N", 0, None, 0,
        "Users who have arrived and have not left: those over whom the measures of users are taken in this round.",
        "—",
        with_churn(lambda o, present: float(present.sum())),
    ),
    Measure(
        "users.retained", "Retention", "share of users", "0 … 1", 0, 1, 0,
        "Share of the users of round 0 who are still present: their survival curve. Means over users leave out whoever left, "
        "so an arm that drives away those whom it serves badly looks better for it: read this beside them.",
        "Kaplan & Meier 1958",
        with_churn(_retained),
    ),
    Measure(
        "users.left", "Users who left", "share of users", "0 … 1", 0, 1, 0,
        "Share of the users present in the round before who are not now: the hazard of leaving.",
        "Allison 1982",
        with_churn(_left),
    ),
]  # fmt: skip
