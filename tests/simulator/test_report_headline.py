"""The first thing a reader sees, on worlds of which the answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from simulator.report.asked import asked
from simulator.report.evidence import ALPHA, UTILITY, VERDICT, Evidence, weigh
from simulator.report.headline import headline
from simulator.report.load import Arm, Run
from simulator.report.phase import phase_plot
from simulator.report.style import house_style, looks
from simulator.report.vocabulary import wording

WHO, SURE, USE = "Which policy narrows people most?", "How sure is that?", "At what gain or cost in usefulness?"


def world(values: dict[str, dict[str, list[float]]]) -> Evidence:
    """Evidence of a run whose values at the end are given: arm → measure → one value per replicate (10 where none is given)."""
    replicates = max(len(row) for measures in values.values() for row in measures.values())
    rows = [
        (arm, replicate, t, measure, values[arm].get(measure, [10.0] * replicates)[replicate] if t else 10.0)
        for arm in values for replicate in range(replicates) for measure in VERDICT for t in (0, 1)
    ]  # fmt: skip
    manifest = {
        "finished": True, "title": "", "question": "", "seed": 1, "replicates": replicates, "rounds": 1, "units": [],
        "baseline": "organic" if "organic" in values else None, "reference": "oracle" if "oracle" in values else None,
    }  # fmt: skip
    arms = tuple(Arm(arm, arm, arm == "oracle", False, False) for arm in values)
    table, none = pd.DataFrame(rows, columns=["arm", "replicate", "round", "measure", "value"]), pd.DataFrame()
    return weigh(Run(Path(), manifest, {}, "", arms, (), table, none, none, none, none, ()))


def told(values: dict[str, dict[str, list[float]]]) -> dict[str, str]:
    return {finding.head: finding.text.replace("\u00a0", " ") for finding in headline(world(values))}


ORGANIC = {ALPHA: [9.0, 10.0, 11.0, 10.0], UTILITY: [1.0, 1.1, 0.9, 1.0]}


def test_the_narrowest_the_amount_the_sureness_and_the_use_are_those_of_scipy() -> None:
    mf = {ALPHA: [6.9, 8.1, 8.9, 8.1], UTILITY: [1.5, 1.62, 1.4, 1.48]}
    wide = {ALPHA: [9.4, 10.6, 11.5, 10.5], UTILITY: [0.8, 0.9, 0.7, 0.82]}
    said = told({"organic": ORGANIC, "mf": mf, "wide": wide, "oracle": {ALPHA: [1.0] * 4}})
    apart = np.subtract(mf[ALPHA], ORGANIC[ALPHA])
    low, high = stats.ttest_1samp(apart, 0).confidence_interval(0.95)
    assert said[WHO].startswith(f"mf. Under mf one person's diet spans {np.mean(mf[ALPHA]):.2f} effective topics")
    assert f"in place of 10.0 without a recommender (organic): −{-apart.mean():.2f} [−{-low:.2f}, −{-high:.2f}], " in said[WHO]
    assert said[WHO].endswith("or −20 %.")
    assert said[SURE].startswith("The 95 % interval over 4 paired replicates lies below zero, and holds")
    assert "below wide, too" in said[SURE]
    gain = np.subtract(mf[UTILITY], ORGANIC[UTILITY])
    assert f"is +{gain.mean():.3f} [" in said[USE]
    assert "(+50 %), a gain." in said[USE]
    assert "Under wide, which leaves diets broadest" in said[USE]
    assert said[USE].endswith("against mf, a loss.")


def test_two_that_differ_less_than_chance_are_both_named_though_each_narrows() -> None:
    """Each is far below organic, and below the other in two replicates of four: the arms' own intervals do not decide."""
    a, b = [5.0, 6.0, 7.0, 6.0], [5.4, 5.7, 7.3, 5.8]
    said = told({"organic": ORGANIC, "a": {ALPHA: a}, "b": {ALPHA: b}, "far": {ALPHA: [8.0, 9.1, 10.0, 9.0]}})
    assert said[WHO].startswith("a, or b, which cannot be told from it. Under a")
    assert "Which is narrowest is open: a minus b is −0.05 [" in said[SURE]
    assert "far" not in said[SURE]


def test_what_pairing_tells_apart_is_told_apart_although_the_intervals_overlap() -> None:
    """Replicates differ by 1, the arms by 0.2 in every one: unpaired intervals overlap, the paired difference is sure."""
    a, b = [5.0, 6.0, 7.0, 6.0], [5.21, 6.19, 7.2, 6.2]
    evidence = world({"organic": ORGANIC, "a": {ALPHA: a}, "b": {ALPHA: b}})
    first, second = evidence.level("a", ALPHA), evidence.level("b", ALPHA)
    assert first is not None
    assert second is not None
    assert first.high > second.low
    found = evidence.between("a", "b", ALPHA)
    interval = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert headline(evidence)[0].text.startswith("a. Under a")


