"""The page of a fit: its folder in, one self-contained page and its figures out. It simulates nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simulator.fitting.facts import FACTS
from simulator.fitting.figures import WORLDS, parameters, six_facts, yardstick
from simulator.fitting.fitted import Fitted, Verdict, load_fitted
from simulator.fitting.halves import WITHIN
from simulator.plain import count
from simulator.report import save_all
from simulator.report.answers import Finding
from simulator.report.style import house_style
from simulator.report.template import write_page
from simulator.report.vocabulary import listing, number

PAGE = "fit.html"
AT_AN_END = 0.02
"""Of a range: a fitted value nearer to an end than this may belong beyond it."""

KNOWN = 0.5
"""A key whose posterior spreads over more of its range than this share of what an even spread would have is hardly known."""


def write_fit_report(folder: Path, formats: Sequence[str] = ("svg",)) -> Path:
    """Write `fit.html` and `figures/` into the folder of a fit and return the path of the page.

    An unfinished fit gives the page of what there is, and says so. `NotAFit` if the folder lacks a file.
    """
    folder = Path(folder)
    fitted = load_fitted(folder)
    with house_style():
        drawn = [six_facts(fitted), yardstick(fitted)] if fitted.worlds else []
        drawings = [drawing for drawing in (*drawn, parameters(fitted)) if drawing is not None]
        pictures = save_all(drawings, folder, formats)
    source = folder / "fit.yaml"
    return write_page(
        folder / PAGE,
        "fitting/fit.html",
        pictures,
        manifest=fitted.manifest,
        answer=answer(fitted),
        facts=_facts(fitted),
        keys=_keys(fitted),
        limits=_limits(fitted),
        drawings=drawings,
        made=_made(fitted),
        text=source.read_text(encoding="utf-8") if source.is_file() else "",
    )  # fmt: skip


def answer_line(folder: Path) -> str:
    """The answer in one sentence."""
    return answer(load_fitted(folder))[0].text


def answer(fitted: Fitted) -> list[Finding]:
    """Which facts are met and which are not, under the fitted values, under the posterior, and before the fit."""
    verdicts = fitted.verdicts("fitted")
    if not verdicts:
        there = f"{fitted.manifest['simulated']} of {count(fitted.manifest['fit']['simulations'], 'simulation')}"
        return [Finding("", f"The fit is not finished: {there} are there, and nothing is compared with unseen users yet.")]
    met, missed = [each for each in verdicts if each.met], [each for each in verdicts if not each.met]
    named = f": {_names(met)}" if met else ""
    told = f"The fitted world meets {len(met)} of {len(verdicts)} facts within the spread of halves of the real log{named}."
    findings = [Finding("", told)]
    if missed:
        far = [f"{each.fact.label.lower()} ({_times(each)} the limit)" for each in missed]
        which = "it does" if len(far) == 1 else "them do"
        findings.append(Finding("Not matched:", f"{listing(far)}. Conclusions that hang on {which} not carry over."))
    for world, head in (("posterior", "With draws of the posterior:"), ("before", "Before the fit:")):
        others = fitted.verdicts(world)
        if others:
            held = [each for each in others if each.met]
            findings.append(Finding(head, f"{len(held)} of {len(others)} facts are met{': ' + _names(held) if held else ''}."))
    real = [each for each in fitted.verdicts("real") if not each.met]
    if real:
        apart = f"the two halves of these very users are farther apart than {WITHIN:.0%} of halves in {_names(real)}."
        findings.append(Finding("A caution:", apart))
    return findings


def _names(verdicts: Sequence[Verdict]) -> str:
    return listing([each.fact.label.lower() for each in verdicts])


def _times(verdict: Verdict) -> str:
    if not math.isfinite(verdict.distance):
        return "nobody to compare, beyond"
    return f"{number(verdict.distance / verdict.limit, 2)} times"


def _facts(fitted: Fitted) -> list[dict[str, Any]]:
    """A row for each fact and world."""
    rows = []
    for name, fact in FACTS.items():
        for world, (words, _, _) in WORLDS.items():
            if world not in fitted.worlds:
                continue
            verdict = fitted.verdict(world, name)
            rows.append({
                "fact": fact.label, "unit": fact.unit, "world": words, "first": world == "fitted",
                "distance": number(verdict.distance) if math.isfinite(verdict.distance) else "–",
                "median": number(float(np.median(verdict.halves))), "limit": number(verdict.limit),
                "place": f"{100 * verdict.place:.0f} %", "met": verdict.met,
            })  # fmt: skip
    return rows


def _keys(fitted: Fitted) -> list[dict[str, str]]:
    """A row for each key: what it was, what it is, and the posterior's 95 % interval."""
    rows = []
    for axis in fitted.manifest["axes"]:
        key = axis["key"]
        draws = None if fitted.posterior is None else fitted.posterior[key].to_numpy(float)
        before, after = ((fitted.manifest[held] or {}).get(key) for held in ("before", "fitted"))
        rows.append({
            "key": key, "before": "–" if before is None else number(before), "fitted": "–" if after is None else number(after),
            "interval": "–" if draws is None else " to ".join(number(end) for end in np.quantile(draws, [0.025, 0.975])),
            "range": f"{axis['low']:g} to {axis['high']:g}{', log' if axis['scale'] == 'log' else ''}",
            "note": "" if draws is None or after is None else _note(axis, after, draws),
        })  # fmt: skip
    return rows


