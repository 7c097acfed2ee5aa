"""What users were shown or consumed over the last W rounds, kept as sums to which a round can be added."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import cached_property
from itertools import islice

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from simulator.measures.between import Partition, diversity_partition
from simulator.measures.catalogue import self_information
from simulator.measures.divergence import entropy
from simulator.measures.frame import Frame


class Window:
    """The sum of the last W tensors pushed, and that sum as it stood one push ago. W = None: of all of them.

    W tensors are summed anew each time, oldest first, instead of adding the newest and subtracting the
    oldest: so the sum depends only on what is in the window, and rounding does not pile up. The sum of
    everything cannot be had that way; it is kept in float64.
    """

    def __init__(self, zero: Tensor, rounds: int | None) -> None:
        self.zero = zero
        self.rounds = rounds
        self.recent: deque[Tensor] = deque(maxlen=1 if rounds is None else rounds + 1)
        self.settled = zero.double() if zero.is_floating_point() else zero      # W = None: all but the newest

    def push(self, newest: Tensor) -> None:
        if self.rounds is None and self.recent:
            self.settled = self.settled + self.recent[0]
        self.recent.append(newest)

    @property
    def newest(self) -> Tensor:
        return self.recent[-1]

    def now(self) -> Tensor:
        if self.rounds is None:
            return self._sum([self.settled, *self.recent])
        return self._sum(islice(self.recent, max(0, len(self.recent) - self.rounds), None))

    def before(self) -> Tensor:
        if self.rounds is None:
            return self.settled.to(self.zero.dtype)
        return self._sum(islice(self.recent, max(0, len(self.recent) - 1)))

    def _sum(self, tensors: Iterable[Tensor]) -> Tensor:
        first, *rest = [*tensors] or [self.zero]
        total = first.clone()
        for x in rest:
            total += x
        return total.to(self.zero.dtype)


class Diet:
    """What each user was fed, round by round: slates shown (exposure) or items taken (consumption)."""

    def __init__(self, frame: Frame, rounds: int | None) -> None:
        n, m, t = frame.n_users, frame.n_items, frame.n_topics
        self.frame = frame
        self.rounds = rounds
        self.topic_sums = Window(torch.zeros(n, t), rounds)                         # Σ z_i of each user
        self.sizes = Window(torch.zeros(n, dtype=torch.int64), rounds)              # |C_u|
        self.item_counts = Window(torch.zeros(m, dtype=torch.int64), rounds)
        self.familiarity = Window(torch.zeros(2, dtype=torch.float64), rounds)      # Σ n_i, Σ −log2(n_i / N)
        # The push in which each topic last led an item of the user; column T takes the empty places
        self.last_met = torch.full((n, t + 1), -1, dtype=torch.int32)
        self.pushed = 0

    def push(self, items: Tensor, mask: Tensor, popularity: Tensor, n_users: int | None = None) -> None:
        """Adds one round: `items` (N, j), `mask` which places hold one, `popularity` (M,) n_i so far.

        `n_users`: of how many users n_i is, those who have ever been there; None: of all.
        """
        frame = self.frame
        items = torch.where(mask, items, frame.n_items)
        counts = torch.bincount(items.flatten(), minlength=frame.n_items + 1)[: frame.n_items]
        known = counts.double()
        surprise = self_information(popularity, n_users or frame.n_users)
        nothing = torch.zeros(len(items), frame.n_topics)       # embedding_bag takes no bags of size 0
        self.topic_sums.push(embedding_bag(items, frame.topics, mode="sum") if items.shape[1] else nothing)
        self.sizes.push(mask.sum(1))
        self.item_counts.push(counts)
        self.familiarity.push(torch.stack([(known * popularity).sum(), (known * surprise).sum()]))
        self.last_met.scatter_(1, frame.leading_topic[items], self.pushed)
        self.pushed += 1

    def topics_met(self) -> Tensor:
        """Which topics led an item of each user's window. (N, T) bool."""
        oldest = 0 if self.rounds is None else max(0, self.pushed - self.rounds)
        return self.last_met[:, :-1] >= oldest


