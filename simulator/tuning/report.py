"""The report of a tune: its folder in, one self-contained page and its figures out. It plays nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator.plain import count
from simulator.report import save_all
from simulator.report.answers import Finding
from simulator.report.html import swatch
from simulator.report.style import house_style
from simulator.report.template import write_page
from simulator.report.tradeoff import in_short, section
from simulator.report.vocabulary import difference, number, wording
from simulator.statistics import Interval
from simulator.tuning.figures import arm_looks, bargains, front_of, history, slices
from simulator.tuning.outcome import Outcome
from simulator.tuning.tuned import Tuned, load_tuned

AT_AN_END = 0.01  # of a range: nearer than this, the best may well lie beyond


def write_tune_report(folder: Path, formats: Sequence[str] = ("svg",)) -> Path:
    """Write `report.html` and `figures/` into the folder of a tune and return the path of the page.

    An unfinished tune gives the report of what there is, and says so. `NotATune` if the folder lacks a file.
    """
    folder = Path(folder)
    tuned = load_tuned(folder)
    look = arm_looks(tuned)
    front = front_of(tuned) if any(outcome is not None for outcome in tuned.outcomes) else None
    with house_style():
        drawn = (bargains(tuned, look, front), history(tuned, look), slices(tuned, look))
        drawings = [each for each in drawn if each is not None]
        pictures = save_all(drawings, folder, formats)
    sources = folder / "tune.yaml"
    return write_page(
        folder / "report.html",
        "tuning/tune.html",
        pictures,
        manifest=tuned.manifest,
        answer=answer(tuned),
        drawings=drawings,
        swatches={arm: swatch(arm_look) for arm, arm_look in look.items()},
        fronts=None if front is None else section([("", front)]),
        goal=wording(tuned.keys.goal),
        floor=tuned.keys.floor,
        floor_measure=wording(tuned.keys.floor.measure),
        trials=_rows(tuned),
        made=_made(tuned),
        text=sources.read_text(encoding="utf-8") if sources.is_file() else "",
    )  # fmt: skip


def answer(tuned: Tuned) -> list[Finding]:
    """What the tune found: the best setting, its gain and cost where the search did not look, and how much that differs."""
    keys, tried = tuned.keys, sum(outcome is not None for outcome in tuned.outcomes)
    goal, kept = in_short(keys.goal), in_short(keys.floor.measure)
    floor = f"{100 * keys.floor.share:g} % of {keys.floor.of}'s {kept}"
    rule = f"{floor}{', by the lower end of the 95 % interval' if keys.floor.sure else ''}"
    if not tried:
        return [Finding("", "No trial is finished, so there is nothing to say yet.")]
    if tuned.best is None:
        return _unreachable(tuned, tried, rule)
    found = tuned.outcomes[tuned.best]
    assert found is not None
    keeping = sum(outcome is not None and outcome.met for outcome in tuned.outcomes)
    most = "most" if keys.sign > 0 else "least"
    findings = [
        Finding("", f"Of {count(tried, 'setting')} of {keys.arm} that were tried, {keeping} keep{'s' if keeping == 1 else ''} "
                    f"the floor, {rule}; of these {tuned.words(tuned.best)} has the {most} {goal}.{_ends(tuned)}")
    ]  # fmt: skip
    fresh = tuned.fresh
    if fresh is None:
        text = (
            f"{_gain(tuned, found)}; {_kept(tuned, found)}. What is chosen as the best of many looks better than it is, and "
            "the fresh replicates are not played yet."
        )
        return [*findings, Finding("On the replicates of the search", text)]
    verdict = (
        "the floor is met, and not by chance" if fresh.surely_met
        else "the floor is missed; `floor: {sure: true}` leaves a margin" if fresh.surely_missed
        else f"the floor is {'met' if fresh.over.mean >= 0 else 'missed'} by the mean, and the interval leaves it open"
    )
    return [
        *findings,
        Finding("What it brings", f"in {fresh.gain.n} fresh replicates, which the search has not seen: {_gain(tuned, fresh)}."),
        Finding("What it costs", f"there: {_kept(tuned, fresh)}, so {verdict}."),
        Finding("In the search itself", _optimism(tuned, found, fresh)),
    ]


def _unreachable(tuned: Tuned, tried: int, rule: str) -> list[Finding]:
    near = tuned.nearest
    assert near is not None
    outcome = tuned.outcomes[near]
    assert outcome is not None
    return [
        Finding("", f"None of the {count(tried, 'setting')} of {tuned.keys.arm} that were tried keeps the floor, {rule}."),
        Finding("Nearest to it", f"is {tuned.words(near)}: {_kept(tuned, outcome)}; {_gain(tuned, outcome)}."),
        Finding("What to do", "lower the share, widen the ranges, or try more settings."),
    ]


def _ends(tuned: Tuned) -> str:
    """Say which knobs of the best setting lie at an end of their range."""
    assert tuned.best is not None
    there = []
    for axis in tuned.manifest["axes"]:
        if axis["ends"] is not None:
            low, high = axis["ends"]
            value = float(tuned.trials[axis["label"]].iloc[tuned.best])
            if min(value - low, high - value) <= AT_AN_END * (high - low):
                there.append(axis["label"])
    return f" It lies at an end of {' and '.join(there)}: beyond it may be a better one." if there else ""


def _gain(tuned: Tuned, outcome: Outcome) -> str:
    label, before = in_short(tuned.keys.goal), outcome.goal.mean - outcome.gain.mean
    return (
        f"{label} {difference(outcome.gain.mean, outcome.gain.low, outcome.gain.high)} against {tuned.keys.floor.of} "
        f"({number(outcome.goal.mean)} in place of {number(before)})"
    )


def _kept(tuned: Tuned, outcome: Outcome) -> str:
    return f"{in_short(tuned.keys.floor.measure)} is {_share(outcome.kept)} of {tuned.keys.floor.of}'s"


def _share(kept: Interval) -> str:
    bounds = "" if kept.low != kept.low else f" [{number(100 * kept.low, 1)}, {number(100 * kept.high, 1)}]"
    return f"{number(100 * kept.mean, 1)}{bounds} %"


def _optimism(tuned: Tuned, found: Outcome, fresh: Outcome) -> str:
    """The gain on the search's replicates against that on fresh ones (Varian's winner's curse; Capen et al. 1971)."""
    more = tuned.keys.sign * (found.gain.mean - fresh.gain.mean)
    gain = difference(found.gain.mean, found.gain.low, found.gain.high)
    change = f"{number(abs(more))} {'more' if more > 0 else 'less'} than in the fresh ones"
    why = "; the best of many is chosen partly for its luck" if more > 0 else ""
    return f"in its {count(found.gain.n, 'replicate')}, the gain was {gain}, {change}{why}; {_kept(tuned, found)} there."


