"""Diversity against utility: what an arm gains in usefulness and what it costs in diversity."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from simulator.report.evidence import ALPHA, BETA, GAMMA, UTILITY, Evidence
from simulator.report.style import WIDTH, Drawing, Look, arm_legend, new_figure, title_panel
from simulator.report.vocabulary import capital, lowered, number, unit, wording


def diversity_against_utility(evidence: Evidence, look: dict[str, Look]) -> Drawing | None:
    """One point per arm at the end, for each of three diversities; crosses are intervals over replicates."""
    diversities = [measure for measure in (ALPHA, BETA, GAMMA) if evidence.arms_with(measure, UTILITY)]
    if not diversities:
        return None
    arms = evidence.arms_with(UTILITY, diversities[0])
    figure = new_figure(2.75, width=WIDTH)
    axes = figure.subplots(1, len(diversities), sharey=True, squeeze=False)[0]
    rows = []
    for ax, measure in zip(axes, diversities, strict=True):
        for arm in arms:
            x, y = evidence.level(arm, measure), evidence.level(arm, UTILITY)
            if x is None or y is None:
                continue
            several = np.isfinite(x.low) and np.isfinite(y.low)
            ax.errorbar(
                x.mean,
                y.mean,
                xerr=(x.high - x.low) / 2 if several else None,
                yerr=(y.high - y.low) / 2 if several else None,
                color=look[arm].colour,
                marker=look[arm].marker,
                markersize=5.5 if look[arm].marker != "*" else 8.5,
                elinewidth=0.9,
                capsize=0,
                markeredgecolor="white",
                markeredgewidth=0.5,
                linestyle="none",
                zorder=3 + look[arm].order / 100,
            )
            rows.append((arm, measure, x.mean, x.low, x.high, y.mean, y.low, y.high, x.n))
        words = wording(measure)
        title_panel(ax, words.label)
        ax.set_xlabel(capital(unit(words)))
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        ax.margins(0.08)
    axes[0].set_ylabel(wording(UTILITY).axis)
    arm_legend(figure, arms, look, markers=True)
    best = max(arms, key=lambda arm: evidence.mean_at_end(arm, UTILITY))
    widest = max(arms, key=lambda arm: evidence.mean_at_end(arm, diversities[0]))
    data = pd.DataFrame(
        rows,
        columns=["arm", "diversity", "x", "x_low", "x_high", "utility", "utility_low", "utility_high", "n"],
    )
    crosses = (
        f"crosses are 95 % t intervals over {evidence.replicates} replicates, which hold the differences "
        "between replicates that all arms share (the paired differences of the verdict do not)"
        if evidence.replicates > 1
        else "one replicate has no interval, so there are no crosses"
    )
    return Drawing(
        "tradeoff",
        "Diversity against utility",
        "Up is more useful, right is more diverse: an arm to the upper right of another is better in both. "
        f"Each mark is the mean over {evidence.end}; {crosses}. Alpha is "
        "the effective number of topics in one person's diet, gamma in everybody's together, beta = gamma / "
        "alpha how many distinct diets there are.",
        f"Scatter charts of utility per user against diversity, one mark per arm. Most useful: {best} "
        f"({number(evidence.mean_at_end(best, UTILITY))}); largest {lowered(wording(diversities[0]).label)}: "
        f"{widest} ({number(evidence.mean_at_end(widest, diversities[0]))}).",
        figure,
        data,
    )
