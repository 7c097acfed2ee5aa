"""Validity of language-model users: every quantity by hand or by brute force, and the direction of each known failing."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.statistics.validity import alike, stable, take_rates, validity

TOPICS = {item: item % 3 for item in range(12)}


def questions(*rows: dict[str, Any]) -> pd.DataFrame:
    usual = {
        "arm": "mf", "replicate": 0, "round": 1, "user": 0, "outcome": "taken", "shown": 3, "listed": 4, "taken": [],
        "places": [], "parametric": [], "parametric_places": [], "again": [],
    }  # fmt: skip
    return pd.DataFrame([usual | row for row in rows])


def quantities(asked: pd.DataFrame) -> dict[tuple[str, str], float]:
    table = validity(asked, lambda arm, replicate: TOPICS)
    return {(row.quantity, row.source): row.value for row in table.itertuples()}


def test_by_hand():
    found = quantities(questions(
        {"user": 0, "taken": [1], "parametric": [1], "again": []},
        {"user": 1, "taken": [4, 2], "parametric": [2], "again": [2]},
        {"user": 2, "taken": [], "parametric": [], "again": [5]},
        {"user": 3, "taken": [3], "parametric": [], "again": []},
        {"user": 4, "outcome": "failed", "parametric": [7], "again": [7]},
    ))  # fmt: skip
    assert found["takes", "model"] == 1.0
    assert found["takes", "parametric"] == 0.5
    assert found["agreement", "model"] == 2 / 4         # users 0 and 2
    assert found["agreement", "again"] == 2 / 4         # users 1 and 3
    assert found["overlap", "model"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert found["overlap", "again"] == pytest.approx((0 + 1 + 0) / 3)
    assert found["alike", "model"] == pytest.approx(1 / 5)      # of (1|4), (1|2), (1|3), (4|3), (2|3): the first
    assert found["alike", "parametric"] == 0.0
    assert ("stable", "parametric") not in found


CHOICES = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 4), st.lists(st.integers(0, 11), max_size=3, unique=True)), max_size=12,
    unique_by=lambda row: row[:2],
)


@given(CHOICES)
def test_alike_and_stable_by_brute_force(rows: list[tuple[int, int, list[int]]]):
    rows = sorted(rows)
    frame = pd.DataFrame(rows, columns=["round", "user", "taken"])
    takes = [(round, user, TOPICS[item]) for round, user, items in rows for item in items]
    pairs = [(a, b) for a, b in combinations(takes, 2) if a[0] == b[0] and a[1] != b[1]]
    expected = np.mean([a[2] == b[2] for a, b in pairs]) if pairs else np.nan
    assert alike(frame["round"], frame["user"], frame["taken"], TOPICS) == pytest.approx(expected, nan_ok=True)

    steps = []
    for user in range(5):
        mine = [topic for _, who, topic in takes if who == user]
        steps += [a == b for a, b in pairwise(mine)]
    expected = np.mean(steps) if steps else np.nan
    assert stable(frame["user"], frame["taken"], TOPICS) == pytest.approx(expected, nan_ok=True)


def test_place_rates_count_what_stood_there():
    asked = questions(
        {"taken": [1], "places": [0], "parametric": [4], "parametric_places": [2]},
        {"taken": [1, 2], "places": [0, 3], "shown": 2, "listed": 4},       # place 3 is her own find
        {"taken": [], "shown": 0, "listed": 2},
        {"outcome": "refused", "parametric": [1], "parametric_places": [0]},
    )
    rates = take_rates(asked).set_index(["source", "place"])
    assert rates.loc["model", "listed"].tolist() == [2, 2, 1]
    assert rates.loc["model", "taken"].tolist() == [2, 0, 0]
    assert rates.loc["parametric", "rate"].tolist() == [0, 0, 1]
    assert take_rates(asked[asked["outcome"] == "refused"]).empty


def crowd(taken: Any) -> dict[tuple[str, str], float]:
    """20 users over 6 rounds whose choice model takes 30 % of the time, at random; the model as `taken` says."""
    rng = np.random.default_rng(0)

    def chosen() -> list[int]:
        return [int(rng.integers(12))] if rng.random() < 0.3 else []

    return quantities(questions(*(
        {"round": round, "user": user, "taken": taken(rng, round, user), "parametric": chosen(), "again": chosen()}
        for round in range(1, 7) for user in range(20)
    )))


@pytest.mark.parametrize(
    ("failing", "taken", "quantity"),
    [
        ("too eager", lambda rng, round, user: [int(rng.integers(12))], "takes"),
        ("too alike", lambda rng, round, user: [3 * (round % 4)], "alike"),
        ("too stable", lambda rng, round, user: [user % 3 + 3 * (round % 4)], "stable"),
    ],
)
def test_each_known_failing_shows(failing: str, taken: Any, quantity: str):
    found = crowd(taken)
    assert found[quantity, "model"] > 1.5 * found[quantity, "parametric"], failing
