"""The command `filterbubble`. Nothing heavy is imported here: `--help` answers at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="filterbubble",
    help="Simulate filter bubbles: the same users under one recommendation policy, another, or none.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

def _replicates(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"a whole number or auto (got {text})") from None


def _place(path: Path | None) -> Path | None:
    """Refuse, before anything is played, a place to write to that there can never be."""
    if path is not None and not path.exists():
        nearest = next(each for each in path.absolute().parents if each.exists())
        if not nearest.is_dir():
            raise typer.BadParameter(f"{path} cannot be made: {nearest} is a file, not a folder")
        if not os.access(nearest, os.W_OK):
            raise typer.BadParameter(f"{path} cannot be made: nothing may be written into {nearest}")
    return path


def _folder(text: str) -> Any:
    return typer.Option(file_okay=False, writable=True, callback=_place, help=text)


def _file(text: str) -> Any:
    return typer.Option(dir_okay=False, writable=True, callback=_place, metavar="FILE", help=text)


File = Annotated[Path, typer.Argument(help="Scenario file (YAML).", show_default=False)]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key: users.count=100, policies.mf.factors=8. Repeatable."),
]
Seed = Annotated[int | None, typer.Option(help="Override the scenario's seed.")]
Replicates = Annotated[
    int | None,
    typer.Option(
        parser=_replicates, metavar="N|auto",
        help="Override the number of replicates; auto: until the interval of a measure is narrow enough (`precision`).",
    ),
]
Data = Annotated[str | None, typer.Option(metavar="PATH", help="Real data: a path, or movielens-small.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes. Default: one per core that there is memory for.")]
Checkpoint = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Time between checkpoints of a run.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
AllowCode = Annotated[
    bool,
    typer.Option(
        "--allow-code",
        help="Let the scenario use your own classes (module:Class), programs (external) and servers (language_model).",
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Play on a Ray cluster: host:port, auto (the one this machine is a node of), or local (start one here).",
    ),
]


@contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Be on a Ray cluster, if there is an address, or end before anything is written."""
    from simulator.cluster_connection import ClusterError, connected

    if address is None:
        yield
        return
    try:
        with connected(address):
            yield
    except ClusterError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


def _tracker(name: str | None) -> str | None:
    """Refuse a tracker that cannot be used before anything runs."""
    if name is not None:
        from simulator.tracking import CannotTrack, check

        try:
            check(name)
        except CannotTrack as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from None
    return name


Track = Annotated[
    str | None,
    typer.Option(metavar="TRACKER", callback=_tracker, help="Also log what is finished: mlflow. It takes MLFLOW_TRACKING_URI."),
]


@app.command()
def run(
    file: File,
    set_: Set = None,
    seed: Seed = None,
    replicates: Replicates = None,
    data: Data = None,
    out: Annotated[Path | None, _folder("Folder to write to. Default: runs/<scenario>/<time>.")] = None,
    workers: Workers = None,
    ray: Ray = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew, even if a run of this scenario is unfinished.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it will take: time, and questions to a language model.")
    ] = False,
    checkpoint: Checkpoint = 30,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress; print only the report's path.")] = False,
    allow_code: AllowCode = False,
    track: Track = None,
) -> None:
    """Play every arm and replicate of a scenario, or what an interrupted run left of them, then write the report."""
    from simulator.runner import Resources
    from simulator.session import plan_scenario, run_scenario

    if dry_run:
        raise typer.Exit(plan_scenario(file, set_ or [], seed, replicates, data, allow_code))
    with _cluster(ray):
        code = run_scenario(
            file, set_ or [], seed, replicates, data, out, Resources(workers, checkpoint, ray), quiet, allow_code, fresh, track
        )
    raise typer.Exit(code)


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(help="File with a `sweep:`, and a scenario or its `base:`.", show_default=False)],
    set_: Set = None,
    quick: Annotated[bool, typer.Option("--quick", help="With the changes that the file has for that.")] = False,
    seed: Seed = None,
    replicates: Replicates = None,
    data: Data = None,
    out: Annotated[
        Path | None, _folder("Folder to write to, and to go on in. Default: sweeps/<file>, or sweeps/<file>-quick.")
    ] = None,
    workers: Workers = None,
    ray: Ray = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the cells, and about how long they will take.")] = False,
    checkpoint: Checkpoint = 30,
    quiet: Quiet = False,
    allow_code: AllowCode = False,
    track: Track = None,
    docs: Annotated[Path | None, _file("Also write the report as Markdown, its figures in a folder beside it.")] = None,
) -> None:
    """Play a scenario for every combination of some keys' values, or what an interrupted sweep left of them."""
    from simulator.runner import Resources
    from simulator.sweeping.command import run_sweep

    resources = Resources(workers, checkpoint, ray)
    with _cluster(None if dry_run else ray):
        code = run_sweep(
            file, set_ or [], seed, replicates, data, out, resources, quiet, allow_code, dry_run, track, quick, docs
        )
    raise typer.Exit(code)


