"""What the commands do: scenario in, run directory and report out, and clear words on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agents.failure import UserFailed
from policies.base import Policy
from policies.failure import PolicyFailed
from simulator import runner
from simulator.assumptions import NotAssumptions, write_assumptions_report
from simulator.datasets import DATASETS, DatasetError
from simulator.docs import PartDoc
from simulator.dry_run import in_words as in_words_of
from simulator.evaluation import evaluate, scenario_to_evaluate
from simulator.evaluation_output import table, write_folder, write_json
from simulator.exit_codes import BAD_INPUT, FAILED, INTERRUPTED
from simulator.explaining import CannotExplain, explain, in_words, read_trajectory
from simulator.faults import ScenarioError, did_you_mean
from simulator.fitting.fitted import NotAFit
from simulator.fitting.report import write_fit_report
from simulator.language import require_keys
from simulator.place import PlaceTaken, place
from simulator.plain import count, replicates_in_words
from simulator.reference import GROUPS, catalogue, describe
from simulator.replicating.report import write_replication_report
from simulator.report import NotARunDirectory, write_report
from simulator.report.load import load_run
from simulator.report.pages import UnknownFormat, page_formats, write_pages
from simulator.report.pdf import CannotPrint
from simulator.rundir import write_run
from simulator.scenario import load_scenario
from simulator.sensitivity.report import write_sensitivity_report
from simulator.sensitivity.study import FILE as SENSITIVITY_FILE
from simulator.store import InUse, State
from simulator.studying.report import write_study_report
from simulator.sweeping.report import NotASweep, write_sweep_report
from simulator.tracking import tracked
from simulator.tuning.report import write_tune_report
from simulator.tuning.tuned import NotATune
from simulator.world import load_data

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def _say(error: Exception) -> int:
    _err.print(str(error), markup=False)
    return BAD_INPUT


def run_scenario(
    file: Path, overrides: Sequence[str], seed: int | None, replicates: int | None, data_path: str | None,
    out: Path | None, resources: runner.Resources, quiet: bool, allow_code: bool = False, fresh: bool = False,
    track: str | None = None,
) -> int:
    """Run a scenario file, or what is left of a run of it, and write its report; return the exit code."""
    started = datetime.now(UTC)
    try:
        scenario = load_scenario(file, overrides, seed, replicates, data_path, allow_code)
        require_keys(scenario)
        data = load_data(scenario)
        state = State.of(scenario, data)
        folder, unfinished = place(out, Path("runs") / _slug(file.stem), scenario, state, fresh, started)
    except (ScenarioError, DatasetError, PlaceTaken, UserFailed) as error:
        return _say(error)
    job = runner.Job(scenario, data, folder)
    try:
        with job.store.locked():
            if not unfinished:
                job.store.open(state)
            if not (folder / "manifest.json").exists():
                write_run(folder, scenario, data, runner.Results(), started)     # says "not finished" if nothing else comes
            return tracked(folder, track, _play(job, started, resources, quiet))
    except InUse as error:
        return _say(error)
    except OSError as error:
        _err.print(f"{folder}: cannot be written to: {error.strerror}", markup=False)
        return FAILED if unfinished or job.store.state() else BAD_INPUT


def plan_scenario(
    file: Path, overrides: Sequence[str], seed: int | None, replicates: int | None, data_path: str | None,
    allow_code: bool = False,
) -> int:
    """Say what a run of a scenario will take."""
    try:
        scenario = load_scenario(file, overrides, seed, replicates, data_path, allow_code)
        data = load_data(scenario)
        with _err.status("Playing without a server …"):
            said = in_words_of(scenario, data)
    except (ScenarioError, DatasetError, UserFailed) as error:
        return _say(error)
    except PolicyFailed as failure:
        _err.print(str(failure), markup=False)
        return FAILED
    _out.print(said, markup=False)
    return 0


def _play(job: runner.Job, started: datetime, resources: runner.Resources, quiet: bool) -> int:
    """Play what is left of a run, write it down, and say how it went."""
    scenario, data, folder = job.scenario, job.data, job.folder
    done = job.store.count
    if not quiet:
        if data is not None:
            _out.print(f"{data.name}: {data.citation}\n{data.licence}", markup=False)
        if done or any(job.store.folder.glob("*.model")):
            of = "" if scenario.precision else f" of {len(runner.units(scenario))}"
            _out.print(f"Going on with {folder}: {done}{of} runs are finished. --fresh starts anew.", markup=False)
    results = _run(job, resources, quiet)
    write_run(folder, scenario, data, results, started)
    for line in _told_once(results.failures[unit] for unit in sorted(results.failures)):
        _err.print(line, markup=False)
    whole = results.whole
    if whole:
        job.store.clear()
        if scenario.precision and not quiet:
            _out.print(f"{count(results.replicates, 'replicate')} played.", markup=False)
    everything = len(runner.units(scenario, results.replicates))
    nothing = len(results.failures) == everything       # was played to its end
    if results.rounds and not nothing:
        page = write_report(folder)
        _out.print(str(page) if quiet else f"{'Report' if whole else 'Partial run; its report'}: {page}", markup=False)
    if results.interrupted:
        _err.print(f"Interrupted. What was played is in {folder}; the same command goes on from there.", markup=False)
        return INTERRUPTED
    if results.failures:
        told = f"{count(len(results.failures), 'run')} of {everything} failed"
        told += ", so there is no report." if nothing else "."
        _err.print(f"{told} The same command tries again.", markup=False)
        return FAILED
    return 0


def _told_once(failures: Iterable[str]) -> list[str]:
    """What broke down, each story once: one mistake in a world is one in all of its runs."""
    told: dict[str, list[str]] = {}
    for failure in failures:
        prefix = re.match(r"arm .*?, replicate \d+: ", failure, re.DOTALL)
        where, story = (prefix.group()[:-2], failure[prefix.end() :]) if prefix else ("", failure)
        told.setdefault(story, []).append(where)
    return [
        f"{places[0]}: {story}" + (f"\nThe same in {count(len(places) - 1, 'other run')}." if len(places) > 1 else "")
        for story, places in told.items()
    ]


def _run(job: runner.Job, resources: runner.Resources, quiet: bool) -> runner.Results:
    scenario = job.scenario
    everything = runner.units(scenario)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("rounds"), TimeRemainingColumn(),
        console=_err, disable=quiet,
    ) as bar:
        length = scenario.rounds + scenario.warmup
        bar_task = bar.add_task("all runs", total=length * len(everything))
        reached = dict.fromkeys(everything, -scenario.warmup)

        def progress(task: runner.Task, round: int) -> None:
            arm, replicate = task.unit
            if task.unit not in reached:            # a replicate more than the scenario begins with
                new = runner.units(scenario, replicate + 1)[-len(scenario.policies):]
                reached.update(dict.fromkeys(new, -scenario.warmup))
            label = f"{scenario.policies[arm].name}, replicate {replicate + 1}, round {round}"
            total = length * len(reached)
            bar.update(bar_task, advance=round - reached[task.unit], total=total, description=label)
            reached[task.unit] = round

        (results,) = runner.run([job], resources, progress)
        return results


_PAGES = {
    "replication.json": write_replication_report,
    "study.json": write_study_report,
    "fit.yaml": write_fit_report,
    "tune.yaml": write_tune_report,
    "assumptions.json": write_assumptions_report,
    SENSITIVITY_FILE: write_sensitivity_report,
    "sweep.yaml": write_sweep_report,
}
"""What writes the page of a folder that has this file; the first that fits. Any other is a run's."""


