"""How well the policies were trained: learning curves, and accuracy beside every diversity number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from simulator.report.evidence import Evidence
from simulator.report.style import INK, Drawing, Look, name_panel, new_figure
from simulator.report.vocabulary import listing
from simulator.statistics import Interval, interval_table

COLUMNS = ("train_loss", "validation_loss", "recall", "ndcg", "train_recall", "train_ndcg")
TRUE_RANKING, ACCEPTANCE = "utility.ndcg", "utility.acceptance"


@dataclass(frozen=True)
class Accuracy:
    """Accuracy of one arm: on held-out log rows after its last training, and against the truth at the end."""

    arm: str
    trainings: int  # how often it was trained, in one replicate
    epochs: float  # of the last training, mean over replicates
    k: int | None
    recall: Interval | None
    ndcg: Interval | None
    true_ndcg: Interval | None
    acceptance: Interval | None


def learning_curves(training: pd.DataFrame, names: Sequence[str], look: dict[str, Look]) -> Drawing | None:
    """Loss and held-out accuracy over the epochs of each training: one row of panels per arm.

    `training` has columns arm, round, epoch, k and those of `COLUMNS`, of which accuracy on training rows may be missing.
    """
    if training.empty:
        return None
    table = training.reindex(columns=["arm", "round", "epoch", "k", *COLUMNS]).astype(dict.fromkeys(COLUMNS, float))
    curves = table.groupby(["arm", "round", "epoch"], as_index=False)[list(COLUMNS)].mean()
    learnt = bool(table["train_recall"].notna().any())
    curves = curves if learnt else curves.drop(columns=["train_recall", "train_ndcg"])
    arms = [name for name in names if name in set(curves["arm"])]
    colour = _by_round(curves)
    figure = new_figure(1.45 * len(arms) + 0.75)
    grid = figure.subplots(len(arms), 3, squeeze=False)
    k = (
        listing([str(k) for k in sorted(table["k"].dropna().astype(int).unique())])
        if table["k"].notna().any()
        else "k"
    )
    for accuracy in (grid[:, 1], grid[:, 2]):  # shares of hits compare between arms, losses do not
        for ax in accuracy[1:]:
            ax.sharey(accuracy[0])
    for row, arm in zip(grid, arms, strict=True):
        for _, one in curves[curves["arm"] == arm].groupby("round"):
            shade = colour.to_rgba(one["round"].to_numpy(dtype=float))[0]
            _curve(row[0], one, "train_loss", shade, dashed=True)
            _curve(row[0], one, "validation_loss", shade)
            for ax, measure in ((row[1], "recall"), (row[2], "ndcg")):
                _curve(ax, one, measure, shade)
                if learnt:
                    _curve(ax, one, f"train_{measure}", shade, dashed=True)
        for ax, label in zip(row, ("Loss", f"Recall@{k}", f"NDCG@{k}"), strict=True):
            _dress(ax, label)
        name_panel(row[0], arm, look[arm])
    if curves["round"].nunique() > 1:
        bar = figure.colorbar(colour, ax=grid, location="right", fraction=0.02, aspect=50, pad=0.01)
        bar.set_label("Round of the training")
        bar.outline.set_linewidth(0.4)
        bar.ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    figure.legend(
        handles=[
            Line2D([], [], color=INK, label="held-out rows"),
            Line2D([], [], color=INK, linestyle=(0, (4, 2)), label="training rows" if learnt else "training rows (loss only)"),
        ],
        loc="outside upper left",
        ncols=2,
    )
    return Drawing(
        "training",
        "Learning curves of each training",
        "Each line is one training, light for the first and dark for the last, over its epochs; the mean "
        "over replicates. The held-out rows are interactions that the policy did not learn from. A curve "
        "that still rises at its last epoch belongs to a policy that has not learnt all it could, and an "
        "under-trained policy looks more popularity-biased than it is.",
        f"Learning curves of {listing(arms)}: loss, recall and NDCG over epochs.",
        figure,
        curves,
    )


def accuracies(evidence: Evidence) -> list[Accuracy]:
    """Accuracy of every arm that recommends: held-out numbers only for arms that are trained."""
    training = evidence.run.training
    result = []
    for arm in evidence.run.arms:
        rows = training[training["arm"] == arm.name]
        true_ndcg, acceptance = (evidence.level(arm.name, m) for m in (TRUE_RANKING, ACCEPTANCE))
        if arm.name == evidence.run.baseline or (rows.empty and true_ndcg is None and acceptance is None):
            continue
        last = rows[rows["round"] == rows.groupby("replicate")["round"].transform("max")]
        final = last[last["kept"].astype(bool)]
        k = final["k"].dropna()
        result.append(
            Accuracy(
                arm.name,
                trainings=int(rows.groupby("replicate")["round"].nunique().max()) if len(rows) else 0,
                epochs=float(last.groupby("replicate")["epoch"].nunique().mean())
                if len(rows)
                else float("nan"),
                k=int(k.iloc[0]) if len(k) else None,
                recall=_over_replicates(final, "recall"),
                ndcg=_over_replicates(final, "ndcg"),
                true_ndcg=true_ndcg,
                acceptance=acceptance,
            )
        )
    return result


def _over_replicates(final: pd.DataFrame, column: str) -> Interval | None:
    values = final[["arm", "replicate", column]].rename(columns={column: "value"}).dropna()
    if values.empty:
        return None
    row = interval_table(values.astype({"value": float}), ["arm"]).iloc[0]
    return Interval(float(row["mean"]), float(row["low"]), float(row["high"]), int(row["n"]))


def _by_round(curves: pd.DataFrame) -> ScalarMappable:
    """Rounds to colours; the lightest quarter of the scale is left out, which vanishes on white."""
    first, last = float(curves["round"].min()), float(curves["round"].max())
    first = min(first, last - 1)  # a single training is as dark as a last one
    mappable = ScalarMappable(
        Normalize(first, last), ListedColormap(colormaps["cividis_r"](np.linspace(0.25, 1, 192)))
    )
    mappable.set_array(np.array([first, last]))
    return mappable


def _curve(ax: Axes, training: pd.DataFrame, column: str, colour: object, dashed: bool = False) -> None:
    curve = training[["epoch", column]].dropna().sort_values("epoch")
    if curve.empty:
        return
    single = len(curve) == 1  # one epoch is a point, not a line
    ax.plot(
        curve["epoch"].to_numpy(dtype=int),
        curve[column].to_numpy(dtype=float),
        color=colour,
        linewidth=1,
        linestyle=(0, (4, 2)) if dashed else "-",
        marker="o" if single else None,
        markersize=3,
        markerfacecolor="white" if dashed else None,
    )


def _dress(ax: Axes, label: str) -> None:
    ax.set_ylabel(label)
    if ax.lines:
        ax.set_xlabel("Epoch")
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if max(np.size(line.get_xdata()) for line in ax.lines) == 1:
            ax.set_xlim(0, 2)  # points alone would stretch the axis over fractions of an epoch
        ax.yaxis.set_major_locator(MaxNLocator(4))
        return
    ax.set_xticks([])
    ax.set_yticks([])
    ax.text(0.5, 0.5, "not recorded", transform=ax.transAxes, ha="center", va="center", color="#8A8A8A")
