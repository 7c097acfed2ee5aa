"""Figures of replications: which there are, and what their lines are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from simulator.replicating.claims import Verdict
from simulator.replicating.figures import draw, published
from simulator.replicating.outcome import Outcome, load_outcome
from simulator.report.style import house_style


def level(**about: Any) -> Verdict:
    row = dict.fromkeys(Verdict._fields, "") | {"kind": "level", "inside": "yes", "replicates": 6, "p": float("nan")}
    row |= {"of": "mf", "low": 0.9, "high": 1.1, "mean": 1.0, "published": 1.0, "band_low": 0.8, "band_high": 1.2}
    return Verdict(**row | about)


def outcome(*rows: Verdict) -> Outcome:
    return Outcome(Path(), {}, pd.DataFrame(rows))


def along(figure: str, at: tuple[Any, ...], **about: Any) -> list[Verdict]:
    return [level(figure=figure, over=about.pop("over", "round"), at=str(each), **about) for each in at]


def test_claims_that_follow_a_number_are_lines_and_others_rows() -> None:
    found = published(outcome(
        *along("Figure 1", (1, 5, 9), claim="a"), *along("Figure 1", (1, 5), claim="b"), *along("Figure 1", (7,), claim="once"),
        level(figure="Figure 1", claim="alone"), *along("Table", ("low", "high"), claim="c", over="axis"),
        level(figure="Text", claim="the only one"), level(claim="nowhere"), level(claim="nowhere either"),
        level(figure="Table", claim="not played", inside="not played"), level(figure="Table", claim="o", kind="order"),
        level(figure="Table", claim="a band alone", published=float("nan")),
    ))  # fmt: skip
    assert [(each.name, each.lines, list(each.rows["claim"])) for each in found] == [
        ("figure-1", True, ["a", "a", "a", "b", "b"]),
        ("figure-1-levels", False, ["once", "alone"]),
        ("table", False, ["c", "c"]),
    ]


def test_figures_of_one_name_have_files_of_their_own() -> None:
    rows = [each for over in ("round", "rho") for each in along("Levels", (1, 5), claim=over, over=over)]
    rows += [level(figure="levels", claim=claim) for claim in "ab"]
    names = [each.name for each in published(outcome(*rows))]
    assert len({*names, "levels"}) == 4         # that of all levels among them


@pytest.mark.parametrize(
    ("lines", "called"),
    [
        ([("Overlap", "mf"), ("Overlap", "bpr")], ["mf", "bpr"]),
        ([("Overlap", "mf / 2"), ("Overlap, later", "bpr")], ["Overlap", "Overlap, later"]),
        ([("Opinion of the one side", "mf"), ("Opinion of the other side", "mf")], ["one side", "other side"]),
        ([("Opinion", "mf")], ["Opinion"]),
        ([("Opinion", "mf"), ("Opinion held", "mf")], ["Opinion", "Opinion held"]),
    ],
)
def test_what_lines_are_called(lines: list[tuple[str, str]], called: list[str]) -> None:
    rows = [each for claim, of in lines for each in along("Figure 1", (1, 5), claim=claim, of=of)]
    with house_style():
        first, *_ = draw(outcome(*rows))
    assert [text.get_text() for text in first.figure.legends[0].get_texts()] == called
    drawn = [list(line.get_ydata()) for line in first.figure.axes[0].lines]
    assert drawn == [[1.0, 1.0]] * len(lines)


def test_an_axis_names_the_measure_where_all_that_is_drawn_is_it() -> None:
    def label(*rows: Verdict) -> str:
        with house_style():
            return str(draw(outcome(*rows))[0].figure.axes[0].get_xlabel())

    one, other = (level(figure="f", claim=claim, measure="exposure.gini") for claim in "ab")
    assert label(one, other) == "Gini over the catalogue (exposure), index"
    assert label(one, other._replace(of="1 - mf")) == ""
    assert label(one, other._replace(measure="exposure.coverage")) == ""


def test_a_row_shows_its_published_value_its_band_and_ours() -> None:
    rows = level(figure="f", claim="a", published=2.0, band_low=1.5, band_high=2.5), level(figure="f", claim="a claim " * 20)
    with house_style():
        drawing = draw(outcome(*rows))[0]
    ax = drawing.figure.axes[0]
    assert [list(line.get_xdata()) for line in ax.lines[:3]] == [[2.0], [0.9, 1.1], [1.0]]
    assert [(bar.get_x(), bar.get_width()) for bar in ax.patches[:1]] == [(1.5, 1.0)]
    short, long = (label.get_text() for label in ax.get_yticklabels())
    assert short == "a"
    assert long.count("\n") == 1
    assert long.endswith("…")


def test_a_table_of_an_earlier_version_can_be_drawn(tmp_path: Path) -> None:
    rows = pd.DataFrame([level(figure="f", claim="a"), level(figure="f", claim="b")])
    rows.drop(columns="measure").to_csv(tmp_path / "claims.csv", index=False)
    (tmp_path / "replication.json").write_text("{}")
    with house_style():
        assert [each.name for each in draw(load_outcome(tmp_path))] == ["f", "levels"]


@pytest.mark.parametrize(
    ("orders", "levels", "reproduced"),
    [(["yes"], ["yes"] * 4 + ["no"], True), (["yes"], ["yes"] * 3 + ["no"], False), (["yes", "no"], ["yes"], False),
     (["not played"], ["shown", "yes"], True), ([], [], True)],
)  # fmt: skip
def test_when_a_result_is_reproduced(orders: list[str], levels: list[str], reproduced: bool) -> None:
    rows = [level(inside=each) for each in levels] + [level(kind="order", inside=each) for each in orders]
    found = Outcome(Path(), {}, pd.DataFrame(rows, columns=Verdict._fields))
    assert found.reproduced == reproduced
    assert found.inside("level") == (levels.count("yes"), len([each for each in levels if each in ("yes", "no")]))
