"""What a change is due to: people's own drift, personalisation, and the retraining loop, policy by policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from simulator.report.evidence import Evidence
from simulator.report.style import INK, ORGANIC_COLOUR, Drawing, Look, grid_of_axes, title_panel
from simulator.report.vocabulary import capital, difference, listing, lowered, unit, wording
from simulator.statistics import PARTS, TOTAL, attribute, change_of, frozen_twins, interval_table
from simulator.text import shorten

PANELS_IN_A_ROW = 3
TOLD = 3  # measures in the text for those who do not see the picture
PART_COLOURS = dict(zip(PARTS, ("#C8C8C8", "#88CCEE", "#CC6677"), strict=True))  # people's own is grey, as the organic arm is


@dataclass(frozen=True)
class Split:
    """One row of the table: a measure of a policy, its change and the parts of it, in words."""

    arm: str
    label: str
    unit: str
    change: str
    parts: list[str]


@dataclass(frozen=True)
class Attribution:
    """The changes of the policies that have a frozen twin, split into parts."""

    twins: Mapping[str, str]
    parts: pd.DataFrame  # arm, measure, part, mean, low, high, sd, n; part is one of PARTS or TOTAL
    references: pd.DataFrame  # arm, measure, mean, low, high, sd, n: the change in the random arm and in the oracle

    def splits(self) -> list[Split]:
        rows = self.parts.set_index(["arm", "measure", "part"])[["mean", "low", "high"]]
        told = rows.apply(lambda row: difference(row["mean"], row["low"], row["high"]), axis=1).to_dict()
        return [
            Split(arm, wording(m).label, wording(m).unit, told[arm, m, TOTAL], [told[arm, m, part] for part in PARTS])
            for arm in self.twins
            for m in dict.fromkeys(self.parts["measure"])
            if (arm, m, TOTAL) in told
        ]


def attribution(evidence: Evidence) -> Attribution | None:
    """The split of the focus measures, where there are an organic arm and a frozen twin that came to the end."""
    run = evidence.run
    if run.baseline is None:
        return None
    at_end = set(evidence.ends["arm"])
    twins = {arm: twin for arm, twin in _twins(evidence).items() if {arm, twin} <= at_end}
    shown = run.trajectory[run.trajectory["measure"].isin(evidence.focus)]
    parts = attribute(shown, run.baseline, twins)
    if parts.empty:
        return None
    order = {measure: place for place, measure in enumerate(evidence.focus)}
    table = interval_table(parts, ["arm", "measure", "part"]).sort_values("measure", key=lambda m: m.map(order), kind="stable")
    references = [arm.name for arm in run.arms if arm.kind == "random" and not arm.frozen][:1]
    references += [run.reference] if run.reference else []
    changes = change_of(shown, run.baseline, references)
    changes = changes[changes["measure"].isin(set(table["measure"]))]
    present = {arm: twin for arm, twin in twins.items() if arm in set(table["arm"])}
    return Attribution(present, table, interval_table(changes, ["arm", "measure"]))


def wanting(evidence: Evidence) -> str:
    """What the scenario would need for a split, where a policy is retrained and none can be split; else empty."""
    run = evidence.run
    retrained = [arm.name for arm in run.arms if arm.retrained]
    if not retrained or (run.baseline is not None and _twins(evidence)):
        return ""
    lacking = ["an organic arm"] if run.baseline is None else []
    lacking.append(f"a frozen twin of {' or '.join(retrained)}: the same settings under another name, with frozen: true")
    return (
        "To split a change into people's own drift, personalisation and the retraining loop, the scenario needs "
        f"{listing(lacking)}."
    )


def _not_split(evidence: Evidence, found: Attribution) -> str:
    """Policies without a bar, and references without a line."""
    run = evidence.run
    without = [arm.name for arm in run.arms if arm.retrained and arm.name not in found.twins]
    missing = [name for name in ("random", "oracle") if not any(arm.kind == name for arm in run.arms)]
    said = [f" No bar for {listing(without)}: no frozen twin that came to the end."] if without else []
    said += [f" No line for {listing(missing)}: no such arm."] if missing else []
    return "".join(said)


def attribution_bars(evidence: Evidence, look: dict[str, Look], found: Attribution | None) -> Drawing | None:
    """Stacked bars, one for each policy with a frozen twin, in one panel for each focus measure."""
    if found is None:
        return None
    arms, measures = list(found.twins), list(dict.fromkeys(found.parts["measure"]))
    figure, axes = grid_of_axes(len(measures), min(PANELS_IN_A_ROW, len(measures)), 0.85 + 0.27 * len(arms), extra=0.45)
    for place, (ax, measure) in enumerate(zip(axes, measures, strict=True)):
        _bars(ax, found.parts[found.parts["measure"] == measure], arms)
        references = found.references[found.references["measure"] == measure]
        for arm, value in zip(references["arm"], references["mean"], strict=True):
            ax.axvline(value, color=look[arm].colour, linestyle=look[arm].dash, linewidth=1, zorder=2.2)
        low, high = ax.dataLim.intervalx
        low, high = min(low, references["mean"].min()), max(high, references["mean"].max())
        if high > low:
            ax.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        ax.set_yticks(range(len(arms)), [shorten(arm, 18) for arm in arms] if place % PANELS_IN_A_ROW == 0 else [])
        ax.set_ylim(len(arms) - 0.45, -0.55)
        ax.grid(False, axis="y")
        ax.tick_params(axis="y", length=0)
        title_panel(ax, wording(measure).label)
        ax.set_xlabel(f"Change, {unit(wording(measure))}")
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    handles: list[Patch | Line2D] = [Patch(color=colour, label=capital(part)) for part, colour in PART_COLOURS.items()]
    handles.append(Line2D([], [], linestyle="none", marker="D", color=INK, markersize=4, label="Whole change"))
    handles += [
        Line2D([], [], color=look[arm].colour, linestyle=look[arm].dash, label=f"Whole change in {shorten(arm, 16)}")
        for arm in dict.fromkeys(found.references["arm"])
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=3, columnspacing=1.4)
    replicates = int(found.parts["n"].max())
    told = "95 % t intervals over replicates" if replicates > 1 else "one replicate has no interval"
    data = pd.concat([found.parts, found.references.assign(part=TOTAL)], ignore_index=True)
    return Drawing(
        "attribution",
        "What each change is due to",
        f"The change of each measure from {evidence.run.baseline}'s first round, which all arms share, to {evidence.end}, in "
        f"three parts that add up to it, paired by replicate. Own drift: what happens in {evidence.run.baseline}, without a "
        "recommender. Personalisation: the policy trained once and never again, minus that. Retraining loop: the policy "
        "itself minus its frozen twin, which also never gets more data. Parts to the "
        "left of zero push down, to the right up; the diamond is the whole "
        f"change ({told}){_window(evidence)}.{_not_split(evidence, found)}",
        f"Stacked bars. {'; '.join(_in_words(found, measures[:TOLD]))}.",
        figure,
        data[["arm", "measure", "part", "mean", "low", "high", "sd", "n"]],
    )


def _bars(ax: Axes, rows: pd.DataFrame, arms: list[str]) -> None:
    table = rows.set_index(["arm", "part"])
    ax.axvline(0, color=ORGANIC_COLOUR, linewidth=0.9, zorder=2)
    for place, arm in enumerate(arms):
        if (arm, TOTAL) not in table.index:
            continue
        reach = {+1: 0.0, -1: 0.0}
        for part, colour in PART_COLOURS.items():
            value = float(table.loc[(arm, part), "mean"])
            side = +1 if value > 0 else -1
            ax.barh(place, value, left=reach[side], height=0.56, color=colour, linewidth=0, zorder=2.1)
            reach[side] += value
        total = table.loc[(arm, TOTAL)]
        half = float(total["high"] - total["low"]) / 2
        ax.errorbar(
            float(total["mean"]), place, xerr=half if np.isfinite(half) else None, color=INK, marker="D", markersize=3.5,
            elinewidth=0.9, capsize=0, zorder=4,
        )  # fmt: skip


def _in_words(found: Attribution, measures: list[str]) -> list[str]:
    means = found.parts.set_index(["arm", "measure", "part"])["mean"].to_dict()
    return [
        f"{capital(lowered(wording(m).label))} under {arm}: "
        + ", ".join(f"{part} {difference(means[arm, m, part], np.nan, np.nan)}" for part in PARTS)
        for m in measures
        for arm in found.twins
        if (arm, m, TOTAL) in means
    ]


def _twins(evidence: Evidence) -> dict[str, str]:
    policies = evidence.run.scenario.get("policies")
    known = {arm.name for arm in evidence.run.arms}
    listed = [p for p in policies if isinstance(p, Mapping) and p.get("name") in known] if isinstance(policies, list) else []
    return frozen_twins(listed)


def _window(evidence: Evidence) -> str:
    """A window that the warm-up does not fill is still filling at the start, and diversity grows with it."""
    window, warmup = (evidence.run.scenario.get("measures") or {}).get("window"), evidence.run.scenario.get("warmup")
    if window == "cumulative" or (isinstance(window, int) and isinstance(warmup, int) and window > warmup + 1):
        return "; for consumption own drift holds the filling of the window of rounds, which the warm-up leaves unfilled"
    return ""
