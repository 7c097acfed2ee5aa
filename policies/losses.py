"""What sequence models minimise: over the whole catalogue or a sample of it, without the logits of all positions at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_LOGITS_AT_ONCE = 2_500_000
"""10 MB of float32. Logits that stay in the processor's cache until their gradient is known cost half of those that do not."""

Losses = tuple[Tensor, Tensor]
"""Of each position (r,): the loss, and what else is minimised with it."""


def backward(objective: Callable[..., Losses], shared: Sequence[Tensor], rows: Sequence[Tensor]) -> float:
    """Backpropagate the mean of loss + rest over all positions; return the mean loss.

    `objective(*shared, *rows)` is called on one part of the rows after the other, so that what it makes of them, one number
    for each position and entry of `shared`, never stands in memory as a whole.
    """
    size = max(_LOGITS_AT_ONCE // max(len(shared[0]), 1), 1)
    common = [_leaf(tensor) for tensor in shared]
    parts = [[_leaf(row) for row in part] for part in zip(*(row.split(size) for row in rows), strict=True)]
    total = torch.zeros((), device=rows[0].device)
    for part in parts:
        loss, rest = objective(*common, *part)
        ((loss + rest).sum() / len(rows[0])).backward()
        total += loss.detach().sum()
    ends = [(tensor, leaf.grad) for tensor, leaf in zip(shared, common, strict=True) if tensor.requires_grad]
    for row, leaves in zip(rows, zip(*parts, strict=True), strict=True):
        if row.requires_grad:
            ends.append((row, torch.cat([leaf.grad for leaf in leaves])))
    torch.autograd.backward([tensor for tensor, _ in ends], [gradient for _, gradient in ends])
    return total.item() / len(rows[0])


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().requires_grad_(tensor.requires_grad)


def similarity(shares: Tensor, features: Tensor) -> Tensor:
    """Return pᵀ C p (r,), C = X Xᵀ, of shares p (r, n) of items with features X (n, d): how alike two items drawn by p are."""
    return (shares @ features).square().sum(1)


def full(diversity: float, features: Tensor, barred: Tensor) -> Callable[[Tensor, Tensor, Tensor], Losses]:
    """Return the objective of the cross-entropy over the catalogue, plus `diversity` times the similarity of its softmax.

    `barred` (n_items,) is added to the scores: −∞ for items that are left out, 0 for all others.
    """

    def objective(table: Tensor, output: Tensor, targets: Tensor) -> Losses:
        logits = F.linear(output, table, barred)                                    # (r, n_items)
        loss = F.cross_entropy(logits, targets, reduction="none")
        if not diversity:
            return loss, torch.zeros_like(loss)
        return loss, diversity * similarity(logits.softmax(1), features)

    return objective


def sampled(
    ids: Tensor, n_items: int, diversity: float, features: Tensor
) -> Callable[[Tensor, Tensor, Tensor, Tensor], Losses]:
    """Return the objective of the sampled softmax, by uniformly drawn distinct items `ids` (n,), one draw for all positions.

    With c of them not the target, Σ_j≠t exp s_j is estimated without bias by (M − 1)/c Σ_ids≠t exp s_j: each sampled score is
    corrected by −ln of its expected count c/(M − 1). With all items for sample this is the cross-entropy itself.

    Source: Jean et al. 2015 (ACL), sampled softmax; Klenitskiy & Vasilev 2023 (RecSys) for SASRec.
    """

    def objective(table: Tensor, output: Tensor, positive: Tensor, targets: Tensor) -> Losses:
        target = ids == targets[:, None]                                            # (r, n)
        c = (len(ids) - target.sum(1, keepdim=True)).clamp(min=1)
        logits = output @ table.T + torch.log((n_items - 1) / c)
        logits = logits.masked_fill(target, torch.finfo(logits.dtype).min)
        total = torch.logaddexp(positive, logits.logsumexp(1))
        loss = total - positive
        if not diversity:
            return loss, torch.zeros_like(loss)
        shares = (logits - total[:, None]).exp()
        mean = shares @ features[ids] + (positive - total).exp()[:, None] * features[targets]
        return loss, diversity * mean.square().sum(1)

    return objective


def binary(positive: Tensor, negative: Tensor) -> Tensor:
    """Return −ln σ(s⁺) − ln(1 − σ(s⁻))."""
    return F.softplus(-positive) + F.softplus(negative)
