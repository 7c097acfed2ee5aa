"""What a study of remedies says, in sentences: each hedged by its intervals, nothing beyond them."""

from __future__ import annotations

import pandas as pd

from simulator.plain import count
from simulator.remedies.pairs import HOLDS, TURNS, UNDECIDED
from simulator.remedies.study import Study, World
from simulator.report.answers import Finding
from simulator.report.tradeoff import TradeOff, in_short, percent
from simulator.report.vocabulary import listing, lowered, number, signed, wording

NAMED = 6           # arms or kinds that a sentence names one by one
SURE = 0.05         # Holm-adjusted p from which on nothing is said to be shown


def answer(study: Study) -> list[Finding]:
    """An opening; for each world its front, what is shown to help and what it costs, what dominates what; then what holds
    everywhere, and what survives under other assumptions."""
    if not study.played:
        return [Finding("", "No world as it stands is finished, so there is nothing to say yet.")]
    diversity, utility = in_short(study.keys.diversity), lowered(wording(study.keys.utility).label)
    what = f"{count(len(study.kinds), 'kind')} of remedies, in {count(len(study.keys.arms), 'setting')}"
    where = f"in {count(len(study.played), 'world')}, over {study.swept.replicates} paired replicates"
    opening = (
        f"What {what}, do to {study.keys.of}, {where}: how much {diversity} each brings at the end of the run, and what it "
        f"costs in {utility}. Shown is what holds after Holm's adjustment over all remedies and both measures of a world."
    )
    findings = [Finding("", opening)]
    for world in study.played:
        found = study.fronts[world.name]
        if found:
            findings.append(Finding(f"{world.name[:1].upper()}{world.name[1:]}:", _in_world(study, world, found[0])))
    return [*findings, *([Finding("Everywhere:", text)] if (text := _everywhere(study)) else []),
            *([Finding("Under other assumptions:", text)] if (text := survives(study)) else [])]  # fmt: skip


def _in_world(study: Study, world: World, found: TradeOff) -> str:
    front = found.front
    resampled = front.share[0] == front.share[0]
    members = [f"{found.names[m]}{f' ({percent(front.share[m])})' if resampled else ''}" for m in front.members]
    how = " (share of bootstrap resamples)" if resampled else ""
    knee = "there is no knee" if found.knee is None else f"its knee is {found.knee}" + (
        f" ({percent(front.knee_share[front.knee])})" if resampled and front.knee is not None else ""
    )
    return f"on the front are {some(members)}{how}; {knee}. {_helps(study, world)} {_dominates(study, world)}"


def _helps(study: Study, world: World) -> str:
    own = study.effects[study.effects["cell"] == world.base]
    gains = own[own["measure"] == study.keys.diversity].set_index("arm")
    costs = own[own["measure"] == study.keys.utility].set_index("arm")
    diversity, utility = in_short(study.keys.diversity), lowered(wording(study.keys.utility).label)
    shown = gains[(gains["p_holm"] < SURE) & (study.sign * gains["mean"] > 0)]
    worse = gains[(gains["p_holm"] < SURE) & (study.sign * gains["mean"] < 0)]
    if shown.empty:
        text = f"No remedy is shown to bring more {diversity}"
    else:
        order = shown["mean"].mul(study.sign).sort_values(ascending=False, kind="stable").index
        told = [f"{arm} ({_share(gains, arm)} {diversity}, {_share(costs, arm)} {utility})" for arm in order]
        text = f"Shown to bring more {diversity}: {some(told)}"
        free = [arm for arm in order if arm in costs.index and not costs.at[arm, "high"] < 0]     # by an interval for itself
        if free:
            text += f"; of these, {utility} is not shown to fall, even by an interval for itself, under {some(free)}"
        else:
            text += f"; under each {utility} falls, by its own 95 % interval"
    return text + (f". Shown to bring less: {some([str(arm) for arm in worse.index])}." if len(worse) else ".")


def _share(table: pd.DataFrame, arm: str) -> str:
    if arm not in table.index or table.at[arm, "share"] != table.at[arm, "share"]:
        return "–"
    return f"{signed(100 * float(table.at[arm, 'share']), 0)} %"


def _dominates(study: Study, world: World) -> str:
    """Which kinds dominate which, by intervals, and how many of those dominations hold together."""
    own = study.dominating[study.dominating["cell"] == world.base]
    if own.empty:
        return "No kind of remedy is shown to be better in both than a setting of another."
    whole = own[own["settings"] == own["of"]]
    told = [f"{by} over all of {listing(list(rows['over'].head(NAMED)))}" for by, rows in whole.groupby("by", sort=False)]
    parts = own.groupby("by", sort=False)["settings"].sum()
    most = f"By 95 % intervals, each for itself, better in both: {some(told, '; ')}" if told else (
        "By 95 % intervals, each for itself, no kind is better in both than all settings of another; most often better than "
        f"one is {parts.idxmax()}, than {count(int(parts.max()), 'setting')}"
    )
    holm = int(own["holm"].sum())
    return f"{most}. {holm or 'None'} of {int(own['settings'].sum())} such pairs hold after Holm's adjustment over all pairs."


def _everywhere(study: Study) -> str:
    fronts = [found[0] for found in study.fronts.values() if found]
    if len(fronts) < 2:
        return ""
    on = [{name for name, there in zip(found.names, found.front.on_front, strict=True) if there} for found in fronts]
    always = [arm for arm in study.policies if all(arm in names for names in on)]
    never = [kind for kind, arms in study.kinds.items() if not any(arm in names for arm in arms for names in on)]
    texts = [
        f"on the front of every world, by the means: {some(always)}" if always
        else "no arm is on the front of every world, by the means",
        f"with no setting on any: {some(never)}" if never else "every kind has a setting on the front of some world",
    ]  # fmt: skip
    return f"{'; '.join(texts)}."


def survives(study: Study) -> str:
    """How many of the orders of the worlds as they stand are found again, are undecided, and turn."""
    table = study.survival
    if table.empty:
        return ""
    names = {
        "domination": "of pairs of which one is better in both",
        "diversity": f"of orders by {in_short(study.keys.diversity)}",
        "utility": f"of orders by {lowered(wording(study.keys.utility).label)}",
    }
    told = []
    for what, words in names.items():
        own = table[table["what"] == what]
        base = int(own["base"].sum())
        if base:
            again, open_, turned = (int(own[verdict].sum()) for verdict in (HOLDS, UNDECIDED, TURNS))
            told.append(f"{words} {again} of {base} are found again, {open_} are undecided and {turned} turn")
    if not told:
        return "the worlds as they stand show no order that could be looked for."
    cells = count(table["cell"].nunique(), "world")
    taus = table[table["what"] == "diversity"]["tau"].dropna()
    ends = list(dict.fromkeys(number(float(value), 2) for value in (taus.min(), taus.max()))) if len(taus) else []
    how = f" Kendall's τ of the rankings by {in_short(study.keys.diversity)} to the world as it stands"
    tau = f"{how}: {' to '.join(ends)}." if ends else ""
    return f"in {cells} with another model of choice or change, counted together, {'; '.join(told)}.{tau}"


def some(names: list[str], separator: str = ", ") -> str:
    """The first few, and how many more."""
    shown = names[:NAMED] + ([f"{len(names) - NAMED} more"] if len(names) > NAMED else [])
    return listing(shown) if separator == ", " else separator.join(shown)
