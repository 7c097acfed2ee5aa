"""Sensitivity indices of arrays: SALib's estimates and intervals, and what chance between replicates alone would give.

A design is blocks of points: trajectories of Morris, or base samples of Saltelli, as `simulator.sweeping.designs.points` makes
them. Where A and B do not vary there are no Sobol' indices (NaN). Functions with SALib in them need the extra `sensitivity`.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import stats

from simulator.statistics import CONFIDENCE
from simulator.sweeping.designs import LEVELS, unit_problem

RESAMPLES = 1000
COLUMNS = ["axis", "index", "value", "low", "high"]
ROUNDING = 1e-12  # relative: outcomes that differ by less differ by the order of summation


def morris_indices(
    shares: np.ndarray, outcomes: np.ndarray, replicates: np.ndarray | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> pd.DataFrame:
    """µ*, µ and σ of the elementary effects of each axis: rows axis (its place), index, value, low, high.

    shares: (r, k + 1, k), the points of r ≥ 2 trajectories; outcomes: (r, k + 1); replicates: (n, r, k + 1), of which the
    outcomes are means. An elementary effect is the change of the outcome over a step, divided by the step, a share of the
    axis's range: a change per whole range (Morris 1991). mu_star: mean of their absolute values, mu: mean, sigma: standard
    deviation (Campolongo, Cariboni & Saltelli 2007). 95 % intervals: of mu_star SALib's, ±1.96 standard deviations of the
    mean over resampled trajectories; of mu Student's t over trajectories; sigma has none (NaN).

    mu_star_noise: what mu_star would be were there nothing but chance between replicates. The mean of n replicates of an
    elementary effect that is zero is normal with the standard error s/√n, so its absolute value is √(2/π) s/√n on average
    (the mean of a half-normal; Leone, Nelson & Nottingham 1961). NaN with fewer than two replicates.
    """
    from SALib.analyze import morris

    r, _, k = shares.shape
    found = morris.analyze(
        unit_problem(k), shares.reshape(-1, k), outcomes.reshape(-1).astype(float), num_resamples=resamples,
        conf_level=CONFIDENCE, num_levels=LEVELS, seed=seed,
    )  # fmt: skip
    star, mean, sigma, around = (np.asarray(found[name], dtype=float) for name in ("mu_star", "mu", "sigma", "mu_star_conf"))
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, r - 1) * sigma / math.sqrt(r)
    noise = np.full(k, np.nan)
    if replicates is not None and len(replicates) > 1:
        effects = np.stack([elementary_effects(shares, each) for each in replicates])
        error = effects.std(axis=0, ddof=1) / math.sqrt(len(replicates))
        noise = math.sqrt(2 / math.pi) * error.mean(axis=0)
    return _table({
        "mu_star": (star, star - around, star + around),
        "mu": (mean, mean - half, mean + half),
        "sigma": (sigma, None, None),
        "mu_star_noise": (noise, None, None),
    })  # fmt: skip


def elementary_effects(shares: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
    """(y(x + Δ e_j) − y(x)) / Δ for each trajectory and axis (Morris 1991): (r, k + 1, k), (r, k + 1) → (r, k)."""
    steps = np.diff(shares, axis=1)
    axis = np.abs(steps).argmax(axis=2)  # the one that moves
    step = np.take_along_axis(steps, axis[:, :, None], axis=2)[:, :, 0]
    effects = np.empty_like(step)
    np.put_along_axis(effects, axis, np.diff(outcomes, axis=1) / step, axis=1)
    return effects


def sobol_indices(
    outcomes: np.ndarray, replicates: np.ndarray | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> pd.DataFrame:
    """First-order and total Sobol' indices S1 and ST of each axis: rows axis (its place), index, value, low, high.

    outcomes: (N, k + 2), N ≥ 2 base samples in the order A, A_B of each axis, B; replicates: (n, N, k + 2), of which they are
    means. S1 is the share of the outcome's variance that an axis explains by itself, ST with all its interactions (Sobol'
    2001), when all axes vary independently over their ranges or lists; estimators of Saltelli et al. (2010, table 2, b and f).
    95 % intervals are SALib's: ±1.96 standard deviations over resampled base samples. Both can leave [0, 1] by chance.

    ST_noise: what chance between replicates adds to ST. The estimator averages squared differences of two outcomes, ½ (A −
    A_B)², and a squared mean of n replicates is on average s²/n above that of what it estimates; so ½ s²(A − A_B)/n, over the
    variance. NaN with fewer than two replicates.
    """
    from SALib.analyze import sobol

    k = outcomes.shape[1] - 2
    values = outcomes.astype(float)
    independent = values[:, [0, -1]]  # A and B, of which the variance is taken
    if np.ptp(independent) <= ROUNDING * np.abs(independent).max():
        nothing = np.full(k, np.nan)
        return _table({"S1": (nothing, None, None), "ST": (nothing, None, None), "ST_noise": (nothing, None, None)})
    found = sobol.analyze(
        unit_problem(k), values.reshape(-1), calc_second_order=False, num_resamples=resamples, conf_level=CONFIDENCE,
        seed=seed + 1,      # SALib takes a seed of 0 for none
    )  # fmt: skip
    noise = np.full(k, np.nan)
    if replicates is not None and len(replicates) > 1:
        differences = replicates[:, :, :1] - replicates[:, :, 1:-1]
        noise = 0.5 * (differences.var(axis=0, ddof=1) / len(replicates)).mean(axis=0) / np.var(independent)
    first, total = ((found[name], found[f"{name}_conf"]) for name in ("S1", "ST"))
    return _table({
        "S1": (first[0], first[0] - first[1], first[0] + first[1]),
        "ST": (total[0], total[0] - total[1], total[0] + total[1]),
        "ST_noise": (noise, None, None),
    })  # fmt: skip


def _table(columns: dict[str, tuple[np.ndarray, np.ndarray | None, np.ndarray | None]]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"axis": range(len(value)), "index": name, "value": value, "low": low, "high": high}, columns=COLUMNS)
        for name, (value, low, high) in columns.items()
    ]
    table = pd.concat(parts, ignore_index=True).astype({"value": float, "low": float, "high": float})
    return table.sort_values("axis", kind="stable", ignore_index=True)
