"""What the commands do: scenario in, run directory and report out, and clear words on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from policies.base import Policy
from policies.failure import PolicyFailed
from simulator import runner
from simulator.datasets import DATASETS, DatasetError
from simulator.docs import PartDoc
from simulator.evaluation import evaluate, scenario_to_evaluate
from simulator.evaluation_output import table, write_folder, write_json
from simulator.explaining import CannotExplain, explain, in_words, read_trajectory
from simulator.faults import ScenarioError, did_you_mean
from simulator.place import PlaceTaken, place
from simulator.plain import count
from simulator.reference import GROUPS, catalogue, describe
from simulator.report import NotARunDirectory, write_report
from simulator.report.load import load_run
from simulator.rundir import write_run
from simulator.scenario import load_scenario
from simulator.store import InUse, State
from simulator.sweeping.report import NotASweep, write_sweep_report
from simulator.world import load_data

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130
"""Exit codes: the input is wrong; something broke; Ctrl-C."""

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def _say(error: Exception) -> int:
    _err.print(str(error), markup=False)
    return BAD_INPUT


def run_scenario(
    file: Path, overrides: Sequence[str], seed: int | None, replicates: int | None, data_path: str | None,
    out: Path | None, workers: int | None, quiet: bool, allow_code: bool = False, fresh: bool = False,
    checkpoint: float = runner.CHECKPOINT,
) -> int:
    """Run a scenario file, or what is left of a run of it, and write its report; return the exit code."""
    started = datetime.now(UTC)
    try:
        scenario = load_scenario(file, overrides, seed, replicates, data_path, allow_code)
        data = load_data(scenario)
        state = State.of(scenario, data)
        folder, unfinished = place(out, Path("runs") / _slug(file.stem), scenario, state, fresh, started)
    except (ScenarioError, DatasetError, PlaceTaken) as error:
        return _say(error)
    job = runner.Job(scenario, data, folder)
    try:
        with job.store.locked():
            if not unfinished:
                job.store.open(state)
            if not (folder / "manifest.json").exists():
                write_run(folder, scenario, data, runner.Results(), started)     # says "not finished" if nothing else comes
            return _play(job, started, workers, quiet, checkpoint)
    except InUse as error:
        return _say(error)
    except OSError as error:
        _err.print(f"{folder}: cannot be written to: {error.strerror}", markup=False)
        return FAILED if unfinished or job.store.state() else BAD_INPUT


def _play(job: runner.Job, started: datetime, workers: int | None, quiet: bool, checkpoint: float) -> int:
    """Play what is left of a run, write it down, and say how it went."""
    scenario, data, folder = job.scenario, job.data, job.folder
    everything = len(runner.units(scenario))
    done = sum(map(job.store.is_played, runner.units(scenario)))
    if not quiet:
        if data is not None:
            _out.print(f"{data.name}: {data.citation}\n{data.licence}", markup=False)
        if done or any(job.store.folder.glob("*.model")):
            _out.print(f"Going on with {folder}: {done} of {everything} runs are finished. --fresh starts anew.", markup=False)
    results = _run(job, workers, quiet, checkpoint)
    write_run(folder, scenario, data, results, started)
    for story in results.failures.values():
        _err.print(story, markup=False)
    whole = len(results.played) == everything
    if whole:
        job.store.clear()
    if results.rounds:
        page = write_report(folder)
        _out.print(str(page) if quiet else f"{'Report' if whole else 'Partial run; its report'}: {page}", markup=False)
    if results.interrupted:
        _err.print(f"Interrupted. What was played is in {folder}; the same command goes on from there.", markup=False)
        return INTERRUPTED
    if results.failures:
        _err.print(f"{count(len(results.failures), 'run')} of {everything} failed. The same command tries again.", markup=False)
        return FAILED
    return 0


def _run(job: runner.Job, workers: int | None, quiet: bool, checkpoint: float) -> runner.Results:
    scenario = job.scenario
    everything = runner.units(scenario)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("rounds"), TimeRemainingColumn(),
        console=_err, disable=quiet,
    ) as bar:
        bar_task = bar.add_task("all runs", total=(scenario.rounds + scenario.warmup) * len(everything))
        reached = dict.fromkeys(everything, -scenario.warmup)

        def progress(task: runner.Task, round: int) -> None:
            arm, replicate = task.unit
            label = f"{scenario.policies[arm].name}, replicate {replicate + 1}/{scenario.replicates}, round {round}"
            bar.update(bar_task, advance=round - reached[task.unit], description=label)
            reached[task.unit] = round

        (results,) = runner.run([job], workers, progress, checkpoint)
        return results


def remake_report(folder: Path) -> int:
    """Write the report of a run directory, or of a sweep's, again."""
    try:
        page = write_sweep_report(folder) if (folder / "sweep.yaml").exists() else write_report(folder)
    except (NotARunDirectory, NotASweep) as error:
        return _say(error)
    _out.print(f"Report: {page}", markup=False)
    return 0


