"""Pareto fronts: against brute force, shapes whose front and knee are known, and shares that have a closed form."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator.report.evidence import ALPHA, UTILITY
from simulator.report.load import Arm
from simulator.report.style import house_style, looks
from simulator.report.tradeoff import direction, front_table, sentence, trade_off
from simulator.statistics import dominated, pareto_front
from simulator.statistics.pareto import dominance, knee, non_dominated
from simulator.sweeping.report import answer, load_swept, write_sweep_report
from simulator.sweeping.tradeoff import tradeoff_figure, worlds

coarse = st.integers(-3, 3).map(float)  # so that ties come up


def beaten(point: tuple[float, float], by: tuple[float, float]) -> bool:
    return by[0] >= point[0] and by[1] >= point[1] and by != point


@given(st.lists(st.tuples(coarse, coarse), min_size=1, max_size=12))
def test_the_front_is_what_nothing_beats(points: list[tuple[float, float]]):
    expected = [not any(beaten(point, by) for by in points) for point in points]
    assert non_dominated(points).tolist() == expected
    assert dominance(points).tolist() == [[beaten(point, by) for point in points] for by in points]
    stacked = non_dominated(np.stack([points, np.negative(points)]))
    assert stacked[0].tolist() == expected
    assert stacked[1].tolist() == non_dominated(np.negative(points)).tolist()


def test_a_rounding_is_no_difference():
    assert non_dominated([[0.1 + 0.2, 1.0], [0.3, 1.0]]).tolist() == [True, True]


def knee_of(points: list[tuple[float, float]]) -> int | None:
    found = knee(points, non_dominated(points))
    return int(found.argmax()) if found.any() else None


def test_the_knee_of_known_shapes():
    angle = np.linspace(0, np.pi / 2, 9)
    circle = list(zip(np.cos(angle), np.sin(angle), strict=True))
    assert knee_of(circle) == 4  # 45°
    assert knee_of([(100 * x - 7, y / 50) for x, y in circle]) == 4  # whatever the units
    assert knee_of([(0, 10), (9, 9), (10, 0), (5, 5)]) == 1  # a corner; the last is off the front
    assert knee_of([(0, 2), (1, 1), (2, 0)]) is None  # a straight line
    assert knee_of([(0, 4), (1, 1), (4, 0)]) is None  # bent the other way
    assert knee_of([(0, 1), (1, 0)]) is None
    assert knee_of([(1, 1)]) is None


def test_the_knee_is_farthest_from_the_line_by_geometry():
    rng = np.random.default_rng(3)
    for _ in range(50):
        points = rng.normal(size=(12, 2)) * (3, 0.1)
        front = np.flatnonzero(non_dominated(points))
        scaled = (points[front] - points[front].min(0)) / np.ptp(points[front], axis=0) if len(front) > 1 else points[front]
        start, end = scaled[scaled[:, 0].argmin()], scaled[scaled[:, 0].argmax()]
        normal = np.array([end[1] - start[1], start[0] - end[0]])
        distance = -(scaled - start) @ normal / (np.linalg.norm(normal) or 1)
        expected = int(front[distance.argmax()]) if len(front) > 2 and distance.max() > 1e-9 else None
        assert knee_of([tuple(point) for point in points]) == expected


def test_the_share_of_a_rival_is_the_chance_that_its_resampled_mean_is_ahead():
    """b has the same utility in every replicate; its diversity minus a's is ±1, so the resampled sum is binomial."""
    ahead = np.array([1, 1, 1, 1, -1, -1, -1.0])
    values = np.zeros((2, 7, 2))
    values[1, :, 0] = ahead
    shared = np.random.default_rng(0).normal(size=(1, 7, 2))  # what a replicate has for all does not count
    front = pareto_front(values + shared)
    wins = stats.binom(7, 4 / 7).sf(3)  # of 7 draws at least 4 are +1; there are no ties
    assert front.on_front.tolist() == [False, True]
    assert front.share == pytest.approx([1 - wins, wins], abs=4 * np.sqrt(wins * (1 - wins) / 9999))
    assert front.share.sum() == pytest.approx(1)


