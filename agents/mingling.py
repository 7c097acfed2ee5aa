"""Where a user's own finds stand in the list that she reads."""

from __future__ import annotations

import torch
from torch import Tensor

from agents.chance import Draws


def mingled(ids: Tensor, listed: Tensor, noticed: Tensor, draws: Draws) -> Tensor:
    """Return the place (n, k + a) int64 of each column of a menu: own finds stand at random places in the slate.

    `ids` (n,) of users, `listed` (n, k) bool: which places of the slate hold something, `noticed` (n, a) bool: which finds
    there are. Every set of places and every order of the finds in them is as likely as any other; the slate keeps its order in
    between. Columns that hold nothing have a place that means nothing.

    Source: Chaney, Stewart & Engelhardt 2018 (RecSys), new items interleaved with a ranking of the others; one order for each
    user.
    """
    columns = listed.shape[1] + noticed.shape[1]
    places = torch.arange(columns)
    length = (listed.sum(1) + noticed.sum(1))[:, None]
    _, luck = draws("place").uniform_pair(ids[:, None], places)
    by_luck = luck.masked_fill(places >= length, torch.inf).argsort(dim=1, stable=True)
    of_finds = by_luck.gather(1, (noticed.cumsum(1) - 1).clamp(min=0))          # the j-th find has the j-th luckiest place
    taken = torch.zeros(len(ids), columns + 1, dtype=torch.bool)
    taken.scatter_(1, of_finds.where(noticed, columns), True)
    free = taken[:, :columns].to(torch.int8).argsort(dim=1, stable=True)            # the places that are left, from the top
    of_slate = free.gather(1, (listed.cumsum(1) - 1).clamp(min=0))
    return torch.cat([of_slate, of_finds], 1)
