"""How far users who ask a language model act like the choice model's users of the same interests before the same menu.

Published comparisons with people find language models too eager (they take several times as often), too alike, and too stable
over time (OmniBehavior, arXiv 2604.08362). The choice model is no person either: what is judged here is the difference, and its
yardstick is the choice model against itself with other draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

MODEL, PARAMETRIC, AGAIN = "model", "parametric", "again"
_COLUMNS = {MODEL: "taken", PARAMETRIC: "parametric", AGAIN: "again"}


def validity(asked: pd.DataFrame, topic_of: Callable[[str, int], Mapping[int, int]]) -> pd.DataFrame:
    """Return columns arm, replicate, quantity, source, value, from the questions that the model answered.

    `topic_of(arm, replicate)`: the main topic of each item. Quantities, of the model and of the choice model:
    takes: items taken per question. alike: chance that two takes of a round, by two users, are of one main topic.
    stable: chance that a take is of the main topic of her take before.
    And how often the choices of two sources, one of which is the choice model with the draws of the round, agree:
    agreement: the same items, or both nothing. overlap: |A ∩ B| / |A ∪ B| of what is taken, where either takes something.
    """
    rows: list[tuple[str, int, str, str, float]] = []
    answered = asked[asked["outcome"] == "taken"]
    for (arm, replicate), group in answered.groupby(["arm", "replicate"], sort=False):
        topics = topic_of(arm, replicate)
        ordered = group.sort_values(["round", "user"])
        for source in (MODEL, PARAMETRIC):
            taken = ordered[_COLUMNS[source]]
            found = {
                "takes": float(taken.map(len).mean()),
                "alike": alike(ordered["round"], ordered["user"], taken, topics),
                "stable": stable(ordered["user"], taken, topics),
            }
            rows += [(arm, replicate, quantity, source, value) for quantity, value in found.items() if not np.isnan(value)]
        for source in (MODEL, AGAIN):
            pairs = [(set(a), set(b)) for a, b in zip(ordered[_COLUMNS[source]], ordered["parametric"], strict=True)]
            rows.append((arm, replicate, "agreement", source, float(np.mean([a == b for a, b in pairs]))))
            overlaps = [len(a & b) / len(a | b) for a, b in pairs if a or b]
            if overlaps:
                rows.append((arm, replicate, "overlap", source, float(np.mean(overlaps))))
    return pd.DataFrame(rows, columns=["arm", "replicate", "quantity", "source", "value"])


def alike(rounds: pd.Series, users: pd.Series, taken: pd.Series, topics: Mapping[int, int]) -> float:
    """Chance that two takes of the same round, by two users, are of one main topic; NaN where there are no two."""
    table = pd.DataFrame(
        [(r, u, topics[item]) for r, u, items in zip(rounds, users, taken, strict=True) for item in items],
        columns=["round", "user", "topic"],
    )

    def pairs(by: list[str]) -> float:
        sizes = table.groupby(by).size().to_numpy(dtype=float)
        return float((sizes * (sizes - 1)).sum())

    of_two = pairs(["round"]) - pairs(["round", "user"])
    same = pairs(["round", "topic"]) - pairs(["round", "user", "topic"])
    return same / of_two if of_two else float("nan")


def stable(users: pd.Series, taken: pd.Series, topics: Mapping[int, int]) -> float:
    """Chance that a take is of the same main topic as the same user's take before, rows in order of time; NaN if none is."""
    last: dict[int, int] = {}
    same = []
    for user, items in zip(users, taken, strict=True):
        for item in items:
            if user in last:
                same.append(topics[item] == last[user])
            last[user] = topics[item]
    return float(np.mean(same)) if same else float("nan")


def take_rates(asked: pd.DataFrame) -> pd.DataFrame:
    """How often what stands in a place of the slate is taken: columns place (1 at the top), source, listed, taken, rate.

    Of the questions that the model answered, over all arms and replicates.
    """
    answered = asked[asked["outcome"] == "taken"]
    longest = int(answered["shown"].max()) if len(answered) else 0
    listed = [int((answered["shown"] > place).sum()) for place in range(longest)]
    rows: list[tuple[int, str, int, int, float]] = []
    for source, column in ((MODEL, "places"), (PARAMETRIC, "parametric_places")):
        taken = np.zeros(longest, dtype=int)
        for places, shown in zip(answered[column], answered["shown"], strict=True):
            for place in places:
                if place < shown:
                    taken[place] += 1
        rows += [(place + 1, source, n, int(taken[place]), taken[place] / n) for place, n in enumerate(listed)]
    return pd.DataFrame(rows, columns=["place", "source", "listed", "taken", "rate"])
