"""creators.*: the supply side, in worlds where creators publish."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from simulator.measures.between import Partition, diversity_partition
from simulator.measures.catalogue import by_creator
from simulator.measures.divergence import entropy
from simulator.measures.measure import Measure
from simulator.measures.observation import Observation
from simulator.rounds import Stock


def vendi(rows: Tensor) -> float:
    """Effective number of different rows: exp(−Σ λ ln λ), λ = eigenvalues of K/n, K_ij = cosine of rows. (n, d) → 1 … n.

    K/n = X Xᵀ/n and Xᵀ X/n have the same eigenvalues but for zeros, and the smaller of the two is taken apart.
    Friedman & Dieng (2023).
    """
    x = torch.nn.functional.normalize(rows.double())
    kernel = (x.T @ x if len(x) > x.shape[1] else x @ x.T) / len(x)
    return float(entropy(torch.linalg.eigvalsh(kernel).clamp_min(0)).exp())


def partition(styles: Tensor) -> Partition:
    return diversity_partition(styles, entropy(styles))


def with_creators(function: Callable[[Observation, Stock], float | None]) -> Callable[[Observation], float | None]:
    """Only in worlds where creators publish."""
    return lambda o: None if o.round.stock is None else function(o, o.round.stock)


def of_styles(function: Callable[[Tensor], float]) -> Callable[[Observation], float | None]:
    """Only where somebody has not given up."""
    return with_creators(lambda o, stock: function(stock.styles[stock.active]) if stock.active.any() else None)


def differential_entropy(alpha: Tensor) -> Tensor:
    """Return the differential entropies (n,) of Dirichlet distributions of these concentrations (n, d), nats; 0 or less.

    ln B(α) + (α_0 − d) ψ(α_0) − Σ (α_k − 1) ψ(α_k), α_0 = Σ α_k, relative to the flat measure on the first d − 1 shares.
    """
    alpha = alpha.double()
    total, d = alpha.sum(-1), alpha.shape[-1]
    log_beta = torch.lgamma(alpha).sum(-1) - torch.lgamma(total)
    return log_beta + (total - d) * torch.digamma(total) - ((alpha - 1) * torch.digamma(alpha)).sum(-1)


def entropy_of_output(o: Observation, stock: Stock) -> float | None:
    """Of what active creators make, where items are mixtures around their styles."""
    narrowness = o.frame.world.narrowness
    if narrowness is None or not stock.active.any():
        return None
    return float(differential_entropy(narrowness * stock.styles[stock.active].clamp(min=LEAST)).mean())


def reached(o: Observation, stock: Stock) -> float | None:
    """Share of the creators of whom something was there whose items were consumed at all."""
    pool = o.consumption.pool
    if pool is None or not pool.any():
        return None
    there = o.frame.world.creators[pool].unique()
    return float((by_creator(o.consumption.item_counts, o.frame.world.creators)[there] > 0).double().mean())


def share_of_active(o: Observation, stock: Stock) -> float | None:
    """Share of all exposure that goes to creators who have not given up."""
    if o.exposure.empty:
        return None
    counts = o.exposure.item_counts
    return float(counts[stock.active[o.frame.world.creators]].sum() / counts.sum())


LEAST = 1e-12
"""Least share of a topic that an entropy is taken of: a concentration of 0 has none."""

GONE = " Over the creators who have not given up."

CREATORS = [
    Measure(
        "creators.active", "Creators still active", "share of creators", "0 … 1", 0, 1, -1,
        "Share of the creators who have not given up: their survival curve.",
        "Mladenov et al. 2020",
        with_creators(lambda o, stock: float(stock.active.double().mean())),
    ),
    Measure(
        "creators.available", "Items available", "items", "0 … M", 0, None, 0,
        "Items that could be found and shown in this round.",
        "—",
        with_creators(lambda o, stock: float(stock.available.sum())),
    ),
    Measure(
        "creators.alpha", "Diversity within creators, α (styles)", "topics", "1 … T", 1, None, -1,
        "Effective topics within a creator's style, exp(mean_c H(s_c)). Down: creators specialise." + GONE,
        "Jost 2007; as entropy of creators in Lucherini et al. 2021",
        of_styles(lambda x: partition(x).alpha),
    ),
    Measure(
        "creators.beta", "Diversity between creators, β (styles)", "styles", "1 … min(C, T)", 1, None, -1,
        "Effective number of distinct styles, gamma/alpha. Down: creators become alike." + GONE,
        "Jost 2007",
        of_styles(lambda x: partition(x).beta),
    ),
    Measure(
        "creators.gamma", "Diversity of all supply, γ (styles)", "topics", "1 … T", 1, None, -1,
        "Effective topics of all styles together. Down: fewer topics are supplied." + GONE,
        "Jost 2007",
        of_styles(lambda x: partition(x).gamma),
    ),
    Measure(
        "creators.output_entropy", "Entropy of what creators make", "nats", "−∞ … 0", None, 0, -1,
        "Differential entropy of the Dirichlet distribution that a creator's items come from, mean over creators; where items "
        "are mixtures. Down: what she makes is ever more of a kind." + GONE,
        "Lucherini et al. 2021",
        with_creators(entropy_of_output),
    ),
    Measure(
        "creators.vendi", "Vendi score of styles", "styles", "1 … C", 1, None, -1,
        "Effective number of different styles: exponential of the entropy of the eigenvalues of K/C, K the cosines of "
        "styles." + GONE,
        "Friedman & Dieng 2023",
        of_styles(vendi),
    ),
    Measure(
        "creators.reached", "Creators with an audience", "share of creators", "0 … 1", 0, 1, -1,
        "Share of the creators of whom something was there in the window whose items were consumed at all.",
        "—",
        with_creators(reached),
    ),
    Measure(
        "creators.exposure_of_active", "Exposure of active creators", "share of exposure", "0 … 1", 0, 1, 0,
        "What was shown in the window: share of exposure that fell on items of creators who have not given up. Low: slates "
        "live on the works of those who are gone.",
        "—",
        with_creators(share_of_active),
    ),
]  # fmt: skip
