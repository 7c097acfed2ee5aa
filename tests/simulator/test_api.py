"""The interface for Python: the same run as the command's, and clear words for what cannot be."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

from policies import Popularity
from simulator import SweepResult, Trajectory, compare, load, run, sweep
from simulator.__main__ import app
from simulator.api import NoFolder, NotTheSameWorld, PlaceTaken, RunFailed, ScenarioError
from simulator.arms import Arm
from simulator.report.style import ARM_COLOURS, ORGANIC_COLOUR
from simulator.scenario import Scenario, load_scenario
from simulator.yaml_source import write

ROOT = Path(__file__).parents[2]
WORLD = {
    "title": "Small", "rounds": 5, "warmup": 2, "replicates": 5, "slate_size": 4, "users": {"count": 30},
    "items": {"count": 40, "topics": 4}, "discovery": {"awareness": 10},
    "measures": {"names": ["consumption.alpha", "exposure.gini", "utility.per_user"]},
    "policies": ["organic", "popularity", {"kind": "mf", "loss": "bpr", "factors": 4, "epochs": 2}],
}
TABLES = ("trajectory.parquet", "training.parquet", "users.parquet", "people.parquet", "items.parquet", "scenario.yaml")


@pytest.fixture(scope="module")
def trajectory() -> Trajectory:
    return run(WORLD)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(write(WORLD))
    return file


def contents(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in TABLES]


# The same run, however it is asked for ----------------------------------------------------------------------------


def test_a_run_from_python_and_one_from_the_command_are_the_same_bytes(file: Path, tmp_path: Path):
    options = ["--replicates", "2", "--seed", "4", "--set", "users.drift.rate=0.2"]
    out = tmp_path / "command"
    assert CliRunner().invoke(app, ["run", str(file), *options, "--out", str(out), "--workers", "1", "-q"]).exit_code == 0
    changed = {"replicates": 2, "seed": 4, "set": {"users.drift.rate": np.float64(0.2)}}
    text, scenario = file.read_text(), load_scenario(file)
    for number, given in enumerate((str(file), text, WORLD, scenario)):
        mine = tmp_path / f"python {number}"
        found = run(given, out=mine, **changed)
        assert contents(mine) == contents(out)
        pd.testing.assert_frame_equal(found.frame, pd.read_parquet(out / "trajectory.parquet"), check_dtype=False)
    kept = run(WORLD, **changed).save(tmp_path / "saved")
    assert contents(kept) == contents(out)
    assert not (kept / "checkpoint").exists()
    assert CliRunner().invoke(app, ["report", str(kept)]).exit_code == 0


def test_what_was_interrupted_is_gone_on_with_and_what_is_finished_is_read(tmp_path: Path):
    out, heard = tmp_path / "out", []

    def stop(arm: str, replicate: int, round: int) -> None:
        heard.append((arm, replicate, round))
        if (arm, replicate) == ("popularity", 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(WORLD, out=out, progress=stop, checkpoint=0)
    assert not load(out).finished
    again: list[tuple] = []
    finished = run(WORLD, out=out, progress=lambda *told: again.append(told))
    assert {told[:2] for told in again if told[2] < 5}.isdisjoint({("organic", 0), ("popularity", 0), ("mf", 0)})
    assert finished.finished
    assert finished.frame.equals(run(WORLD).frame)
    before = contents(out)
    read = run(WORLD, out=out, progress=lambda *told: pytest.fail(f"played again: {told}"))
    assert read.frame.equals(finished.frame)
    assert contents(out) == before
    with pytest.raises(PlaceTaken, match=r"^out .*is there already"):
        run(WORLD, out=out, seed=9)


def test_an_arm_that_breaks_down_is_told_when_the_others_are_played(tmp_path: Path):
    broken = {"kind": "external", "name": "broken", "command": [sys.executable, "-c", "raise SystemExit(3)"]}
    with pytest.raises(RunFailed, match=r"arm 'broken', replicate 1: .*3") as failed:
        run({**WORLD, "policies": ["organic", broken]}, replicates=1, allow_code=True)
    assert set(failed.value.trajectory.ends["arm"]) == {"organic"}


def test_parts_may_be_made_in_python():
    arms = ["organic", Arm("fans", Popularity(window=2)), {"kind": Popularity, "name": "all"}]
    made = run({**WORLD, "policies": arms, "rounds": np.int64(3)}, replicates=1, allow_code=True)
    assert [arm["name"] for arm in made.scenario["policies"]] == ["organic", "fans", "all"]
    assert made.scenario["policies"][1]["window"] == 2
    assert isinstance(Scenario.model_validate({**WORLD, "policies": ["organic"]}), Scenario)


@pytest.mark.parametrize("guard", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_script_needs_its_guard_only_for_several_processes(guard: bool, tmp_path: Path):
    call = "print(run(WORLD, replicates=1, workers=2 if GUARDED else 1).replicates)"
    script = tmp_path / "script.py"
    script.write_text(
        f"from simulator import run\nWORLD, GUARDED = {WORLD!r}, {guard}\n"
        + (f'if __name__ == "__main__":\n    {call}\n' if guard else call)
    )
    done = subprocess.run([sys.executable, script], cwd=ROOT, env=_environment(), capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr


@pytest.mark.slow
def test_a_script_without_the_guard_is_told_of_it(tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(f"from simulator import run\nrun({WORLD!r}, replicates=1, workers=2)\n")
    done = subprocess.run([sys.executable, script], cwd=ROOT, env=_environment(), capture_output=True, text=True)
    assert done.returncode == 1
    assert 'if __name__ == "__main__":' in done.stderr.splitlines()[-2]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def test_the_package_and_the_command_stay_light():
    code = (
        "import sys, simulator, simulator.__main__, simulator.tracking;"
        "print(sorted({'torch', 'pandas', 'mesa', 'matplotlib', 'scipy', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=_environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Tables -----------------------------------------------------------------------------------------------------------


def test_effects_are_those_of_scipy_and_statsmodels(trajectory: Trajectory):
    effects = compare(trajectory, baseline="popularity")
    ends = trajectory.frame.query("round == 5").pivot(index="replicate", columns=["arm", "measure"], values="value")
    for row in effects.itertuples():
        mine, other = ends[row.arm, row.measure], ends["popularity", row.measure]
        interval = stats.ttest_rel(mine, other).confidence_interval(0.95)
        assert (row.low, row.high) == pytest.approx(tuple(interval))
        bootstrap = stats.bootstrap(
            ((mine - other).to_numpy(),), np.mean, confidence_level=0.95, method="BCa", rng=np.random.default_rng(0)
        ).confidence_interval
        drawn = 0.05 * (bootstrap.high - bootstrap.low)             # the two draw their samples apart
        assert (row.bca_low, row.bca_high) == pytest.approx(tuple(bootstrap), abs=drawn)
    assert effects["p_holm"].to_numpy() == pytest.approx(multipletests(effects["p"], method="holm")[1])
    assert list(effects["arm"]) == ["organic", "organic", "mf", "mf", "mf"]         # organic shows nothing
    assert set(effects["n"]) == {5}


def test_tables_are_copies_and_measures_go_wide(trajectory: Trajectory):
    frame = trajectory.frame
    frame.loc[:, "value"] = 0
    assert trajectory.frame["value"].abs().sum() > 0
    wide = trajectory.measure("consumption.alpha")
    assert list(wide.columns) == trajectory.arms
    assert wide.shape == (5 * 6, 3)
    assert wide.loc[0].loc[0].nunique() == 1                                        # the warm-up is shared
    assert list(trajectory.measure("exposure.gini").columns) == ["popularity", "mf"]
    levels = trajectory.levels("consumption.*")
    assert levels["mean"].to_numpy() == pytest.approx(wide.xs(5, level="round").mean().to_numpy())
    curves = trajectory.curves("utility.per_user").query("arm == 'mf' and round == 3")
    assert curves["mean"].item() == pytest.approx(trajectory.measure("utility.per_user").xs(3, level="round")["mf"].mean())
    assert len(trajectory.users) == 3 * 2 * 30
    assert len(trajectory.people) == 3 * 5 * 30
    assert len(trajectory.items) == 3 * 5 * 40
    assert set(trajectory.training["arm"]) == {"popularity", "mf"}


def test_pandas_in_and_out(trajectory: Trajectory):
    frame = trajectory.frame
    copy = Trajectory.from_pandas(frame.sample(frac=1, random_state=0).sort_values("arm").assign(note="x"))
    assert copy.baseline == "organic"
    columns = ["arm", "measure"]
    mine, theirs = (each.effects().sort_values(columns).reset_index(drop=True) for each in (copy, trajectory))
    pd.testing.assert_frame_equal(mine, theirs)
    assert isinstance(copy.plot("consumption.alpha", difference=True), Figure)
    with pytest.raises(NoFolder, match="has no run directory"):
        copy.save("anywhere")
    other = Trajectory.from_pandas(frame.replace({"organic": "nobody"}))
    assert other.baseline is None
    with pytest.raises(ValueError, match="say which arm"):
        other.effects()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.drop(columns="round"), "columns arm, replicate, round, measure, value; round missing"),
        (lambda f: f.iloc[:0], "at least one row"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "organic, replicate 0, round 0, consumption.alpha: has two values"),
        (lambda f: f.assign(value=f["value"].where(f["round"] != 2)), "value: must be a finite number"),
        (lambda f: f.assign(replicate=f["replicate"] + 0.5), "replicate: must be a whole number from 0 on"),
        (lambda f: f.assign(arm=1), "arm: must be text"),
    ],
)
def test_a_table_that_is_no_trajectory_is_refused(trajectory: Trajectory, change, words: str):
    with pytest.raises(ValueError, match=re.escape(words)):
        Trajectory.from_pandas(change(trajectory.frame))


def test_a_notebook_shows_a_small_table_and_names_are_no_markup():
    shown = run({**WORLD, "title": "<b>x</b>", "question": "Who?"}, replicates=1)._repr_html_()
    assert "&lt;b&gt;x" in shown
    assert "<b>x" not in shown
    assert len(re.findall("<tr>", shown)) == 4
    assert "in round 5" in shown
    assert len(shown) < 3000


# Several runs of one world ----------------------------------------------------------------------------------------


def test_runs_of_one_world_are_compared_as_one_run_would_be(trajectory: Trajectory, tmp_path: Path):
    other = run({**WORLD, "policies": ["organic", "random", {"kind": "mf", "factors": 2, "loss": "bpr", "epochs": 2}]},
                out=tmp_path / "other")
    both = compare([trajectory, tmp_path / "other"], measures="consumption.alpha")
    assert list(both["arm"]) == ["popularity", "run 1: mf", "random", "run 2: mf"]
    one = run(WORLD, set={"policies": [*WORLD["policies"], "random"]})
    expected = one.effects(measures="consumption.alpha").set_index("arm")
    for arm, same in (("popularity", "popularity"), ("run 1: mf", "mf"), ("random", "random")):
        columns = ["mean", "low", "high", "n"]
        assert both.set_index("arm").loc[arm, columns].equals(expected.loc[same, columns])
    labelled = compare({"four": trajectory, "two": other}, baseline="two: mf", measures="consumption.alpha")
    assert set(labelled["arm"]) == {"organic", "popularity", "random", "four: mf"}
    fewer = compare([trajectory, run(WORLD, replicates=2, set={"policies": ["organic", "random"]})])
    assert fewer.groupby("arm")["n"].max().to_dict() == {"popularity": 5, "mf": 5, "random": 2}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, "seed: was 0, is 1"),
        ({"users.count": 31}, "users.count: was 30, is 31"),
        ({"items.concentration": 0.5}, "items.concentration: was 0.02, is 0.5"),
        ({"measures.window": 3}, "measures.window: was 10, is 3"),
        ({"rounds": 4}, "rounds: was 5, is 4"),
    ],
)
def test_runs_of_two_worlds_are_not_compared(trajectory: Trajectory, change: dict, words: str):
    other = run(WORLD, replicates=1, set={**change, "policies": ["organic", "random"]})
    with pytest.raises(NotTheSameWorld, match=re.escape(words)):
        compare([trajectory, other])


def test_a_world_that_says_it_is_the_same_and_is_not(trajectory: Trajectory, tmp_path: Path):
    """As when the file of the data was changed in between."""
    folder = run(WORLD, replicates=1).save(tmp_path / "run")
    people = pd.read_parquet(folder / "people.parquet")
    people.assign(topics_at_start=people["topics_at_start"] + 1).to_parquet(folder / "people.parquet")
    with pytest.raises(NotTheSameWorld, match="users: they begin with other interests"):
        compare([trajectory, folder])
    with pytest.raises(NotTheSameWorld, match="made of a table"):
        compare([trajectory, Trajectory.from_pandas(trajectory.frame)])


# Figures ----------------------------------------------------------------------------------------------------------


def test_a_figure_draws_what_is_asked_for_with_its_intervals(trajectory: Trajectory):
    figure = trajectory.plot(["utility.per_user", "exposure.gini"])
    first, second = figure.axes
    assert "Utility" in first.get_title(loc="left")
    colours = [line.get_color() for line in first.get_lines()]
    assert colours == [ORGANIC_COLOUR, *ARM_COLOURS[:2]]
    drawn = [line for line in second.get_lines() if len(line.get_xdata())]           # organic shows nothing
    assert [line.get_color() for line in drawn] == list(ARM_COLOURS[:2])
    curve = trajectory.curves("utility.per_user").query("arm == 'mf'")
    assert first.get_lines()[2].get_ydata() == pytest.approx(curve["mean"].to_numpy())
    band = first.collections[2].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((curve["low"].min(), curve["high"].max()))
    difference = trajectory.plot("utility.per_user", difference=True, baseline="popularity", arms=["mf"])
    zero, mf = difference.axes[0].get_lines()
    assert set(zero.get_ydata()) == {0}
    wide = trajectory.measure("utility.per_user")
    assert mf.get_ydata() == pytest.approx((wide["mf"] - wide["popularity"]).groupby("round").mean().to_numpy())
    assert mf.get_color() == ARM_COLOURS[1]                                         # as in every other figure of the run
    assert "minus popularity" in difference.get_supxlabel()


def test_a_notebook_shows_figures(trajectory: Trajectory):
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "import pandas as pd\n"
        "from simulator import Trajectory\n"
        f"frame = pd.DataFrame({trajectory.frame.to_dict('list')!r})\n"
        "figure = Trajectory.from_pandas(frame).plot('consumption.alpha')\n"
        "print(shell.display_formatter.format(figure)[0]['image/png'][:4])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=_environment(), capture_output=True, text=True)
    assert done.stdout.strip().endswith("b'\\x89PNG'"), done.stderr


# Sweeps -----------------------------------------------------------------------------------------------------------


def test_a_sweep_is_that_of_the_command(file: Path, tmp_path: Path):
    axes = {"users.drift.rate": [0.02, 0.1], "policies.mf.loss": ["als", "bpr"]}
    result = sweep(WORLD, axes, replicates=1, out=tmp_path / "python")
    file.write_text(write({**WORLD, "sweep": {"axes": axes}}))
    out = tmp_path / "command"
    command = ["sweep", str(file), "--replicates", "1", "--out", str(out), "--workers", "1", "-q"]
    assert CliRunner().invoke(app, command).exit_code == 0
    for name in ("results.parquet", "effects.csv", "cells.csv"):
        assert (tmp_path / "python" / name).read_bytes() == (out / name).read_bytes()
    assert result.axes == {"drift.rate": [0.02, 0.1], "mf.loss": ["als", "bpr"]}
    assert list(result.cells["mf.loss"]) == ["als", "bpr"] * 2
    assert result.cells["drift.rate"].dtype == float
    again = sweep(str(file), out=out, replicates=1, progress=lambda *told: pytest.fail(f"played again: {told}"))
    assert again.results.equals(result.results)
    assert isinstance(load(out), SweepResult)
    cell = result.trajectory(4)
    assert cell.scenario["users"]["drift"]["rate"] == 0.1
    merged = cell.effects().merge(result.effects.query("cell == 4"), on=["arm", "measure"])
    assert merged["mean_x"].to_numpy() == pytest.approx(merged["mean_y"].to_numpy())
    assert len(merged) == len(cell.effects()) > 0


def test_a_sweep_in_memory_tells_of_cells_that_failed():
    code = "import sys; sys.exit('nothing today')"
    world = {**WORLD, "policies": ["organic", {"kind": "external", "name": "mine", "command": [sys.executable, "-c", "pass"]}]}
    axes = {"policies.mine.command": [[sys.executable, "-c", code], ["no such program"]]}
    with pytest.warns(UserWarning, match="2 cells of 2 failed"):
        result = sweep(world, axes, replicates=1, allow_code=True)
    assert list(result.cells["status"]) == ["failed", "failed"]
    assert "nothing today" in result.cells["error"][0]
    assert result.folder is None
    with pytest.raises(KeyError, match="cell 1 is failed"):
        result.trajectory(1)


# Words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "options", "words"),
    [
        ({**WORLD, "round": 3}, {}, "there is no key 'round'; did you mean 'rounds'?"),
        (WORLD, {"set": {"users.cont": 3}}, "set users.cont=3: users.cont: there is no key 'cont'; did you mean 'count'?"),
        (WORLD, {"set": ["rounds"]}, "set rounds: must be KEY=VALUE"),
        (WORLD, {"seed": -1}, "seed=-1: seed: must be at least 0"),
        (WORLD, {"data": "movielens-small"}, "data=movielens-small: scenario has no `data:`"),
        ({**WORLD, "policies": [Popularity, {"kind": "a:B"}]}, {}, "pass allow_code=True"),
        ({**WORLD, "users": {"count": {1, 2}}}, {}, "users.count: a set has no place in a scenario"),
        ("title: [", {}, "there is no such file"),
        ("title: [\n", {}, "scenario:1:8: the '[' opened here is never closed"),
        (Path("nowhere.yaml"), {}, "nowhere.yaml: there is no such file"),
    ],
)
def test_what_is_wrong_with_a_scenario_is_said_as_the_command_says_it(given, options: dict, words: str):
    with pytest.raises(ScenarioError, match=re.escape(words)):
        run(given, **options)


def test_what_is_wrong_with_a_sweep_is_said_where_it_stands():
    with pytest.raises(ScenarioError, match=re.escape("there is no key 'cont'; did you mean 'count'?")) as error:
        sweep(WORLD, {"users.cont": [1, 2]})
    assert str(error.value).startswith("sweep:")
    assert "/tmp" not in str(error.value)


def test_an_unknown_name_is_told_what_there_is(trajectory: Trajectory):
    for call, words in (
        (lambda: trajectory.measure("consumption.alfa"), "no measure 'consumption.alfa'; did you mean 'consumption.alpha'?"),
        (lambda: trajectory.effects("organik"), "no arm 'organik'; did you mean 'organic'? There are: organic, popularity, mf"),
        (lambda: trajectory.plot("nothing.*"), "there is no measure 'nothing.*'"),
        (lambda: trajectory.plot(arms=["mff"]), "there is no arm 'mff'; did you mean 'mf'?"),
    ):
        with pytest.raises(KeyError, match=re.escape(words)) as error:
            call()
        assert str(error.value).startswith("there is no")
    with pytest.raises(NoFolder, match="in memory alone"):
        trajectory.report()
