"""What became of each user: by hand, and against what the run itself measures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from simulator.people import OUTCOMES, Tally
from simulator.report.affected import who_is_affected
from simulator.report.evidence import weigh
from simulator.report.load import load_run
from simulator.report.style import house_style, looks
from simulator.rounds import Round
from simulator.rundir import write_run
from simulator.runner import Job, Resources
from simulator.runner import run as play_all
from simulator.scenario import load_scenario
from simulator.statistics import outcomes_of

SCENARIO = """
title: People
question: Who?
seed: 4
rounds: 4
warmup: 2
replicates: 3
slate_size: 4
users: {count: 40, takes: 2, activity: 0.6}
items: {count: 50, topics: 5}
discovery: {awareness: 10}
measures: {names: [interests.drift, utility.per_user]}
report: {formats: [svg]}
policies: [organic, popularity]
"""


def happened(items: list[list[int]], taken: list[list[bool]], utility: list[list[float]]) -> Round:
    none = torch.zeros(len(items), 0)
    return Round(
        1, none, none, torch.tensor(items), torch.tensor(taken), torch.tensor(taken), torch.tensor(utility), none,
        lambda users, k: users,
    )  # fmt: skip


def test_outcomes_by_hand() -> None:
    """User 0 takes items 0 and 1 and then 1 again; user 1 takes nothing, although places of hers hold ids and utilities."""
    topics = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    tally = Tally(2, 2)
    tally.add(happened([[0, 1], [2, 2]], [[True, True], [False, False]], [[1.0, 0.5], [9.0, 9.0]]), topics)
    tally.add(happened([[1, 2], [2, 0]], [[True, False], [False, False]], [[0.25, 9.0], [9.0, 9.0]]), topics)
    start = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    end = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    found = tally.outcomes(start, end)
    assert tuple(found) == OUTCOMES
    assert found["topics_at_start"] == pytest.approx([2, 1])
    assert found["topics_at_end"] == pytest.approx([1, 1])
    assert found["drift"] == pytest.approx([1 - 0.75 * np.log2(3) + 0.5, 0])     # JSD of (½, ½) and (1, 0), worked out
    assert found["takes"].tolist() == [3, 0]
    assert found["diet_topics"][0] == pytest.approx(np.exp(stats.entropy([2 / 3, 1 / 3])))
    assert np.isnan(found["diet_topics"][1])
    assert found["utility_per_round"] == pytest.approx([1.75 / 2, 0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from datetime import UTC, datetime

    path = tmp_path_factory.mktemp("people")
    (path / "people.yaml").write_text(SCENARIO)
    scenario = load_scenario(path / "people.yaml")
    job = Job(scenario, None, path / "run")
    job.store.folder.mkdir(parents=True)
    (results,) = play_all([job], Resources(workers=1, checkpoint=0), lambda task, round: None)
    write_run(path / "run", scenario, None, results, datetime.now(UTC))
    return path / "run"


def test_every_replicate_keeps_what_its_measures_say_of_users(folder: Path) -> None:
    people = pd.read_parquet(folder / "people.parquet")
    assert people.groupby(["arm", "replicate"]).size().tolist() == [40] * 6
    means = people.groupby(["arm", "replicate"])[list(OUTCOMES)].mean()
    trajectory = pd.read_parquet(folder / "trajectory.parquet")
    last = trajectory[(trajectory["measure"] == "interests.drift") & (trajectory["round"] == 4)]
    assert means["drift"].to_numpy() == pytest.approx(last.set_index(["arm", "replicate"])["value"][means.index], abs=1e-6)
    utility = trajectory[(trajectory["measure"] == "utility.per_user") & (trajectory["round"] >= 1)]
    utility = utility.groupby(["arm", "replicate"])["value"].mean()
    assert means["utility_per_round"].to_numpy() == pytest.approx(utility[means.index], abs=1e-6)
    items = pd.read_parquet(folder / "items.parquet").groupby(["arm", "replicate"])["takes"].sum()
    assert (people.groupby(["arm", "replicate"])["takes"].sum() == items).all()
    assert (people["takes"] == 0).any()
    assert (people["diet_topics"].isna() == (people["takes"] == 0)).all()


def test_of_replicate_0_it_is_what_the_snapshots_tell(folder: Path) -> None:
    snapshots = outcomes_of(pd.read_parquet(folder / "users.parquet"))
    people = pd.read_parquet(folder / "people.parquet").query("replicate == 0").sort_values(["arm", "user"])
    for name in ("topics_at_start", "topics_at_end", "drift"):
        assert people[name].to_numpy() == pytest.approx(snapshots[name].to_numpy(), abs=1e-5), name


def test_who_is_affected_is_over_replicates_and_an_older_run_still_says_what_it_can(folder: Path) -> None:
    run = load_run(folder)
    older = replace(run, people=outcomes_of(run.users))
    look = looks(run.arms, run.baseline, run.reference)
    with house_style():
        now, then = (who_is_affected(weigh(each), look) for each in (run, older))
    assert now is not None
    assert then is not None
    assert set(now.data["over"]) == {"replicates"}
    assert "95 % t intervals over 3 replicates" in now.caption
    assert set(then.data["over"]) == {"users"}
    assert set(then.data["measure"]) == {"drift", "topics_at_end"}
    row = now.data.query("by == 'decile' and `class` == 1 and measure == 'takes'").iloc[0]
    people = run.people.sort_values("user").set_index(["replicate", "arm"])
    each = []
    for replicate in range(3):
        organic, fed = people.loc[(replicate, "organic")], people.loc[(replicate, "popularity")]
        narrowest = organic["topics_at_start"].to_numpy().argsort(kind="stable")[:4]
        each.append((fed["takes"].to_numpy() - organic["takes"].to_numpy())[narrowest].mean())
    low, high = stats.t.interval(0.95, 2, loc=np.mean(each), scale=stats.sem(each))
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((np.mean(each), low, high))


def test_a_run_without_the_file_is_read_by_its_snapshots(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        if file.is_file() and file.name != "people.parquet":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    assert set(load_run(tmp_path).people["replicate"]) == {0}
    assert set(load_run(folder).people["replicate"]) == {0, 1, 2}
