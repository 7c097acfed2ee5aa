"""What swapped assumptions say, in sentences made of their numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from simulator.assumptions.orders import FLIPS, HOLDS, UNDECIDED
from simulator.assumptions.survey import Survey
from simulator.plain import count
from simulator.report.answers import Finding
from simulator.report.evidence import ALPHA
from simulator.report.vocabulary import capital, listing, lowered, number

NAMED = 6  # pairs that a sentence names one by one
PLACES = 3  # worlds that it names for one pair
NAMES = {"choice": "choice model", "drift": "drift model", "retrain": "retraining interval"}


def answer(survey: Survey) -> list[Finding]:
    """The answer: how many orders survive; which never turn round, which do and where; what that goes with; the ranking."""
    if not survey.speaks:
        return [Finding("", "The base and another world have to be played to the end before there is anything to say.")]
    table = survey.pairs
    decided, flipped = table[table["decided"]], table[table[FLIPS] > 0]
    never = decided[decided[FLIPS] == 0]
    n = len(survey.played)
    where = f"{n} worlds" if n == len(survey.assumed) else f"{n} worlds played so far, of {len(survey.assumed)}"
    if decided.empty:
        opening = f"The base tells no two arms apart by {lowered(survey.words.label)}, so there is no order that could flip."
    elif flipped.empty:
        opening = (
            f"By {lowered(survey.words.label)}, no order flips: of the {count(len(decided), 'order')} that the base shows, "
            f"none is turned round in any of the {where}."
        )
    else:
        opening = (
            f"By {lowered(survey.words.label)}, {len(flipped)} of the {count(len(decided), 'order')} that the base shows "
            f"{'is' if len(flipped) == 1 else 'are'} turned round in at least one of the {where}; "
            f"{len(never)} never {'is' if len(never) == 1 else 'are'}."
        )
    told = {
        **_turned(survey, flipped.sort_values([FLIPS, HOLDS], ascending=[False, True], kind="stable")),
        "Never turned round:": _listed(survey, never.sort_values([HOLDS], ascending=False, kind="stable")),
        "Not decided in the base:": _emerging(survey, table[~table["decided"]]),
        "What the flips go with:": _goes_with(survey) if len(flipped) else "",
        "The ranking as a whole:": _ranking(survey),
    }
    return [Finding("", opening), *(Finding(head, text) for head, text in told.items() if text)]


def claim(survey: Survey, first: str, second: str) -> str:
    """That the first arm lies further in the direction of rank 1: `mf narrows people more than popularity`."""
    if survey.measure == ALPHA:
        if second == survey.baseline:
            return f"{first} narrows people"
        if first == survey.baseline:
            return f"{second} broadens people"
        return f"{first} narrows people more than {second}"
    return f"{first} is {'below' if survey.toward < 0 else 'above'} {second}"


def where_it_holds(survey: Survey, pair: dict[str, Any]) -> str:
    """`in 14 of 18 worlds, undecided in 3, and the other way in 1: best × none × 5`"""
    holds, worlds = pair[HOLDS], pair["worlds"]
    parts = [f"in {f'all {worlds}' if holds == worlds else f'{holds} of {worlds}'} worlds"]
    if pair[UNDECIDED]:
        parts.append(f"undecided in {pair[UNDECIDED]}")
    if pair[FLIPS]:
        parts.append(f"the other way in {pair[FLIPS]}: {_places(survey, pair)}")
    return ", ".join(parts[:-1]) + f", and {parts[-1]}" if pair[FLIPS] else ", ".join(parts)


def _places(survey: Survey, pair: dict[str, Any]) -> str:
    own = survey.orders
    own = own[(own["first"] == pair["first"]) & (own["second"] == pair["second"]) & (own["verdict"] == FLIPS)]
    own = own.sort_values("p_holm", kind="stable")
    named = [survey.world(int(cell)) for cell in own["cell"].head(PLACES)]
    if (rest := len(own) - PLACES) > 0:
        named.append(f"{rest} more")
    sure = int((own["p_holm"] < 0.05).sum())
    adjusted = "" if sure == len(own) else f" ({'not' if not sure else f'only {sure}'} after Holm’s adjustment)"
    return listing(named) + adjusted


def _turned(survey: Survey, table: pd.DataFrame) -> dict[str, str]:
    """The orders that flip, each with the worlds that turn it round; the claim heads what is said of it."""
    told = {
        claim(survey, pair["first"], pair["second"]): f"{where_it_holds(survey, pair)}."
        for pair in table.head(NAMED).to_dict("records")
    }
    rest = len(table) - NAMED
    return told | ({"Also turned round:": f"{count(rest, 'more pair')}, in the table."} if rest > 0 else {})


def _listed(survey: Survey, table: pd.DataFrame) -> str:
    parts = [
        f"{claim(survey, pair['first'], pair['second'])} {where_it_holds(survey, pair)}"
        for pair in table.head(NAMED).to_dict("records")
    ]
    if (rest := len(table) - NAMED) > 0:
        parts.append(f"{count(rest, 'more pair')} in the table")
    return f"{'; '.join(parts)}." if parts else ""


def _emerging(survey: Survey, table: pd.DataFrame) -> str:
    parts = []
    for pair in table.head(NAMED).to_dict("records"):
        first, second = pair["first"], pair["second"]
        higher, lower = (pair["above"], pair["below"]) if survey.toward > 0 else (pair["below"], pair["above"])
        told = [f"{claim(survey, a, b)} in {n}" for a, b, n in ((first, second, higher), (second, first, lower)) if n]
        parts.append(f"{first} and {second}: " + (f"{listing(told)} of {pair['worlds']} worlds" if told else "nowhere decided"))
    if (rest := len(table) - NAMED) > 0:
        parts.append(f"{count(rest, 'more pair')} in the table")
    return f"{'; '.join(parts)}." if parts else ""


def _goes_with(survey: Survey) -> str:
    """First what one swap alone does, which nothing else can explain; then what the flips of all worlds go with."""
    table = survey.levels
    single = table[table["alone"].fillna(0) > 0]
    tried = int(table["alone"].notna().sum())
    if single.empty:
        text = f"None of the {count(tried, 'swap')} of one assumption alone flips an order" if tried else ""
    else:
        parts = [
            f"{NAMES[row['assumption']]} {row['level']} flips {int(row['alone'])}"
            for row in single.sort_values("alone", ascending=False).head(NAMED).to_dict("records")
        ]
        text = f"Swapped alone, {listing(parts)}{'; the other swaps flip none' if len(single) < tried else ''}"
    strengths = table.dropna(subset=["association"]).groupby("assumption", sort=False)["association"].first()
    if strengths.empty:
        return f"{text}." if text else ""
    strongest = str(strengths.idxmax())
    own = table[table["assumption"] == strongest]
    total = own[[HOLDS, UNDECIDED, FLIPS]].sum(axis=1)
    worst = own.loc[(own[FLIPS] / total.where(total > 0)).idxmax()]
    others = ", ".join(f"{NAMES[name]} {number(float(value), 2)}" for name, value in strengths.items() if name != strongest)
    over = (
        f"over all worlds they go most with the {NAMES[strongest]} (Cramér's V {number(float(strengths[strongest]), 2)}"
        f"{f'; {others}' if others else ''}): under {worst['level']} {worst[FLIPS]} of {int(total[worst.name])} orders flip"
    )
    return f"{text}; {over}." if text else f"{capital(over)}."


def _ranking(survey: Survey) -> str:
    table = survey.worlds
    base = table[table["cell"] == survey.base].iloc[0]
    others = table[table["cell"] != survey.base]
    parts = []
    if base["first"]:
        same = table[table["first"] == base["first"]]
        end = "first"
        if survey.measure == ALPHA:
            end = "first (it narrows most)"
        parts.append(
            f"{base['first']} is {end} in {len(same)} of {len(table)} worlds, clear of all others in {int(same['clear'].sum())}"
        )
    taus = others.dropna(subset=["tau"])
    if len(taus):
        low = taus.loc[taus["tau"].idxmin()]
        parts.append(
            f"Kendall's τ between a world's ranking and the base's has the median {number(float(taus['tau'].median()), 2)} and "
            f"is lowest, {number(float(low['tau']), 2)}, in {survey.world(int(low['cell']))}"
        )
    return f"{'; '.join(parts)}." if parts else ""
