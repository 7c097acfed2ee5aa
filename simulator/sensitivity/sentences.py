"""The answer in sentences: which keys an outcome depends on, in which direction, and which are not shown to matter."""

from __future__ import annotations

from simulator.report.answers import Finding
from simulator.report.vocabulary import NO_BREAK, difference_parts, listing, number, wording
from simulator.sensitivity.analysis import DIFFERENCE
from simulator.sensitivity.study import Estimate, Key, Study

NAMED = 6  # arms of a measure, or keys of an arm, that are told one by one
TOLD = 4  # measures
BENDS = ((0.1, "in a straight line"), (0.5, "steadily, in one direction"), (1.0, "almost steadily, in one direction"))
"""Up to which σ/µ* a key acts how; above, it bends, turns, or depends on other keys (Garcia Sanchez et al. 2014)."""

BENT = "by bends, turns or interactions with other keys"


def answer(study: Study) -> list[Finding]:
    """An opening, then a finding for each arm and measure, of the first of these."""
    if not study.measures:
        needed = "trajectories" if study.method == "morris" else "base samples"
        return [Finding("", f"Fewer than two whole {needed} are there, so there is nothing to say yet.")]
    chance = (
        "What is said to matter does so beyond zero and beyond what chance between replicates alone would give."
        if study.swept.replicates > 1
        else "With one replicate nothing tells what keys do from chance: an interval speaks of the choice of points alone."
    )
    findings = [Finding("", f"{_opening(study)} {chance}")]
    for measure in study.measures[:TOLD]:
        head, what = wording(measure).label, outcome_words(study, measure)
        findings += [
            Finding(f"{head} under {arm}:", f"the {what} {_arm(study, arm, measure)}.")
            for arm in study.arms(measure)[:NAMED]
        ]
    untold = [wording(measure).label for measure in study.measures[TOLD:]]
    return [*findings, *([Finding("Below:", f"{listing(untold)}.")] if untold else [])]


def outcome_words(study: Study, measure: str) -> str:
    """What is analysed, as it is said of an arm."""
    if study.outcome(measure) == DIFFERENCE:
        return f"difference to {study.swept.baseline}"
    return "level"


def estimate(found: Estimate) -> str:
    """0.31 [0.22, 0.40]; without bounds the value alone."""
    value, bounds = difference_parts(found.value, found.low, found.high)
    return NO_BREAK.join(filter(None, (value.removeprefix("+"), bounds)))


def bend(key: Key) -> str:
    """How a key acts, by σ/µ*."""
    return next((words for limit, words in BENDS if key.bend < limit), BENT)


def percent(share: float) -> str:
    """A share of 1 in per cent; NaN is a dash."""
    return "–" if share != share else f"<{NO_BREAK}1{NO_BREAK}%" if 0 < share < 0.01 else f"{number(100 * share, 0)}{NO_BREAK}%"


def _opening(study: Study) -> str:
    if study.method == "morris":
        return (
            "Morris screening tells how much an outcome changes, in either direction, when one key goes through its whole "
            "range while the others stay where they are (µ*, with 95 % intervals)."
        )
    return (
        "Sobol' indices tell which share of an outcome's variance, when all keys vary over their ranges at once, is due to "
        "one key: with all its interactions (ST), or by itself (S1); with 95 % intervals."
    )


def _arm(study: Study, arm: str, measure: str) -> str:
    keys = study.keys(arm, measure)
    if not keys or all(key.size.value == 0 for key in keys):
        return "does not vary over these keys"
    shown = [key for key in keys if key.shown]
    idle = [key.label for key in keys if not key.shown]
    if not shown:
        return "is not shown to depend on any of the keys"
    first, *others = shown
    text = f"depends {'most ' if len(keys) > 1 else ''}on {first.label} ({_told(first)})"
    if rivals := [key.label for key in keys if key is not first and key.size.high > first.size.low]:
        text += f", though not surely more than on {listing(rivals)}"
    if others:
        named = [f"{key.label} ({_told(key)})" for key in others[:NAMED]]
        more = [f"{len(others) - NAMED} more"] if len(others) > NAMED else []
        text += f"; then on {listing(named + more)}"
    if idle:
        text += f"; not shown to matter: {listing(idle)}"
    noise = study.spread_of(arm, measure)["noise"]
    if noise == noise:
        text += f". Chance makes {percent(noise)} of its variance over cells"
    return text


def _told(key: Key) -> str:
    if key.main == "ST":
        return f"ST{NO_BREAK}{estimate(key.size)}, S1{NO_BREAK}{estimate(key.found['S1'])}"
    way = {1: ", up as it rises", -1: ", down as it rises", 0: ""}[key.direction]
    return f"µ*{NO_BREAK}{estimate(key.size)}{way}"
