"""The page of a study of remedies: from its tables alone, unfinished or whole; and the shipped study in its quick form."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from simulator.__main__ import app
from simulator.remedies.sentences import answer
from simulator.remedies.study import load_study
from simulator.statistics.pareto import non_dominated
from simulator.sweeping.report import NotASweep, write_sweep_report

ROOT = Path(__file__).parents[3]
WORLD = """\
rounds: 4
warmup: 2
replicates: 3
slate_size: 4
users: {count: 40, choice: {kind: logit, outside_utility: 0.2}}
items: {count: 60, topics: 5}
discovery: {awareness: 8}
measures: {names: [consumption.alpha, consumption.gamma, utility.per_user]}
policies: [organic, mf]
"""
STUDY = """\
title: Two towns
question: What helps?
worlds: {east: east.yaml, west: west.yaml}
set:
  policies:
    - organic
    - {kind: mf, factors: 4, epochs: 2}
    - {kind: mf, name: other, loss: bpr, factors: 4, epochs: 2}
    - {kind: mf, name: weak, factors: 4, epochs: 2, rerank: {kind: mmr, strength: 0.3}}
    - {kind: mf, name: strong, factors: 4, epochs: 2, rerank: {kind: mmr, strength: 0.9}}
    - {kind: mf, name: shy, loss: bpr, factors: 4, epochs: 2, adversarial: 1}
remedies:
  of: mf
  kinds: {MMR: [weak, strong], adversarial: {arms: [shy], of: other}}
  swapped: [strong, shy]
  notes: [Mind the gap.]
sweep: {axes: {drift: {values: {as given: {}, none: {users.drift: none}}}}}
"""


def command(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study, played once."""
    folder = tmp_path_factory.mktemp("study")
    for name, seed in (("east", 1), ("west", 2)):
        (folder / f"{name}.yaml").write_text(f"title: {name}\nseed: {seed}\n{WORLD}")
    (folder / "study.yaml").write_text(STUDY)
    out = folder / "out"
    docs = folder / "docs" / "study.md"
    docs.parent.mkdir()
    result = command("sweep", folder / "study.yaml", "--out", out, "--workers", 1, "--quiet", "--docs", docs, "--seed", 5)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture
def copy(played: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(played, tmp_path / "copy"))


def test_worlds_cells_and_arms_are_those_of_the_file(played: Path):
    study = load_study(played)
    assert [(world.name, world.base, world.others) for world in study.worlds] == [("east", 1, (2,)), ("west", 3, (4,))]
    assert study.policies == ["mf", "other", "weak", "strong", "shy"]
    assert study.swapped == ["mf", "other", "strong", "shy"]
    assert [study.assumptions(cell) for cell in (1, 2)] == ["as it stands", "drift none"]


def test_the_front_of_a_world_is_of_the_means_of_what_a_platform_could_run(played: Path):
    study = load_study(played)
    results = pd.read_parquet(played / "results.parquet")
    for world in study.worlds:
        own = results[(results["cell"] == world.base) & (results["arm"] != "organic")]
        means = own.groupby(["arm", "measure"])["value"].mean().unstack()
        for found in study.fronts[world.name]:
            points = means.loc[list(found.names), [found.measure, "utility.per_user"]].to_numpy()
            assert found.front.on_front.tolist() == non_dominated(points).tolist()
    for cell, column in study.memberships.items():
        own = results[(results["cell"] == cell) & results["arm"].isin(study.swapped)]
        means = own.groupby(["arm", "measure"])["value"].mean().unstack().loc[column.index]
        assert column.tolist() == non_dominated(means[["consumption.alpha", "utility.per_user"]].to_numpy()).tolist()


def test_a_remedy_is_judged_against_its_own_twin(played: Path):
    study = load_study(played)
    results = pd.read_parquet(played / "results.parquet")
    results = results.set_index(["cell", "arm", "measure", "replicate"])["value"].sort_index()
    twins = set(zip(study.effects["arm"], study.effects["of"], strict=True))
    assert twins == {("weak", "mf"), ("strong", "mf"), ("shy", "other")}
    for row in study.effects.to_dict("records"):
        own, twin = (results[row["cell"], arm, row["measure"]] for arm in (row["arm"], row["of"]))
        assert row["mean"] == pytest.approx((own - twin).mean())
        assert row["share"] == pytest.approx((own - twin).mean() / twin.mean())


def test_the_page_says_what_it_is_about_and_made_again_is_the_same(copy: Path):
    files = [file for file in copy.rglob("*") if file.is_file() and "cells" not in file.parts]
    before = {file.relative_to(copy): file.read_bytes() for file in files}
    write_sweep_report(copy)
    assert before == {file: (copy / file).read_bytes() for file in before}
    text = (copy / "report.html").read_text()
    for words in ("The front of every world", "Every remedy in every world", "Which dominates which", "Under other assumptions",
                  "East:", "West:", "drift none", "40 users, 4 rounds, 3 replicates", "--seed 5", "Mind the gap."):  # fmt: skip
        assert words in text, words
    for name in re.findall(r'href="(figures/[^"]+)"', text):
        assert (copy / name).is_file(), name


