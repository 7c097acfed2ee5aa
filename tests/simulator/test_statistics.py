"""Statistics of runs: against scipy, closed forms, brute force, and by simulation where only coverage can tell."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator.measures.state import drift
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario
from simulator.statistics import (
    PARTS,
    RESAMPLES,
    TOTAL,
    areas_between,
    attribute,
    band,
    band_table,
    bca_bounds,
    bca_interval,
    change_of,
    effects_by_class,
    end_rounds,
    end_values,
    enough,
    frozen_twins,
    holm,
    interval_table,
    longest_replicates,
    outcomes_of,
    paired_differences,
    paired_effects,
    recovery_times,
    replicates_needed,
    standard_error,
    t_interval,
    user_effects,
)

ALPHA, GINI = "consumption.alpha", "exposure.gini"
COLUMNS = ["arm", "replicate", "round", "measure", "value"]


def tidy(values: dict[str, list[float]], measure: str = ALPHA) -> pd.DataFrame:
    """End values of some arms: one number per replicate."""
    return pd.DataFrame(
        [(arm, r, measure, value) for arm, numbers in values.items() for r, value in enumerate(numbers)],
        columns=["arm", "replicate", "measure", "value"],
    )


def curves(values: dict[str, np.ndarray], measure: str = ALPHA, first: int = 0) -> pd.DataFrame:
    """A tidy trajectory of one measure from replicates × rounds for each arm."""
    return pd.DataFrame(
        [
            (arm, r, first + t, measure, float(value))
            for arm, table in values.items()
            for r, row in enumerate(table)
            for t, value in enumerate(row)
        ],
        columns=COLUMNS,
    )


# Rounds and replicates --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "expected"), [(50, [46, 47, 48, 49, 50]), (25, [24, 25]), (9, [9]), (1, [1])]
)
def test_the_end_is_the_last_tenth_of_the_rounds_and_at_least_one(last, expected):
    assert list(end_rounds(last)) == expected


def test_end_values_average_the_last_tenth_and_leave_out_replicates_that_stopped_early():
    rows = [("mf", 0, t, ALPHA, float(t)) for t in range(21)] + [("mf", 1, t, ALPHA, 7.0) for t in range(20)]
    ends = end_values(pd.DataFrame(rows, columns=COLUMNS))
    assert ends.to_dict("records") == [{"arm": "mf", "replicate": 0, "measure": ALPHA, "value": 19.5}]


def test_curves_rest_on_the_replicates_that_came_furthest_in_their_arm():
    lengths = {("mf", 0): 5, ("mf", 1): 5, ("mf", 2): 2, ("late", 0): 3, ("waiting", 0): 0}
    rows = [(arm, r, t, ALPHA, 1.0) for (arm, r), last in lengths.items() for t in range(last + 1)]
    kept = longest_replicates(pd.DataFrame(rows, columns=COLUMNS))
    assert set(zip(kept["arm"], kept["replicate"], strict=True)) == {("mf", 0), ("mf", 1), ("late", 0)}


# Intervals --------------------------------------------------------------------------------------------------


def test_interval_is_scipys_t_interval():
    values = [3.1, 2.7, 3.6, 3.0]
    found = t_interval(values)
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)
    row = interval_table(tidy({"mf": values}), ["arm"]).iloc[0]
    assert (row["mean"], row["low"], row["high"], row["n"]) == (found.mean, found.low, found.high, found.n)


def test_bca_interval_is_scipys_row_by_row():
    rows = np.random.default_rng(3).exponential(2.0, size=(5, 12))
    low, high = bca_bounds(rows, seed=7)
    for row, found_low, found_high in zip(rows, low, high, strict=True):
        alone = stats.bootstrap((row,), np.mean, n_resamples=RESAMPLES, method="BCa", rng=np.random.default_rng(7))
        expected = alone.confidence_interval
        assert (found_low, found_high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    skewed = rows.mean(axis=1) - low < high - rows.mean(axis=1)
    assert skewed.all()  # an exponential's long tail is above, and the interval reaches further there


def test_bca_draws_are_fixed_and_do_not_depend_on_the_other_rows():
    rows = np.random.default_rng(1).normal(size=(60, 30))
    together = np.column_stack(bca_bounds(rows))
    assert np.array_equal(together, np.column_stack(bca_bounds(rows)))
    one = bca_interval(rows[41])
    assert (one.low, one.high) == pytest.approx(tuple(together[41]), rel=1e-12)
    assert not np.array_equal(together, np.column_stack(bca_bounds(rows, seed=1)))


def test_bca_and_t_agree_on_many_normal_numbers():
    values = np.random.default_rng(0).normal(5, 2, size=400)
    t, bca = t_interval(values), bca_interval(values)
    assert (bca.low, bca.high) == pytest.approx((t.low, t.high), abs=0.02)


def test_intervals_of_one_two_and_equal_values():
    for interval in (t_interval, bca_interval):
        one = interval([3.1])
        assert (one.mean, one.n, np.isnan(one.low), np.isnan(one.high)) == (3.1, 1, True, True)
        same = interval([0.1, 0.1, 0.1])  # their mean is not 0.1 in binary
        assert same.low == pytest.approx(0.1, rel=1e-12)
        assert same.high == pytest.approx(0.1, rel=1e-12)
        assert interval([-0.1] * 3).excludes_zero
    two = bca_interval([1.0, 2.0])
    assert (two.low, two.high) == pytest.approx((1.0, 2.0))  # a mean of two can be no other than these or between
    assert t_interval([1.0, 2.0]).low == pytest.approx(1.5 - stats.t.ppf(0.975, 1) * 0.5)


@pytest.mark.parametrize("bad", [[], [[1.0, 2.0]], [1.0, np.nan]])
def test_what_has_no_mean_is_refused(bad):
    with pytest.raises(ValueError, match="values: must be"):
        bca_interval(bad)


@given(st.lists(st.sampled_from([0.0, 1e-300, 1.0, 1e6, -3.0]), min_size=1, max_size=7))
def test_bca_bounds_lie_within_the_values_and_around_the_mean(values):
    found = bca_interval(values)
    if len(values) > 1:
        slack = 1e-9 * (1 + max(map(abs, values)))
        assert min(values) - slack <= found.low <= found.mean + slack
        assert found.mean - slack <= found.high <= max(values) + slack


# Pairs ------------------------------------------------------------------------------------------------------


def test_paired_effect_is_scipys_paired_t_test():
    organic, mf = [4.0, 5.0, 6.1, 5.2, 4.4], [3.1, 4.3, 5.0, 4.4, 4.3]
    row = paired_effects(tidy({"organic": organic, "mf": mf}), "organic").iloc[0]
    test = stats.ttest_rel(mf, organic)
    interval = test.confidence_interval(0.95)
    assert (row["low"], row["high"], row["p"]) == pytest.approx((interval.low, interval.high, test.pvalue), rel=1e-10)
    differences = np.subtract(mf, organic)
    assert row["size"] == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert row["excludes_zero"]
    bca = bca_interval(differences)
    assert (row["bca_low"], row["bca_high"]) == pytest.approx((bca.low, bca.high), rel=1e-9)


def test_under_five_replicates_nothing_is_resampled():
    four = tidy({"organic": [1.0, 2, 3, 4], "few": [2.0, 1, 5, 4]})
    five = tidy({"organic": [1.0] * 5, "many": [2.0, 1, 5, 4, 4]}, GINI)
    effects = paired_effects(pd.concat([four, five]), "organic").set_index("arm")
    assert effects["bca_low"].isna().to_dict() == {"few": True, "many": False}


def test_all_effects_are_tested_together():
    effects = paired_effects(tidy({"organic": [1.0, 2, 3], "a": [2.0, 3.1, 4], "b": [1.5, 3, 3]}), "organic")
    assert effects["p_holm"].tolist() == pytest.approx(holm(effects["p"]))
    assert (effects["p_holm"] > effects["p"]).any()


def test_pairs_are_made_by_replicate_not_by_place():
    ends = tidy({"organic": [1.0, 2.0, 3.0], "mf": [1.5, 2.5, 3.5]}).sample(frac=1, random_state=3)
    ends = ends[~((ends["arm"] == "organic") & (ends["replicate"] == 0))]
    assert paired_differences(ends, "organic").set_index("replicate")["value"].to_dict() == {1: 0.5, 2: 0.5}


def test_rounding_errors_are_not_a_difference():
    value = 0.1 + 0.2
    row = paired_effects(tidy({"organic": [0.3, 0.3], "mf": [value, value]}), "organic").iloc[0]
    assert row["mean"] == 0
    assert not row["excludes_zero"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(p):
    """Holm's p is the largest Bonferroni p of all sets of hypotheses that hold the one in question (Marcus et al. 1976)."""
    places = range(len(p))
    sets = list(chain.from_iterable(combinations(places, size) for size in range(1, len(p) + 1)))
    closed = [max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets if i in s) for i in places]
    assert holm(p) == pytest.approx(closed)