def remake_report(folder: Path, formats: Sequence[str] = ()) -> int:
    """Write the report of a folder again, of a run's or of what plays several, and what is asked for beside the page."""
    try:
        wanted = page_formats(formats)
        special = next((write for name, write in _PAGES.items() if (folder / name).exists()), None)
        page = special(folder) if special else write_report(folder, linked="md" in wanted)
        with _err.status("Making what was asked for beside the page …"):
            pages = write_pages(page, wanted)
    except (NotARunDirectory, NotAssumptions, NotASweep, NotATune, NotAFit, UnknownFormat, CannotPrint) as error:
        return _say(error)
    except OSError as error:
        _err.print(f"{folder}: cannot be written to: {error.strerror}", markup=False)
        return FAILED
    for made in pages:
        _out.print(f"Report: {made}", markup=False)
    return 0


def explain_slate(
    folder: Path, arm: str | None, replicate: int, user: int, round: int, most: int, json_file: Path | None,
    allow_code: bool = False,
) -> int:
    """Say why a user of a run was shown what she was shown."""
    try:
        run = load_run(folder)
        scenario = load_scenario(folder / "scenario.yaml", allow_code=allow_code)
        data = load_data(scenario)
    except (NotARunDirectory, ScenarioError, DatasetError) as error:
        return _say(error)
    learn = [each.name for each in scenario.policies if isinstance(each.policy, Policy) and each.policy.trains]
    limits = (("round", round, 1, scenario.rounds), ("replicate", replicate, 1, run.replicates))
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
    size = f"{count(scenario.rounds, 'round')}, {replicates_in_words(scenario)}"
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
