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
    places = torch.arange(listed.shape[1] + noticed.shape[1])
    length = (listed.sum(1) + noticed.sum(1))[:, None]
    _, luck = draws("place").uniform_pair(ids[:, None], places)
    # Luck has 32 bits, so with the place behind it no two are equal; of as many places as there may be finds, the luckiest.
    order = ((luck * 2.0**32).long() * len(places) + places).masked_fill(places >= length, _LAST)
    by_luck = order.topk(noticed.shape[1], dim=1, largest=False).indices
    of_finds = by_luck.gather(1, (noticed.cumsum(1) - 1).clamp(min=0))          # the j-th find has the j-th luckiest place
    taken = of_finds.masked_fill(~noticed, _LAST).sort(1).values
    passed = taken - torch.arange(noticed.shape[1])                             # places left above each that is taken
    which = (listed.cumsum(1) - 1).clamp(min=0)
    of_slate = which + torch.searchsorted(passed, which, right=True)            # the j-th place that is left, from the top
    return torch.cat([of_slate, of_finds], 1)


_LAST = 2**62
"""Beyond every place, and every order of places."""
