"""What a platform records and may see: the feedback log and the public side of the catalogue."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class ItemData:
    """Public item data. Row j is item j."""

    topics: Tensor                  # (n_items, n_topics) float32, rows on the simplex
    features: Tensor                # (n_items, d) float32, rows of length 1: their dot product is the cosine s(i, j)
    titles: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.topics)


class Interactions(NamedTuple):
    """Who took what, when: parallel columns in the order of recording."""

    users: Tensor                   # (n,) int64
    items: Tensor                   # (n,) int64
    rounds: Tensor                  # (n,) int64


class History(NamedTuple):
    """The items that some users took, oldest first, padded on the right."""

    items: Tensor                   # (b, h) int64
    present: Tensor                 # (b, h) bool: False = padding


class FeedbackLog:
    """Everything the platform has recorded, append-only.

    Two views of one record: columns in the order of recording (`interactions`), and each user's items in her own order
    (`history`), which is what seen-item exclusion and sequence models read. Slates are kept as they were shown.
    """

    def __init__(self, n_users: int, n_items: int):
        self.n_users, self.n_items = n_users, n_items
        self._chunks: list[Interactions] = []
        self._history = torch.zeros(n_users, 16, dtype=torch.int32)
        self._counts = torch.zeros(n_users, dtype=torch.int64)
        self.slates: list[tuple[int, Tensor, Tensor]] = []      # (round, users (b,), items (b, k) int32)

    def record(self, round: int, users: Tensor, items: Tensor) -> None:
        """Append one round's interactions: parallel (n,) ids; a user's own order is the order given."""
        self._chunks.append(Interactions(users, items, torch.full_like(users, round)))
        by_user = users.argsort(stable=True)
        users, items = users[by_user], items[by_user]
        added = torch.bincount(users, minlength=self.n_users)
        first = added.cumsum(0) - added
        places = self._counts[users] + torch.arange(len(users)) - first[users]
        longest = int(places.max()) + 1 if len(users) else 0
        width = self._history.shape[1]
        if longest > width:
            wider = torch.zeros(self.n_users, max(longest, width * 3 // 2), dtype=torch.int32)
            wider[:, :width] = self._history
            self._history = wider
        self._history[users, places] = items.to(torch.int32)
        self._counts += added

    def record_slates(self, round: int, users: Tensor, slates: Tensor) -> None:
        """Append the slates (b, k) that were shown to `users` (b,)."""
        self.slates.append((round, users, slates.to(torch.int32)))

    def without(self, places: Tensor) -> FeedbackLog:
        """Return a log that lacks the interactions at these places of `interactions()`; slates are not copied."""
        users, items, rounds = self.interactions()
        kept = torch.ones(len(users), dtype=torch.bool)
        kept[places] = False
        rest = FeedbackLog(self.n_users, self.n_items)
        for round in rounds.unique_consecutive().tolist():
            chosen = kept & (rounds == round)
            rest.record(round, users[chosen], items[chosen])
        for round, shown_to, slates in self.slates:
            stays = ~torch.isin(shown_to, users[~kept & (rounds == round)])
            rest.slates.append((round, shown_to, slates) if stays.all() else (round, shown_to[stays], slates[stays]))
        return rest

    def since(self, round: int) -> FeedbackLog:
        """Return a log of what was recorded from this round on."""
        users, items, rounds = self.interactions()
        rest = FeedbackLog(self.n_users, self.n_items)
        for number in rounds.unique_consecutive().tolist():
            if number >= round:
                chosen = rounds == number
                rest.record(number, users[chosen], items[chosen])
        rest.slates = [shown for shown in self.slates if shown[0] >= round]
        return rest

    def forgetting(self, user: int, place: int) -> FeedbackLog:
        """Return a log in whose `history` this user never took her item number `place`; its other columns stay as they are."""
        rest = copy.copy(self)
        rest._history, rest._counts = self._history.clone(), self._counts.clone()
        rest._history[user, place:-1] = self._history[user, place + 1 :]
        rest._counts[user] -= 1
        return rest

    def __len__(self) -> int:
        return int(self._counts.sum())

    def interactions(self) -> Interactions:
        """Return all interactions."""
        empty = torch.zeros(0, dtype=torch.int64)
        if not self._chunks:
            return Interactions(empty, empty, empty)
        return Interactions(*(torch.cat(column) for column in zip(*self._chunks, strict=True)))

    def counts(self) -> Tensor:
        """Return the number of items (n_users,) that each user has taken."""
        return self._counts.clone()

    def history(self, users: Tensor) -> History:
        """Return all that `users` (b,) took. No item twice: nobody takes the same item again."""
        counts = self._counts[users]
        longest = int(counts.max()) if len(users) else 0
        return History(self._history[users, :longest].long(), torch.arange(longest) < counts[:, None])