def explain_slate(
    folder: Path, arm: str | None, replicate: int, user: int, round: int, most: int, json_file: Path | None,
    allow_code: bool = False,
) -> int:
    """Say why a user of a run was shown what she was shown."""
    try:
        load_run(folder)
        scenario = load_scenario(folder / "scenario.yaml", allow_code=allow_code)
        data = load_data(scenario)
    except (NotARunDirectory, ScenarioError, DatasetError) as error:
        return _say(error)
    learn = [each.name for each in scenario.policies if isinstance(each.policy, Policy) and each.policy.trains]
    limits = (("round", round, 1, scenario.rounds), ("replicate", replicate, 1, scenario.replicates))
    faults = [f"--{name} {value}: must be {low} to {high}" for name, value, low, high in limits if not low <= value <= high]
    if arm is None and len(learn) != 1:
        faults.append(f"--arm: say which: {', '.join(learn)}")
    elif arm is not None and arm not in [each.name for each in scenario.policies]:
        faults.append(f"--arm {arm}: there is no such arm{did_you_mean(arm, learn)}")
    if faults:
        _err.print("\n".join(faults), markup=False)
        return BAD_INPUT
    try:
        with _err.status("Playing the run again …"):
            explained = explain(
                scenario, data, arm or learn[0], replicate - 1, user, round, most, read_trajectory(folder)
            )
    except CannotExplain as error:
        return _say(error)
    except PolicyFailed as failure:
        _err.print(str(failure), markup=False)
        return FAILED
    _out.print(in_words(explained), markup=False)
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(asdict(explained), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def evaluate_policies(
    file: Path | None, policies: Sequence[str], data_path: str | None, protocol: str, k: int, min_rating: float | None,
    seeds: range, json_file: Path | None, out: Path | None, quiet: bool, allow_code: bool = False,
) -> int:
    """Evaluate policies offline on a real log, print a table and write what is asked for."""
    try:
        scenario = scenario_to_evaluate(file, policies, data_path, protocol, k, min_rating, allow_code)
        data = load_data(scenario)
    except (ScenarioError, DatasetError) as error:
        return _say(error)
    assert data is not None         # without, the scenario is refused
    for target in (json_file and json_file.parent, out):
        try:
            if target:
                target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _err.print(f"{target}: cannot be written to: {error.strerror}", markup=False)
            return BAD_INPUT
    if not quiet:
        _out.print(f"{data.name}: {data.citation}\n{data.licence}", markup=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("trainings"))
    with Progress(*columns, console=_err, disable=quiet) as bar:
        task = bar.add_task("", total=len(scenario.policies) * len(seeds))
        evaluations = []
        for arm, seed in product(scenario.policies, seeds):
            bar.update(task, description=f"{arm.name}, seed {seed}")
            try:
                evaluations.append(evaluate(arm, data, protocol, k, seed))
            except PolicyFailed as failure:
                _err.print(f"{arm.name}, seed {seed}: {failure}", markup=False)
                return FAILED
            bar.advance(task)
    _out.print(table(evaluations, f"{data.name}, {protocol} protocol"))
    if json_file:
        write_json(json_file, evaluations)
    if out:
        write_folder(out, evaluations)
    return 0


def validate_scenario(file: Path, overrides: Sequence[str], data_path: str | None, allow_code: bool = False) -> int:
    """Check a scenario file."""
    try:
        scenario = load_scenario(file, overrides, data=data_path, allow_code=allow_code)
    except ScenarioError as error:
        return _say(error)
    arms = ", ".join(arm.name for arm in scenario.policies)
    size = f"{count(scenario.rounds, 'round')}, {count(scenario.replicates, 'replicate')}"
    _out.print(f"{file}: valid. {size}, arms: {arms}", markup=False)
    return 0


def list_kind(kind: str | None) -> int:
    """List one table, or say which there are."""
    groups = (*GROUPS, "datasets")
    if kind is None:
        _out.print("\n".join(f"filterbubble list {group}" for group in groups), markup=False)
        return 0
    if kind == "datasets":
        rows = [(name, f"{source.description}. Pass {source.how}.") for name, source in DATASETS.items()]
    elif kind in GROUPS:
        rows = [(doc.kind, doc.summary) for doc in catalogue(kind)]
    else:
        _err.print(f"there is no list of {kind!r}{did_you_mean(kind, groups)}", markup=False)
        return BAD_INPUT
    width = max(len(name) for name, _ in rows)
    for name, summary in rows:
        _out.print(f"{name:<{width}}  {summary}", markup=False)
    return 0


def show_part(name: str) -> int:
    """Print the documentation of every part of this name."""
    try:
        docs = describe(name)
    except LookupError as error:
        _err.print(str(error.args[0]), markup=False)
        return BAD_INPUT
    _out.print("\n\n".join(map(_page, docs)), markup=False)
    return 0


def _page(doc: PartDoc) -> str:
    lines = [f"{doc.kind}  ({doc.group})", "", doc.text or doc.summary]
    if doc.keys:
        lines += ["", "Keys:"]
        for key in doc.keys:
            lines += [f"  {key.name}: {key.type}; default {key.default}", f"      {key.meaning}"]
    if doc.source:
        lines += ["", f"Source: {doc.source}"]
    return "\n".join(lines)


def _slug(text: str) -> str:
    return re.sub(r"[^\w-]+", "-", text).strip("-") or "scenario"