@app.command()
def assumptions(
    file: File,
    choice: Annotated[
        str | None,
        typer.Option(metavar="MODELS", help="Choice models: logit,cascade or {kind: cascade, patience: 0.5}. Default: all."),
    ] = None,
    drift: Annotated[str | None, typer.Option(metavar="MODELS", help="Drift models, likewise. Default: all.")] = None,
    retrain: Annotated[
        str | None,
        typer.Option(metavar="ROUNDS", help="Retraining intervals: 1,5,20,never. Default: 1, the scenario's, never."),
    ] = None,
    measure: Annotated[str, typer.Option(help="What the arms are ranked by.")] = "consumption.alpha",
    set_: Set = None,
    seed: Seed = None,
    replicates: Replicates = None,
    data: Data = None,
    out: Annotated[Path | None, _folder("Folder to write to, and to go on in. Default: assumptions/<file>.")] = None,
    workers: Workers = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the worlds, and about how long they take.")] = False,
    checkpoint: Checkpoint = 30,
    quiet: Quiet = False,
    allow_code: AllowCode = False,
) -> None:
    """Ask the same question under every choice model, drift model and retraining interval: where does the ranking hold?"""
    from simulator.assumptions.command import Asked, run_assumptions
    from simulator.runner import Resources

    code = run_assumptions(
        file, Asked(choice, drift, retrain, measure), set_ or [], seed, replicates, data, out, Resources(workers, checkpoint),
        quiet, allow_code, dry_run,
    )  # fmt: skip
    raise typer.Exit(code)


