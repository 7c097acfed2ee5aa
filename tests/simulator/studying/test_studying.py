"""Studies: trends over groups of arms, what an answer is, what is wrong with a study, and the command from file to page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from pydantic import ValidationError
from scipy import stats
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

from simulator.__main__ import app
from simulator.faults import ScenarioError
from simulator.replicating.claims import NotPlayed, Played
from simulator.replicating.expressions import NotAnExpression, parse_expression, trends
from simulator.replicating.keys import ClaimKeys
from simulator.statistics.trends import slopes, turn
from simulator.studying.answers import OneAsked, answer, p_value, values_of
from simulator.studying.keys import QuestionKeys, StudyKeys
from simulator.studying.loading import find, load_study, shipped
from simulator.studying.outcome import Outcome
from simulator.studying.tables import due_to, trend_table

WORLD = """
title: t
question: Does size matter?
rounds: 4
warmup: 2
replicates: 2
slate_size: 4
users: {count: 25}
items: {count: 40, topics: 4}
policies:
  - organic
  - random
  - &s {kind: sasrec, name: a_4, layers: 1, hidden: 4, epochs: 2, retrain_every: 2, held_out: 0.5}
  - {<<: *s, name: a_8, hidden: 8}
  - {<<: *s, name: a_16, hidden: 16}
  - {<<: *s, name: a_16_frozen, hidden: 16, frozen: true}
measures: {names: [exposure.gini, consumption.alpha, 'training.*'], window: 2}
sweep: {axes: {regime: {values: {long: {policies.a_*.epochs: 2}, short: {policies.a_*.epochs: 1}}}}}
study:
  registered: in a test
  scope: [This is a test.]
  outcomes: [exposure.gini, consumption.alpha]
  given: training.ndcg
  first: 2
  groups:
    size: [a_4, a_8, a_16]
    steps: {a_4: 1, a_8: 2, a_16: 3}
  sizes:
    tiny: {rounds: 3, study.seen: [Both are alike.], arms: [organic, random, a_4, a_8]}
  questions:
"""
QUESTION = "    - {ask: q, measure: exposure.gini, value: trend(size), where: regime == 'long', expect: negative}\n"


def write(tmp_path: Path, questions: str = QUESTION) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(WORLD + questions, encoding="utf-8")
    return file


# ---- trends


def test_slopes_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 5, 7))
    expected = [stats.linregress(x[:, r], y[:, r]).slope for r in range(7)]
    np.testing.assert_allclose(slopes(x, y), expected)
    assert np.isnan(slopes(np.ones((3, 2)), y[:3, :2])).all()


def test_adjusted_slopes_are_those_of_a_regression_on_both() -> None:
    rng = np.random.default_rng(1)
    x, y, z = rng.normal(size=(3, 6, 4))
    expected = [sm.OLS(y[:, r], sm.add_constant(np.column_stack([x[:, r], z[:, r]]))).fit().params[1] for r in range(4)]
    np.testing.assert_allclose(slopes(x, y, z), expected)
    assert np.isnan(slopes(x, y, 2 * x + 1)).all()              # nothing of x is left


def test_a_turn_is_shown_where_an_arm_between_lies_beyond_both_ends() -> None:
    x = np.repeat(np.arange(5.0), 8).reshape(5, 8)
    luck = 0.05 * np.random.default_rng(2).normal(size=x.shape)
    assert turn(x, (x - 2) ** 2 + luck) == 1
    assert turn(x, -((x - 1) ** 2) + luck) == -1
    assert turn(x, np.exp(-2 * x) + luck / 100) == 0                # it levels off, where a parabola would turn
    assert turn(x, x + luck) == 0
    order = np.array([3, 0, 4, 1, 2])
    assert turn(x[order], ((x - 2) ** 2 + luck)[order]) == 1
    assert turn(x, (x - 2) ** 2) == 1
    assert turn(x, np.ones_like(x)) == turn(x[:2], x[:2]) == turn(x[:, :1], (x[:, :1] - 2) ** 2) == 0


def test_a_turn_is_seldom_seen_where_there_is_none() -> None:
    rng = np.random.default_rng(4)
    x = np.repeat(np.arange(5.0), 16).reshape(5, 16)
    found = [turn(x, rng.normal(size=x.shape)) for _ in range(400)]
    assert np.count_nonzero(found) / 400 < 0.05


def test_a_trend_is_of_a_group_and_may_be_adjusted() -> None:
    (found,) = trends(parse_expression("2 * trend(size(round='first'), given='training.ndcg')"))
    assert (found[0].arm, dict(found[0].given), found[1]) == ("size", {"round": "first"}, "training.ndcg")
    for text in ("trend()", "trend(a, b)", "trend(a, over='b')", "trend(1)", "trend(a, given=1)"):
        with pytest.raises(NotAnExpression):
            parse_expression(text)


def test_a_replication_has_no_groups() -> None:
    with pytest.raises(ValidationError, match="which a `study` has"):
        ClaimKeys.model_validate({"claim": "c", "status": "text", "value": "trend(size)", "paper": 1, "tolerance": 1})


# ---- answers


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory):
    return load_study(write(tmp_path_factory.mktemp("study")))


def invented(replicates: int = 6) -> pd.DataFrame:
    """A trajectory in which the Gini falls by 0.1 for ten times the parameters, more so at the end, and NDCG goes along."""
    rng, found = np.random.default_rng(3), []
    for place, arm in enumerate(("a_4", "a_8", "a_16")):
        for replicate in range(replicates):
            for round in range(5):
                size, luck = 10.0**place, rng.normal(0, 0.01)
                gini = 0.9 - (0.1 if round <= 2 else 0.2) * place + luck
                values = {"training.parameters": size, "training.ndcg": 0.1 + 0.2 * rng.random(), "exposure.gini": gini,
                          "consumption.alpha": 2.0}
                found += [(name, arm, round, replicate, value) for name, value in values.items()]
    return pd.DataFrame(found, columns=["measure", "arm", "round", "replicate", "value"])


@pytest.fixture(scope="module")
def played(study) -> Played:
    index = ["measure", "arm", "round", "replicate"]
    return Played(study.sweep.cells, {1: invented().set_index(index)["value"].sort_index()})


def asked(study, played, text: str, **keys: object) -> np.ndarray:
    one = OneAsked(**{"measure": "exposure.gini", "where": "regime == 'long'", **keys})
    return values_of(text, one, study.keys, study.sweep.cells, played)


def test_a_trend_is_per_tenfold_parameters_or_per_step(study, played) -> None:
    table = invented().query("measure == 'exposure.gini' and round == 4")
    table = table.pivot(index="arm", columns="replicate", values="value")
    expected = [stats.linregress([0, 1, 2], table.loc[["a_4", "a_8", "a_16"], r]).slope for r in range(6)]
    np.testing.assert_allclose(asked(study, played, "trend(size)"), expected)
    np.testing.assert_allclose(asked(study, played, "trend(steps)"), expected)
    assert asked(study, played, "trend(size)").mean() == pytest.approx(-0.2, abs=0.02)
    assert asked(study, played, "trend(size(round='first'))").mean() == pytest.approx(-0.1, abs=0.02)
    change = asked(study, played, "trend(size) - trend(size(round='first'))")
    assert change.mean() == pytest.approx(-0.1, abs=0.02)
    with pytest.raises(NotPlayed):
        asked(study, played, "trend(size)", where="regime == 'short'")
    with pytest.raises(NotPlayed):                              # three arms leave no degree of freedom beside the covariate
        asked(study, played, "trend(size, given='training.ndcg')")


@pytest.mark.parametrize(
    ("kind", "expect", "value", "words"),
    [
        ("prediction", "negative", "trend(size)", "as predicted"), ("prediction", "positive", "trend(size)", "the opposite"),
        ("contrast", "either", "trend(size)", "negative"), ("control", "zero", "trend(size) - trend(size)", "covers zero"),
        ("control", "zero", "trend(size)", "not as it must be"), ("control", "positive", "-trend(size)", "as it must be"),
        ("published", "positive", "trend(size)", "disagrees"), ("published", "negative", "trend(size)", "agrees"),
        ("prediction", "negative", "trend(size) - 0.5 * trend(size) - 0.5 * trend(size(round=3))", "undecided"),
        ("prediction", "negative", "random", "not played"),
    ],
)  # fmt: skip
def test_an_answer_says_on_which_side_of_zero_the_interval_lies(study, played, kind, expect, value, words) -> None:
    more = {"source": "Nobody 1900", "status": "memory"} if kind == "published" else {}
    keys = QuestionKeys.model_validate({
        "ask": "q", "kind": kind, "expect": expect, "value": value, "measure": "exposure.gini", "where": "regime == 'long'",
        **more,
    })
    found = answer(keys, study.keys, study.sweep.cells, played)
    assert found.answer == words
    if words != "not played":
        values = asked(study, played, value)
        reference = stats.t.interval(0.95, 5, values.mean(), stats.sem(values)) if np.ptp(values) else (values[0],) * 2
        assert (found.low, found.high) == pytest.approx(reference)


def test_without_a_second_training_nothing_is_said_of_the_loop(study, played) -> None:
    def found(value: str) -> str:
        keys = QuestionKeys(ask="q", value=value, measure="exposure.gini", where="regime == 'long'")
        return answer(keys, study.keys, study.sweep.cells, played, loops=False).answer

    assert found("trend(size) - trend(size(round='first'))") == found("a_4 - a_4(round='first')") == "not played"
    assert found("trend(size(round='first'))") == "negative"
    short = study.keys.model_copy(update={"first": 4})
    assert set(trend_table(short, study.sweep.cells, played)["stage"]) == {"one-shot"}


def test_the_p_value_is_scipys_and_equal_values_leave_no_doubt() -> None:
    values = np.array([0.3, 0.1, 0.5, -0.2])
    assert p_value(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert (p_value(np.zeros(3)), p_value(np.ones(3))) == (1, 0)
    assert np.isnan(p_value(np.ones(1)))


def test_trends_of_the_outcomes_are_tested_together(study, played) -> None:
    table = trend_table(study.keys, study.sweep.cells, played)
    assert set(table["cell"]) == {"regime long"}                # the other was not played
    assert set(table["stage"]) == {"one-shot", "in the loop", "change"}
    assert set(table["turn"]) == {0}
    for _, family in table.groupby(["cell", "group", "stage"]):
        assert sorted(family["measure"]) == ["consumption.alpha", "exposure.gini"]
        np.testing.assert_allclose(family["p_holm"], multipletests(family["p"], method="holm")[1])


def test_changes_are_due_to_people_policy_and_loop(study) -> None:
    rows = [
        ("consumption.alpha", arm, round, replicate, value + replicate)
        for arm, values in {"organic": (4, 3), "a_16": (4, 1), "a_16_frozen": (4, 2.5)}.items()
        for round, value in zip((0, 4), values, strict=True) for replicate in range(2)
    ]
    frame = pd.DataFrame(rows, columns=["measure", "arm", "round", "replicate", "value"])
    table = due_to(study.keys, study.sweep.cells, {1: frame})
    assert dict(zip(table["part"], table["mean"], strict=True)) == {
        "own drift": -1, "personalisation": -0.5, "retraining loop": -1.5, "change": -3,
    }  # fmt: skip


# ---- what is wrong with a study


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("trend(size)", "trend(sise)", "there is no group 'sise'; did you mean 'size'"),
        ("trend(size)", "a_9", "there is no arm 'a_9'"),
        ("trend(size)", "trend(size(round=9))", "round 9 is not measured"),
        ("trend(size)", "trend(size(regim='long'))", "'regim' is neither `round`, `measure` nor an axis; did you mean 'regim"),
        ("trend(size)", "trend(size, given='training.ndgc')", "'training.ndgc'"),
        ("measure: exposure.gini, value", "value", "of which measure?"),
        ("regime == 'long'", "regime == 'medium'", "no cell is meant"),
        ("expect: negative", "kind: published", "who has found it"),
        ("expect: negative", "kind: control", "a control has to come out one way"),
        ("expect: negative", "expect: negative, kind: contrast", "nothing is expected of a contrast"),
        ("first: 2", "first: 2\n  steps: {size: layer}", "a group that has places of its own"),
        ("first: 2", "first: 2\n  secondary: [utility.mean]", "'utility.mean' is not one of `measures.names`"),
        ("value: trend(size)", "expect: either", "says why it is `incomparable`"),
        ("size: [a_4, a_8, a_16]", "size: [a_4, a_8]", "must have at least three arms"),
        ("a_8: 2, a_16: 3", "a_8: 2, a_16: null", "places all of its arms, or none"),
        ("size: [a_4, a_8, a_16]", "size: [a_4, a_8, a_61]", "there is no arm 'a_61'"),
        ("outcomes: [exposure.gini, ", "outcomes: [utility.mean, ", "'utility.mean' is not one of `measures.names`"),
        ("first: 2", "first: 7", "must be at most `rounds`"),
        ("random, a_4, a_8]}", "rndom]}", "there is no arm 'rndom'; did you mean 'random'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_where_it_stands(tmp_path: Path, before: str, after: str, words: str) -> None:
    file = write(tmp_path)
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))
    with pytest.raises(ScenarioError) as error:
        load_study(file)
    assert words in str(error.value)
    assert all(fault.line >= 15 for fault in error.value.faults)


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="there is no such study; did you mean 'model_scale'"):
        find("model_scal")
    with pytest.raises(ScenarioError, match="there is no such size; did you mean 'tiny'"):
        load_study(write(tmp_path), "tinny")
    file = tmp_path / "none.yaml"
    file.write_text("title: t\npolicies: [organic]\n")
    with pytest.raises(ScenarioError, match="say what is asked"):
        load_study(file)
    assert CliRunner().invoke(app, ["study", "model_scal"]).exit_code == 2


# ---- what it comes to


def test_the_headline_marks_what_is_shown_by_the_way_that_a_bubble_pushes() -> None:
    measures = ["exposure.gini", "consumption.rarefied_entropy", "exposure.mean_jaccard"]      # pushed up, down, either way
    trends = pd.DataFrame([
        ("regime long", group, stage, measure, mean, mean - 0.01, mean + 0.01, p, turns)
        for group, stage, means, p, turns in (
            ("size", "one-shot", (-0.1, -0.1, -0.1), 0.01, 1), ("size", "in the loop", (0.1, 0.1, 0.1), 0.01, 0),
            ("size", "change", (0.2, 0.2, 0.2), 0.2, 0), ("depth", "one-shot", (0.3, 0.3, 0.3), 0.01, 0),
        ) for measure, mean in zip(measures, means, strict=True)
    ], columns=["cell", "group", "stage", "measure", "mean", "low", "high", "p_holm", "turn"])         # fmt: skip
    about = {"groups": {"size": ["a_4", "a_8", "a_16"], "depth": []}, "outcomes": measures, "secondary": [], "steps": {}}
    outcome = Outcome(Path(), about, pd.DataFrame(), trends, pd.DataFrame(), pd.DataFrame())
    assert outcome.headline is not None
    rows = outcome.headline.rows
    assert [row[:2] for row in rows] == [["regime long", stage] for stage in ("one-shot", "in the loop", "change")]
    assert [[cell.split()[0] for cell in row[2:]] for row in rows] == [["○", "●", "▼"], ["●", "○", "▲"], ["0.2"] * 3]
    assert rows[0][2] == "○ -0.1 [-0.11, -0.09] ∪"
    (told,) = outcome.verdicts.values()
    assert told.startswith("one-shot, Gini over the catalogue (exposure) ○ -0.1 [-0.11, -0.09] ∪, ")
    assert "; in the loop, Gini over the catalogue (exposure) ● 0.1 [0.09, 0.11], " in told
    assert "change" not in told
    (told,) = replace(outcome, trends=trends.assign(p_holm=0.01)).verdicts.values()
    assert "; change, Gini over the catalogue (exposure) ● 0.2 [0.19, 0.21], " in told
    quiet = replace(outcome, trends=trends.assign(p_holm=0.2))
    assert quiet.verdicts == {"regime long": "one-shot, nothing is shown; in the loop, nothing is shown"}
    nothing = replace(outcome, trends=trends[trends["group"] == "depth"])
    assert replace(outcome, about={**about, "groups": {}}).headline is None
    assert nothing.headline is None
    assert nothing.verdicts == {}


def test_a_step_is_named_where_a_group_has_places_of_its_own() -> None:
    trends = pd.DataFrame(
        [("", "depth", "one-shot", "exposure.gini", 0.1, 0.0, 0.2, 0.3, 0),
         ("", "depth", "one-shot", "utility.mean", 1, 0, 2, np.nan, 0)],
        columns=["cell", "group", "stage", "measure", "mean", "low", "high", "p_holm", "turn"],
    )
    about = {"groups": {"depth": []}, "outcomes": ["exposure.gini"], "secondary": ["utility.mean"], "steps": {"depth": "layer"}}
    outcome = Outcome(Path(), about, pd.DataFrame(), trends, pd.DataFrame(), pd.DataFrame())
    assert outcome.trend_tables[0].rows == [["depth, per layer", "one-shot", "0.1 [0, 0.2]"]]
    assert outcome.secondary_tables[0].rows == [["depth, per layer", "one-shot", "1 [0, 2]"]]


# ---- the command


def test_from_a_file_to_a_page(tmp_path: Path) -> None:
    questions = (
        "    - {ask: smaller, measure: exposure.gini, value: trend(size) - trend(size), where: regime == 'long', expect: zero,"
        " kind: control}\n"
        "    - {ask: unlike, kind: published, source: Nobody 1900, status: memory, incomparable: it is about something else}\n"
        "    - {ask: at the end, measure: exposure.gini, value: \"a_4(regime='long') - a_4(regime='short')\"}\n"
    )
    file, docs = write(tmp_path, questions), tmp_path / "docs" / "page.md"
    file.write_text(file.read_text().replace("  given:", "  secondary: [training.ndcg]\n  given:"))
    run = ["study", str(file), "--workers", "1", "-q", "--out", str(tmp_path / "out")]
    whole = CliRunner().invoke(app, [*run, "--docs", str(docs)])
    assert whole.exit_code == 0, whole.output
    folder = tmp_path / "out" / "mine"
    answers = list(pd.read_csv(folder / "answers.csv")["answer"])
    assert answers[:2] == ["covers zero", "not comparable: it is about something else"]
    about = json.loads((folder / "study.json").read_text())
    assert about["cells_finished"] == 2
    arms = pd.read_csv(folder / "arms.csv")
    assert not arms[["cell", "arm", "stage", "measure"]].duplicated().any()
    sizes = arms[(arms["measure"] == "training.parameters") & (arms["cell"] == "regime long")].groupby("arm")["mean"].first()
    assert sizes["a_4"] < sizes["a_8"] < sizes["a_16"] == sizes["a_16_frozen"]
    flop = arms[arms["measure"] == "training.flop"].set_index(["cell", "stage", "arm"])["mean"]
    assert flop["regime short", "one-shot", "a_8"] == pytest.approx(flop["regime long", "one-shot", "a_8"] / 2)
    assert flop["regime long", "in the loop", "a_8"] > flop["regime long", "one-shot", "a_8"]
    assert flop["regime long", "in the loop", "a_16_frozen"] == flop["regime long", "one-shot", "a_16_frozen"]
    assert set(pd.read_csv(folder / "due_to.csv")["arm"]) == {"a_16"}
    page = (folder / "report.html").read_text()
    assert "This is a test." in page
    assert 'data-name="size"' in page
    text = docs.read_text()
    assert "--docs" in text
    assert "| Nobody 1900: unlike |" in text
    assert text.count("What ten times the parameters change") == page.count("What ten times the parameters change") == 1
    assert "Over `size`, a_4 to a_16." in text
    assert "4 rounds with 2 trainings" in text
    assert "| smaller | `trend(size) - trend(size)` | exposure.gini |" in text
    assert "smaller" in whole.output
    assert (tmp_path / "docs" / "page" / "mine.png").is_file()
    assert "[trends.csv](page/mine-trends.csv)" in text
    assert (tmp_path / "docs" / "page" / "mine-trends.csv").read_bytes() == (folder / "trends.csv").read_bytes()
    whole = (folder / "report.html").read_text()
    (folder / "report.html").unlink()
    assert CliRunner().invoke(app, ["report", str(folder)]).exit_code == 0
    assert (folder / "report.html").read_text() == whole
    before = (folder / "cells").stat().st_mtime_ns
    assert CliRunner().invoke(app, run).exit_code == 0
    assert (folder / "cells").stat().st_mtime_ns == before              # nothing was played twice


def test_a_control_that_fails_is_an_exit_code_and_a_smaller_form_says_what_it_lacks(tmp_path: Path) -> None:
    question = "    - {ask: c, kind: control, measure: exposure.gini, value: 0 * random - 1, expect: positive}\n"
    docs = tmp_path / "page.md"
    run = ["study", str(write(tmp_path, question)), "--size", "tiny", "--workers", "1", "-q", "--out", str(tmp_path)]
    assert CliRunner().invoke(app, [*run, "--docs", str(docs)]).exit_code == 1
    assert "**not the whole study**" in docs.read_text()
    assert "arms left out: a_16, a_16_frozen" in docs.read_text()
    assert "rounds: 4 in the whole study, 3 here" in docs.read_text()
    for page in (docs, tmp_path / "mine-tiny" / "report.html"):
        answer, seen, scope = map(page.read_text().index, ("Answer", "Both are alike.", "This is a test."))
        assert answer < seen < scope


def test_several_studies_and_sizes_at_a_time(tmp_path: Path) -> None:
    first, second = write(tmp_path), tmp_path / "second.yaml"
    second.write_text(first.read_text().replace("    tiny: {", "    little: {rounds: 2}\n    tiny: {"))
    plan = CliRunner().invoke(app, ["study", str(first), str(second), "--size", "tiny,little", "--dry-run"])
    assert [line.split(":")[0] for line in plan.output.splitlines()] == ["mine-tiny", "second-tiny", "second-little"]
    assert CliRunner().invoke(app, ["study", str(first), str(second), "--size", "tiny,large", "--dry-run"]).exit_code == 2
    assert CliRunner().invoke(app, ["study", str(first), "--size", "tiny", "--quick", "--dry-run"]).exit_code == 2


def test_a_size_may_leave_out_arms_in_one_cell(tmp_path: Path) -> None:
    file = write(tmp_path)
    size = "    apart: {sweep.axes.regime.values: {long: {arms: [random, a_8]}, short: {rounds: 3}}}\n"
    text = file.read_text().replace("    tiny: {", size + "    tiny: {")
    file.write_text(text)
    long, short = (cell.scenario for cell in load_study(file, "apart").sweep.cells)
    assert [arm.name for arm in long.policies] == ["random", "a_8"]
    assert (len(short.policies), short.rounds) == (6, 3)
    played = ["study", str(file), "--size", "apart", "--workers", "1", "-q", "--out", str(tmp_path)]
    assert CliRunner().invoke(app, played).exit_code == 0
    assert "arms in regime long: random, a_8 alone" in (tmp_path / "mine-apart" / "report.html").read_text()
    file.write_text(text.replace("a_8]}", "a_9]}"))
    with pytest.raises(ScenarioError, match=r"there is no arm 'a_9'; did you mean 'a_"):
        load_study(file)


# ---- those that come along


@pytest.mark.parametrize("file", shipped(), ids=lambda file: file.stem)
def test_every_shipped_study_is_right(file: Path) -> None:
    data = "movielens-small" if "movielens" in file.stem else None
    found = load_study(file, data=data)
    assert isinstance(found.keys, StudyKeys)
    assert found.sweep.cells[0].scenario.replicates == 16
    for size in found.keys.sizes:
        load_study(file, size, data=data)
    assert {question.kind for question in found.keys.questions} == {"prediction", "contrast", "control", "published"}


@pytest.mark.slow
def test_the_quick_study_of_model_scale(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["study", "model_scale", "--quick", "-q", "--workers", "2", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    answers = pd.read_csv(tmp_path / "model_scale-quick" / "answers.csv").set_index("ask")["answer"]
    assert answers["Where nobody looks, no size matters to what people take"] == "covers zero"
    assert answers["W: the wider, the less concentrated is exposure, until accuracy saturates (one-shot)"] != "not played"