def test_holm_leaves_out_the_untested():
    # 3 tests: 0.01·3 = 0.03; 0.02·2 = 0.04; 0.045·1
    assert holm([0.02, np.nan, 0.01, 0.045]) == pytest.approx([0.04, np.nan, 0.03, 0.045], nan_ok=True)


# Bands ------------------------------------------------------------------------------------------------------


def autoregressive(rng: np.random.Generator, n: int, rounds: int, memory: float) -> np.ndarray:
    """Stationary Gaussian AR(1) of unit variance. (n, rounds)"""
    values = np.empty((n, rounds))
    values[:, 0] = rng.standard_normal(n)
    for t in range(1, rounds):
        values[:, t] = memory * values[:, t - 1] + np.sqrt(1 - memory**2) * rng.standard_normal(n)
    return values


def test_the_band_of_one_round_is_the_t_interval():
    values = [3.1, 2.7, 3.6, 3.0]
    found, t = band(np.array(values)[:, None]), t_interval(values)
    assert (found.low[0], found.high[0]) == pytest.approx((t.low, t.high), rel=1e-12)


def test_curves_that_move_as_one_have_the_t_interval_in_every_round():
    found = band(np.outer([1.0, 2, 4, 7, 3], [1, 2, 5]))
    assert found.critical == pytest.approx(stats.t.ppf(0.975, 4), rel=1e-9)