def _rows(tuned: Tuned) -> list[dict[str, Any]]:
    rows = []
    for place, outcome in enumerate(tuned.outcomes):
        row = tuned.trials.iloc[place]
        rows.append({
            "trial": int(row["trial"]), "values": [tuned.value(place, axis) for axis in tuned.manifest["axes"]],
            "goal": "–" if outcome is None else number(outcome.goal.mean),
            "gain": "–" if outcome is None else difference(outcome.gain.mean, outcome.gain.low, outcome.gain.high),
            "kept": "–" if outcome is None else _share(outcome.kept),
            "met": "failed" if outcome is None else "yes" if outcome.met else "no",
            "best": place == tuned.best, "folder": str(row["folder"]),
            "error": str(row["error"]) if isinstance(row["error"], str) else "",
        })  # fmt: skip
    return rows


def _made(tuned: Tuned) -> list[tuple[str, str]]:
    manifest, keys = tuned.manifest, tuned.keys
    held = manifest.get("held_out")
    return [
        ("Search", "Optuna's tree-structured Parzen estimator (Bergstra et al. 2011) with the floor as a constraint (Watanabe "
                   f"& Hutter 2023), {keys.batch} settings at a time, seed {manifest.get('search_seed')}"),
        ("Trials", f"{len(tuned.trials)} of {keys.trials}"),
        ("Replicates of the search", f"{manifest['replicates']}, seed {manifest['seed']}, the same in every trial and arm"),
        ("Fresh replicates", "–" if held is None else f"{held['replicates']}, seed {held['seed']}"),
        ("Wall-clock time of the last call", f"{manifest['seconds']:.0f} s" if "seconds" in manifest else "–"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in (manifest.get("versions") or {}).items() if version)),
    ]  # fmt: skip