def test_other_worlds_are_resampled_by_themselves():
    """The same noise in both points: paired it cancels, in worlds apart it decides."""
    noise = np.random.default_rng(0).normal(size=(1, 6, 2))
    values = np.concatenate([noise, noise + 1e-3])
    assert pareto_front(values).share.tolist() == [0, 1]
    apart = pareto_front(values, [0, 1])
    assert not apart.paired
    assert 0.4 < apart.share[0] < 0.95


def test_few_replicates_have_no_shares_and_equal_points_share_a_place():
    front = pareto_front([[[1, 2]] * 4, [[1, 2]] * 4, [[0, 0]] * 4])
    assert front.on_front.tolist() == [True, True, False]
    assert np.isnan(front.share).all()
    more = pareto_front([[[1, 2]] * 5, [[1, 2]] * 5, [[0, 0]] * 5])
    assert more.share.tolist() == [1, 1, 0]


def test_what_is_off_the_front_is_beaten_by_the_one_farthest_ahead_with_the_paired_interval():
    rng = np.random.default_rng(5)
    means = np.array([[0, 10], [6, 6], [10, 0], [4, 5.5]])
    values = means[:, None] + rng.normal(0, 2, (1, 6, 2)) + rng.normal(0, 0.1, (4, 6, 2))
    (found,) = dominated(pareto_front(values))
    assert (found.point, found.by, found.shown) == (3, 1, True)
    for measure, interval in enumerate(found.ahead):
        expected = stats.ttest_rel(values[1, :, measure], values[3, :, measure]).confidence_interval(0.95)
        assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    (unpaired,) = dominated(pareto_front(values, [0, 1, 2, 3]))
    expected = stats.ttest_ind(values[1, :, 0], values[3, :, 0], equal_var=False).confidence_interval(0.95)
    assert (unpaired.ahead[0].low, unpaired.ahead[0].high) == pytest.approx((expected.low, expected.high))
    assert not unpaired.shown


# In reports ------------------------------------------------------------------------------------------------


def ends(means: dict[str, tuple[float, float]], measure: str = ALPHA, replicates: int = 5) -> pd.DataFrame:
    return pd.DataFrame([
        {"point": name, "replicate": r, "measure": m, "value": value + r}
        for name, pair in means.items() for m, value in zip((measure, UTILITY), pair, strict=True) for r in range(replicates)
    ])  # fmt: skip


def test_a_sentence_names_front_knee_and_losers():
    means = {"a": (0.0, 10.0), "b": (9.0, 9.0), "c": (10.0, 0.0), "d": (5.0, 5.0)}
    found = trade_off(ends(means), ALPHA, {name: name for name in means})
    assert found is not None
    text = sentence(found)
    assert "c (100 %), b (100 %) and a (100 %)" in text
    assert ", is b (100 %)" in text
    assert text.endswith("Beaten in both: d, by b.")
    assert front_table(found).set_index("name").loc["d", ["dominated_by", "x_ahead", "utility_ahead"]].tolist() == ["b", 4, 4]
    two = trade_off(ends({"a": (0, 1), "b": (1, 0)}), ALPHA, {"a": "a", "b": "b"})
    assert two is not None
    assert "no knee, with 2 points on it" in sentence(two)


def test_less_of_a_measure_that_bubbles_push_up_is_more_diverse():
    assert [direction(measure) for measure in (ALPHA, "consumption.beta", "exposure.gini", UTILITY)] == [1, 1, -1, 0]
    means = {"fair": (0.1, 1.0), "skewed": (0.9, 0.5)}
    found = trade_off(ends(means, "exposure.gini"), "exposure.gini", {name: name for name in means})
    assert found is not None
    assert [found.names[point] for point in found.front.members] == ["fair"]
    assert found.at(0)[0] == pytest.approx(2.1)  # as measured, not turned round
    assert front_table(found).set_index("name").loc["skewed", "x_ahead"] == pytest.approx(-0.8)


def bargain(measure: str, arm: str, at: dict[str, float]) -> float:
    """mf gains diversity with its strength, and loses utility, little at first; the others stay as they are."""
    strength = at.get("strength", 0.0) if arm == "mf" else 0.0
    if measure == UTILITY:
        return {"organic": 1.0, "popularity": 0.5, "mf": 3.0 - 2 * strength**3, "oracle": 9.0}[arm]
    return {"organic": 0.0, "popularity": -1.0, "mf": 2 * strength, "oracle": 9.0}[arm]


