"""What a platform records and may see: the feedback log and the public side of the catalogue."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from policies.ragged import Ragged


@dataclass(frozen=True)
class ItemData:
    """Public item data. Row j is item j."""

    topics: Tensor                  # (n_items, n_topics) float32, rows on the simplex
    features: Tensor                # (n_items, d) float32, rows of length 1: their dot product is the cosine s(i, j)
    titles: Sequence[str] | None = None
    available: Tensor | None = None # (n_items,) bool: may be shown now; None: everything may
    age: Tensor | None = None       # (n_items,) int64: rounds since publication, where the catalogue grows
    creator: Tensor | None = None   # (n_items,) int64, where the catalogue grows

    def __len__(self) -> int:
        return len(self.topics)

    def leads(self) -> Tensor:
        """Return the topic (n_items,) int64 that each item is mainly about; of equals the first."""
        return self.topics.argmax(1)

    def hidden(self, bias: Tensor | None = None) -> Tensor | None:
        """Return a bias (n_items,) for scores with −∞ for what may not be shown; None: there is none, and everything may."""
        if self.available is None or self.available.all():
            return bias
        return (torch.zeros(len(self)) if bias is None else bias).masked_fill(~self.available, -torch.inf)


class Interactions(NamedTuple):
    """Who took what, when: parallel columns in the order of recording."""

    users: Tensor                   # (n,) int64
    items: Tensor                   # (n,) int64
    rounds: Tensor                  # (n,) int64


class History(NamedTuple):
    """Items that some users took, oldest first."""

    items: Tensor                   # (b, h) int64
    present: Tensor                 # (b, h) bool: False = nothing in this place


class FeedbackLog:
    """Everything the platform has recorded, append-only.

    Two views of one record: columns in the order of recording (`interactions`), and each user's takes in her own order
    (`sequence`), which is what sequence models read. What users signalled stands in further columns (`signals`) beside the
    interactions. Slates are kept as they were shown. What a user has seen is not to be shown again, even if the log is `only` a
    part of what she took: `seen`.

    Where users take items again, `again_after` so many rounds, `history` has each item once, in the order of the last takes;
    elsewhere it is the same as `sequence`. What was seen is then what was taken less than so many rounds before `now`.
    """

    def __init__(self, n_users: int, n_items: int, again_after: int | None = None):
        self.n_users, self.n_items = n_users, n_items
        self.again_after = again_after                          # rounds; None: nobody takes anything twice
        self.now = 0                                            # the round that slates are made for
        self._chunks: list[Interactions] = []
        self._sequence = Ragged(n_users)
        self._history = self._sequence if again_after is None else Ragged(n_users)
        self._last = None if again_after is None else Ragged(n_users)       # round of the last take, beside the history
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
        self._sequence.append(users, items)
        if self._last is not None:
            newest = self._newest(users, items)                 # but for code of the user's own, all of them
            users, items = users[newest], items[newest]
            before, places = self._history.find(users, items)
            for column, values in ((self._history, items), (self._last, torch.full_like(users, round))):
                column.drop(users[before], places)
                column.append(users, values)

    def record_slates(self, round: int, users: Tensor, slates: Tensor) -> None:
        """Append the slates (b, k) that were shown to `users` (b,)."""
        self.slates.append((round, users, slates.to(torch.int32)))

    def record_skips(self, round: int, users: Tensor, items: Tensor) -> None:
        """Append what was looked at in this round's slates and not taken: parallel (n,) ids."""
        if len(users):
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
            rest._keep_skips(skips, ~torch.isin(skips.users, users[~kept & (rounds == skips.rounds[0])]))
        return rest

    def without_users(self, users: Tensor) -> FeedbackLog:
        """Return a log in which nothing is recorded of these users (n,)."""
        rest = self.without(torch.isin(self.interactions().users, users).nonzero()[:, 0])
        rest.slates = [
            (round, shown_to[stays], slates[stays])
            for round, shown_to, slates in self.slates for stays in [~torch.isin(shown_to, users)]
        ]
        rest.skips = []
        for skips in self.skips:            # also of rounds in which they took nothing
            rest._keep_skips(skips, ~torch.isin(skips.users, users))
        return rest

    def _keep_skips(self, skips: Interactions, stays: Tensor) -> None:
        """Append some of a round's skips, `stays` (n,) bool; a round without any has no entry."""
        if stays.any():
            self.skips.append(skips if stays.all() else Interactions(*(column[stays] for column in skips)))

    def between(self, first: float, end: float = math.inf) -> FeedbackLog:
        """Return a log of what was recorded from round `first` on and before round `end`."""
        rounds = self.interactions().rounds
        rest = self._where((first <= rounds) & (rounds < end))
        rest.slates = [shown for shown in self.slates if first <= shown[0] < end]
        rest.skips = [skips for skips in self.skips if first <= skips.rounds[0] < end]
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
        rest = self._empty(n_items)
        for chunk, signals in zip(self._chunks, self._signals, strict=True):
            old = chunk.items < n_items
            rest._chunks.append(Interactions(*(column[old] for column in chunk)))
            rest._signals.append({name: column[old] for name, column in signals.items()})
        def known(column: Ragged) -> Tensor:
            return column.values[:, : int(column.counts.max()) if self.n_users else 0] < n_items

        rest._sequence = rest._history = self._sequence.where(known(self._sequence))
        if self._last is not None:
            old = known(self._history)
            rest._history, rest._last = self._history.where(old), self._last.where(old)
        return rest

    def _where(self, kept: Tensor) -> FeedbackLog:
        """Return a log of some of the interactions, with their signals; without slates."""
        rest = self._empty(self.n_items)
        if not self._chunks:
            return rest
        sizes = [int(part.sum()) for part in kept.split([len(chunk.users) for chunk in self._chunks])]
        columns = [column[kept] for column in self.interactions()]
        rest._chunks = [Interactions(*parts) for parts in zip(*(column.split(sizes) for column in columns), strict=True)]
        signals = {name: column[kept].split(sizes) for name, column in self.signals().items()}
        rest._signals = [{name: parts[number] for name, parts in signals.items()} for number in range(len(sizes))]
        users, items, rounds = columns
        rest._sequence.append(users, items)
        if rest._last is not None:                              # all at once: round by round takes as long as it took to happen
            newest = rest._newest(users, items)
            rest._history.append(users[newest], items[newest])
            rest._last.append(users[newest], rounds[newest])
        return rest

    def _empty(self, n_items: int) -> FeedbackLog:
        rest = FeedbackLog(self.n_users, n_items, self.again_after)
        rest.now = self.now
        return rest

    def _newest(self, users: Tensor, items: Tensor) -> Tensor:
        """Return the places (m,) of interactions (n,) after which the same user does not take the same item again."""
        pairs, number = (users * self.n_items + items).unique(return_inverse=True)
        return torch.zeros_like(pairs).scatter_reduce_(0, number, torch.arange(len(users)), "amax").sort().values

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
        rest, row = copy.copy(self), torch.tensor([user])
        item = self._history.values[row, place]
        rest._history = copy.deepcopy(self._history)
        rest._history.drop(row, torch.tensor([place]))
        if self._last is None:
            rest._sequence = rest._history
            return rest
        rest._last, rest._sequence = copy.deepcopy((self._last, self._sequence))
        rest._last.drop(row, torch.tensor([place]))
        which, places = self._sequence.find(row, item)
        rest._sequence.drop(row[which], places)
        return rest

    def once(self) -> FeedbackLog:
        """Return the same log for who shows nothing again, however long ago it was taken."""
        rest = copy.copy(self)
        rest.again_after = None
        return rest

    def __len__(self) -> int:
        return int(self._sequence.counts.sum())

    def records(self) -> list[Interactions]:
        """Return the interactions as they were recorded, some at a time: the log's own list, which grows, to keep count by."""
        return self._chunks

    def signal_records(self) -> list[Mapping[str, Tensor]]:
        """Return the signals beside each of `records`: likewise the log's own list."""
        return self._signals

    def interactions(self) -> Interactions:
        """Return all interactions."""
        empty = torch.zeros(0, dtype=torch.int64)
        if not self._chunks:
            return Interactions(empty, empty, empty)
        return Interactions(*(torch.cat(column) for column in zip(*self._chunks, strict=True)))

    def pairs(self) -> tuple[Tensor, Tensor]:
        """Return who has taken what, each pair once: users (n,) and items (n,)."""
        users, items, _ = self.interactions()
        if self._last is None:
            return users, items
        newest = self._newest(users, items)
        return users[newest], items[newest]

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
        """Return the number of items (n_users,) that each user has taken, each counted once."""
        return self._history.counts.clone()

    def takes(self) -> Tensor:
        """Return the number of takes (n_users,) of each user."""
        return self._sequence.counts.clone()

    def history(self, users: Tensor) -> History:
        """Return all items that `users` (b,) took, none twice, padded on the right."""
        return History(*self._history.of(users))

    def sequence(self, users: Tensor) -> History:
        """Return all takes of `users` (b,), an item as often as it was taken, padded on the right."""
        return History(*self._sequence.of(users))

    def seen(self, users: Tensor) -> History:
        """Return what is not to be shown to `users` (b,) now, whatever part of what they took the log is."""
        whole = self if self._whole is None else self._whole
        history = whole.history(users)
        if self.again_after is None or whole._last is None:
            return history
        return History(history.items, history.present & (whole._last.of(users).values > whole.now - self.again_after))
