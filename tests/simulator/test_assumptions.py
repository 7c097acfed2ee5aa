"""Swapped assumptions: which worlds there are, what they say of an order, and a real run that resumes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from agents.drift import DRIFTS, NoDrift
from simulator import processes
from simulator.__main__ import app
from simulator.assumptions import swaps, write_assumptions_report
from simulator.assumptions.orders import levels, orders, pairs, rankings, worlds
from simulator.assumptions.report import NotAssumptions
from simulator.assumptions.sentences import answer
from simulator.assumptions.survey import load_survey
from simulator.assumptions.swaps import swap
from simulator.faults import ScenarioError
from simulator.scenario import Scenario, load_scenario
from simulator.sweeping import load_sweep

ROOT = Path(__file__).parents[2]
ALPHA = "consumption.alpha"

# Tables whose truth is known -----------------------------------------------------------------------------------


def ends(truth: dict[int, dict[str, float]], replicates: int = 6, noise: float = 0.1, seed: int = 0) -> pd.DataFrame:
    """Values around a truth for each world and arm: what a replicate's arms share is large, what they do not is centred."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 5, replicates)
    rows = []
    for cell, arms in truth.items():
        for arm, mean in arms.items():
            own = rng.normal(0, noise, replicates)
            rows += [(cell, arm, r, mean + shared[r] + own[r] - own.mean()) for r in range(replicates)]
    return pd.DataFrame(rows, columns=["cell", "arm", "replicate", "value"])


ARMS = ["organic", "a", "b", "c"]
TRUTH = {
    1: {"organic": 5.0, "a": 1.0, "b": 3.0, "c": 3.01},     # the base: a below b and c, which it does not tell apart
    2: {"organic": 5.0, "a": 1.5, "b": 2.0, "c": 4.0},      # as the base; b below c emerges
    3: {"organic": 5.0, "a": 3.0, "b": 1.0, "c": 3.01},     # a and b the other way round; a and c undecided
    4: {"organic": 0.0, "a": 1.0, "b": 3.0, "c": 2.0},      # organic, above all, is now below all; c below b emerges
}
ASSUMED = pd.DataFrame(
    {"choice": ["logit", "best", "logit", "best"], "drift": ["none", "none", "satiation", "satiation"]}, index=[1, 2, 3, 4]
)


@pytest.fixture
def ranked() -> pd.DataFrame:
    return rankings(ends(TRUTH), ARMS, "organic", toward=-1)


@pytest.fixture
def ordered(ranked: pd.DataFrame) -> pd.DataFrame:
    return orders(ends(TRUTH), ranked, base=1)


def test_an_order_holds_flips_emerges_or_is_undecided(ordered: pd.DataFrame):
    verdicts = {(row.cell, frozenset((row.first, row.second))): row.verdict for row in ordered.itertuples()}
    ab, ac, bc, ao = (frozenset(pair) for pair in ("ab", "ac", "bc", ("a", "organic")))
    assert [verdicts[cell, ab] for cell in TRUTH] == ["holds", "holds", "flips", "holds"]
    assert [verdicts[cell, ac] for cell in TRUTH] == ["holds", "holds", "undecided", "holds"]
    assert [verdicts[cell, bc] for cell in TRUTH] == ["undecided", "emerges", "emerges", "emerges"]
    assert [verdicts[cell, ao] for cell in TRUTH] == ["holds", "holds", "holds", "flips"]


def test_a_reversed_world_flips_every_order():
    truth = {1: {arm: float(place) for place, arm in enumerate(ARMS)}, 2: {arm: -float(p) for p, arm in enumerate(ARMS)}}
    table = ends(truth)
    ranks = rankings(table, ARMS, "organic", toward=-1)
    found = orders(table, ranks, base=1)
    assert set(found.loc[found["cell"] == 2, "verdict"]) == {"flips"}
    assert set(found.loc[found["cell"] == 1, "verdict"]) == {"holds"}
    assert worlds(ranks, found, ASSUMED.loc[[1, 2]], 1).set_index("cell")["tau"].to_dict() == {1: 1.0, 2: -1.0}


