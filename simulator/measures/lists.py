"""Slates: how varied, how well calibrated and how new is one list. The caller takes the mean over slates."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from simulator.measures.divergence import entropy, jensen_shannon, kullback_leibler


def intra_list_distance(features: Tensor, slates: Tensor) -> Tensor:
    """Mean of 1 − s(i, j) over the pairs i < j of a slate. (M, d) unit rows, (n, k ≥ 2) → (n,), 0 … 2.

    s = cosine. Closed form, O(k·d) a slate, from the length of the sum: Σ_{i≠j} s(i, j) = ‖Σ_i f_i‖² − k.
    Ziegler et al. (2005); Smyth & McClave (2001).
    """
    k = slates.shape[1]
    length = embedding_bag(slates, features, mode="sum").double().square().sum(1)
    return 1 - (length - k) / (k * (k - 1))


def vendi(vectors: Tensor) -> Tensor:
    """Effective number of different items in a slate: exp(−Σ λ ln λ), λ = eigenvalues of K/k, K_ij = s(i, j).

    (n, k, d) unit rows → (n,) float64, 1 … k. Friedman & Dieng (2023).
    """
    # Items of nearly one topic have cosines that are no normal numbers in single precision, of which LAPACK may make NaN.
    kernel = (vectors @ vectors.mT).double() / vectors.shape[1]
    eigenvalues = torch.linalg.eigvalsh(kernel).clamp_min(0)            # negative by rounding only
    return entropy(eigenvalues).exp()


def miscalibration(interests: Tensor, slate: Tensor, alpha: float = 0.01) -> Tensor:
    """How badly a slate's topics mirror the user's: KL(q ‖ p̃), p̃ = (1 − α) p + α q. (n, T) × 2 → (n,) nats.

    q = interests, p = topic shares of the slate. 0 … ln(1/α): the α of q in p̃ keeps it finite. Steck (2018).
    """
    interests = interests.where(interests > 1e-30, 0)                   # of less than that, α times it may be 0
    return kullback_leibler(interests, (1 - alpha) * slate + alpha * interests)


def unexpectedness(slates: Tensor, history: Tensor, known: Tensor) -> Tensor:
    """How far the slate's items are from anything consumed: mean over i of 1 − max_{j in history} s(i, j).

    Unit rows (n, k, d) and (n, L, d), `known` (n, L) bool with at least one True a row → (n,), 0 … 2.
    Kaminskas & Bridge (2016).
    """
    similarity = slates @ history.mT                                    # (n, k, L)
    nearest = similarity.masked_fill(~known[:, None, :], -torch.inf).amax(2)
    return (1 - nearest).mean(1)


def rank_weights(k: int) -> Tensor:
    """Attention by rank: w_r ∝ 1/r, r = 1 … k, summing to 1. (k,) float64. Vrijenhoek et al. (2022)."""
    weights = 1 / torch.arange(1, k + 1, dtype=torch.float64)
    return weights / weights.sum()


def radio_divergence(p: Tensor, q: Tensor, alpha: float = 0.001) -> Tensor:
    """RADio's distance: √JSD, base 2, of P̃ = (1 − α)P + αQ and Q̃ = (1 − α)Q + αP. (…, T) × 2 → (…), 0 … 1.

    Vrijenhoek et al. (2022).
    """
    return jensen_shannon((1 - alpha) * p + alpha * q, (1 - alpha) * q + alpha * p).sqrt()


def radio_calibration(topics: Tensor, slates: Tensor, history: Tensor) -> Tensor:
    """Divergence of a slate's topics, weighted by rank, from those of the user's history. → (n,), 0 … 1.

    Item topics (M, T), slates (n, k), history's topic shares (n, T): a history has no ranks, so its items
    weigh the same. 0 = the slate repeats the history. Vrijenhoek et al. (2022).
    """
    weights = rank_weights(slates.shape[1]).to(topics.dtype).expand(slates.shape)
    shown = embedding_bag(slates, topics, per_sample_weights=weights.contiguous(), mode="sum")
    return radio_divergence(shown, history)


def radio_fragmentation(a: Tensor, b: Tensor) -> Tensor:
    """Divergence of two users' slates over *items*, weighted by rank. (P, k) × 2 item ids → (P,), 0 … 1.

    0 = the same list, near 1 = no item in common. Vrijenhoek et al. (2022).
    """
    weights = rank_weights(a.shape[1])
    same = a[:, :, None] == b[:, None, :]                               # (P, k places of a, k places of b)
    # Both over the same 2k places: the items of a, then those items of b that a lacks (the rest stay 0).
    of_a = torch.cat([weights.expand(a.shape), torch.zeros(b.shape, dtype=weights.dtype)], 1)
    of_b = torch.cat([same.double() @ weights, weights.where(~same.any(1), 0)], 1)
    return radio_divergence(of_a, of_b)
