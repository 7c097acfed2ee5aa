"""What a platform records and may see: the feedback log and the public side of the catalogue."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
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
    available: Tensor | None = None # (n_items,) bool: may be shown now; None: everything always may, and nothing is new
    age: Tensor | None = None       # (n_items,) int64: rounds since publication, where the catalogue grows
    creator: Tensor | None = None   # (n_items,) int64, where the catalogue grows

    def __len__(self) -> int:
        return len(self.topics)

    def hidden(self) -> Tensor | None:
        """Return a bias (n_items,) for scores: −∞ for what may not be shown, else 0; None if everything may."""
        if self.available is None or self.available.all():
            return None
        return torch.zeros(len(self)).masked_fill(~self.available, -torch.inf)


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
    (`history`), which is what sequence models read. What users signalled stands in further columns (`signals`) beside the
    interactions. Slates are kept as they were shown. What a user has seen is not to be shown again, even if the log is `only` a
    part of what she took: `seen`.
    """

    def __init__(self, n_users: int, n_items: int):
        self.n_users, self.n_items = n_users, n_items
        self._chunks: list[Interactions] = []
        self._history = torch.zeros(n_users, 16, dtype=torch.int32)
        self._counts = torch.zeros(n_users, dtype=torch.int64)
        self._signals: list[Mapping[str, Tensor]] = []          # of each chunk
        self._whole: FeedbackLog | None = None                  # what this log is a part of, and grows with
        self._parts: dict[tuple[str, float], FeedbackLog] = {}
        self.slates: list[tuple[int, Tensor, Tensor]] = []      # (round, users (b,), items (b, k) int32)
        self.skips: list[Interactions] = []                     # what was looked at in a slate and not taken, a round each

    def record(self, round: int, users: Tensor, items: Tensor, signals: Mapping[str, Tensor] | None = None) -> None:
        """Append one round's interactions: parallel (n,) ids; a user's own order is the order given.

        `signals`: further columns (n,) float32 by name, NaN where a user gave none.
        """
        self._chunks.append(Interactions(users, items, torch.full_like(users, round)))
        self._signals.append(signals or {})
        for (name, least), part in self._parts.items():
            part._record_some(self._enough(signals or {}, name, least, len(users)), round, users, items, signals or {})
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

    def record_skips(self, round: int, users: Tensor, items: Tensor) -> None:
        """Append what was looked at in this round's slates and not taken: parallel (n,) ids."""
        self.skips.append(Interactions(users, items, torch.full_like(users, round)))

    def without(self, places: Tensor) -> FeedbackLog:
        """Return a log that lacks the interactions at these places of `interactions()`; slates are not copied."""
        users, _, rounds = self.interactions()
        kept = torch.ones(len(users), dtype=torch.bool)
        kept[places] = False
        rest = self._where(kept)
        for round, shown_to, slates in self.slates:
            stays = ~torch.isin(shown_to, users[~kept & (rounds == round)])
            rest.slates.append((round, shown_to, slates) if stays.all() else (round, shown_to[stays], slates[stays]))
        for skips in self.skips:
            stays = ~torch.isin(skips.users, users[~kept & (rounds == skips.rounds[:1])])
            rest.skips.append(skips if stays.all() else Interactions(*(column[stays] for column in skips)))
        return rest

    def without_users(self, users: Tensor) -> FeedbackLog:
        """Return a log in which nothing is recorded of these users (n,)."""
        rest = self.without(torch.isin(self.interactions().users, users).nonzero()[:, 0])
        rest.slates = [
            (round, shown_to[stays], slates[stays])
            for round, shown_to, slates in self.slates for stays in [~torch.isin(shown_to, users)]
        ]
        return rest

    def since(self, round: int) -> FeedbackLog:
        """Return a log of what was recorded from this round on."""
        rest = self._where(self.interactions().rounds >= round)
        rest.slates = [shown for shown in self.slates if shown[0] >= round]
        rest.skips = [skips for skips in self.skips if (skips.rounds >= round).all()]
        return rest

    def only(self, signal: str, at_least: float) -> FeedbackLog:
        """Return the part of the log in which this signal is at least so much: all interactions that such a policy learns from.

        It grows with the log, and `seen` and slates are those of the whole.
        """
        if (signal, at_least) not in self._parts:
            users = self.interactions().users
            part = self._where(self._enough(self.signals(), signal, at_least, len(users)))
            part.slates, part.skips, part._whole = self.slates, self.skips, self
            self._parts[signal, at_least] = part
        return self._parts[signal, at_least]

    def grow(self, n_items: int) -> None:
        """Let there be so many items from now on."""
        self.n_items = n_items
        for part in self._parts.values():
            part.n_items = n_items

    def of_first(self, n_items: int) -> FeedbackLog:
        """Return a log of the interactions with the first so many items alone, for who knows no others; without slates."""
        if n_items == self.n_items:
            return self
        rest = FeedbackLog(self.n_users, n_items)
        for chunk, signals in zip(self._chunks, self._signals, strict=True):
            old = chunk.items < n_items
            rest._chunks.append(Interactions(*(column[old] for column in chunk)))
            rest._signals.append({name: column[old] for name, column in signals.items()})
        width = int(self._counts.max()) if self.n_users else 0
        history = self._history[:, :width]
        known = (history < n_items) & (torch.arange(width) < self._counts[:, None])
        order = (~known).to(torch.int8).sort(dim=1, stable=True).indices
        rest._history, rest._counts = history.where(known, 0).gather(1, order), known.sum(1)
        return rest

    def _where(self, kept: Tensor) -> FeedbackLog:
        """Return a log of some of the interactions, with their signals; without slates."""
        users, items, rounds = self.interactions()
        signals = self.signals()
        rest = FeedbackLog(self.n_users, self.n_items)
        for round in rounds.unique_consecutive().tolist():
            rest._record_some(kept & (rounds == round), round, users, items, signals)
        return rest

    def _record_some(
        self, chosen: Tensor, round: int, users: Tensor, items: Tensor, signals: Mapping[str, Tensor]
    ) -> None:
        columns = {name: column[chosen] for name, column in signals.items()}
        self.record(round, users[chosen], items[chosen], columns)

    @staticmethod
    def _enough(signals: Mapping[str, Tensor], name: str, least: float, count: int) -> Tensor:
        return signals[name] >= least if name in signals else torch.zeros(count, dtype=torch.bool)     # NaN is not enough

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

    def signals(self) -> dict[str, Tensor]:
        """Return the columns beside `interactions`, by name (n,) float32; NaN where there was no signal."""
        names = dict.fromkeys(name for signals in self._signals for name in signals)
        return {
            name: torch.cat([
                signals.get(name, torch.full((len(chunk.users),), torch.nan))
                for chunk, signals in zip(self._chunks, self._signals, strict=True)
            ])
            for name in names
        }

    def counts(self) -> Tensor:
        """Return the number of items (n_users,) that each user has taken."""
        return self._counts.clone()

    def history(self, users: Tensor) -> History:
        """Return all that `users` (b,) took. No item twice: nobody takes the same item again."""
        counts = self._counts[users]
        longest = int(counts.max()) if len(users) else 0
        return History(self._history[users, :longest].long(), torch.arange(longest) < counts[:, None])

    def seen(self, users: Tensor) -> History:
        """Return what is not to be shown to `users` (b,) again: all that they took, whatever part of it the log is."""
        return (self if self._whole is None else self._whole).history(users)
