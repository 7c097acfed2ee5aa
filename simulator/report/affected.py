"""Who is affected: what the arms do to people who began with narrow or with broad interests, and to each group."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

from simulator.report.evidence import Evidence
from simulator.report.style import ORGANIC_COLOUR, Drawing, Look, arm_legend, grid_of_axes, title_panel
from simulator.report.trajectories import BANDED_ARMS
from simulator.report.vocabulary import difference, listing, number
from simulator.statistics import effects_by_class, user_effects
from simulator.text import shorten

TITLES = {
    "drift": ("Drift of interests", "JSD, base 2"),
    "topics_at_end": ("Effective topics of interests", "topics"),
    "diet_topics": ("Effective topics of the diet", "topics"),
    "utility_per_round": ("Utility per user", "utility a round"),
    "rounds_present": ("Time on the platform", "rounds"),
}
SEEN = {
    "drift": "how far interests moved from those at the start",
    "topics_at_end": "how many topics they spread over at the end",
    "diet_topics": "how many topics a person's diet of all rounds spread over",
    "utility_per_round": "what she got out of a round",
    "rounds_present": "for how many rounds she stayed",
}
MOST_GROUPS = 12
GAP = "utility.between_groups"


def who_is_affected(evidence: Evidence, look: dict[str, Look]) -> Drawing | None:
    """Effects per tenth of users by the breadth of their interests at the start, and per group where there are several."""
    run = evidence.run
    if run.baseline is None or run.people.empty:
        return None
    effects = user_effects(run.people, run.baseline)
    if effects.empty:
        return None
    tables = {}
    if effects["decile"].notna().any():
        tables["decile"] = effects_by_class(effects, "decile")
    if 1 < effects["group"].nunique() <= MOST_GROUPS:
        tables["group"] = effects_by_class(effects, "group")
    if not tables:
        return None
    arms = [arm.name for arm in run.arms if arm.name in set(effects["arm"])]
    drawn = [measure for measure in TITLES if measure in effects]
    panels = [(by, measure) for by in tables for measure in drawn]
    figure, axes = grid_of_axes(len(panels), 2, 2.1)
    for ax, (by, measure) in zip(axes, panels, strict=True):
        table = tables[by]
        _panel(ax, table[table["measure"] == measure], by, arms, look, run.manifest.get("groups", {}))
        title, scale = TITLES[measure]
        title_panel(ax, title)
        ax.set_ylabel(f"Difference, {scale}")
        ax.set_xlabel("Tenth of users, narrowest interests at the start first" if by == "decile" else "Group of users")
    arm_legend(figure, arms, look, markers=True)
    data = pd.concat([t.rename(columns={by: "class"}).assign(by=by) for by, t in tables.items()], ignore_index=True)
    return Drawing(
        "affected",
        "Who is affected",
        f"The mean effect on single users, each compared with herself in {run.baseline}: "
        f"{listing([SEEN[measure] for measure in drawn])}. {_over(data, effects)}"
        + (_gaps(evidence, arms) if "group" in tables else ""),
        f"Charts of effects by class of users. {_extremes(data, arms)}.",
        figure,
        data[["by", "class", "arm", "measure", "mean", "low", "high", "sd", "n", "over"]],
    )


def _panel(
    ax: Axes, table: pd.DataFrame, by: str, arms: list[str], look: dict[str, Look], groups: Mapping[str, str]
) -> None:
    """A mark and an interval for each class; the arms stand a little apart, so that intervals do not hide each other."""
    classes = sorted(table[by].unique())
    place = {name: float(i + 1) for i, name in enumerate(classes)}
    ax.axhline(0, color=ORGANIC_COLOUR, linewidth=0.9)
    for order, arm in enumerate(arms):
        rows = table[table["arm"] == arm].sort_values(by)
        shift = 0.5 * ((order + 0.5) / len(arms) - 0.5)
        x = [place[name] + shift for name in rows[by]]
        half = ((rows["high"] - rows["low"]) / 2).to_numpy(dtype=float)
        ax.errorbar(
            x, rows["mean"].to_numpy(dtype=float), yerr=half if len(arms) <= BANDED_ARMS else None,
            color=look[arm].colour, marker=look[arm].marker, markersize=5.5 if look[arm].marker == "*" else 3.6,
            markeredgecolor="white", markeredgewidth=0.3, elinewidth=0.7, capsize=0,
            linestyle=look[arm].dash if by == "decile" else "none", linewidth=0.7, zorder=3 + look[arm].order / 100,
        )  # fmt: skip
    names = [str(name) if by == "decile" else shorten(_group(name, groups), 10) for name in classes]
    ax.set_xticks([place[name] for name in classes], names)
    ax.grid(False, axis="x")


def _group(name: object, groups: Mapping[str, str]) -> str:
    """Groups that have no name are numbered from 1, as people count."""
    if str(name) in groups:
        return groups[str(name)]
    return str(int(str(name)) + 1) if str(name).isdecimal() else str(name)


def _gaps(evidence: Evidence, arms: list[str]) -> str:
    """How far apart groups end under each arm, where that was measured."""
    levels = evidence.levels[evidence.levels["measure"] == GAP].set_index("arm")["mean"]
    told = [f"{number(levels[arm])} in {arm}" for arm in [evidence.run.baseline, *arms] if arm in levels.index]
    if not told:
        return ""
    return f" In utility per user, the group that is served best is above the one that is served worst by {listing(told)}."


def _over(data: pd.DataFrame, effects: pd.DataFrame) -> str:
    count = int(data["n"].min())
    if (data["over"] == "replicates").all():
        return f"Bars are 95 % t intervals over {count} replicates."
    replicate = int(effects["replicate"].min())
    return (
        f"The run kept single users of replicate {replicate + 1} alone, so the bars are 95 % paired t intervals over the "
        f"users of a class ({count:,} or more), not over replicates: they say how much users differ in this one world and "
        "leave out the chance that all its users share."
    )


def _extremes(data: pd.DataFrame, arms: list[str]) -> str:
    """The narrowest and the broadest tenth under each arm, for those who do not see the picture."""
    rows = data[(data["by"] == data["by"].iloc[0]) & (data["measure"] == "topics_at_end")]
    ends = rows.sort_values("class").groupby("arm")["mean"].agg(["first", "last"])
    told = [
        f"{arm} from {difference(ends.loc[arm, 'first'], float('nan'), float('nan'))} in the first class to "
        f"{difference(ends.loc[arm, 'last'], float('nan'), float('nan'))} in the last"
        for arm in arms
        if arm in ends.index
    ]
    return f"Difference in effective topics: {listing(told)}"