@app.command()
def sensitivity(
    file: Annotated[Path, typer.Argument(help="File with a `sweep:` whose axes are ranges or lists.", show_default=False)],
    method: Annotated[
        str | None, typer.Option(help="morris (screening) or sobol (indices). Default: the file's, or morris.")
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(help="Trajectories (morris), or base samples, a power of two (sobol). Default: the file's, or 10 and 64."),
    ] = None,
    measure: Annotated[
        list[str] | None, typer.Option(help="What the indices are of: utility.per_user. Repeatable. Default: report.focus.")
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Times that the samples are resampled for an interval.")] = 1000,
    set_: Set = None,
    seed: Seed = None,
    replicates: Replicates = None,
    data: Data = None,
    out: Annotated[Path | None, _folder("Folder to write to, and to go on in. Default: sensitivity/<file>-<method>.")] = None,
    workers: Workers = None,
    ray: Ray = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the cells, and about how long they will take.")] = False,
    checkpoint: Checkpoint = 30,
    quiet: Quiet = False,
    allow_code: AllowCode = False,
) -> None:
    """Say which keys of a scenario its results depend on: Morris screening or Sobol' indices, with intervals."""
    from simulator.runner import Resources
    from simulator.sensitivity.command import Asked, run_sensitivity

    asked, resources = Asked(method, samples, measure or [], resamples), Resources(workers, checkpoint, ray)
    with _cluster(None if dry_run else ray):
        code = run_sensitivity(
            file, asked, set_ or [], seed, replicates, data, out, resources, quiet, allow_code, dry_run
        )
    raise typer.Exit(code)


@app.command()
def tune(
    file: Annotated[Path, typer.Argument(help="File with a `tune:`, and a scenario or its `base:`.", show_default=False)],
    trials: Annotated[int | None, typer.Option(min=1, help="Override the number of settings to try.")] = None,
    set_: Set = None,
    seed: Seed = None,
    replicates: Replicates = None,
    data: Data = None,
    out: Annotated[Path | None, _folder("Folder to write to, and to go on in. Default: tunes/<file>.")] = None,
    workers: Workers = None,
    ray: Ray = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what is searched, and how long it takes.")] = False,
    checkpoint: Checkpoint = 30,
    quiet: Quiet = False,
    allow_code: AllowCode = False,
) -> None:
    """Find the best setting of an arm under a floor, such as the strength of a remedy that keeps 95 % of the utility."""
    from simulator.runner import Resources
    from simulator.tuning.command import run_tune

    resources = Resources(workers, checkpoint, ray)
    with _cluster(None if dry_run else ray):
        code = run_tune(file, trials, set_ or [], seed, replicates, data, out, resources, quiet, allow_code, dry_run)
    raise typer.Exit(code)


@app.command()
def fit(
    file: Annotated[Path, typer.Argument(help="Scenario file, with or without a section `fit`.", show_default=False)],
    data: Annotated[str, typer.Option(metavar="PATH", help="The real log: a path, or movielens-small.", show_default=False)],
    simulations: Annotated[int | None, typer.Option(min=4, help="Override the number of worlds to simulate.")] = None,
    set_: Set = None,
    seed: Seed = None,
    out: Annotated[Path | None, _folder("Folder to write to, and to go on in. Default: fits/<file>.")] = None,
    workers: Workers = None,
    ray: Ray = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what is fitted, and how long it takes.")] = False,
    checkpoint: Checkpoint = 30,
    quiet: Quiet = False,
    allow_code: AllowCode = False,
) -> None:
    """Fit behaviour to a real log: values, and a posterior, for which simulated users have its stylised facts."""
    from simulator.fitting.command import run_fit
    from simulator.runner import Resources

    resources = Resources(workers, checkpoint, ray)
    with _cluster(None if dry_run else ray):
        code = run_fit(file, data, simulations, set_ or [], seed, out, resources, quiet, allow_code, dry_run)
    raise typer.Exit(code)


@app.command()
def replicate(
    names: Annotated[
        list[str], typer.Argument(help="r7, its full name, files with a `replication:`, or all.", show_default=False)
    ],
    quick: Annotated[bool, typer.Option("--quick", help="Fewer replicates and cells, as the file says.")] = False,
    set_: Set = None,
    seed: Seed = None,
    replicates: Annotated[int | None, typer.Option(min=2, help="Override the number of replicates.")] = None,
    data: Data = None,
    out: Annotated[Path | None, _folder("Folder for a folder each. Default: runs/replications.")] = None,
    workers: Workers = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check, and show what would be played.")] = False,
    checkpoint: Checkpoint = 30,
    quiet: Quiet = False,
    docs: Annotated[Path | None, _file("Also write all tables and figures as one Markdown page.")] = None,
) -> None:
    """Play published results again and say, claim by claim, whether they come out: paper, measured, interval, inside."""
    from simulator.replicating.command import run_replications
    from simulator.runner import Resources

    resources = Resources(workers, checkpoint)
    code = run_replications(names, quick, set_ or [], seed, replicates, data, out, resources, quiet, dry_run, docs)
    raise typer.Exit(code)


@app.command()
def study(
    names: Annotated[list[str], typer.Argument(help="model_scale, or files with a `study:`.", show_default=False)],
    size: Annotated[
        str, typer.Option(help="A smaller form that the file has, as quick, or several: reduced,regimes. Default: the whole.")
    ] = "",
    quick: Annotated[bool, typer.Option("--quick", help="The same as --size quick, and in its place.")] = False,
    set_: Set = None,
    seed: Seed = None,
    replicates: Annotated[int | None, typer.Option(min=2, help="Override the number of replicates.")] = None,
    data: Data = None,
    out: Annotated[Path | None, _folder("Folder for a folder each. Default: runs/studies.")] = None,
    workers: Workers = None,
    ray: Ray = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check, and show what would be played.")] = False,
    checkpoint: Checkpoint = 30,
    quiet: Quiet = False,
    docs: Annotated[Path | None, _file("Also write all tables as one Markdown page.")] = None,
) -> None:
    """Answer questions that were fixed beforehand, one by one: predictions, controls, what others found, with intervals."""
    from simulator.runner import Resources
    from simulator.studying.command import run_studies

    if quick and size not in ("", "quick"):
        raise typer.BadParameter(f"it is a size, and --size {size} another one: give one of them", param_hint="--quick")
    resources = Resources(workers, checkpoint, ray)
    with _cluster(None if dry_run else ray):
        code = run_studies(
            names, "quick" if quick else size, set_ or [], seed, replicates, data, out, resources, quiet, dry_run, docs
        )
    raise typer.Exit(code)


@app.command()
def report(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a run, or of what plays several.", show_default=False)
    ],
    format: Annotated[
        list[str] | None, typer.Option(metavar="FORMAT", help="html, md or pdf; md and pdf beside the page. Repeatable.")
    ] = None,
) -> None:
    """Make the report of a run, a sweep or whatever plays several runs again, from its files alone."""
    from simulator.session import remake_report

    raise typer.Exit(remake_report(folder, format or []))