class ItemLists:
    """The items themselves, round by round, where sums will not do: sets are compared, profiles looked up."""

    def __init__(self, frame: Frame, rounds: int | None) -> None:
        self.frame = frame
        self.rounds = rounds
        # (N, j) int32 each, M = empty
        self.recent: deque[Tensor] = deque(maxlen=None if rounds is None else rounds + 1)

    def push(self, items: Tensor, mask: Tensor) -> None:
        self.recent.append(torch.where(mask, items, self.frame.n_items).int())

    def now(self, users: Tensor) -> Tensor:
        """Items of these users in the window, id M in empty places. (b,) → (b, L)."""
        skip = 0 if self.rounds is None else max(0, len(self.recent) - self.rounds)
        return self._join(islice(self.recent, skip, None), users)

    def before(self, users: Tensor | None = None) -> Tensor:
        """The same (None = all users) in the window that ended before the newest round."""
        return self._join(islice(self.recent, max(0, len(self.recent) - 1)), users)

    def _join(self, lists: Iterable[Tensor], users: Tensor | None) -> Tensor:
        n = self.frame.n_users if users is None else len(users)
        none = torch.empty(n, 0, dtype=torch.int32)
        return torch.cat([none, *(x if users is None else x[users] for x in lists)], 1)


class Intake:
    """One window of a diet as measures read it; what several need is computed once, when asked for."""

    def __init__(self, diet: Diet, present: Tensor | None = None, pool: Tensor | None = None) -> None:
        self.diet = diet
        self.pool = pool                    # (M,) bool: items that were there at some time in the window; None: all
        self.present = present              # (N,) bool: who is there; None: everybody

    @cached_property
    def sizes(self) -> Tensor:              # (N,): |C_u|
        return self.diet.sizes.now()

    @cached_property
    def counted(self) -> Tensor:            # (N,) bool: who is there and whose window is not empty; means are over them
        return self.sizes > 0 if self.present is None else (self.sizes > 0) & self.present

    @property
    def share_counted(self) -> Tensor:      # (n present,) bool
        return self.counted if self.present is None else rows(self.counted, self.present)

    @property
    def empty(self) -> bool:
        return not self.counted.any()

    @cached_property
    def shares(self) -> Tensor:             # (n counted, T): p_u
        return rows(self.diet.topic_sums.now(), self.counted) / rows(self.sizes, self.counted)[:, None]

    @cached_property
    def entropies(self) -> Tensor:          # (n counted,): H(p_u)
        return entropy(self.shares)

    @cached_property
    def partition(self) -> Partition:
        return diversity_partition(self.shares, self.entropies)

    @cached_property
    def item_counts(self) -> Tensor:        # (M,)
        return self.diet.item_counts.now()

    @cached_property
    def pool_counts(self) -> Tensor:        # (items that were there,): what was not there has not been overlooked
        return self.item_counts if self.pool is None else self.item_counts[self.pool]

    @property
    def topics_met(self) -> Tensor:         # (n counted, T) bool
        return rows(self.diet.topics_met(), self.counted)

    @property
    def mean_popularity(self) -> float:     # of n_i as it was when the item was shown or consumed
        return float(self.diet.familiarity.now()[0] / self.item_counts.sum())

    @property
    def watched_share(self) -> float | None:    # of the watched topic in all that was shown or consumed
        watched = self.diet.frame.world.watched
        if watched is None:
            return None
        return float((self.item_counts * self.diet.frame.topics[:-1, watched].double()).sum() / self.item_counts.sum())

    @property
    def novelty(self) -> float:
        return float(self.diet.familiarity.now()[1] / self.item_counts.sum())


def rows(x: Tensor, keep: Tensor) -> Tensor:
    """x[keep], without the copy when all rows are kept, and with the faster one when not."""
    return x if keep.all() else x.index_select(0, keep.nonzero()[:, 0])