@pytest.mark.parametrize("n", [2, 3, 4, 10, 50])
def test_the_band_is_wider_than_pointwise_and_never_wider_than_bonferroni(n):
    rounds = 40
    for memory in (0, 0.9, 0.999):
        found = band(autoregressive(np.random.default_rng(n), n, rounds, memory))
        if n > 2:  # two curves have no correlation to be found but 1 and −1
            assert (found.low < found.pointwise_low).all()
        assert stats.t.ppf(0.975, n - 1) <= found.critical <= stats.t.ppf(1 - 0.025 / rounds, n - 1) * (1 + 1e-9)


def test_the_critical_value_solves_the_kinematic_formula():
    values = autoregressive(np.random.default_rng(0), 9, 25, 0.98)
    c = band(values).critical
    r = [np.corrcoef(values[:, t], values[:, t + 1])[0, 1] for t in range(24)]
    crossings = np.arccos(np.abs(r)).sum() / np.pi * (1 + c**2 / 8) ** (-7 / 2)
    assert 2 * stats.t.sf(c, 8) + crossings == pytest.approx(0.05, rel=1e-6)


def test_with_many_smooth_curves_the_critical_value_is_the_quantile_of_the_maximum():
    """Known law: x_t = z1 cos θ_t + z2 sin θ_t over a quarter turn; its maximum is simulated by brute force."""
    angle, rng = np.linspace(0, np.pi / 2, 60), np.random.default_rng(2)
    turn = np.stack([np.cos(angle), np.sin(angle)])
    maxima = np.abs(rng.standard_normal((40_000, 2)) @ turn).max(axis=1)
    assert band(rng.standard_normal((4000, 2)) @ turn).critical == pytest.approx(np.quantile(maxima, 0.95), abs=0.03)


def test_a_round_in_which_all_agree_has_no_width_and_does_not_count():
    moving = autoregressive(np.random.default_rng(5), 6, 10, 0.9)
    found = band(np.column_stack([np.full(6, 0.1), moving]))
    assert (found.mean[0], found.low[0], found.high[0]) == (0.1, 0.1, 0.1)
    assert found.critical == band(moving).critical


