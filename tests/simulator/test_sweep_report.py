"""The report of a sweep: its numbers against pandas and scipy by hand, on folders whose truth is known."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from scipy import stats

from simulator.report.evidence import ALPHA, UTILITY
from simulator.report.load import Arm
from simulator.report.pages import write_pages
from simulator.report.style import house_style, looks
from simulator.sweeping.figures import (
    comparable_cells,
    heat_maps,
    lines,
    rank_correlations,
    rivalries,
    scatter,
    shifts,
)
from simulator.sweeping.report import NotASweep, answer, load_swept, verdicts, write_sweep_report

# A sweep folder of which the truth is known ------------------------------------------------------------------

ARMS = ("organic", "popularity", "mf", "oracle")
Truth = Callable[[str, str, dict[str, Any]], float]  # of measure, arm and the cell's values: the mean over replicates


def opposed(measure: str, arm: str, at: dict[str, Any]) -> float:
    """popularity narrows the more the higher `rate`, mf broadens the more; at rate 0 they are the other way round."""
    if measure == UTILITY:
        return {"organic": 1.0, "popularity": 1.1, "mf": 1.4, "oracle": 2.0}[arm]
    slope = {"organic": 0.0, "popularity": -4.0, "mf": 4.0, "oracle": -1.0}[arm]
    return 5.0 + slope * (at["rate"] - 0.5) + 0.1 * at.get("topics", 0)


def nothing(measure: str, arm: str, at: dict[str, Any]) -> float:
    return 1.0


def write_sweep(
    folder: Path, axes: dict[str, list[Any]], truth: Truth = opposed, design: str = "grid", replicates: int = 5,
    arms: tuple[str, ...] = ARMS, points: list[dict[str, Any]] | None = None, missing: dict[int, str] | None = None,
    centred: bool = False,
) -> Path:  # fmt: skip
    """Write what a sweep leaves. `points`: the cells, if not all combinations; `missing`: the status of cells not finished.

    `centred`: noise that is zero on average over the replicates, so that a cell's mean is its truth.
    """
    rng = np.random.default_rng(1)
    points = points or [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    missing = missing or {}
    shared = rng.normal(0, 0.5, replicates)  # what the arms of a replicate have in common
    results, effects, cells = [], [], []
    for cell, at in enumerate(points, start=1):
        status = missing.get(cell, "finished")
        plain = {label: value if _numeric(axes[label]) else _text(value) for label, value in at.items()}
        error = "ValueError: broken & <odd>" if status == "failed" else ""
        cells.append({"cell": cell, **plain, "folder": f"cells/c{cell}", "status": status, "error": error})
        if status != "finished":
            continue
        for measure in (ALPHA, UTILITY, "exposure.gini"):
            noise = {arm: rng.normal(0, 0.1, replicates) for arm in arms}
            values = {arm: truth(measure, arm, at) + shared + e - (e.mean() if centred else 0) for arm, e in noise.items()}
            for arm, each in values.items():
                results += [
                    {"cell": cell, **plain, "arm": arm, "replicate": r, "measure": measure, "value": v}
                    for r, v in enumerate(each)
                ]
            for arm in arms[1:] if arms[0] == "organic" else ():
                between = values[arm] - values["organic"]
                n = len(between)
                half = stats.t.ppf(0.975, n - 1) * between.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
                low, high = between.mean() - half, between.mean() + half
                effects.append({
                    "cell": cell, **plain, "arm": arm, "measure": measure, "mean": between.mean(), "low": low, "high": high,
                    "sd": between.std(ddof=1) if n > 1 else np.nan, "n": n, "p": np.nan, "excludes_zero": low > 0 or high < 0,
                })  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(cells).to_csv(folder / "cells.csv", index=False)
    columns = ["cell", *axes, "arm", "replicate", "measure", "value"]
    pd.DataFrame(results, columns=columns).to_parquet(folder / "results.parquet", index=False)
    columns = ["cell", *axes, "arm", "measure", "mean", "low", "high", "sd", "n", "p", "excludes_zero"]
    pd.DataFrame(effects, columns=columns).to_csv(folder / "effects.csv", index=False)
    (folder / "sweep.yaml").write_text("title: A sweep\n", encoding="utf-8")
    manifest = {
        "kind": "sweep", "finished": not missing, "title": "Rates & <topics>", "question": "Who narrows?", "design": design,
        "seed": 3,
        "axes": [
            {
                "label": label, "keys": [f"users.{label}"],
                "values": [v if isinstance(v, int | float | str) else json.dumps(v) for v in values],
                "numeric": _numeric(values),
            }
            for label, values in axes.items()
        ],
        "arms": list(arms), "baseline": "organic" if "organic" in arms else None,
        "reference": "oracle" if "oracle" in arms else None, "cells": len(points), "runs": len(points) * len(arms) * replicates,
        "failures": [
            {"cell": cell, "run": "mf, replicate 1", "error": "ValueError: broken & <odd>"}
            for cell, status in missing.items() if status == "failed"
        ],
        "versions": {"python": "3.11", "torch": None}, "seconds": 12.3, "digest": "abc",
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _numeric(values: list[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _text(value: Any) -> str:
    return str(value) if isinstance(value, int | float | str) else json.dumps(value)


GRID: dict[str, list[Any]] = {"rate": [0.0, 0.5, 1.0], "topics": [5, 10]}


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sweep(tmp_path_factory.mktemp("grid") / "sweep", GRID)


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(5)
    points = [{"rate": float(rate), "topics": int(topics)} for rate, topics in zip(rng.random(24), rng.integers(5, 50, 24))]  # noqa: B905
    axes = {label: sorted({point[label] for point in points}) for label in ("rate", "topics")}
    return write_sweep(tmp_path_factory.mktemp("sampled") / "sweep", axes, design="latin_hypercube", points=points)


def look_of(swept):
    return looks([Arm(name, "", False, False, False) for name in swept.arms], swept.baseline, swept.reference)


def values_of(folder: Path, cell: int, arm: str, measure: str = ALPHA) -> np.ndarray:
    """Values by replicate, straight from the table."""
    table = pd.read_parquet(folder / "results.parquet").query("cell == @cell and arm == @arm and measure == @measure")
    return table.sort_values("replicate")["value"].to_numpy()


def text_of(folder: Path) -> str:
    return " ".join(f"{finding.head} {finding.text}" for finding in answer(load_swept(folder)))


# Numbers -----------------------------------------------------------------------------------------------------


def test_counts_of_cells_are_those_of_paired_t_tests(grid: Path):
    table = verdicts(load_swept(grid), ALPHA).set_index("arm")
    for arm in ("popularity", "mf"):
        counts = {"lower": 0, "higher": 0, "undecided": 0}
        for cell in range(1, 7):
            test = stats.ttest_rel(values_of(grid, cell, arm), values_of(grid, cell, "organic"))
            low, high = test.confidence_interval(0.95)
            counts["lower" if high < 0 else "higher" if low > 0 else "undecided"] += 1
        assert table.loc[arm].to_dict() == counts
    assert list(table.index) == ["popularity", "mf"]  # neither what is compared to, nor the control
    assert (table["lower"] >= 2).all()  # both lower it in a third of the world
    assert (table["higher"] >= 2).all()


def test_a_change_over_an_axis_is_a_paired_contrast_that_pays_for_being_chosen(grid: Path):
    first, second = shifts(load_swept(grid), "mf", ALPHA)
    assert (first.axis.label, second.axis.label) == ("rate", "topics")
    effect = {cell: values_of(grid, cell, "mf") - values_of(grid, cell, "organic") for cell in range(1, 7)}
    at = [(effect[1] + effect[2]) / 2, (effect[3] + effect[4]) / 2, (effect[5] + effect[6]) / 2]  # rate 0, 0.5 and 1
    bounds = stats.ttest_1samp(at[2] - at[0], 0).confidence_interval(1 - 0.05 / 4)  # 3 pairs of rates and 1 of topics
    assert (first.low_level, first.high_level) == (0, 2)
    assert [first.low_mean, first.high_mean] == pytest.approx([at[0].mean(), at[2].mean()])
    assert [first.mean, first.low, first.high] == pytest.approx([(at[2] - at[0]).mean(), *bounds])
    assert first.excludes_zero
    assert not second.excludes_zero


def test_a_chosen_change_is_rarely_false():
    """Where an effect is the same everywhere, all intervals of an arm together miss it in about 5 % of sweeps at most."""
    from simulator.sweeping.figures import Swept, SweptAxis

    rng, false, sweeps = np.random.default_rng(2), 0, 60
    axes = (SweptAxis("a", ("a",), (1, 2, 3), True), SweptAxis("b", ("b",), (1, 2, 3), True))
    levels = pd.DataFrame(list(product(range(3), range(3))), columns=["a", "b"], index=range(1, 10))
    cells = pd.DataFrame({"status": "finished"}, index=levels.index)
    keys = pd.DataFrame(list(product(range(1, 10), ("organic", "mf"), range(4))), columns=["cell", "arm", "replicate"])
    manifest = {"baseline": "organic", "reference": None, "arms": ["organic", "mf"], "design": "grid"}
    for _ in range(sweeps):
        results = keys.assign(measure=ALPHA, value=rng.normal(size=len(keys)))
        found = shifts(Swept(manifest, axes, axes, cells, levels, results, results.iloc[:0]), "mf", ALPHA)
        false += any(shift.excludes_zero for shift in found)
    assert false <= stats.binom.ppf(0.999, sweeps, 0.05)


def test_levels_are_compared_over_the_same_other_values(tmp_path: Path):
    # cells: (rate, topics) = 1 (0, 5), 2 (0, 10), 3 (.5, 5), 4 (.5, 10), 5 (1, 5), 6 (1, 10)
    folder = write_sweep(tmp_path / "s", GRID, missing={4: "unfinished"})
    swept = load_swept(folder)
    rate, topics = swept.axes
    assert comparable_cells(swept, rate) == {0: [1], 1: [3], 2: [5]}  # topics 10 has no rate 0.5
    assert comparable_cells(swept, topics) == {0: [1, 5], 1: [2, 6]}
    folder = write_sweep(tmp_path / "t", GRID, missing={5: "failed", 6: "failed"})  # a rate that nothing reached
    assert comparable_cells(load_swept(folder), load_swept(folder).axes[0]) == {0: [1, 2], 1: [3, 4]}


def test_two_policies_in_a_cell_are_told_apart_by_paired_t_tests(grid: Path):
    rows = rivalries(load_swept(grid), ALPHA).sort_values("cell")
    tests = [stats.ttest_rel(values_of(grid, cell, "popularity"), values_of(grid, cell, "mf")) for cell in range(1, 7)]
    p = np.array([test.pvalue for test in tests])
    order = np.argsort(p)
    adjusted = np.empty(6)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(6, 0, -1)))
    assert list(rows["cell"]) == [1, 2, 3, 4, 5, 6]
    assert rows["p"].to_numpy() == pytest.approx(p)
    assert rows["p_holm"].to_numpy() == pytest.approx(adjusted)


def test_rank_correlations_are_those_of_ranks(sampled: Path):
    effects = pd.read_csv(sampled / "effects.csv").query("measure == @ALPHA and arm == 'mf'")
    table = rank_correlations(load_swept(sampled)).query("measure == @ALPHA and arm == 'mf'").set_index("axis")
    for axis in ("rate", "topics"):
        by_hand = np.corrcoef(effects[axis].rank(), effects["mean"].rank())[0, 1]
        assert table.loc[axis, "rho"] == pytest.approx(by_hand)
    p = sorted(table["p"])
    assert sorted(table["p_holm"]) == pytest.approx([min(1, 2 * p[0]), min(1, max(2 * p[0], p[1]))])
    assert table.loc["rate", "rho"] > 0.95
    assert "oracle" not in set(rank_correlations(load_swept(sampled))["arm"])


# Sentences ---------------------------------------------------------------------------------------------------


def test_what_is_planted_is_told(grid: Path):
    told = text_of(grid)
    assert "in all 6 cells" in told
    assert "The effect changes most over rate: under popularity from" in told
    assert re.search(r", under mf from −[12]\.\d+ at 0 to \+[12]\.\d+ at 1", told)
    assert re.search(r"Popularity is above mf in [2-4] cells \(most at rate 0, topics \d+\) and below it in [2-4] ", told)
    assert "popularity raises it in" in told
    assert "mf raises it in all 6 cells" in told
    assert "The policies rank the same in all 6 cells, by their means: mf > popularity" in told


def test_where_nothing_is_nothing_is_told(tmp_path: Path):
    told = text_of(write_sweep(tmp_path / "s", GRID, nothing, centred=True))
    assert "The effects of popularity and mf are not shown to change over any axis." in told
    assert "changes most" not in told
    assert "but no two policies are shown to change places: 0 of 6" in told


def test_sampled_points_name_the_axis_that_matters(sampled: Path):
    told = text_of(sampled)
    strong = r"\(Spearman's ρ {}(0\.9\d|1\.00), p < 0\.001"
    assert re.search(r"The effect of popularity goes most with rate: it falls as that rises " + strong.format("−"), told)
    assert re.search(r"the effect of mf goes most with rate: it rises as that rises " + strong.format(r"\+"), told)


def test_what_cannot_be_told(tmp_path: Path):
    assert "repeat the sweep with --replicates 5" in text_of(write_sweep(tmp_path / "one", GRID, replicates=1))
    assert "no organic arm" in text_of(write_sweep(tmp_path / "alone", GRID, arms=("mf", "popularity")))
    assert "no policy to compare" in text_of(write_sweep(tmp_path / "controls", GRID, arms=("organic", "oracle")))
    nobody = dict.fromkeys(range(1, 7), "unfinished")
    assert "No cell is finished" in text_of(write_sweep(tmp_path / "nobody", GRID, missing=nobody))


# Figures -----------------------------------------------------------------------------------------------------


def test_lines_with_a_second_axis_in_columns(grid: Path):
    swept = load_swept(grid)
    with house_style():
        drawing = lines(swept, look_of(swept), swept.axes[0])
    assert drawing is not None
    data = drawing.data.query("measure == @ALPHA and arm == 'mf' and panel == 'topics 10' and at == '0.5'")
    values = values_of(grid, 4, "mf")
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert data[["mean", "low", "high", "n"]].to_numpy() == pytest.approx(np.array([[values.mean(), low, high, 5]]))
    assert len(drawing.data) == 2 * 4 * 6  # measures, arms, cells


def test_lines_averaged_over_two_other_axes(tmp_path: Path):
    folder = write_sweep(tmp_path / "s", {**GRID, "kind": ["logit", None, True]}, missing={18: "failed"})
    swept = load_swept(folder)
    with house_style():
        drawing = lines(swept, look_of(swept), swept.axes[0])
    assert drawing is not None
    # cells of rate 0 are 1 … 6 (topics 5: 1, 2, 3; 10: 4, 5, 6); 6 has lost its counterpart 18
    values = np.mean([values_of(folder, cell, "popularity") for cell in range(1, 6)], axis=0)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    data = drawing.data.query("measure == @ALPHA and arm == 'popularity' and at == '0'")
    assert data[["mean", "low", "high"]].to_numpy() == pytest.approx(np.array([[values.mean(), low, high]]))
    assert "Cells without a finished counterpart at every value of rate are left out." in drawing.caption
    assert [swept.axes[2].named(level) for level in range(3)] == ["logit", "null", "true"]


def test_heat_maps_hatch_what_is_undecided_and_leave_out_what_is_missing(tmp_path: Path):
    folder = write_sweep(tmp_path / "s", GRID, missing={6: "unfinished"})
    swept = load_swept(folder)
    with house_style():
        drawing = heat_maps(swept, look_of(swept), ALPHA)
    assert drawing is not None
    effects = pd.read_csv(folder / "effects.csv").query("measure == @ALPHA")
    for ax, arm in zip(drawing.figure.axes, ("popularity", "mf"), strict=False):
        own = effects[effects["arm"] == arm]
        tiles = {(tile.get_x() + 0.5, tile.get_y() + 0.5): tile for tile in ax.patches if isinstance(tile, Rectangle)}
        assert len(tiles) == 5
        for row in own.itertuples():
            tile = tiles[GRID["rate"].index(row.rate), GRID["topics"].index(row.topics)]
            assert bool(tile.get_hatch()) == (row.low <= 0 <= row.high)
            red, _, blue, _ = tile.get_facecolor()
            if abs(row.mean) > 1:
                assert (red > blue) == (row.mean < 0)  # alpha down is towards a bubble, and red
    assert drawing.data["mean"].to_numpy() == pytest.approx(effects.query("arm in ('popularity', 'mf')")["mean"].to_numpy())


def test_scatter_shows_every_cell(sampled: Path):
    swept = load_swept(sampled)
    with house_style():
        drawing = scatter(swept, look_of(swept), rank_correlations(swept))
    assert drawing is not None
    assert len(drawing.data) == 24 * 2 * 2
    x, y = drawing.figure.axes[0].lines[1].get_data()
    effects = pd.read_csv(sampled / "effects.csv").query("measure == @ALPHA and arm == 'popularity'")
    assert x == pytest.approx(effects["rate"].to_numpy())
    assert y == pytest.approx(effects["mean"].to_numpy())


# Pages -------------------------------------------------------------------------------------------------------


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids += [value or "" for name, value in attrs if name == "id"]


def test_a_page_stands_alone_and_comes_out_the_same(grid: Path):
    page = write_sweep_report(grid)
    first = page.read_bytes()
    html = first.decode()
    links = Links()
    links.feed(html)
    text = write_pages(page, ["md"])[0].read_text(encoding="utf-8")
    for file in re.findall(r"\]\((figures/[^)]*)\)", text):
        assert (grid / file).is_file(), file
    assert text.count("![") == len(list((grid / "figures").glob("*.svg")))
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):       # two rows of headings are one here
        assert len({line.count("|") for line in table.splitlines()}) == 1, table
    numbers = {f"figures/{file.name}" for file in (grid / "figures").glob("*.csv")}
    assert numbers <= set(links.found)
    outside = [link for link in links.found if not link.startswith(("#", "data:")) and link not in numbers]
    assert outside == ["results.parquet", "effects.csv", "cells.csv", *(f"cells/c{cell}/" for cell in range(1, 7))]
    assert all((grid / link).exists() for link in outside if not link.startswith("cells/"))      # made by hand, without runs
    assert {link[1:] for link in links.found if link.startswith("#") and len(link) > 1} <= set(links.ids)
    assert len(links.ids) == len(set(links.ids))
    assert "Rates &amp; &lt;topics&gt;" in html
    names = {path.name for path in (grid / "figures").iterdir()}
    expected = {"along_rate", "along_topics", "effects_consumption_alpha", "effects_utility_per_user"}
    assert names == {f"{name}.{end}" for name, end in product(expected, ("svg", "csv"))}
    assert write_sweep_report(grid).read_bytes() == first
    assert "not finished" not in html


def test_a_page_of_a_partial_sweep_says_so(tmp_path: Path):
    html = write_sweep_report(write_sweep(tmp_path / "s", GRID, missing={2: "failed", 6: "unfinished"})).read_text()
    assert "This sweep is not finished:</strong> 2 of 6 cells are missing." in html
    assert "in 4 cells of 6" in html
    assert "Cell 2, mf, replicate 1" in html
    assert "ValueError: broken &amp; &lt;odd&gt;" in html
    assert 'href="cells/c2/"' in html
    assert 'href="cells/c6/"' not in html


@pytest.mark.parametrize("design", ["cases", "sobol"])
def test_a_page_of_another_design(design: str, tmp_path: Path):
    points = [{"rate": rate, "kind": kind} for rate, kind in ((0.0, "a"), (0.3, {"kind": "b"}), (0.6, "a"), (1.0, "c"))]
    axes = {"rate": [0.0, 0.3, 0.6, 1.0], "kind": ["a", {"kind": "b"}, "c"]}
    folder = write_sweep(tmp_path / "s", axes, design=design, points=points)
    html = write_sweep_report(folder).read_text()
    if design == "cases":
        assert "changes over case: under" in html
        assert (folder / "figures" / "along_case.csv").is_file()
    else:
        assert (folder / "figures" / "effects_by_axis.csv").is_file()
        assert set(rank_correlations(load_swept(folder))["axis"]) == {"rate"}  # words have no ranks


def test_a_page_without_effects(tmp_path: Path):
    folder = write_sweep(tmp_path / "s", GRID, arms=("mf", "popularity"))
    (folder / "effects.csv").unlink()
    html = write_sweep_report(folder).read_text()
    assert 'id="verdict"' not in html
    assert {path.stem for path in (folder / "figures").iterdir()} == {"along_rate", "along_topics"}
    nobody = dict.fromkeys(range(1, 7), "unfinished")
    html = write_sweep_report(write_sweep(tmp_path / "nobody", GRID, missing=nobody)).read_text()
    assert "6 of 6 cells are missing" in html


# Bad input ---------------------------------------------------------------------------------------------------


def break_manifest(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "results.parquet").unlink(), "not the folder of a sweep, results.parquet missing"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "manifest.json: is not JSON"),
        (lambda folder: break_manifest(folder, kind="run"), "is not the manifest of a sweep"),
        (lambda folder: (folder / "results.parquet").write_text("x"), "results.parquet: cannot be read"),
        (lambda folder: (folder / "cells.csv").write_text("cell,rate\n1,0\n"), "has no column folder, status and error"),
        (lambda folder: break_manifest(folder, axes=[{"label": "rate", "keys": ["rate"], "values": [7], "numeric": True}]),
         "cells.csv: rate '0.0' is not one of the values"),
        (lambda folder: (folder / "cells.csv").write_text("cell,rate,topics,folder,status,error\n1,0,5,c,finished,\n"),
         "cells.csv has no cell 2"),
    ],
)  # fmt: skip
def test_a_damaged_folder_is_named(damage: Callable[[Path], None], message: str, tmp_path: Path):
    folder = write_sweep(tmp_path / "s", GRID)
    damage(folder)
    with pytest.raises(NotASweep, match=re.escape(message)):
        write_sweep_report(folder)


def test_unknown_formats_are_named(grid: Path):
    with pytest.raises(ValueError, match="formats: gif is not one of svg, png"):
        write_sweep_report(grid, ["gif"])
