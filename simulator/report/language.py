"""Users who ask a language model: how often it answered, and how far it acts like the choice model in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from simulator.report.evidence import Evidence
from simulator.report.load import Run
from simulator.report.style import INK, ORGANIC_COLOUR, Drawing, new_figure
from simulator.statistics import Interval, interval_table
from simulator.statistics.validity import AGAIN, MODEL, PARAMETRIC, take_rates, validity

OUTCOMES = {
    "taken": "answered", "refused": "refused", "unreadable": "unreadable", "off_list": "off the list",
    "failed": "no answer", "over_budget": "over budget", "not_asked": "not in the cache",
}  # fmt: skip
QUANTITIES = {
    "takes": ("Items taken per question", (MODEL, PARAMETRIC)),
    "agreement": ("Same choice as the choice model", (MODEL, AGAIN)),
    "overlap": ("Overlap with the choice model, where either takes", (MODEL, AGAIN)),
    "alike": ("Two users' takes of one main topic", (MODEL, PARAMETRIC)),
    "stable": ("A take of the main topic of the one before", (MODEL, PARAMETRIC)),
}
_LINES: dict[str, tuple[str, str, Any]] = {
    MODEL: ("language model", INK, "-"), PARAMETRIC: ("choice model, same menus", ORGANIC_COLOUR, (0, (4, 2))),
}  # fmt: skip


@dataclass(frozen=True)
class Answers:
    """How the questions of one arm came out."""

    arm: str
    questions: int                          # in all replicates
    shares: dict[str, float]                # of outcomes


@dataclass(frozen=True)
class Validity:
    """One quantity in one arm, of the model and of its yardstick."""

    arm: str
    label: str
    model: Interval
    yardstick: Interval | None
    against_itself: bool                    # the yardstick is the choice model against itself with other draws


@dataclass(frozen=True)
class LanguageUsers:
    """The section: sentences and two tables."""

    sentences: list[str]
    outcomes: dict[str, str]
    answers: list[Answers]
    rows: list[Validity]


def language_users(evidence: Evidence) -> LanguageUsers | None:
    """What there is to say of rounds 1 and later; None where no language model was asked."""
    run = evidence.run
    asked = _asked(run)
    if asked is None:
        return None
    arms = [arm.name for arm in run.arms]
    outcomes = {name: label for name, label in OUTCOMES.items() if name == "taken" or (asked["outcome"] == name).any()}
    answers = []
    for arm in arms:
        mine = asked.loc[asked["arm"] == arm, "outcome"]
        if len(mine):
            answers.append(Answers(arm, len(mine), {name: float((mine == name).mean()) for name in outcomes}))
    table = interval_table(validity(asked, _topics(run)), ["arm", "quantity", "source"])
    found = {
        (row.arm, row.quantity, row.source): Interval(row.mean, row.low, row.high, int(row.n)) for row in table.itertuples()
    }
    rows = [
        Validity(arm, label, found[arm, name, first], found.get((arm, name, second)), second == AGAIN)
        for name, (label, (first, second)) in QUANTITIES.items() for arm in arms if (arm, name, first) in found
    ]
    return LanguageUsers(_sentences(asked, run.manifest.get("language")), outcomes, answers, rows)


def place_in_list(evidence: Evidence) -> Drawing | None:
    """How often what stands in a place of the slate is taken, by the model and by the choice model in its stead."""
    asked = _asked(evidence.run)
    rates = None if asked is None else take_rates(asked)
    if rates is None or rates.empty:
        return None
    figure = new_figure(2.2)
    ax = figure.subplots()
    for source, (label, colour, dash) in _LINES.items():
        rows = rates[rates["source"] == source]
        ax.plot(rows["place"], rows["rate"], color=colour, linestyle=dash, marker="o", markersize=3, label=label)
    ax.set_xlabel("Place in the list of the slate, 1 at the top")
    ax.set_ylabel("Share taken")
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(
        handles=[Line2D([], [], color=colour, linestyle=dash, label=label) for label, colour, dash in _LINES.values()],
        loc="outside upper left", ncols=2,
    )  # fmt: skip
    return Drawing(
        "language",
        "Takes by place in the list",
        "The share of what stood in each place of the slate that was taken, over all answered questions; the choice model has "
        "chosen from the same menus. Where a slate is read as it was made, its first places hold its best items, so that both "
        "curves may fall; with `order: shuffled` a place has no merit, and what falls is the position bias.",
        "Take rate by place in the slate, for the language model and the choice model.",
        figure,
        rates,
    )


def _asked(run: Run) -> pd.DataFrame | None:
    """The questions of rounds 1 and later."""
    if run.language is None:
        return None
    asked = run.language[run.language["round"] > 0]
    return asked if len(asked) else None


def _topics(run: Run) -> Callable[[str, int], Mapping[int, int]]:
    tables = run.items.groupby(["arm", "replicate"])
    items = {key: dict(zip(table["item"], table["topic"], strict=True)) for key, table in tables}
    return lambda arm, replicate: items[arm, replicate]


def _sentences(asked: pd.DataFrame, spent: Mapping[str, int] | None) -> list[str]:
    answered = asked[asked["outcome"] == "taken"]
    fallen = 1 - len(answered) / len(asked)
    said = [
        f"A language model was asked {len(asked):,} times from round 1 on, and decided {1 - fallen:.1%} of the time"
        + (f"; the choice model stood in for the other {fallen:.1%}." if fallen else ".")
    ]
    if len(answered):
        takes, instead = answered["taken"].map(len).mean(), answered["parametric"].map(len).mean()
        if instead:
            said.append(
                f"It takes {takes / instead:.2g} times as much as the choice model takes from the same menus: {takes:.3g} "
                f"items a question against {instead:.3g}."
            )
    if spent:
        said.append(
            f"When this run was played, {spent['calls']:,} requests went to the server, for {spent['tokens']:,} tokens, and "
            f"{spent['cached']:,} of {spent['questions']:,} questions had their answer in the cache."
        )
    said.append(
        "Language models are known to take too often, to act too much alike and to change too little, compared with people: a "
        "claim is robust only where they and the choice model agree on its sign."
    )
    return said