def test_one_curve_has_no_band():
    found = band(np.array([[1.0, 2.0]]))
    assert found.mean.tolist() == [1, 2]
    assert np.isnan([found.low, found.pointwise_high]).all()


def test_a_table_of_bands_rests_on_whole_curves_and_keeps_arms_apart():
    values = {"mf": np.arange(12.0).reshape(4, 3) ** 2, "random": np.ones((3, 3))}
    table = curves(values, first=1)
    torn = table[~((table["arm"] == "mf") & (table["replicate"] == 3) & (table["round"] == 2))]
    found = band_table(torn.sample(frac=1, random_state=0))
    mf = found[found["arm"] == "mf"]
    whole = band(values["mf"][:3])
    assert mf["round"].tolist() == [1, 2, 3]
    assert mf["low"].tolist() == pytest.approx(whole.low.tolist())
    assert set(mf["n"]) == {3}
    assert (found.query("arm == 'random'")["low"] == 1).all()
    assert band_table(table.iloc[:0]).empty


@pytest.mark.slow
@pytest.mark.parametrize("n", [4, 5, 10, 20])
@pytest.mark.parametrize("memory", [0.5, 0.95, 0.999])
def test_the_band_holds_the_whole_curve_in_95_percent(n, memory):
    """2000 Gaussian AR(1) experiments of 30 rounds; Bonferroni and the formula both lean to the safe side."""
    rng = np.random.default_rng(n)
    repetitions = 2000
    held = 0
    for _ in range(repetitions):
        found = band(autoregressive(rng, n, 30, memory))
        held += bool(((found.low <= 0) & (found.high >= 0)).all())
    error = np.sqrt(0.95 * 0.05 / repetitions)
    print(f"n {n}, memory {memory}: {held / repetitions:.3f}")  # noqa: T201
    assert 0.95 - 3 * error <= held / repetitions <= 0.99


# Areas ------------------------------------------------------------------------------------------------------


def test_area_between_curves_is_the_integral_of_their_difference():
    rounds = np.arange(21)
    base = np.sin(rounds)
    values = {"organic": np.stack([base, base + 1]), "mf": np.stack([base + rounds, base + 1 - 2])}
    found = areas_between(paired_differences(curves(values), "organic").sample(frac=1, random_state=1))
    assert found.set_index("replicate")["value"].to_dict() == pytest.approx({0: 200.0, 1: -40.0})  # 20²/2; −2 · 20
    assert set(found["rounds"]) == {20}


def test_area_counts_rounds_that_were_not_measured_as_straight_lines():
    values = curves({"organic": np.zeros((1, 5)), "mf": np.array([[0.0, 1, 4, 9, 16]])})
    every_other = values[values["round"] % 2 == 0]
    assert areas_between(paired_differences(every_other, "organic"))["value"].tolist() == [4 + 20]
    assert areas_between(paired_differences(values[values["round"] == 3], "organic")).empty


# Precision --------------------------------------------------------------------------------------------------


def brute_force(sd: float, half_width: float, confidence: float) -> int:
    return next(
        n for n in range(2, 100_000) if stats.t.ppf(0.5 + confidence / 2, n - 1) * sd / np.sqrt(n) <= half_width
    )


@given(st.floats(0, 5), st.floats(0.1, 10), st.sampled_from([0.8, 0.95, 0.99]))
def test_replicates_needed_by_brute_force(sd, half_width, confidence):
    assert replicates_needed(sd, half_width, confidence) == brute_force(sd, half_width, confidence)


def test_replicates_needed_tends_to_the_normal_sample_size():
    assert replicates_needed(1, 0.001) == pytest.approx((stats.norm.ppf(0.975) / 0.001) ** 2, rel=1e-5)
    assert replicates_needed(0, 0.1) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((-1, 1), "sd"), ((np.nan, 1), "sd"), ((1, 0), "half_width"), ((1, 1, 1.0), "confidence")],
)
def test_impossible_wishes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}: must be"):
        replicates_needed(*arguments)


def test_standard_error_is_scipys():
    assert standard_error([1.0, 2.0, 4.0]) == pytest.approx(stats.sem([1.0, 2.0, 4.0]))
    assert np.isnan(standard_error([1.0]))


