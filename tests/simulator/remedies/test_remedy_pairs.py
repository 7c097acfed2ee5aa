"""What a remedy brings and costs, which dominates which, and what survives: against brute force and worked examples."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simulator.remedies.pairs import HOLDS, TURNS, UNDECIDED, dominating, effects, pairs, survival
from simulator.statistics import holm, paired_effects
from simulator.statistics.pareto import dominance, non_dominated


def ends(values: np.ndarray, cell: int = 1) -> pd.DataFrame:
    """(arms, replicates, 2) → one row for each number; arms are called a, b, c, …"""
    names = [chr(ord("a") + place) for place in range(len(values))]
    return pd.DataFrame([
        (cell, name, replicate, measure, values[arm, replicate, place])
        for arm, name in enumerate(names) for replicate in range(values.shape[1]) for place, measure in enumerate(("d", "u"))
    ], columns=["cell", "arm", "replicate", "measure", "value"])  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(2, 6), st.integers(0, 10**6), st.sampled_from([1, -1]), st.booleans())
def test_every_pair_is_what_a_t_test_of_each_measure_says(size: int, n: int, seed: int, sign: int, coarse: bool):
    rng = np.random.default_rng(seed)
    apart = rng.normal(0, 1, (size, n, 2)) + rng.normal(0, 2, (size, 1, 2))
    values = rng.integers(0, 3, (size, n, 2)).astype(float) if coarse else apart
    names = [chr(ord("a") + place) for place in range(size)]
    table = pairs(ends(values), names, "d", "u", sign)
    better = values * [sign, 1]
    over = dominance(better.mean(axis=1))
    assert [*zip(table["first"], table["second"], strict=True)] == [*combinations(names, 2)]
    worst = []
    for row in table.to_dict("records"):
        i, j = names.index(row["first"]), names.index(row["second"])
        assert row["relation"] == int(over[i, j]) - int(over[j, i])
        sides, p = [], []
        for place, name in enumerate(("diversity", "utility")):
            difference = better[i, :, place] - better[j, :, place]
            assert row[name] == pytest.approx(difference.mean(), abs=1e-12)
            if np.ptp(difference) == 0:
                low = high = difference[0]
                p.append(float(difference[0] == 0))
            else:
                found = stats.ttest_1samp(difference, 0.0)
                low, high = found.confidence_interval(0.95)
                p.append(found.pvalue)
            assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx((low, high), abs=1e-9)
            sides.append(1 if low > 0 else -1 if high < 0 else 0)
        assert row["shown"] == (row["relation"] != 0 and sides == [row["relation"]] * 2)
        assert row["p"] == pytest.approx(max(p), abs=1e-9)
        worst.append(max(p))
    assert table["p_holm"].to_numpy() == pytest.approx(holm(worst), abs=1e-9)
    beaten = {row["second"] if row["relation"] > 0 else row["first"] for row in table.to_dict("records") if row["relation"]}
    assert {name for name, on in zip(names, non_dominated(better.mean(axis=1)), strict=True) if not on} == beaten


def test_what_a_remedy_brings_and_costs_is_against_its_own_twin():
    rng = np.random.default_rng(3)
    values = 2 + rng.normal(0, 0.2, (4, 5, 2)) + rng.normal(0, 1, (1, 5, 2)) * 0.2
    table = effects(ends(values), {"b": "a", "d": "c"}, ["d", "u"])
    assert [*zip(table["arm"], table["of"], table["measure"], strict=True)] == [
        ("b", "a", "d"), ("b", "a", "u"), ("d", "c", "d"), ("d", "c", "u"),
    ]  # fmt: skip
    for of, arm in (("a", "b"), ("c", "d")):
        two = ends(values).drop(columns="cell").query("arm in @pair", local_dict={"pair": [of, arm]})
        other = paired_effects(two, of).set_index("measure")
        own = table[table["arm"] == arm].set_index("measure")
        for column in ("mean", "low", "high", "p"):
            assert own[column].to_numpy() == pytest.approx(other.loc[own.index, column].to_numpy())
        level = two[two["arm"] == of].groupby("measure")["value"].mean()
        assert own["share"].to_numpy() == pytest.approx((own["mean"] / level.loc[own.index]).to_numpy())
    assert table["p_holm"].to_numpy() == pytest.approx(holm(table["p"].to_numpy())), "over all that is looked at in a cell"


def cells(base: list[tuple[float, float]], other: list[tuple[float, float]], spread: float = 0.01) -> pd.DataFrame:
    """Two cells of the same arms, whose replicates hardly differ."""
    noise = spread * np.array([-1.0, 0.0, 1.0])[:, None]
    turn = (np.arange(len(base)) - 1.5)[:, None, None]
    both = [np.array(each)[:, None, :] + turn * noise for each in (base, other)]
    return pd.concat([ends(values, cell) for cell, values in enumerate(both, 1)], ignore_index=True)


def test_what_survives_in_another_cell():
    base = [(3, 3), (2, 2), (1, 1), (0, 4)]
    other = [(3, 3), (2, 1.99), (3.01, 1), (5, 4)]
    table = survival(pairs(cells(base, other), list("abcd"), "d", "u", 1), {2: 1}).set_index("what")
    # a > b holds; b > c: c is now ahead in diversity; a > c: in diversity nobody is shown to be ahead
    assert table.loc["domination", ["base", HOLDS, UNDECIDED, TURNS]].tolist() == [3, 1, 1, 1]
    # of six orders by diversity ab stays, ac is open, bc, ad, bd and cd turn
    assert table.loc["diversity", ["base", HOLDS, UNDECIDED, TURNS]].tolist() == [6, 1, 1, 4]
    assert table.loc["utility", ["base", HOLDS, UNDECIDED, TURNS]].tolist() == [6, 6, 0, 0]
    for place, name in enumerate(("diversity", "utility")):
        tau = stats.kendalltau([each[place] for each in base], [each[place] for each in other]).statistic
        assert table.loc[name, "tau"] == pytest.approx(tau)


def test_an_order_is_looked_for_only_among_arms_that_both_cells_have():
    table = cells([(3, 3), (2, 2), (1, 1)], [(3, 3), (2, 2), (1, 1)])
    table = table[(table["cell"] == 1) | (table["arm"] != "c")]
    found = survival(pairs(table, list("abc"), "d", "u", 1), {2: 1})
    assert found["base"].tolist() == [1, 1, 1]
    assert found[HOLDS].tolist() == [1, 1, 1]


def test_which_kind_dominates_which_counts_its_settings():
    table = pairs(cells([(3, 3), (2, 2), (1, 1), (2, 4)], [(0, 0)] * 4), list("abcd"), "d", "u", 1)
    found = dominating(table[table["cell"] == 1], {"one": ["a"], "two": ["b", "c"], "three": ["d"]})
    assert {tuple(row)[1:5] for row in found.itertuples(index=False)} == {("one", "two", 2, 2), ("three", "two", 1, 2)}
