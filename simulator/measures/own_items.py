"""consumption.*: how evenly a person spreads over the items that are hers, in worlds where users take things again."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from simulator.measures import within
from simulator.measures.comparing import rarefied_entropy
from simulator.measures.divergence import entropy
from simulator.measures.measure import COUNTED, Measure
from simulator.measures.observation import Observation, mean


def _of_each(function: Callable[[Observation, Tensor], Tensor]) -> Callable[[Observation], float | None]:
    """Mean over the users whose window is not empty, of what becomes of their counts; only where items may be taken again."""

    def value(o: Observation) -> float | None:
        if o.round.again is None or o.consumption.empty:
            return None
        values = function(o, o.own_counts)
        return mean(values) if len(values) else None

    return value


_AGAIN = " In worlds where users take things again (`users.repeats`)."
_LONGER = " Grows with the number of takes alone: compare equal windows only."

OWN_ITEMS = [
    Measure(
        "consumption.user_gini", "Gini over a user's own items", "index", "0 … 1", 0, 1, 1,
        "What was consumed in the window: inequality among the items that a user took at all." + COUNTED + _AGAIN + _LONGER,
        "Gini 1912; Mauro, Minici & Pappalardo 2025",
        _of_each(lambda o, counts: within.user_gini(counts)),
    ),
    Measure(
        "consumption.user_item_entropy", "Entropy of a user's own items", "nats", "0 … ln M", 0, None, -1,
        "What was consumed in the window: entropy of the items' shares of a user's takes." + COUNTED + _AGAIN + _LONGER,
        "Shannon 1948; Song et al. 2010, uncorrelated entropy",
        _of_each(lambda o, counts: entropy(counts / counts.sum(1, keepdim=True).double())),
    ),
    Measure(
        "consumption.rarefied_item_entropy", "Entropy of own items at equal numbers", "nats", "0 … ln m", 0, None, -1,
        "What was consumed in the window: expected entropy of the items of m = `measures.rarefied_to` of a user's takes, drawn "
        "without replacement. Mean over the users who took at least m." + _AGAIN,
        "Hurlbert 1971; Shannon 1948",
        _of_each(lambda o, counts: rarefied_entropy(counts, o.frame.world.rarefied_to)),
    ),
]  # fmt: skip