def test_enough_is_when_the_t_interval_is_narrow_and_not_before_the_first_look():
    values = [3.0, 3.2, 2.9, 3.1, 3.0, 3.05]
    half = (t_interval(values).high - t_interval(values).low) / 2
    assert enough(values, half * 1.0001)
    assert not enough(values, half * 0.9999)
    assert not enough(values[:4], 100)
    assert enough(values[:4], 100, at_least=2)
    assert not enough([], 1)
    assert not enough([1.0], 1, at_least=1)
    with pytest.raises(ValueError, match="finite"):
        enough([*values, np.nan], 1)
    with pytest.raises(ValueError, match="half_width: must be"):
        enough(values, 0)


@given(st.lists(st.floats(-5, 5), min_size=5, max_size=12, unique=True), st.floats(0.1, 5))
def test_enough_and_replicates_needed_agree(values, half_width):
    needed = replicates_needed(float(np.std(values, ddof=1)), half_width)
    assert enough(values, half_width) == (needed <= len(values))


@pytest.mark.slow
@pytest.mark.parametrize("half_width", [0.3, 0.5, 1.0])
def test_stopping_when_it_is_enough_costs_little_coverage(half_width):
    rng, repetitions, held = np.random.default_rng(0), 1000, 0
    for _ in range(repetitions):
        values = list(rng.standard_normal(5))
        while not enough(values, half_width):
            values.append(rng.standard_normal())
        found = t_interval(values)
        held += found.low <= 0 <= found.high
    assert 0.90 <= held / repetitions <= 0.96


# Who is affected --------------------------------------------------------------------------------------------