def test_differences_and_p_values_are_scipys(ordered: pd.DataFrame):
    wide = ends(TRUTH).pivot(index=["cell", "replicate"], columns="arm", values="value")
    assert len(ordered) == 4 * 6
    for row in ordered.itertuples():
        own = wide.loc[row.cell]
        expected = stats.ttest_rel(own[row.first], own[row.second])
        interval = expected.confidence_interval(0.95)
        assert (row.low, row.high, row.p) == pytest.approx((interval.low, interval.high, expected.pvalue), rel=1e-8)
    for _, own in ordered.groupby("cell"):
        p = np.sort(own["p"])
        holm = [min(1, max((len(p) - j) * p[j] for j in range(i + 1))) for i in range(len(p))]
        assert np.sort(own["p_holm"]) == pytest.approx(holm)


def test_ranks_count_who_is_ahead():
    rng = np.random.default_rng(3)
    truth = {cell: dict(zip(ARMS, rng.integers(0, 4, 4).astype(float), strict=True)) for cell in range(30)}    # with ties
    table = ends(truth, noise=0.0)
    for toward in (-1, 1):
        ranks = rankings(table, ARMS, "organic", toward).set_index(["cell", "arm"])["rank"]
        for cell, arms in truth.items():
            for arm, value in arms.items():
                assert ranks[cell, arm] == 1 + sum(toward * other > toward * value for other in arms.values())


def test_a_world_is_summed_up_as_by_hand(ranked: pd.DataFrame, ordered: pd.DataFrame):
    table = worlds(ranked, ordered, ASSUMED, 1).set_index("cell")
    means = ranked.pivot(index="cell", columns="arm", values="mean")
    for cell in TRUTH:      # τ: pairs in the same order less those in the other; the sample has no ties
        alike = [np.sign((means.at[1, x] - means.at[1, y]) * (means.at[cell, x] - means.at[cell, y])) for x, y in
                 combinations(ARMS, 2)]  # fmt: skip
        assert table.at[cell, "tau"] == pytest.approx(sum(alike) / 6)
    assert table["first"].to_dict() == {1: "a", 2: "a", 3: "b", 4: "organic"}
    assert table["swaps"].to_dict() == {1: 0, 2: 1, 3: 1, 4: 2}
    assert table[["holds", "undecided", "flips", "emerges"]].sum(axis=1).eq(6).all()
    assert table["clear"].all()
    assert table["largest"].to_dict() == pytest.approx({1: 4, 2: 3.5, 3: 4, 4: 3})


def test_which_assumption_the_flips_go_with(ordered: pd.DataFrame):
    table = levels(ordered, ASSUMED, 1).set_index(["assumption", "level"])
    flips, alone = table["flips"].to_dict(), table["alone"].to_dict()
    assert flips == {("choice", "logit"): 1, ("choice", "best"): 3, ("drift", "none"): 0, ("drift", "satiation"): 4}
    assert alone["choice", "best"] == 0
    assert alone["drift", "satiation"] == 1
    assert pd.isna(alone["choice", "logit"])
    assert pd.isna(alone["drift", "none"])
    assert table["worlds"].to_dict() == {
        ("choice", "logit"): 1, ("choice", "best"): 2, ("drift", "none"): 1, ("drift", "satiation"): 2
    }  # fmt: skip
    no, yes = (5, 0), (6, 4)        # orders that do not flip and that do, of 5 in one world and 10 in two
    phi = (no[0] * yes[1] - no[1] * yes[0]) / np.sqrt(sum(no) * sum(yes) * (no[0] + yes[0]) * (no[1] + yes[1]))
    assert table.at[("drift", "none"), "association"] == pytest.approx(phi)


def test_pairs_are_counted_over_worlds(ordered: pd.DataFrame):
    table = pairs(ordered)
    assert (table[["holds", "undecided", "flips", "above", "below"]].sum(axis=1) == table["worlds"]).all()
    bc = table[~table["decided"]].iloc[0]
    assert {bc["first"], bc["second"]} == {"b", "c"}
    b_is_below = bc["below"] if bc["first"] == "b" else bc["above"]
    assert (b_is_below, bc["undecided"], bc["above"] + bc["below"]) == (2, 1, 3)


def test_equal_runs_are_undecided_and_one_replicate_decides_nothing():
    twins = ends({1: {"organic": 0.0, "a": 1.0}, 2: {"organic": 0.0, "a": 1.0}}, noise=0.0)
    twins = pd.concat([twins, twins[twins["arm"] == "a"].assign(arm="twin")], ignore_index=True)
    found = orders(twins, rankings(twins, ["organic", "a", "twin"], "organic", 1), 1)
    same = found[(found["first"] == "a") & (found["second"] == "twin")]
    assert set(same["verdict"]) == {"undecided"}
    assert set(same["p"]) == {1.0}
    alone = ends(TRUTH, replicates=1)
    assert set(orders(alone, rankings(alone, ARMS, "organic", -1), 1)["verdict"]) == {"undecided"}


