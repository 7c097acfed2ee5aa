"""From the tables of a sweep to sensitivity.csv: which outcomes are analysed, and on which blocks of the design."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from simulator.sensitivity.indices import morris_indices, sobol_indices
from simulator.sensitivity.variance import variance_parts
from simulator.statistics import paired_differences
from simulator.sweeping.designs import block_size
from simulator.sweeping.sweep import Sample

METHODS = {"morris": "morris", "saltelli": "sobol"}
"""What the indices of a design are called."""

DIFFERENCE, LEVEL = "difference", "level"
COLUMNS = ["arm", "measure", "outcome", "key", "method", "index", "value", "low", "high", "samples"]
SPREAD = ["arm", "measure", "outcome", "cells", "replicates", "sd", "within", "noise"]
FEWEST = 2  # whole blocks without which there is no interval


@dataclass(frozen=True)
class Design:
    """The points of a sweep for sensitivity analysis."""

    name: str  # morris or saltelli
    keys: tuple[str, ...]  # labels of the axes
    sample: Sample

    @property
    def cells(self) -> np.ndarray:
        """Numbers of the cells by block: (blocks, points)."""
        return self.sample.cells.reshape(-1, block_size(self.name, len(self.keys)))

    @property
    def shares(self) -> np.ndarray:
        """(blocks, points, axes)"""
        return self.sample.shares.reshape(*self.cells.shape, len(self.keys))

    def table(self) -> pd.DataFrame:
        """One row per point: sample, point, cell, and how far along each axis it lies, 0 to 1."""
        blocks, points = np.indices(self.cells.shape)
        rows = {"sample": blocks.ravel() + 1, "point": points.ravel() + 1, "cell": self.sample.cells}
        return pd.concat([pd.DataFrame(rows), pd.DataFrame(self.sample.shares, columns=list(self.keys))], axis=1)


@dataclass(frozen=True)
class Analysis:
    """Indices, and parts of the variance, of each arm's outcomes."""

    indices: pd.DataFrame  # COLUMNS
    spread: pd.DataFrame  # SPREAD


def analyse(
    design: Design, results: pd.DataFrame, baseline: str | None, measures: Sequence[str], resamples: int, seed: int
) -> Analysis:
    """Sensitivity of each arm's outcomes to the keys of a design.

    results: cell, arm, replicate, measure, value at the end of a run. The outcomes of a cell are, as means over its
    replicates, the paired difference to the baseline and the level. Blocks of which a cell is missing are left out; `samples`
    says how many are there. An outcome of fewer than two whole blocks has no rows.
    """
    indices, spread = [], []
    for (arm, measure, outcome), values in _outcomes(results, baseline, measures):
        known = values.reindex(np.unique(design.cells))
        whole = known.mean(axis=1).reindex(design.cells.ravel()).to_numpy().reshape(design.cells.shape)
        used = np.isfinite(whole).all(axis=1)
        if used.sum() < FEWEST:
            continue
        shared = known.loc[np.unique(design.cells[used])].dropna(axis=1)  # the replicates that all used cells have
        replicates = shared.reindex(design.cells[used].ravel()).to_numpy().T.reshape(-1, *whole[used].shape)
        table = (
            morris_indices(design.shares[used], whole[used], replicates, resamples, seed) if design.name == "morris"
            else sobol_indices(whole[used], replicates, resamples, seed)
        )  # fmt: skip
        about = {"arm": arm, "measure": measure, "outcome": outcome}
        keys = [design.keys[axis] for axis in table["axis"]]
        indices.append(table.assign(**about, key=keys, method=METHODS[design.name], samples=int(used.sum())))
        parts = variance_parts(shared.to_numpy()) if shared.shape[1] else None
        spread.append({**about, "cells": len(shared), "replicates": shared.shape[1], **(parts._asdict() if parts else {})})
    return Analysis(
        pd.concat(indices, ignore_index=True)[COLUMNS] if indices else pd.DataFrame(columns=COLUMNS),
        pd.DataFrame(spread, columns=SPREAD),
    )


def _outcomes(
    results: pd.DataFrame, baseline: str | None, measures: Sequence[str]
) -> Iterator[tuple[tuple[str, str, str], pd.DataFrame]]:
    """Each arm's outcomes by (arm, measure, outcome): a row for each cell, a column for each replicate."""
    table = results[results["measure"].isin(measures)]
    kinds = {DIFFERENCE: paired_differences(table, baseline)} if baseline else {}
    arms = list(dict.fromkeys(results["arm"]))
    for measure in measures:
        for arm in arms:
            for outcome, values in {**kinds, LEVEL: table}.items():
                own = values[(values["arm"] == arm) & (values["measure"] == measure)]
                if len(own):
                    yield (arm, measure, outcome), own.pivot(index="cell", columns="replicate", values="value")
