"""Users who try to leave their bubble: how far their slates follow, and what that takes."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from simulator.measures.measure import Measure
from simulator.measures.observation import Observation, mean

SOURCE = "after bubble escape potential, arXiv 2512.03067; docs/events.md"
WHO = " Over the users present whom an event `escape` is about, from its first round on, also in arms in which they do not try."


def followed(o: Observation) -> float | None:
    attempt = o.round.escape
    if attempt is None or o.no_slates:
        return None
    users = (attempt.tries & o.round.shown).nonzero()[:, 0]
    return mean(attempt.followed(o.round.slate[users], users, o.frame.world.topics)) if len(users) else None


def efforts(o: Observation) -> Tensor | None:
    """Return what it took those who are there (n,), ∞: not yet done; None if there are none."""
    attempt = o.round.escape
    if attempt is None or not o.of_present(attempt.tries).any():
        return None
    return o.of_present(attempt.effort)[o.of_present(attempt.tries)]


def reached(o: Observation) -> float | None:
    taken = efforts(o)
    return None if taken is None else mean(taken.isfinite())


def effort(o: Observation) -> float | None:
    """The median is known as soon as half of the users have reached it, however long the others still need."""
    taken = efforts(o)
    if taken is None:
        return None
    median = float(np.quantile(taken.numpy(), 0.5, method="higher"))
    return median if np.isfinite(median) else None


ESCAPE = [
    Measure(
        "escape.followed", "Slates outside the bubble", "share of a slate", "0 … 1", 0, 1, -1,
        "Share of a slate that is about other topics than those that were usual for its user." + WHO,
        SOURCE, followed,
    ),
    Measure(
        "escape.reached", "Users led out", "share of users", "0 … 1", 0, 1, -1,
        "Share of the users of whose slates one, up to now, was mainly about topics that were not usual for them." + WHO,
        SOURCE, reached,
    ),
    Measure(
        "escape.effort", "Escape effort", "items", "0 … ∞", 0, None, 1,
        "Median number of items outside her usual topics that a user took before a slate was mainly outside them; none while "
        "that has not happened to half of the users." + WHO,
        SOURCE, effort,
    ),
]  # fmt: skip