def test_the_page_as_markdown_elsewhere_links_only_what_came_along(played: Path):
    docs = played.parent / "docs"
    text = (docs / "study.md").read_text()
    links = re.findall(r"\]\(([^)#][^)]*)\)", text)
    assert {"study/fronts.svg", "study/places.svg", "study/orders.svg", "study/pairs.csv"} <= set(links)
    assert all((docs / link).is_file() for link in links)


def test_a_world_that_is_not_played_yet_is_left_out_and_said_to_be(copy: Path):
    cells = pd.read_csv(copy / "cells.csv", dtype=str, keep_default_na=False)
    cells.loc[cells["cell"].isin(["2", "3"]), "status"] = "unfinished"
    cells.to_csv(copy / "cells.csv", index=False)
    results = pd.read_parquet(copy / "results.parquet")
    results[~results["cell"].isin([2, 3])].to_parquet(copy / "results.parquet", index=False)
    write_sweep_report(copy)
    study = load_study(copy)
    assert [world.name for world in study.played] == ["east"]
    assert study.survival.empty
    told = " ".join(finding.head + finding.text for finding in answer(study))
    assert "East" in told
    assert "West" not in told
    assert "2 of 4 cells are missing" in " ".join((copy / "report.html").read_text().split())
    cells["status"] = "unfinished"
    cells.to_csv(copy / "cells.csv", index=False)
    results.iloc[:0].to_parquet(copy / "results.parquet", index=False)
    write_sweep_report(copy)
    assert "nothing to say yet" in (copy / "report.html").read_text()


def test_a_folder_whose_section_is_broken_says_so(copy: Path):
    (copy / "remedies.json").write_text(json.dumps({"of": "mf"}))
    with pytest.raises(NotASweep, match=r"remedies.json: is not what `filterbubble sweep` writes"):
        write_sweep_report(copy)


def test_what_is_shown_is_said_and_nothing_else(copy: Path):
    """Tables made by hand: `strong` brings much at a cost, `weak` the same without one."""
    results = pd.read_parquet(copy / "results.parquet")
    noise = 0.001 * np.random.default_rng(1).normal(size=len(results))
    level = {"mf": (2, 0.99), "other": (2, 0.99), "weak": (3, 1), "strong": (4, 0.55), "shy": (1.5, 0.8), "organic": (5, 0.1)}
    place = (results["measure"] == "utility.per_user").astype(int)
    results["value"] = [level[arm][which] for arm, which in zip(results["arm"], place, strict=True)] + noise
    results.to_parquet(copy / "results.parquet", index=False)
    study = load_study(copy)
    (east,) = (finding.text for finding in answer(study) if finding.head == "East:")
    assert "on the front are strong and weak" in east
    assert "Shown to bring more alpha: strong (+100 % alpha, −44 % utility per user) and weak (+50 % alpha, +1 %" in east
    assert "utility per user is not shown to fall, even by an interval for itself, under weak." in east
    assert "Shown to bring less: shy" in east
    assert "better in both: MMR over all of adversarial" in east
    results["value"] -= 0.5 * (results["arm"].isin(["weak", "strong"]) & (place > 0))
    results.to_parquet(copy / "results.parquet", index=False)
    (east,) = (finding.text for finding in answer(load_study(copy)) if finding.head == "East:")
    assert "under each utility per user falls, by its own 95 % interval" in east
    (under,) = (finding.text for finding in answer(study) if finding.head == "Under other assumptions:")
    assert "0 turn" in under


@pytest.mark.slow
def test_the_study_of_remedies_plays_in_its_quick_form(tmp_path: Path):
    out, docs = tmp_path / "out", tmp_path / "remedies.md"
    file = ROOT / "scenarios" / "studies" / "remedies.yaml"
    result = command("sweep", file, "--quick", "--out", out, "--workers", 1, "--quiet", "--docs", docs)
    assert result.exit_code == 0, result.output
    assert "6 of 6 cells finished" in result.output
    study = load_study(out)
    assert [world.name for world in study.played] == ["news", "music"]
    assert set(study.effects["arm"]) == {"mmr 0.5", "mmr 0.8", "calibrated 0.5", "reset 4"}
    assert set(study.survival["cell"]) == {2, 3, 5, 6}
    assert "(remedies/fronts.svg)" in docs.read_text()
    again = command("sweep", file, "--quick", "--out", out, "--workers", 1, "--quiet")
    assert again.exit_code == 0
    assert "6 of 6 cells finished" in again.output, "what is there is not played again"
