"""What events did: each arm in which one happened minus the same arm in which it did not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from simulator.report.evidence import Evidence
from simulator.report.style import ORGANIC_COLOUR, Drawing, Look
from simulator.report.trajectories import BAND_COLUMNS, small_multiples
from simulator.report.vocabulary import difference, listing, lowered, number, wording
from simulator.statistics import band_table, interval_table, longest_replicates, paired_differences, recovery_times


def event_effects(evidence: Evidence, look: dict[str, Look]) -> Drawing | None:
    """Difference curves between arms that an event tells apart, and how long its effect outlives it."""
    run = evidence.run
    events = [event for event in run.scenario.get("events") or [] if isinstance(event, Mapping)]
    pairs = spared_twins([p for p in run.scenario.get("policies") or [] if isinstance(p, Mapping)], events)
    steady = longest_replicates(run.trajectory)
    steady = steady[steady["measure"].isin(evidence.focus)]
    courses = {
        arm: paired_differences(steady[steady["arm"].isin((arm, twin))], twin)
        for arm, twin in pairs.items() if {arm, twin} <= set(steady["arm"])
    }  # fmt: skip
    apart = pd.concat(courses.values(), ignore_index=True) if courses else steady.iloc[:0]
    curves = band_table(apart)
    if curves.empty:
        return None
    measures = [measure for measure in evidence.focus if measure in set(curves["measure"])]
    figure = small_multiples(evidence, look, curves, measures, differences=True)
    spans = {each for event in events for each in spans_of(event, evidence.last)}
    for ax in figure.axes:
        for start, stop in sorted(spans):
            ax.axvspan(start - 0.5, stop - 0.5, facecolor=ORGANIC_COLOUR, alpha=0.12, linewidth=0, zorder=0)
    told = [_told(arm, courses[arm], event, measures, evidence.last) for arm in courses for event in events if _in(event, arm)]
    return Drawing(
        "events",
        "What the events did",
        f"{listing([f'{arm} minus {pairs[arm]}' for arm in courses])}: the same policy, users and draws, so all that differs "
        "is what the event did. Bands are simultaneous 95 % bands over replicates; the shade marks the rounds of an event. An "
        "effect counts as gone when it stays within a tenth of its largest size. "
        f"{' '.join(told)}",
        f"Line charts of differences between arms with and without an event. {' '.join(told)}",
        figure,
        curves[BAND_COLUMNS],
    )


def spared_twins(policies: list[Mapping[str, Any]], events: list[Mapping[str, Any]]) -> dict[str, str]:
    """Each arm in which something happens, with the arm of the same settings in which nothing, or least, does."""

    def happening(arm: str) -> int:
        return sum(_in(event, arm) for event in events)

    twins = {}
    for policy in policies:
        alike = [
            other["name"] for other in policies
            if {**other, "name": ""} == {**policy, "name": ""} and happening(other["name"]) < happening(policy["name"])
        ]  # fmt: skip
        if alike:
            twins[str(policy["name"])] = str(min(alike, key=happening))
    return twins


def spans_of(event: Mapping[str, Any], last: int) -> list[tuple[int, int]]:
    """The first round of each time that an event happens, and the first after it."""
    first, every = int(event["at"]), event.get("every")
    starts = [first] if every is None else range(first, last + 1, int(every))
    return [span({**event, "at": start, "every": None}, last) for start in starts]


def span(event: Mapping[str, Any], last: int) -> tuple[int, int]:
    """The first round of an event, and the first after it: of one that happens once the next, of one without end last + 1.

    What happens again and again has no end.
    """
    at, rounds = int(event["at"]), event.get("rounds")
    if event.get("every") is not None:
        return at, last + 1
    if rounds is not None:
        return at, at + int(rounds)
    return (at, at + 1) if event["kind"] in _ONCE else (at, last + 1)


_ONCE = {"switch", "reset_history"}


def _in(event: Mapping[str, Any], arm: str) -> bool:
    return event.get("arms") is None or arm in event["arms"]


def _told(arm: str, apart: pd.DataFrame, event: Mapping[str, Any], measures: list[str], last: int) -> str:
    """The largest effect of an event on each measure, and when it was gone."""
    at, after = span(event, last)
    every = event.get("every")
    once = event["kind"] in _ONCE and every is None
    times = recovery_times(apart, at, at if once else after)
    peaks = interval_table(times.rename(columns={"peak": "value"}), ["measure"]).set_index("measure") if len(times) else None
    said = []
    for measure in measures:
        rows = times[times["measure"] == measure]
        if peaks is None or rows.empty or not (peaks.loc[measure, "low"] > 0 or peaks.loc[measure, "high"] < 0):
            continue
        size = difference(*peaks.loc[measure, ["mean", "low", "high"]])
        said.append(f"{lowered(wording(measure).label)} {size} at most, {_gone(rows['rounds'], after > last and not once)}")
    when = f"round {at}{'' if every is None else f' and every {every} from there'}"
    name = f"{str(event['kind']).replace('_', ' ')} in {arm} ({when})"
    return f"{name[:1].upper()}{name[1:]}: {'; '.join(said) if said else 'no effect whose interval excludes zero'}."


def _gone(rounds: pd.Series, to_the_end: bool) -> str:
    if to_the_end:
        return "to the end of the run"
    known = rounds.dropna()
    if known.empty:
        return "not gone by the end of the run"
    if len(known) < len(rounds):
        return f"gone in {len(known)} of {len(rounds)} replicates by the end of the run"
    return f"gone {number(float(known.median()))} rounds after it (median of {len(rounds)} replicates)"