def _note(axis: dict[str, Any], value: float, draws: np.ndarray) -> str:
    scale = np.log if axis["scale"] == "log" else np.asarray
    low, high = scale(axis["low"]), scale(axis["high"])
    share = (scale(value) - low) / (high - low)
    notes = []
    if min(share, 1 - share) < AT_AN_END:
        notes.append("at an end of its range")
    if np.std((scale(draws) - low) / (high - low)) > KNOWN * math.sqrt(1 / 12):
        notes.append("hardly known from these facts")
    return "; ".join(notes)


def _limits(fitted: Fitted) -> list[str]:
    """What was fitted on what, and what this cannot tell."""
    manifest = fitted.manifest
    users, data, world = manifest["users"], manifest["data"], manifest["world"]
    depth = manifest["fit"]["depth"]
    left_out = users["all"] - users["fitted_to"] - users["held_out"]
    return [
        f"Fitted on {users['fitted_to']:,} users of {data['name']}; compared with the other "
        f"{users['held_out']:,}, which the search never saw. Halves are drawn at random, but matched in activity."
        + (f" {count(left_out, 'user')} with fewer than {depth} takes stand in neither half." if left_out else ""),
        f"The simulated world has {world['users']:,} users, {world['items']:,} items and {world['topics']} topics, all "
        f"generated: nothing of the log but its size is copied. Its log is what users took in {world['rounds']} rounds "
        f"under {manifest['arm']}; as many users as a real half has are compared, each with {depth} takes or more.",
        "The facts compare takes in their order, not by the clock: real users come in bursts, at different times, to a "
        "catalogue that grows, and nothing here says that simulated ones do.",
        "This log has no impressions: position bias cannot be told from it and is as the file says."
        + ("" if manifest["recommends"] else " Nor is there a recommender in the simulated world, though the real site "
           "may have had one: the share of organic takes is not fitted. Name an arm that recommends in `fit.arm` to fit it."),
        "Meeting these facts does not show that the world is right: other worlds may meet them too. What they do not tell "
        "apart is what the posterior leaves open.",
    ]  # fmt: skip


def _made(fitted: Fitted) -> list[tuple[str, str]]:
    manifest, keys = fitted.manifest, fitted.manifest["fit"]
    data = manifest["data"]
    stars = f" of {keys['min_rating']:g} stars or more" if keys["min_rating"] else ""
    failed = f", {manifest['failed']} of them failed" if manifest["failed"] else ""
    unlikely = f"; {manifest['unlikely']} of its draws made no world and were left out" if manifest["unlikely"] else ""
    emulator = manifest["emulator"] or {"used": 0, "quadratic": True, "discrepancy": 0.0}
    wide = (
        "; even the best parameters miss by more than chance, so each summary may be off by "
        f"{number(emulator['discrepancy'], 1)} times the chance of a simulation more (Kennedy & O'Hagan 2001)"
        if emulator["discrepancy"] else ""
    )
    return [
        ("Data", f"{data['name']}: {data['users']:,} users, {data['items']:,} items, {data['interactions']:,} takes"
                 f"{stars}. {data['citation']} {data['licence']}"),
        ("Search", f"{manifest['simulated']} of {count(keys['simulations'], 'simulation')}{failed}, {keys['population']} of "
                   "them drawn from the ranges, the others from the posterior as it was known then, seed "
                   f"{manifest['seed']}"),
        ("Posterior", f"Synthetic likelihood (Wood 2010) of two summaries of each fact, whose means are "
                      f"{'quadratic' if emulator['quadratic'] else 'linear'} functions of the parameters, learnt from "
                      f"the {emulator['used']} most plausible simulations{wide}{unlikely}"),
        ("Fitted values", "Of the six best simulations, the posterior's peak and its mean, what misses the fewest facts of the "
                          "users fitted to, on average in six more worlds; among equals the nearest. Distance: mean over "
                          "facts, in units of the limits"),
        ("Yardstick", f"{keys['halves']} random cuts of the real users in two halves, without replacement. A fact is met if "
                      f"the median distance over {keys['replicates']} fresh replicates is at most the {100 * WITHIN:g} % "
                      "quantile of the distances between halves"),
        ("Wall-clock time of the last call", f"{manifest['seconds']:.0f} s"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in (manifest.get("versions") or {}).items() if version)),
    ]  # fmt: skip