def people(ends: dict[str, np.ndarray], start: np.ndarray, replicates: int = 1) -> pd.DataFrame:
    frames = [
        pd.DataFrame({
            "arm": arm, "replicate": r, "round": when, "user": np.arange(len(start)),
            "group": np.arange(len(start)) % 2, "interests": list(shares),
        })
        for arm, end in ends.items() for r in range(replicates) for when, shares in ((0, start), (9, end))
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def test_effects_on_users_are_the_measures_of_a_run_user_by_user():
    rng = np.random.default_rng(0)
    start, alone, fed = (rng.dirichlet(np.full(6, 0.4), size=40) for _ in range(3))
    shuffled = outcomes_of(people({"organic": alone, "mf": fed}, start).sample(frac=1, random_state=2))
    found = user_effects(shuffled.sample(frac=1, random_state=3), "organic").sort_values("user")
    assert set(found["arm"]) == {"mf"}
    expected = drift(torch.from_numpy(fed), torch.from_numpy(start)) - drift(torch.from_numpy(alone), torch.from_numpy(start))
    assert found["drift"].to_numpy() == pytest.approx(expected.numpy(), abs=1e-12)
    topics = np.exp(stats.entropy(fed, axis=1)) - np.exp(stats.entropy(alone, axis=1))
    assert found["topics_at_end"].to_numpy() == pytest.approx(topics, abs=1e-12)
    assert (found["group"] == found["user"] % 2).all()


def test_deciles_go_from_the_narrowest_to_the_broadest_in_equal_numbers():
    start = np.random.default_rng(1).dirichlet(np.full(5, 0.5), size=50)
    found = user_effects(outcomes_of(people({"organic": start, "mf": start}, start, replicates=2)), "organic")
    assert found.groupby(["replicate", "decile"]).size().tolist() == [5] * 20
    one = found[found["replicate"] == 1].assign(breadth=lambda f: stats.entropy(start, axis=1)[f["user"]])
    assert one.groupby("decile").size().tolist() == [5] * 10
    by_breadth = one.sort_values("breadth")["decile"].to_numpy(dtype=int)
    assert (np.diff(by_breadth) >= 0).all()


def test_with_one_replicate_the_interval_of_a_class_is_a_paired_t_interval_over_its_users():
    rng = np.random.default_rng(3)
    start, alone, fed = (rng.dirichlet(np.full(4, 0.7), size=30) for _ in range(3))
    effects = user_effects(outcomes_of(people({"organic": alone, "mf": fed}, start)), "organic")
    table = effects_by_class(effects, "group")
    assert set(table["over"]) == {"users"}
    row = table[(table["group"] == 1) & (table["measure"] == "topics_at_end")].iloc[0]
    test = stats.ttest_rel(np.exp(stats.entropy(fed[1::2], axis=1)), np.exp(stats.entropy(alone[1::2], axis=1)))
    interval = test.confidence_interval(0.95)
    assert (row["low"], row["high"], row["n"]) == pytest.approx((interval.low, interval.high, 15))


def test_with_several_replicates_the_interval_of_a_class_is_over_replicates():
    effects = pd.DataFrame(
        [("mf", r, u, 0.1 * r + u, 0, 1) for r in range(3) for u in range(2)],
        columns=["arm", "replicate", "user", "drift", "group", "decile"],
    )
    row = effects_by_class(effects, "decile").iloc[0]
    expected = t_interval([0.5, 0.6, 0.7])
    assert (row["mean"], row["low"], row["n"], row["over"]) == (
        pytest.approx(expected.mean), pytest.approx(expected.low), 3, "replicates",
    )  # fmt: skip


def test_few_users_have_no_deciles_and_one_snapshot_has_no_effects():
    start = np.random.default_rng(4).dirichlet(np.ones(3), size=19)
    table = people({"organic": start, "mf": start}, start)
    effects = user_effects(outcomes_of(table), "organic")
    assert effects["decile"].isna().all()
    assert effects_by_class(effects, "decile").empty
    assert (effects[["drift", "topics_at_end"]] == 0).all(axis=None)
    assert user_effects(outcomes_of(table[table["round"] == 0]), "organic").empty
    assert user_effects(outcomes_of(table[table["arm"] == "mf"]), "organic").empty


def test_a_user_without_an_outcome_is_left_out_of_its_mean_alone():
    """Three users; the second took nothing under mf, so she has no diet, but she has takes."""
    frame = pd.DataFrame({
        "arm": ["organic"] * 3 + ["mf"] * 3, "replicate": 0, "user": [0, 1, 2] * 2, "group": "all",
        "topics_at_start": 2.0, "diet_topics": [2.0, 3.0, 4.0, 1.0, np.nan, 2.0], "takes": [4, 4, 4, 5, 0, 6],
    })  # fmt: skip
    table = effects_by_class(user_effects(frame, "organic"), "group").set_index("measure")
    assert (table.loc["diet_topics", "mean"], table.loc["diet_topics", "n"]) == (-1.5, 2)
    assert (table.loc["takes", "mean"], table.loc["takes", "n"]) == (pytest.approx(-1 / 3), 3)


# Attribution ------------------------------------------------------------------------------------------------


def test_a_change_is_split_by_hand():
    """Start 5; organic ends at 4.8, the frozen arm at 4.5, the retrained one at 4.1; ends are single rounds here."""
    world = {
        "organic": [[5.0, 4.9, 4.8]], "mf frozen": [[5.0, 4.7, 4.5]], "mf": [[5.0, 4.6, 4.1]], "random": [[5, 5, 5.3]],
    }  # fmt: skip
    trajectory = curves({arm: np.array(rows) for arm, rows in world.items()})
    found = attribute(trajectory, "organic", {"mf": "mf frozen"}).set_index("part")["value"].to_dict()
    assert found == pytest.approx(
        {"own drift": -0.2, "personalisation": -0.3, "retraining loop": -0.4, "change": -0.9}
    )
    assert change_of(trajectory, "organic", ["random"])["value"].tolist() == pytest.approx([0.3])


def test_the_parts_add_up_in_every_replicate():
    rng = np.random.default_rng(8)
    trajectory = curves({arm: rng.normal(size=(3, 12)) for arm in ("organic", "mf", "mf frozen")})
    parts = attribute(trajectory, "organic", {"mf": "mf frozen"}).pivot(index="replicate", columns="part", values="value")
    assert parts[list(PARTS)].sum(axis=1).to_numpy() == pytest.approx(parts[TOTAL].to_numpy(), abs=1e-12)
    ends = end_values(trajectory).pivot(index="replicate", columns="arm", values="value")
    assert parts["retraining loop"].to_numpy() == pytest.approx((ends["mf"] - ends["mf frozen"]).to_numpy())


def test_what_cannot_be_split_is_left_out():
    rng = np.random.default_rng(0)
    whole = curves({arm: rng.normal(size=(2, 4)) for arm in ("organic", "mf", "mf frozen")})
    shown = curves({arm: rng.normal(size=(2, 4)) for arm in ("mf", "mf frozen")}, GINI)
    short = whole[~((whole["arm"] == "mf frozen") & (whole["replicate"] == 1) & (whole["round"] == 3))]
    found = attribute(pd.concat([short, shown]), "organic", {"mf": "mf frozen"})
    assert set(found["measure"]) == {ALPHA}
    assert set(found["replicate"]) == {0}
    assert attribute(whole, "organic", {}).empty


def test_a_twin_has_the_same_settings_but_is_frozen():
    def arm(name, **keys):
        return {"kind": "mf", "name": name, "frozen": False, "retrain_every": 5, "factors": 16, "rerank": None} | keys

    policies = [
        {"kind": "organic", "name": "organic"},
        arm("mf"),
        arm("mf slow", retrain_every=10),
        arm("mf 8", factors=8),
        arm("mf+mmr", rerank={"kind": "mmr", "strength": 0.5}),
        arm("still", frozen=True, retrain_every=1),
        arm("still 32", frozen=True, factors=32),
    ]
    assert frozen_twins(policies) == {"mf": "still", "mf slow": "still"}


# Honesty ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_interval_of_no_effect_covers_zero_in_95_percent():
    """Two arms that are truly the same, with draws of their own: 200 experiments of 6 replicates of a small world.

    The arms differ in nothing but their seed, so the true difference of any measure is zero. By the binomial law 92 to 98 % of
    200 intervals of true level 95 % cover it with a probability of 0.97.
    """
    repetitions, replicates, measures = 200, 6, ("consumption.alpha", "interests.drift", "utility.per_user")
    keys = {
        "title": "nothing", "rounds": 4, "warmup": 1, "slate_size": 3, "users": {"count": 30}, "policies": ["random"],
        "items": {"count": 30, "topics": 4}, "discovery": {"awareness": 6}, "measures": {"names": list(measures)},
    }  # fmt: skip

    def final(seed: int) -> list[dict[str, float]]:
        scenario = Scenario.model_validate(keys | {"seed": seed})
        values = []
        for replicate in range(replicates):
            model = FilterBubbleModel(scenario, scenario.policies[0], replicate)
            values.append(model.run().values)
            model.close()
        return values

    held = dict.fromkeys(measures, 0)
    for repetition in range(repetitions):
        one, other = final(2 * repetition), final(2 * repetition + 1)
        for measure in measures:
            values = {"organic": [v[measure] for v in one], "same": [v[measure] for v in other]}
            held[measure] += not paired_effects(tidy(values), "organic")["excludes_zero"].iloc[0]
    print({measure: count / repetitions for measure, count in held.items()})  # noqa: T201
    for measure, count in held.items():
        assert 0.92 <= count / repetitions <= 0.98, measure


def test_recovery_is_when_the_difference_stays_small_after_the_event():
    def course(replicate: int, values: list[float]) -> pd.DataFrame:
        return pd.DataFrame({"replicate": replicate, "round": range(1, len(values) + 1), "measure": "m", "value": values})

    apart = pd.concat([
        course(0, [9, 0, 5, -10, 2, 0.5, 1.5, 1.0, 0.2]),       # an event in rounds 3 and 4; small in 6, to stay from 8 on
        course(1, [0, 0, 4, 0.3, 0, 0, 0, 0, 0]),               # gone before it was over
        course(2, [0, 0, 1, 1, 1, 1, 1, 1, 1]),                 # never gone
        course(3, [5, 0, 0, 0, 0, 0, 0, 0, 0]),                 # nothing since it began
    ])  # fmt: skip
    found = recovery_times(apart, at=3, after=5).set_index("replicate")
    assert found["peak"].to_dict() == {0: -10, 1: 4, 2: 1}
    assert found["rounds"].fillna(-1).to_dict() == {0: 3, 1: 0, 2: -1}
