"""Who gets seen: Lorenz curves of exposures and of takes over the whole catalogue."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from simulator.report.evidence import Evidence
from simulator.report.style import Drawing, Look, arm_handles, new_figure
from simulator.report.vocabulary import listing

POINTS = 201  # places on a drawn curve; a larger catalogue is read off at these
KINDS = (("exposures", "What slates showed"), ("takes", "What people took"))


def item_concentration(evidence: Evidence, look: dict[str, Look]) -> Drawing | None:
    """One Lorenz curve per arm, the mean over replicates, with its Gini coefficient in the legend."""
    items = evidence.run.items
    curves = {kind: _mean_curves(items, kind, [arm.name for arm in evidence.run.arms]) for kind, _ in KINDS}
    drawn = [(kind, title) for kind, title in KINDS if curves[kind]]
    if not drawn:
        return None
    most = max(len(curves[kind]) for kind, _ in drawn)
    figure = new_figure(3.3 + 0.15 * ((most + 1) // 2))
    axes = figure.subplots(1, len(drawn), squeeze=False)[0]
    places = np.linspace(0, 1, POINTS)
    rows, said = [], []
    for ax, (kind, title) in zip(axes, drawn, strict=True):
        ax.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=0.7, zorder=1)
        handles = arm_handles(curves[kind], look)
        for handle, (arm, (curve, coefficient)) in zip(handles, curves[kind].items(), strict=True):
            ax.plot(places, curve, **look[arm].line())
            handle.set_label(f"{handle.get_label()}  {coefficient:.2f}")
            rows.append(
                pd.DataFrame(
                    {"arm": arm, "what": kind, "share_of_items": places, "share": curve, "gini": coefficient}
                )
            )
        ax.set_title(title)
        ax.set_xlabel("Share of items, the least first")
        ax.set_ylabel(f"Share of {kind}")
        ax.set_xlim(0, 1)
        ax.set_ylim(0, 1)
        ax.set_aspect("equal")
        ax.legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.19),
            ncols=2,
            title="Arm, Gini",
            title_fontsize=7,
            columnspacing=1.2,
        )
        ginis = {arm: coefficient for arm, (_, coefficient) in curves[kind].items()}
        low, high = min(ginis, key=ginis.__getitem__), max(ginis, key=ginis.__getitem__)
        said.append(
            f"{kind} are most even under {low} (Gini {ginis[low]:.2f}), least under {high} "
            f"({ginis[high]:.2f})"
        )
    return Drawing(
        "concentration",
        "Who gets seen: concentration on few items",
        "The lower a curve sags below the diagonal, the fewer items hold the attention; on the diagonal all "
        "items have the same share. The Gini coefficient is twice the area between the two (0: all alike), "
        f"over the whole catalogue, never-seen items included, counted over rounds 1 to {evidence.last}; "
        "curves and coefficients are means over replicates.",
        f"Lorenz curves for each arm: {listing(said)}.",
        figure,
        pd.concat(rows, ignore_index=True),
    )


def lorenz(counts: ArrayLike) -> np.ndarray:
    """Lorenz curve of counts over the whole catalogue: (M + 1,), from 0 to 1, the least seen items first."""
    counts = np.sort(np.asarray(counts, dtype=float))
    if len(counts) == 0 or counts.sum() <= 0:
        raise ValueError("a Lorenz curve needs at least one count above zero")
    return np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])


def gini(counts: ArrayLike) -> float:
    """Gini coefficient over the whole catalogue, items without a count included: 0 … 1 − 1/M (Gini 1912).

    Twice the area between diagonal and Lorenz curve, = Σ_i (2i − M − 1) x_i / (M Σ x), x ascending.
    """
    curve = lorenz(counts)
    return float(1 - (curve[1:] + curve[:-1]).sum() / (len(curve) - 1))


def _mean_curves(items: pd.DataFrame, kind: str, arms: list[str]) -> dict[str, tuple[np.ndarray, float]]:
    """For each arm that has any counts: its Lorenz curve and its Gini, means over replicates."""
    result = {}
    places = np.linspace(0, 1, POINTS)
    for arm in arms:
        counts = [
            rows[kind].to_numpy(dtype=float) for _, rows in items[items["arm"] == arm].groupby("replicate")
        ]
        counts = [row for row in counts if row.sum() > 0]
        if counts:
            curves = [np.interp(places, np.linspace(0, 1, len(row) + 1), lorenz(row)) for row in counts]
            result[arm] = (np.mean(curves, axis=0), float(np.mean([gini(row) for row in counts])))
    return result