def test_none_is_said_to_narrow_where_no_interval_lies_below_zero() -> None:
    unsure = told({"organic": ORGANIC, "mf": {ALPHA: [8.0, 11.0, 9.0, 11.5]}})
    assert unsure[WHO].startswith("None is shown to.")
    assert "includes zero" in unsure[SURE]
    broad = told({"organic": ORGANIC, "mf": {ALPHA: [11.0, 12.1, 13.0, 12.0]}})
    assert broad[WHO].startswith("None is shown to.")
    assert "even mf broadens people" in broad[SURE]


def test_there_is_no_headline_without_intervals_or_without_a_baseline() -> None:
    assert headline(world({"organic": {ALPHA: [10.0]}, "mf": {ALPHA: [5.0]}})) == []
    assert headline(world({"mf": {ALPHA: [5.0, 6.0]}})) == []
    assert headline(world({"organic": ORGANIC, "oracle": {ALPHA: [1.0] * 4}})) == []


def test_the_phase_plot_goes_from_the_first_round_to_the_last_and_gamma_is_the_product() -> None:
    evidence = world({"organic": ORGANIC, "mf": {ALPHA: [6.0, 7.0, 8.0, 7.0], "consumption.beta": [11.0, 12.0, 13.0, 12.0]}})
    run = evidence.run
    with house_style():
        drawing = phase_plot(evidence, looks(run.arms, run.baseline, run.reference))
    assert drawing is not None
    path = drawing.data.set_index(["space", "arm", "round"])
    assert set(path.index.get_level_values("space")) == {"consumption"}
    assert path.loc[("consumption", "mf", 0), ["alpha", "beta", "gamma"]].tolist() == [10, 10, 100]
    assert path.loc[("consumption", "mf", 1), ["alpha", "beta", "gamma"]].tolist() == [7, 12, 84]
    low, high = stats.t.interval(0.95, 3, loc=7, scale=stats.sem([6.0, 7.0, 8.0, 7.0]))
    assert np.allclose(path.loc[("consumption", "mf", 1), ["alpha_low", "alpha_high"]].tolist(), [low, high])
    (axes,) = drawing.figure.axes
    written = {text.get_text().removeprefix("γ ") for text in axes.texts}
    grey = [line for line in axes.lines if len(line.get_xdata()) == 200]
    products = {f"{float(np.mean(np.multiply(*line.get_data()))):.3g}" for line in grey}
    assert written
    assert written <= products


def about(names: list[str], values: dict[str, dict[str, list[float]]]) -> dict[str, str]:
    evidence = world(values)
    evidence.run.scenario["report"] = {"about": names}
    return {finding.head: finding.text.replace("\u00a0", " ") for finding in asked(evidence)}


def test_what_the_question_is_about_is_told_first_in_its_own_order():
    mf = {ALPHA: [6.9, 8.1, 8.9, 8.1], UTILITY: [1.0, 1.2, 0.8, 1.0]}
    said = about([UTILITY, "consumption.al*"], {"organic": ORGANIC, "mf": mf})
    low, high = stats.ttest_1samp(np.subtract(mf[ALPHA], ORGANIC[ALPHA]), 0).confidence_interval(0.95)
    assert list(said) == [f"{wording(name).axis}:" for name in (UTILITY, ALPHA)]
    use, diets = said.values()
    assert diets == f"10.0 at the end without a recommender (organic); against this, mf −2.00 [−{-low:.2f}, −{-high:.2f}]."
    assert use.startswith("1.00 at the end without a recommender (organic); no policy is shown to change it: mf 0.00 [")
    assert use.endswith("which includes zero.")


def test_what_the_question_is_about_without_a_baseline_is_told_as_it_is():
    (told,) = about([ALPHA, "creators.active"], {"mf": {ALPHA: [7.0, 8.0, 9.0]}, "ease": {ALPHA: [9.0, 10.0, 11.0]}}).values()
    low, high = stats.t.interval(0.95, 2, 10.0, 1 / np.sqrt(3))
    assert told == f"at the end ease 10.0 [{low:.2f}, {high:.1f}]; mf 8.00 [5.52, 10.5]."
    assert about([], {"organic": ORGANIC, "mf": ORGANIC}) == {}