# Which worlds there are ----------------------------------------------------------------------------------------

SMALL = """
title: Small
question: Who narrows?
rounds: 3
warmup: 2
replicates: 2
slate_size: 4
users: {count: 40, choice: {kind: logit, temperature: 0.07}, drift: {kind: assimilation, rate: 0.2}}
items: {count: 50, topics: 5}
discovery: {awareness: 10}
measures: {names: [consumption.alpha, exposure.gini, utility.per_user]}
policies: [organic, popularity, {kind: mf, factors: 4, retrain_every: 2}, oracle]
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    return file


def scenario(file: Path, *changes: str) -> Scenario:
    return load_scenario(file, changes)


def faults(file: Path, *changes: str, measure: str = ALPHA, **options: str) -> str:
    with pytest.raises(ScenarioError) as error:
        swap(scenario(file, *changes), "small.yaml", measure, **options)
    return str(error.value)


def test_by_default_all_models_that_fit_and_three_intervals(small: Path):
    swapped = swap(scenario(small, "policies.popularity.retrain_every=2"), "small.yaml", ALPHA)
    choice, drift, retrain = (axis.values for axis in swapped.sweep.axes)
    assert choice[0] == "logit"
    assert {"logit", "cascade", "best"} <= set(choice)
    assert {"assimilation", "none", "reinforcement", "satiation"} <= set(drift)
    assert "biased_assimilation" not in drift
    assert retrain == ("1", "2", "never")
    assert len(swapped.sweep.cells) == len(choice) * len(drift) * len(retrain)
    assert [each.world for each in swapped.left_out if "biased" in each.world] == ["drift biased_assimilation"]
    reasons = {each.world: each.reason for each in swapped.left_out}
    assert "needs `items.space: sphere`" in reasons["drift biased_assimilation"]
    assert swapped.base.scenario.digest == scenario(small, "policies.popularity.retrain_every=2").digest


def test_the_scenarios_own_models_keep_their_keys_and_the_others_have_their_defaults(small: Path):
    swapped = swap(scenario(small), "small.yaml", ALPHA, "cascade,best", "none", "never")
    found = {(c.values["choice"], c.values["drift"], c.values["retrain"]): c.scenario for c in swapped.sweep.cells}
    assert len(found) == 3 * 2 * 2
    assert found["logit", "none", "never"].users.choice.temperature == 0.07
    assert found["cascade", "assimilation", "never"].users.drift.rate == 0.2
    assert found["cascade", "assimilation", "never"].users.choice.temperature == 0.1
    frozen = {arm.name: arm.frozen for arm in found["logit", "none", "never"].policies}
    assert frozen == {"organic": False, "popularity": True, "mf": True, "oracle": False}
    every = [arm.retrain_every for arm in found["best", "none", "as given"].policies if arm.name in ("popularity", "mf")]
    assert every == [5, 2]


def test_a_model_may_be_named_with_keys(small: Path):
    text = "logit, {kind: logit, temperature: 1}, {kind: logit, temperature: 0.07}"
    swapped = swap(scenario(small), "small.yaml", ALPHA, text, "none")
    assert swapped.sweep.axes[0].values == ("logit", "logit, temperature: 1")
    assert {cell.scenario.users.choice.temperature for cell in swapped.sweep.cells} == {0.07, 1.0}


def test_a_new_model_appears_by_itself(small: Path, monkeypatch: pytest.MonkeyPatch):
    @dataclass(frozen=True)
    class Stubborn(NoDrift):
        """Nobody ever changes."""

        spaces: ClassVar = ("simplex",)

    monkeypatch.setitem(DRIFTS, "stubborn", Stubborn)
    swapped = swap(scenario(small), "small.yaml", ALPHA)
    assert "stubborn" in swapped.sweep.axes[1].values
    assert "Nobody ever changes." in {model.summary for model in swapped.models}


def test_the_worlds_are_a_sweep_that_loads_back(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "again.yaml"
    swapped = swap(scenario(small), "small.yaml", ALPHA)
    file.write_text(swapped.sweep.resolved())
    assert load_sweep(file).digest == swapped.sweep.digest
    found = swaps.faults_of

    def picky(base, changes, allow_code):
        kinds = {change.value.get("kind") for change in changes if isinstance(change.value, dict)}
        clash = (swaps.Fault("x", "do not go together", "users"),) if kinds >= {"best", "none"} else ()
        return found(base, changes, allow_code) or clash

    monkeypatch.setattr(swaps, "faults_of", picky)
    holed = swap(scenario(small), "small.yaml", ALPHA)
    assert len(holed.sweep.cells) == len(swapped.sweep.cells) - 3
    assert "best × none × never" in {each.world for each in holed.left_out}
    file.write_text(holed.sweep.resolved())
    assert load_sweep(file).digest == holed.sweep.digest


def test_what_cannot_be_is_left_out_with_its_reason(small: Path):
    swapped = swap(scenario(small, "warmup=0"), "small.yaml", ALPHA)
    assert swapped.sweep.axes[2].values == ("1", "as given")
    assert "trained on nothing" in next(each.reason for each in swapped.left_out if each.world == "retrain never")
    unlearning = swap(scenario(small, "policies=[organic, random]"), "small.yaml", ALPHA)
    assert [axis.label for axis in unlearning.sweep.axes] == ["choice", "drift"]
    assert "no arm of this scenario is retrained" in {each.reason for each in unlearning.left_out}


def test_faults_say_what_is_wrong(small: Path):
    wrong = faults(small, choices="logitt")
    assert "--choice logitt: choice: there is no choice model 'logitt'; did you mean 'logit'?" in wrong
    assert "there is no key 'temprature'" in faults(small, choices="{kind: logit, temprature: 1}")
    assert "there is no drift model 'asimilation'; did you mean 'assimilation'?" in faults(small, drifts="asimilation")
    wrong = faults(small, intervals="1,nevr")
    assert "--retrain 1,nevr: must be numbers of rounds from 1 on, or never (got 'nevr'); did you mean 'never'?" in wrong
    assert "(got 0)" in faults(small, intervals="0")
    assert "--drift [: " in faults(small, drifts="[")
    assert "policies: has no organic arm" in faults(small, "policies=[random, mf]")
    assert "has no policy to rank beside the organic arm" in faults(small, "policies=[organic, oracle]")
    assert "replicates: must be at least 2" in faults(small, "replicates=1")
    assert "did you mean 'consumption.alpha'?" in faults(small, measure="consumption.alfa")
    assert "is not measured in this scenario" in faults(small, measure="consumption.gini")
    assert "the organic arm shows nothing" in faults(small, measure="exposure.gini")
    assert "there is nothing to swap: drift biased_assimilation" in faults(
        small, "policies=[organic, random]", choices="logit", drifts="biased_assimilation"
    )
    assert swap(scenario(small), "small.yaml", "utility.relative").measure == "utility.relative"      # there is an oracle


# A run ---------------------------------------------------------------------------------------------------------

FEW = ("--choice", "logit", "--drift", "none", "--retrain", "never", "--workers", 1, "--quiet")


def command(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def made(folder: Path) -> dict[str, bytes]:
    names = ["assumptions.csv", "orders.csv", "report.html", "figures/swap_matrix.svg", "figures/swap_matrix.csv"]
    return {name: (folder / name).read_bytes() for name in names}


def numbers(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("results.parquet", "assumptions.csv", "orders.csv")]


def test_a_run_from_the_file_to_the_page_and_only_what_is_new_is_played(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out, played = tmp_path / "out", []
    play = processes.play

    def counted(scenario, *arguments):
        played.append(scenario.digest)
        return play(scenario, *arguments)

    monkeypatch.setattr(processes, "play", counted)
    result = command("assumptions", small, *FEW, "--out", out)
    assert result.exit_code == 0, result.output
    assert str(out / "report.html") in result.stdout
    table = pd.read_csv(out / "assumptions.csv")
    assert len(set(table["cell"])) == 4
    assert set(table["arm"]) == {"organic", "popularity", "mf"}
    effects = pd.read_csv(out / "effects.csv")
    effects = effects[(effects["measure"] == ALPHA) & (effects["arm"] != "oracle")].set_index(["cell", "arm"])
    own = table[table["arm"] != "organic"].set_index(["cell", "arm"])
    columns = ["mean", "low", "high"]
    pd.testing.assert_frame_equal(own[columns].sort_index(), effects[columns].sort_index(), rtol=1e-8)
    assert len(pd.read_csv(out / "orders.csv")) == 4 * 3
    survey = load_survey(out)
    assert survey.world(survey.base) == "logit × assimilation × as given"
    page = (out / "report.html").read_text()
    assert 'href="orders.csv"' in page
    assert 'href="assumptions.csv"' in page
    assert answer(survey)[0].text in page.replace("&#39;", "'")
    for text in ("What was swapped", "no measure of that in another", "Kendall", "mf"):
        assert text in page
    before, runs = made(out), len(played)
    assert write_assumptions_report(out) == out / "report.html"
    assert made(out) == before
    played.clear()
    again = command("assumptions", small, *FEW, "--out", out, "--measure", "utility.per_user", "--drift", "none,satiation")
    assert again.exit_code == 0, again.output
    assert 0 < len(played) == runs / 2          # 4 worlds were there, 2 are new
    assert len(set(pd.read_csv(out / "assumptions.csv")["cell"])) == 6
    assert load_survey(out).measure == "utility.per_user"


def test_a_dry_run_lists_the_worlds_and_plays_none(small: Path, tmp_path: Path):
    result = command("assumptions", small, "--out", tmp_path / "out", "--choice", "logit", "--retrain", "never", "--dry-run")
    assert result.exit_code == 0
    assert "Left out: drift biased_assimilation" not in command("assumptions", small, *FEW, "--dry-run").stdout
    assert "Left out: drift biased_assimilation" in result.stdout
    assert "the base is choice logit, drift assimilation, retrain as given" in result.stdout
    assert not (tmp_path / "out").exists()


def test_bad_input_is_one_clear_message(small: Path, tmp_path: Path):
    result = command("assumptions", small, "--choice", "logitt", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "did you mean 'logit'?" in result.stderr
    assert "Traceback" not in result.output
    small.write_text(SMALL.replace("rounds: 3", "rounds: four"))
    result = command("assumptions", small)
    assert result.exit_code == 2
    assert "small.yaml:4:9: rounds: must be a whole number" in result.stderr
    with pytest.raises(NotAssumptions, match="not the folder"):
        write_assumptions_report(tmp_path)


def test_a_folder_that_is_not_what_it_says_is_refused(small: Path, tmp_path: Path):
    out = tmp_path / "out"
    assert command("assumptions", small, *FEW, "--out", out).exit_code == 0
    facts = json.loads((out / "assumptions.json").read_text())
    wrong = (({"base": 99}, "no such cell"), ({"measure": "exposure.gini"}, "has no value in the arm 'organic'"))
    for change, message in wrong:
        (out / "assumptions.json").write_text(json.dumps(facts | change))
        with pytest.raises(NotAssumptions, match=message):
            load_survey(out)
    (out / "assumptions.json").write_text(json.dumps(facts))
    cells, results = pd.read_csv(out / "cells.csv"), pd.read_parquet(out / "results.parquet")
    for left in ([facts["base"]], list(cells["cell"])):      # the base is missing; then everything
        cells.assign(status=cells["status"].mask(cells["cell"].isin(left), "unfinished")).to_csv(out / "cells.csv", index=False)
        results[~results["cell"].isin(left)].to_parquet(out / "results.parquet", index=False)
        page = write_assumptions_report(out).read_text()
        assert "The base and another world have to be played to the end" in page
        assert f"{len(left)} of 4 worlds {'is' if len(left) == 1 else 'are'} missing" in page
        assert len(pd.read_csv(out / "orders.csv")) == 0
    (out / "assumptions.json").write_text("{}")
    with pytest.raises(NotAssumptions, match="is not what"):
        load_survey(out)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends SIGKILL")
def test_killed_in_the_middle_it_ends_as_if_it_never_was(small: Path, tmp_path: Path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    options = list(map(str, FEW))
    assert command("assumptions", small, *options, "--out", whole).exit_code == 0
    arguments = [sys.executable, "-m", "simulator", "assumptions", str(small), *options, "--out", str(broken)]
    process = subprocess.Popen(arguments, cwd=ROOT, start_new_session=True)
    while not list(broken.glob("cells/*/manifest.json")) and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    subprocess.run(arguments, cwd=ROOT, check=True, capture_output=True)
    assert numbers(broken) == numbers(whole)
