"""Sweeps over several worlds, their quick forms, and the remedies that they ask about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.faults import ScenarioError
from simulator.from_python import sweep_from
from simulator.scenario import load_scenario
from simulator.sweeping import Sweep, load_sweep

SCENARIOS = Path(__file__).parents[2] / "scenarios"
TOWN = "title: Town\nquestion: What if?\nseed: 5\npolicies: [organic, mf]\n"
VILLAGE = "title: Village\nseed: 6\nrounds: 9\npolicies: [organic, mf]\n"
HEAD = """\
title: Two places
worlds: {town: town.yaml, village: village.yaml}
set:
  replicates: 3
  policies: [organic, mf, {kind: mf, name: mmr, rerank: mmr}, {kind: mf, name: dpp, rerank: dpp}, {kind: mf, name: reset}]
  events: [{kind: reset_history, at: 2, every: 3, arms: [reset]}]
"""
REMEDIES = "remedies: {of: mf, kinds: {MMR: [mmr], DPP: {arms: [dpp], of: mf}, reset: [reset]}, swapped: [mmr]}\n"
AXES = "sweep:\n  axes:\n    drift: {values: {as given: {}, none: {users.drift: none}}}\n"


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Sweep]:
    """Load a text as a sweep file that lies beside two scenarios."""
    (tmp_path / "town.yaml").write_text(TOWN)
    (tmp_path / "village.yaml").write_text(VILLAGE)

    def load(text: str, *overrides: str, **options: Any) -> Sweep:
        (tmp_path / "sweep.yaml").write_text(text)
        return load_sweep(tmp_path / "sweep.yaml", overrides, **options)

    return load


def test_every_world_is_its_own_file_with_the_changes_and_each_value_of_the_axes(load: Callable[..., Sweep], tmp_path: Path):
    sweep = load(HEAD + AXES, "warmup=2")
    assert [tuple(cell.values.values()) for cell in sweep.cells] == [
        ("town", "as given"), ("town", "none"), ("village", "as given"), ("village", "none"),
    ]  # fmt: skip
    assert [cell.number for cell in sweep.cells] == [1, 2, 3, 4]
    assert [axis.label for axis in sweep.axes] == ["world", "drift"]
    for cell, file in zip(sweep.cells[::2], ("town", "village"), strict=True):
        alone = load_scenario(tmp_path / f"{file}.yaml", [
            "replicates=3", "warmup=2",
            "policies=[organic, mf, {kind: mf, name: mmr, rerank: mmr}, {kind: mf, name: dpp, rerank: dpp}, "
            "{kind: mf, name: reset}]",
            "events=[{kind: reset_history, at: 2, every: 3, arms: [reset]}]",
        ])  # fmt: skip
        assert cell.scenario.digest == alone.digest, "a value that changes nothing is the scenario as it stands"


def test_a_list_of_worlds_goes_by_the_names_of_the_files(load: Callable[..., Sweep]):
    sweep = load(f"worlds: [town.yaml, village.yaml]\n{AXES}")
    assert sweep.axes[0].values == ("town", "village")


def test_a_condition_may_name_the_world(load: Callable[..., Sweep]):
    sweep = load(f"{HEAD}{AXES}  where: not (world == 'village' and drift == 'none')\n")
    assert [cell.in_words for cell in sweep.cells] == [
        "world town, drift as given", "world town, drift none", "world village, drift as given",
    ]  # fmt: skip


@pytest.mark.parametrize("text", [HEAD + AXES, HEAD + REMEDIES + AXES], ids=["plain", "remedies"])
def test_what_is_written_down_loads_back_to_the_same_sweep(load: Callable[..., Sweep], text: str):
    sweep = load(text)
    again = load(sweep.resolved())
    assert again == sweep
    assert again.digest == sweep.digest


def test_under_other_assumptions_only_some_remedies_are_played_and_the_rest_changes_nothing(load: Callable[..., Sweep]):
    thin, whole = load(HEAD + REMEDIES + AXES), load(HEAD + REMEDIES.replace(", swapped: [mmr]", "") + AXES)
    arms = [[arm.name for arm in cell.scenario.policies] for cell in thin.cells]
    assert arms == [["organic", "mf", "mmr", "dpp", "reset"], ["organic", "mf", "mmr"]] * 2
    assert [len(cell.scenario.events) for cell in thin.cells] == [1, 0] * 2, "an event of arms that are not played is none"
    for a, b in zip(thin.cells, whole.cells, strict=True):
        kept = tuple(arm for arm in b.scenario.policies if arm.name in {each.name for each in a.scenario.policies})
        assert a.scenario == b.scenario.model_copy(update={"policies": kept, "events": a.scenario.events})


def test_the_quick_form_is_the_file_with_its_changes(load: Callable[..., Sweep]):
    quick = "replicates: 2, worlds: [village.yaml], remedies.kinds: {MMR: [mmr]}, sweep.axes.drift.values.more: {warmup: 1}"
    text = f"{HEAD}{REMEDIES}quick: {{{quick}}}\n{AXES}"
    short = load(text, quick=True)
    changes = ("replicates=2", "worlds=[village.yaml]", "remedies.kinds={MMR: [mmr]}")
    assert short == load(text, *changes, "sweep.axes.drift.values.more={warmup: 1}")
    assert [cell.values["drift"] for cell in short.cells] == ["as given", "none", "more"]
    assert load(text, "replicates=4", quick=True).cells[0].scenario.replicates == 4, "an option comes after it"


WRONG = [
    ("base: town.yaml\n" + HEAD + AXES, ":3:", "stand in place of `base`"),
    ("worlds: []\n" + AXES, ":1:1: base", "is missing"),
    ("worlds: [town.yaml, {}]\n" + AXES, ":1:", "worlds"),
    ("worlds: [town.yaml, town.yaml]\n" + AXES, ":1:21", "is the second world called 'town'"),
    ("worlds: [town.yaml, vilage.yaml]\n" + AXES, ":1:21", "vilage.yaml: there is no such file"),
    ("worlds: [town.yaml, sweep.yaml]\n" + AXES, ":1:21", "is a sweep file itself"),
    (HEAD + AXES + "    world: {values: {a: {rounds: 3}, b: {rounds: 4}}}\n", ":10:", "is the second axis called 'world'"),
    (HEAD + AXES.replace("users.drift: none", "users.drift: nona"), ":9:", "there is no drift"),
    (HEAD.replace("replicates: 3", "round: 3") + AXES, ":4:", "there is no key 'round'"),
    (HEAD + AXES + "    other: {values: {a: {}, b: {}}}\n", ":10:", "a value that changes nothing a second time"),
    (HEAD + REMEDIES.replace("of: mf,", "of: mff,") + AXES, ":7:", "there is no arm 'mff'; did you mean 'mf'?"),
    (HEAD + REMEDIES.replace("of: mf,", "of: organic,") + AXES, ":7:", "'organic' is a control"),
    (HEAD + REMEDIES.replace("[reset]", "[resett]") + AXES, ":7:", "there is no arm 'resett'"),
    (HEAD + REMEDIES.replace("[reset]", "[mmr]") + AXES, ":7:", "'mmr' stands among the remedies already"),
    (HEAD + REMEDIES.replace("[reset]", "[mf]") + AXES, ":7:", "'mf' is the arm without the remedy"),
    (HEAD + REMEDIES.replace("[reset]", "[]") + AXES, ":7:", "must name at least one arm"),
    (HEAD + REMEDIES.replace("[reset]", "3") + AXES, ":7:", "must be a list of names of arms"),
    (HEAD + REMEDIES.replace("swapped: [mmr]", "swapped: [mf]") + AXES, ":7:", "'mf' is none of the remedies"),
    (HEAD + REMEDIES.replace("of: mf, kinds", "of: mf, diversity: consumption.alfa, kinds") + AXES, ":7:", "no such measure"),
    (HEAD + REMEDIES.replace("of: mf, kinds", "of: mf, diversity: utility.per_user, kinds") + AXES, ":7:", "pushes one way"),
    (HEAD.replace("replicates: 3", "replicates: 1") + REMEDIES + AXES, ":7:", "at least 2 replicates"),
    (HEAD + REMEDIES + AXES + "    policies.mf.factors: [4, 8]\n", ":11:", "list settings as arms"),
    (HEAD + REMEDIES + "sweep: {design: sobol, samples: 4, axes: {warmup: {low: 1, high: 9, integer: true}}}\n", ":8:",
     "as it stands"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "words"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_told_with_its_place(load: Callable[..., Sweep], text: str, place: str, words: str):
    with pytest.raises(ScenarioError) as error:
        load(text)
    found = [fault for fault in error.value.faults if f"sweep.yaml{place}" in f"{fault.where}: {fault.key}"]
    assert any(words in f"{fault.key}: {fault.message}" for fault in found), str(error.value)


def test_what_is_wrong_with_one_world_says_which(load: Callable[..., Sweep]):
    with pytest.raises(ScenarioError, match=r"sweep.yaml:4:.*must be at most `rounds`, 9 .*; in the world village"):
        load(HEAD.replace("replicates: 3", "report.snapshots: [20]") + AXES)


def test_a_file_without_a_quick_form_says_so(load: Callable[..., Sweep]):
    with pytest.raises(ScenarioError, match=r"quick: is missing: say what `--quick` changes"):
        load(HEAD + AXES, quick=True)
    with pytest.raises(ScenarioError, match=r"sweep.yaml:1:17: rounds: must be at least 1 \(got 0\)"):
        load("quick: {rounds: 0}\n" + HEAD + AXES, quick=True)


def test_worlds_may_be_given_from_python(load: Callable[..., Sweep], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    whole = load(f"worlds: {{a: town.yaml, b: village.yaml}}\n{AXES}")
    axes = {"axes": {"drift": {"values": {"as given": {}, "none": {"users.drift": "none"}}}}}
    for worlds in ({"a": "town.yaml", "b": "village.yaml"}, {"a": str(tmp_path / "town.yaml"), "b": "village.yaml"}):
        assert sweep_from({"worlds": worlds, "sweep": axes}, None, {}, None, None, None, False) == whole
    listed = sweep_from({"worlds": ["town.yaml", "village.yaml"], "sweep": axes}, None, {}, None, None, None, False)
    assert listed.axes[0].values == ("town", "village")


def test_the_study_of_remedies_covers_every_kind_in_every_world_and_its_quick_form_is_small():
    study, quick = (load_sweep(SCENARIOS / "studies" / "remedies.yaml", quick=quick) for quick in (False, True))
    assert study.axes[0].values == ("news", "short video", "marketplace", "music")
    first = [cell for cell in study.cells if set(list(cell.values.values())[1:]) == {"as given"}]
    assert len(first) == 4
    assert study.remedies is not None
    for cell in first:
        names = {arm.name for arm in cell.scenario.policies}
        assert names == {"organic", "mf", "bpr", *study.remedies.arms}
    one_each = {kind for kind, keys in study.remedies.kinds.items() if set(keys.arms) & set(study.remedies.swapped or [])}
    assert one_each == set(study.remedies.kinds)
    assert len({cell.scenario.digest for cell in study.cells}) == len(study.cells), "no cell is played twice"
    size = sum(len(cell.scenario.policies) * cell.scenario.replicates * cell.scenario.rounds for cell in quick.cells)
    assert size < 1000
    assert quick.cells[0].scenario.replicates == 2
