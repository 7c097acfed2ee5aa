"""Replications: what a claim is, what is wrong with one, when it is met, and the command from file to page."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy import stats
from typer.testing import CliRunner

from simulator.__main__ import app
from simulator.faults import ScenarioError
from simulator.replicating import loading, playing
from simulator.replicating.claims import Played, Row, Verdict, judge, rows, sign_test
from simulator.replicating.expressions import NotAnExpression, Reference, evaluate, parse_expression, references
from simulator.replicating.keys import ClaimKeys, ReplicationKeys
from simulator.replicating.loading import asks_for_data, find, load_replication, shipped
from simulator.replicating.outcome import load_outcome
from simulator.scenario import load_scenario
from simulator.sweeping import Cell

ML_100K = os.environ.get("FILTERBUBBLE_ML100K")
WORLD = """
title: t
rounds: 4
warmup: 0
replicates: 6
users: {count: 20}
items: {count: 30, topics: 4}
policies: [organic, random]
measures: {names: [utility.per_user]}
sweep: {axes: {users.drift.rate: {label: rate, values: [0, 0.2]}}}
replication:
  paper: Nobody 1900, Nothing
  venue: Nowhere
  caveats: [It was looked at twice.]
  claims:
"""
LEVEL = "    - {claim: c, status: memory, measure: utility.per_user, value: random, paper: 1, tolerance: 5 %"


def write(tmp_path: Path, claims: str, more: str = "") -> Path:
    file = tmp_path / "paper.yaml"
    file.write_text(WORLD + claims + more, encoding="utf-8")
    return file


# ---- expressions


class Numbers:
    """Values by arm and round, for two replicates."""

    def at(self, reference: Reference) -> np.ndarray:
        return np.array([2.0, 3.0]) * reference.given.get("round", 1)

    def slope(self, reference: Reference, first: int, last: int) -> np.ndarray:
        return np.array([first, last])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", [2, 3]), ("a(round=5) / a", [5, 5]), ("-a + 2 * a ** 2", [6, 15]), ("a > 2", [0, 1]), ("max(a, 2.5)", [2.5, 3]),
        ("exp(log(a))", [2, 3]), ("slope(a, 3, 7)", [3, 7]), ("abs(1 - a)", [1, 2]),
        ("spearman(a, 9, 20)", [1, 1]), ("spearman(9, a, -b)", [-1, -1]), ("spearman(a, a(round=2), 5)", [1, 0.5]),
        ("spearman(1, 1, a)", [0.75**0.5, 0.75**0.5]),
        ("sqrt(a(round=2) * a)", [8**0.5, 18**0.5]),
    ],
)  # fmt: skip
def test_what_expressions_come_to(text: str, value: list[float]) -> None:
    np.testing.assert_allclose(evaluate(parse_expression(text), Numbers()), value)


@pytest.mark.parametrize(
    "text",
    ["", "a b", "a.b", "__import__('os')", "a[0]", "lambda: a", "a and b", "1 < a < 2", "log(a, a)", "max(a)", "slope(a, 1)",
     "spearman(a)",
     "f(a)", "True", "a(round=b)"],
)  # fmt: skip
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(NotAnExpression):
        parse_expression(text)


def test_what_an_expression_refers_to() -> None:
    found = list(references(parse_expression("log(a(round=1)) - slope(b, 1, 2) * max(c, a)")))
    assert [reference.arm for reference in found] == ["a", "b", "c", "a"]
    assert found[0].given == {"round": 1}


# ---- what is met


def claim(**keys: object) -> ClaimKeys:
    return ClaimKeys.model_validate({"claim": "c", "status": "text", "measure": "utility.per_user", **keys})


def table(values: dict[str, list[list[float]]]) -> pd.DataFrame:
    """A trajectory of arms with values by round (from 1) and replicate."""
    found = [
        ("utility.per_user", arm, round, replicate, value)
        for arm, rounds in values.items() for round, each in enumerate(rounds, 1) for replicate, value in enumerate(each)
    ]
    frame = pd.DataFrame(found, columns=["measure", "arm", "round", "replicate", "value"])
    return frame.set_index(["measure", "arm", "round", "replicate"])["value"].sort_index()


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Cell]:
    file = write(tmp_path_factory.mktemp("cells"), LEVEL + "}\n")
    return list(load_replication(file).sweep.cells)


def judged(cells: list[Cell], claim: ClaimKeys, values: dict[str, list[list[float]]], at: object = None, paper: float = 1.0):
    one = table(values)
    return judge(Row(0, claim, at, paper), cells, Played(cells, {1: one, 2: one + 1}))


FLAT = {"random": [[0.0] * 6] * 3 + [[0.9, 0.95, 1.0, 1.0, 1.05, 1.1]], "organic": [[0.5] * 6] * 4}


def test_a_level_is_the_mean_with_its_t_interval(cells: list[Cell]) -> None:
    found = judged(cells, claim(value="random(rate=0)", paper=1, tolerance="1 %"), FLAT)
    reference = stats.t.interval(0.95, 5, 1.0, stats.sem(FLAT["random"][3]))
    assert found.mean == pytest.approx(1.0)
    assert (found.low, found.high) == pytest.approx(reference)
    assert (found.band_low, found.band_high) == pytest.approx((0.99, 1.01))
    assert found.inside == "yes"


@pytest.mark.parametrize(
    ("paper", "tolerance", "inside"), [(1.2, 0.15, "yes"), (1.2, 0.1, "no"), (0.7, "35 %", "yes"), (0.7, "20 %", "no")]
)
def test_a_level_is_inside_if_band_and_interval_meet(cells: list[Cell], paper: float, tolerance: object, inside: str) -> None:
    keys = claim(value="random(rate=0)", paper=paper, tolerance=tolerance)
    assert judged(cells, keys, FLAT, paper=paper).inside == inside           # the interval is 1 ± 0.076


def test_a_level_of_another_world_is_shown_and_not_judged(cells: list[Cell], tmp_path: Path) -> None:
    found = judged(cells, claim(value="random(rate=0)", paper=7, judged=False), FLAT, paper=7)
    assert (found.inside, found.paper, found.tolerance, found.mean) == ("shown", "7", "", pytest.approx(1.0))
    assert judged(cells, claim(value="random", round=9, paper=7, judged=False), FLAT).inside == "not played"
    pd.DataFrame([found], columns=Verdict._fields).to_csv(tmp_path / "claims.csv", index=False)
    (tmp_path / "replication.json").write_text("{}")
    outcome = load_outcome(tmp_path)
    assert (outcome.summary, outcome.unmet) == ("0 of 0 rows inside, 1 shown only", 0)


@pytest.mark.parametrize(("keys", "says"), [
    ({"value": "random", "judged": False}, "needs `paper`"),
    ({"value": "random", "paper": 1, "tolerance": 1, "judged": False}, "is for what is judged"),
    ({"order": [0, "random"], "judged": False}, "an order is judged"),
])
def test_what_is_not_judged_has_nothing_to_be_judged_by(keys: dict, says: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)):
        claim(**keys)


def test_cells_are_averaged_and_chosen(cells: list[Cell]) -> None:
    band = {"paper": 1, "tolerance": 1}
    assert judged(cells, claim(value="random", **band), FLAT).mean == pytest.approx(1.5)
    assert judged(cells, claim(value="random", where="rate > 0", **band), FLAT).mean == pytest.approx(2.0)
    assert judged(cells, claim(value="random", over="rate", at=[0, 0.2], paper=[1, 1], tolerance=1), FLAT, at=0.2).mean == 2.0
    assert judged(cells, claim(value="random(rate=0.2) - organic(rate=0)", **band), FLAT).mean == pytest.approx(1.5)


def test_a_mean_over_some_of_the_cells_is_not_the_mean_over_all(cells: list[Cell]) -> None:
    played = Played(cells[:1], {1: table(FLAT)})
    band = {"paper": 1, "tolerance": 1}
    assert judge(Row(0, claim(value="random", **band), None, 1.0), cells, played).inside == "not played"
    assert judge(Row(0, claim(value="random", where="rate == 0", **band), None, 1.0), cells, played).inside == "yes"


def test_rounds_are_the_last_or_those_asked_for(cells: list[Cell]) -> None:
    band = {"where": "rate == 0", "paper": 1, "tolerance": 1}
    assert judged(cells, claim(value="random(round=2)", **band), FLAT).mean == 0
    assert judged(cells, claim(value="random", round=[3, 4], **band), FLAT).mean == pytest.approx(0.5)
    assert judged(cells, claim(value="random", **{**band, "paper": [1, 1]}, over="round", at=[2, 4]), FLAT, at=4).mean == 1
    slope = judged(cells, claim(value="slope(random, 3, 4)", **band), FLAT).mean
    assert slope == pytest.approx(1.0)
    assert judged(cells, claim(value="random", round=9, **band), FLAT).inside == "not played"


def test_an_order_is_a_sign_test_of_each_pair_of_neighbours(cells: list[Cell]) -> None:
    found = judged(cells, claim(order=[0, "organic", "random"], where="rate == 0"), FLAT)
    assert found.inside == "yes"
    assert found.p == pytest.approx(0.5**6)
    assert judged(cells, claim(order=["random", "organic"], where="rate == 0"), FLAT).inside == "no"
    mixed = {**FLAT, "organic": [[0.5] * 6] * 3 + [[0.95] * 6]}             # above in one replicate of six, equal in one
    assert judged(cells, claim(order=["organic", "random"], where="rate == 0"), mixed).p == pytest.approx(6 / 32)


def test_an_order_may_have_to_hold_in_a_share_of_replicates(cells: list[Cell]) -> None:
    values = {"random": [[1.0] * 20] * 4, "organic": [[0.0] * 18 + [2.0] * 2] * 4}
    assert judged(cells, claim(order=["organic", "random"]), values).inside == "yes"
    assert judged(cells, claim(order=["organic", "random"], share=0.95), values).inside == "no"


def test_the_sign_test_is_scipys_and_leaves_out_what_is_equal() -> None:
    assert sign_test(np.array([1.0, 2, 0, 3, -1])) == pytest.approx(stats.binomtest(3, 4, alternative="greater").pvalue)
    assert sign_test(np.zeros(5)) == 1


# ---- what is wrong with claims


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        (LEVEL.replace("value: random", "value: randon") + "}", "there is no arm 'randon'; did you mean 'random'"),
        (LEVEL + ", round: 9}", "round 9 is not measured"),
        (LEVEL + ", over: rates, at: [1]}", "'rates' is neither `round` nor an axis; did you mean 'rate'"),
        (LEVEL + ", over: rate, at: [0.7]}", "no cell is meant by"),
        (LEVEL + ", where: rat > 0}", "`where`"),
        (LEVEL.replace("utility.per_user", "utility.mean") + "}", "is not one of `measures.names`"),
        (LEVEL.replace("5 %", "five") + "}", "must be a number, in units of the value, or a percentage"),
        (LEVEL.replace("value: random", "value: 'random +'") + "}", "must be an expression over arms"),
        (LEVEL + ", order: [0, random]}", "either a `value`, a level, or an `order`"),
        (LEVEL + ", band: [0, 1]}", "either a `tolerance` or a `band`"),
        (LEVEL.replace("value: random", "order: [organic, random]") + "}", "is of a level"),
        (LEVEL.replace("paper: 1", "paper: [1, 2]") + "}", "must be one number, without `at`"),
        (LEVEL.replace("status: memory", "status: rumour") + "}", "status"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_where_it_stands(tmp_path: Path, claims: str, words: str) -> None:
    with pytest.raises(ScenarioError) as error:
        load_replication(write(tmp_path, claims + "\n"))
    assert words in str(error.value)
    assert all(fault.line >= 15 for fault in error.value.faults)


def test_an_arm_is_looked_for_in_the_cells_that_are_meant(tmp_path: Path) -> None:
    """An axis may leave arms out where they are not asked about."""
    world = WORLD.replace("{label: rate, values: [0, 0.2]}", "[0.1, 0.2]").replace("users.drift.rate: [0.1, 0.2]", (
        "part: {values: {whole: {rounds: 4}, some: {policies: [random]}}}"
    ))
    file = tmp_path / "paper.yaml"
    file.write_text(world + LEVEL.replace("random", "organic, where: part == 'whole'") + "}\n")
    assert load_replication(file).sweep.arms == ("random",)
    file.write_text(world + LEVEL.replace("random", "organic") + "}\n")
    with pytest.raises(ScenarioError, match="there is no arm 'organic' in the cell part some"):
        load_replication(file)


def test_a_file_without_claims_and_an_unknown_name(tmp_path: Path) -> None:
    file = tmp_path / "none.yaml"
    file.write_text("title: t\npolicies: [organic]\n")
    with pytest.raises(ScenarioError, match="say which paper this replicates"):
        load_replication(file)
    with pytest.raises(ScenarioError, match="there is no such replication; did you mean 'r7_biased_assimilation'"):
        find("r7_biased_asimilation")


def test_claims_change_no_world(tmp_path: Path) -> None:
    world = WORLD.split("sweep:")[0]
    section = WORLD[WORLD.index("replication:"):] + LEVEL + "}\n"
    plain, with_claims = tmp_path / "plain.yaml", tmp_path / "claims.yaml"
    plain.write_text(world)
    with_claims.write_text(world + section)
    assert load_scenario(plain).digest == load_scenario(with_claims).digest
    assert load_scenario(with_claims).replication is not None
    assert load_replication(with_claims).sweep.cells[0].values == {}


# ---- the command


def test_from_a_file_to_a_page(tmp_path: Path) -> None:
    claims = (
        LEVEL + "}\n"
        "    - {claim: nothing, status: memory, measure: utility.per_user, value: 0 * random, paper: 0, tolerance: 0}\n"
        "    - {claim: along, figure: Figure 1, status: figure, measure: utility.per_user, value: random - random, over: rate,"
        " at: [0, 0.2], paper: [0, 0], tolerance: 1, discrepancy: known}\n"
        "    - {claim: far, status: memory, measure: utility.per_user, value: random, round: 4, where: rate == 0.2, paper: 99,"
        " tolerance: 1, discrepancy: the paper is wrong}\n"
    )
    quick = "  quick: {replicates: 5, 'sweep.axes[users.drift.rate].values': [0]}\n"
    file = write(tmp_path, claims, quick)
    run = ["replicate", str(file), "--workers", "1", "-q", "--out", str(tmp_path / "out")]
    whole = CliRunner().invoke(app, [*run, "--docs", str(tmp_path / "docs.md")])
    assert whole.exit_code == 1                                             # the first level is not 1
    assert "3 of 5 rows inside, 1 known not to be, 1 outside" in whole.output
    folder = tmp_path / "out" / "paper"
    written = pd.read_csv(folder / "claims.csv")
    assert list(written["inside"]) == ["no", "yes", "yes", "yes", "no"]
    assert json.loads((folder / "replication.json").read_text())["cells_finished"] == 2
    page = (folder / "report.html").read_text()
    assert "the paper is wrong" in page
    assert 'data-name="figure-1"' in page
    assert "<li>It was looked at twice.</li>" in page
    assert (folder / "figures" / "levels.csv").is_file()
    (folder / "report.html").unlink()
    assert CliRunner().invoke(app, ["report", str(folder)]).exit_code == 0
    assert (folder / "report.html").read_text() == page
    page = (tmp_path / "docs.md").read_text()
    assert "| far (the paper is wrong) |" in page
    assert "at least 80% of the levels, in **0 of 1 result**" in page
    assert "| [Nobody 1900, Nothing](#paper-t) | – | 3 of 5 | 3 memory, 2 figure | 1 known, 1 more | – | 6 |" in page
    assert "\n\nBefore one counts on it:\n\n- `paper`: It was looked at twice.\n" in page
    assert "](docs/paper-figure-1.png)" in page
    assert (tmp_path / "docs" / "paper-figure-1.png").read_bytes() == (folder / "figures" / "figure-1.png").read_bytes()
    assert f"--docs {tmp_path / 'docs.md'}`; not edited by hand. A claim" in page
    played = (folder / "cells").stat().st_mtime_ns
    again = CliRunner().invoke(app, run)
    assert again.output.splitlines()[-3:] == whole.output.splitlines()[-3:]
    assert (folder / "cells").stat().st_mtime_ns == played                  # nothing was played twice
    short = CliRunner().invoke(app, [*run, "--quick"])
    assert "1 of 1 row inside, 4 not played" in short.output


def test_docs_that_cannot_be_written_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, LEVEL.replace("paper: 1", "paper: 0").replace("5 %", "99") + "}\n")
    (tmp_path / "taken").write_text("")
    run = ["replicate", str(file), "--workers", "1", "-q", "--out", str(tmp_path / "out")]
    for docs in (tmp_path / "taken" / "docs.md", tmp_path):
        result = CliRunner().invoke(app, [*run, "--docs", str(docs)])
        assert result.exit_code == 2
        assert "--docs" in result.output
    assert CliRunner().invoke(app, [*run, "--out", str(tmp_path / "taken")]).exit_code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [file.name, "taken"], "nothing was played, and nothing written"

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(playing, "write_with_pictures", full)
    late = CliRunner().invoke(app, [*run, "--docs", str(tmp_path / "docs.md")])
    assert late.exit_code == 1
    assert "cannot be written to" in late.output
    assert (tmp_path / "out" / "paper" / "claims.csv").is_file()


def test_bad_input_has_its_exit_code(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["replicate", "r77"]).exit_code == 2
    assert CliRunner().invoke(app, ["replicate", str(tmp_path / "no.yaml")]).exit_code == 2


def test_several_are_played_and_written_about_in_the_order_of_their_names(tmp_path: Path) -> None:
    one, other = (write(tmp_path, LEVEL + "}\n").rename(tmp_path / f"{name}.yaml") for name in ("one", "other"))
    run = ["replicate", str(other), str(one), str(other), "--workers", "1", "-q", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*run, "--docs", str(tmp_path / "docs.md")])
    assert result.output.count("Report:") == 2
    page = (tmp_path / "docs.md").read_text()
    assert page.index("## other: t") < page.index("## one: t")
    assert "in **0 of 2 results**" in page
    data = CliRunner().invoke(app, [*run, "--data", str(tmp_path)])          # neither asks for any
    assert data.exit_code == 1
    assert CliRunner().invoke(app, ["replicate", str(one), "--data", str(tmp_path)]).exit_code == 2


def test_those_that_need_data_say_so_and_the_others_are_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "shipped"
    folder.mkdir()
    write(folder, LEVEL + "}\n").rename(folder / "r1_paper.yaml")
    asks = write(folder, LEVEL + "}\n").rename(folder / "r2_log.yaml")
    world = "users: {interests: data}\ndata: {kind: movielens}\ndiscovery: {awareness: 2}\nslate_size: 2\n"
    asks.write_text(asks.read_text().replace("users: {count: 20}\nitems: {count: 30, topics: 4}\n", world))
    monkeypatch.setattr(loading, "SHIPPED", folder)
    run = ["replicate", "all", "--workers", "1", "-q", "--out", str(tmp_path / "out"), "--docs", str(tmp_path / "docs.md")]
    result = CliRunner().invoke(app, run)
    assert "r2_log: not played: needs data" in result.output
    assert result.output.count("Report:") == 1
    assert "| r2_log: not played" in (tmp_path / "docs.md").read_text()
    alone = CliRunner().invoke(app, ["replicate", "r2"])
    assert alone.exit_code == 2
    assert "pass --data PATH" in alone.output
    kettle = str(Path(__file__).parents[2] / "data" / "kettle" / "movielens-csv")
    nowhere = CliRunner().invoke(app, [*run, "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "none")])
    assert nowhere.exit_code == 2
    assert "no such file or folder" in nowhere.output
    assert not (tmp_path / "none").exists(), "nothing is played before the data are found"
    plan = CliRunner().invoke(app, [*run, "--dry-run", "--out", str(tmp_path / "none")])
    assert plan.exit_code == 0
    assert plan.output.startswith("r1_paper: 2 cells (rate 0; rate 0.2), 6 replicates, ")
    assert not (tmp_path / "none").exists()
    both = CliRunner().invoke(app, [*run, "--data", kettle])
    assert "not played" not in both.output
    assert both.output.count("Report:") == 2


# ---- those that come along


@pytest.mark.parametrize("file", shipped(), ids=lambda file: file.stem)
def test_every_shipped_replication_is_right(file: Path) -> None:
    data = "ml-100k" if asks_for_data(file) else None                       # not looked for before something is played
    found = load_replication(file, data=data)
    quick = load_replication(file, quick=True, data=data)
    assert all(row.claim.claim for row in rows(found.keys))
    assert quick.sweep.cells[0].scenario.replicates >= 5                    # fewer, and no sign test says anything
    assert found.sweep.cells[0].scenario.replicates >= 8
    assert isinstance(found.keys, ReplicationKeys)


@pytest.mark.slow
@pytest.mark.parametrize("file", shipped(), ids=lambda file: file.stem)
def test_quick_replications_come_out(file: Path, tmp_path: Path) -> None:
    data = []
    if asks_for_data(file):
        if not ML_100K:
            pytest.skip("set FILTERBUBBLE_ML100K to a folder with MovieLens 100K in any form")
        data = ["--data", ML_100K]
    result = CliRunner().invoke(app, ["replicate", str(file), "--quick", "-q", "--workers", "2", "--out", str(tmp_path), *data])
    assert result.exit_code == 0, result.output