def write_sweep(folder: Path, axes: dict[str, tuple[str, list[Any]]]) -> Path:
    """What a sweep leaves, of `bargain`. axes: by label, the key and its values. A replicate shifts all alike."""
    points = [dict(zip(axes, values, strict=True)) for values in product(*(values for _, values in axes.values()))]
    arms = ["organic", "popularity", "mf", "oracle"]
    shift = np.random.default_rng(1).normal(size=5)
    results = [
        {"cell": cell, **at, "arm": arm, "replicate": r, "measure": measure, "value": bargain(measure, arm, at) + shift[r]}
        for cell, at in enumerate(points, start=1) for arm in arms for measure in (ALPHA, UTILITY) for r in range(5)
    ]  # fmt: skip
    done = {"folder": "cells/x", "status": "finished", "error": ""}
    cells = [{"cell": cell, **at, **done} for cell, at in enumerate(points, start=1)]
    folder.mkdir()
    pd.DataFrame(results).to_parquet(folder / "results.parquet")
    pd.DataFrame(cells).to_csv(folder / "cells.csv", index=False)
    manifest = {
        "kind": "sweep", "title": "t", "question": "q", "design": "grid", "seed": 1, "arms": arms, "baseline": "organic",
        "reference": "oracle", "failures": [],
        "axes": [
            {"label": label, "keys": [key], "values": values, "numeric": not isinstance(values[0], str)}
            for label, (key, values) in axes.items()
        ],
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


STRENGTH = "policies.mf.rerank.strength"


def test_a_sweep_over_a_strength_has_one_front_over_arms_and_strengths(tmp_path: Path):
    strengths = [0.0, 0.3, 0.6, 1.0]
    folder = write_sweep(tmp_path / "s", {"strength": (STRENGTH, strengths)})
    swept = load_swept(folder)
    (world,) = worlds(swept)
    assert [setting.name for setting in world.settings.values()] == [
        "organic", "popularity", *(f"mf, strength {value:.4g}" for value in strengths), "oracle",
    ]  # fmt: skip
    front = world.front(ALPHA, "oracle")
    assert front is not None
    assert front.front.paired
    assert front.knee == "mf, strength 0.6"
    assert {front.names[point] for point in front.front.members} == {f"mf, strength {value:.4g}" for value in strengths}
    look = looks([Arm(name, "", False, False, False) for name in swept.arms], "organic", "oracle")
    with house_style():
        drawing = tradeoff_figure(swept, look, [world])
    assert drawing is not None
    lines = [line.get_xydata() for line in drawing.figure.axes[0].lines if len(line.get_xdata()) == len(strengths)]
    expected = [[bargain(measure, "mf", {"strength": value}) for measure in (ALPHA, UTILITY)] for value in strengths]
    assert any(np.ptp(line - expected, axis=0).max() < 1e-6 for line in lines)  # up to what all have in common
    page = write_sweep_report(folder).read_text()
    assert "mf, strength 0.6" in page
    assert 'id="tradeoff"' in page
    assert (folder / "figures" / "tradeoff.csv").is_file()


def test_cells_of_other_worlds_are_said_not_to_be_paired(tmp_path: Path):
    folder = write_sweep(tmp_path / "s", {"strength": ("users.drift.rate", [0.0, 0.5, 1.0])})
    swept = load_swept(folder)
    (world,) = worlds(swept)
    assert not world.paired
    said = [finding.text for finding in answer(swept) if finding.head == "The trade-off:"]
    assert len(said) == 1
    assert "not paired" in said[0]


def test_an_axis_of_the_world_makes_a_front_for_each_of_its_values(tmp_path: Path):
    axes = {"strength": (STRENGTH, [0.0, 0.6, 1.0]), "rate": ("users.drift.rate", [0.1, 0.2])}
    folder = write_sweep(tmp_path / "s", axes)
    swept = load_swept(folder)
    found = worlds(swept)
    assert [world.title for world in found] == ["rate 0.1", "rate 0.2"]
    assert all(world.paired for world in found)
    (said,) = (finding.text for finding in answer(swept) if finding.head == "The trade-off:")
    assert "world by world: rate 0.1:" in said
    words = write_sweep(tmp_path / "words", {"kind": ("policies.mf.rerank.kind", ["a", "b"])})
    assert worlds(load_swept(words)) == []
