"""feedback.*: what users let the platform know beside what they take, in worlds where they do."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from simulator.measures.measure import Measure
from simulator.measures.observation import Observation, mean


def signalled(o: Observation, name: str) -> Tensor | None:
    """Return this round's signals of one kind (n,), whoever gave them; None if there are none."""
    reaction = o.round.reaction
    if reaction is None or name not in reaction.signals:
        return None
    column = reaction.signals[name]
    given = column[o.round.taken & ~column.isnan()]
    return given if len(given) else None


def mean_signal(name: str) -> Callable[[Observation], float | None]:
    def value(o: Observation) -> float | None:
        given = signalled(o, name)
        return None if given is None else mean(given)

    return value


def time_spent(o: Observation) -> float | None:
    reaction = o.round.reaction
    if reaction is None or "dwell" not in reaction.signals or not o.n_present:
        return None
    return float(reaction.signals["dwell"].double().nansum()) / o.n_present


def skip_rate(o: Observation) -> float | None:
    reaction = o.round.reaction
    if reaction is None or reaction.skipped is None or o.no_slates:
        return None
    return int(reaction.skipped[o.round.shown].sum()) / o.slates.numel()       # of the same slates: whole ones


FEEDBACK = [
    Measure(
        "feedback.like_rate", "Likes", "share of takes", "0 … 1", 0, 1, 0,
        "Share of what was taken this round that was liked.",
        "—",
        mean_signal("like"),
    ),
    Measure(
        "feedback.share_rate", "Shares", "share of takes", "0 … 1", 0, 1, 0,
        "Share of what was taken this round that was passed on to others.",
        "—",
        mean_signal("share"),
    ),
    Measure(
        "feedback.mean_dwell", "Dwell time", "seconds", "0 … ∞", 0, None, 0,
        "Mean time spent on an item that was taken this round.",
        "Yi et al. 2014",
        mean_signal("dwell"),
    ),
    Measure(
        "feedback.time_spent", "Time spent per user", "seconds", "0 … ∞", 0, None, 0,
        "Time spent this round on all that a user took, mean over users: what a platform that sells attention counts.",
        "Yi et al. 2014",
        time_spent,
    ),
    Measure(
        "feedback.mean_rating", "Rating", "stars", "1 … 5", 1, 5, 0,
        "Mean of the ratings given this round; what was not rated is left out.",
        "—",
        mean_signal("rating"),
    ),
    Measure(
        "feedback.skip_rate", "Skips", "share of items shown", "0 … 1", 0, 1, 0,
        "Share of the items shown this round that were passed over, as far as the platform sees it.",
        "Joachims et al. 2005",
        skip_rate,
    ),
]  # fmt: skip