@app.command()
def validate(file: File, set_: Set = None, data: Data = None, allow_code: AllowCode = False) -> None:
    """Check a scenario file and say all that is wrong with it."""
    from simulator.session import validate_scenario

    raise typer.Exit(validate_scenario(file, set_ or [], data, allow_code))


@app.command()
def explain(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.", show_default=False)],
    user: Annotated[int, typer.Option(help="Number of the user, from 0.", show_default=False)],
    round: Annotated[int, typer.Option(help="Round of the slate, from 1.", show_default=False)],
    arm: Annotated[str | None, typer.Option(help="Name of the arm. Default: the one that learns.")] = None,
    replicate: Annotated[int, typer.Option(help="Replicate, from 1.")] = 1,
    reasons: Annotated[int, typer.Option(min=1, help="Reasons to name per item.")] = 3,
    json: Annotated[Path | None, _file("Also write it as JSON.")] = None,
    allow_code: AllowCode = False,
) -> None:
    """Say why a user was shown a slate: what carried each item's score, and which stage put it there."""
    from simulator.session import explain_slate

    raise typer.Exit(explain_slate(folder, arm, replicate, user, round, reasons, json, allow_code))


@app.command()
def evaluate(
    file: Annotated[Path | None, typer.Argument(help="Scenario file whose arms to evaluate.", show_default=False)] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(metavar="POLICY", help="mf, or '{kind: mf, loss: bpr, factors: 64}'. Repeatable; instead of a file."),
    ] = None,
    data: Data = None,
    protocol: Annotated[
        str, typer.Option(help="random (8:1:1 within each user) or leave-one-out (the newest item).")
    ] = "random",
    k: Annotated[int, typer.Option(min=1, help="Length of the slates that are judged.")] = 10,
    min_rating: Annotated[float | None, typer.Option(help="Ratings below this do not count, in stars.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the split and the training.")] = 0,
    repeats: Annotated[int, typer.Option(min=1, help="Seeds to average over: seed, seed + 1, …")] = 1,
    json: Annotated[Path | None, _file("Also write the numbers as JSON.")] = None,
    out: Annotated[Path | None, _folder("Also write numbers, epochs and learning curves to a folder.")] = None,
    quiet: Quiet = False,
    allow_code: AllowCode = False,
) -> None:
    """Train policies on one part of a real log and test them on another."""
    from simulator.session import evaluate_policies

    seeds = range(seed, seed + repeats)
    raise typer.Exit(
        evaluate_policies(file, policy or [], data, protocol, k, min_rating, seeds, json, out, quiet, allow_code)
    )


@app.command()
def dashboard(
    file: File,
    set_: Set = None,
    seed: Seed = None,
    data: Data = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")] = 8765,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
    allow_code: AllowCode = False,
) -> None:
    """Watch two arms of a scenario live in the browser, side by side under the same draws, and turn its numbers."""
    from simulator.dashboard.command import open_dashboard

    raise typer.Exit(open_dashboard(file, set_ or [], seed, data, host, port, not no_open, allow_code))


@app.command()
def schema() -> None:
    """Print the JSON schema of scenario files, for editors."""
    import json

    from simulator.scenario import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Argument(help="policies, choices, drifts, measures, datasets, …")] = None,
) -> None:
    """List what a scenario can choose from."""
    from simulator.session import list_kind

    raise typer.Exit(list_kind(kind))


@app.command()
def show(name: Annotated[str, typer.Argument(help="A policy, choice or drift model, measure or section.")]) -> None:
    """Show what a part does, its keys with ranges and defaults, and its source."""
    from simulator.session import show_part

    raise typer.Exit(show_part(name))


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="filterbubble")


if __name__ == "__main__":
    main()
