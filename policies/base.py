"""The contract of every policy: from a feedback log and public item data to slates."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

import scipy.sparse as sp
import torch
import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor

from policies.chance import Draws
from policies.explanation import Explanation, leave_one_out
from policies.failure import PolicyFailed
from policies.log import FeedbackLog, ItemData
from policies.ranking import rank
from policies.validation import MOST_HELD_OUT, Accuracy, Epoch, HeldOut, Size, accuracy, hold_out

UnitInterval = Annotated[float, Interval(ge=0, le=1)]
Count = Annotated[int, Interval(ge=1, le=1_000_000)]


@dataclass
class Policy(ABC):
    """Ranks items for users. Fields are hyper-parameters; what `fit` learns ends in an underscore.

    A policy is given a log, public item data and user ids. It never sees interests.
    """

    trains: ClassVar[bool] = True           # False: nothing is learnt from the log
    reads_features: ClassVar[bool] = False  # True: an item that was published since the last fit is scored like any other

    def fit(
        self, log: FeedbackLog, items: ItemData, rng: torch.Generator, k: int = 10, since: int | None = None,
        validation: HeldOut | None = None,
    ) -> Self:
        """Learn from the log, keeping some users' newest interactions out to see how well it went.

        `k`: length of the slates that accuracy is measured at. `since`: round of the previous training, if any; only
        interactions recorded since then are held out. With `validation`, interactions that are not in the log, it is they
        that training is judged by, and the whole log is learnt from; there may be none. Leaves `training_`, one `Epoch` per
        pass over the data.
        """
        train, held = (log, validation) if validation else hold_out(log, self.share_held_out(), since, rng)
        self.log_, self.items_ = train, items
        self.popularity_ = torch.bincount(train.interactions().items, minlength=log.n_items).float()
        self.untrained_ = train.counts() == 0
        self.training_: list[Epoch] = []
        best: Epoch | None = None
        weights: dict[str, object] = {}
        patience, enough = self.epochs_without_gain(), self.enough()
        for number, train_loss in enumerate(self.learn(train, items, rng), start=1):
            size = self.size()
            if train_loss is not None and not math.isfinite(train_loss):
                raise PolicyFailed(
                    f"training diverged: after epoch {number} the loss is {train_loss}. A smaller learning rate, or more "
                    "regularisation, keeps it finite."
                )
            learnt = self._accuracy_on_training(held.users, k) if validation and len(held.users) else None
            epoch = Epoch(
                number, train_loss, *self._validate(held, k), k,
                train_recall=learnt and learnt.recall, train_ndcg=learnt and learnt.ndcg,
                parameters=size and size.beyond_embeddings, flop=self.work(),
            )
            self.training_.append(epoch)
            if enough is not None and epoch.ndcg is not None and epoch.ndcg >= enough:
                best, weights = epoch, {}
                break
            if patience is None or epoch.ndcg is None:
                best = epoch
            elif best is None or epoch.better_than(best):
                best, weights = epoch, copy.deepcopy(self._learnt())
            elif number - best.epoch >= patience:
                break
        vars(self).update(weights)
        self.training_ = [replace(epoch, kept=epoch is best) for epoch in self.training_]
        return self

    held_out_share: ClassVar[float] = 0.1   # of the users with at least two interactions

    def reads_titles(self) -> bool:
        """Does it need `ItemData.titles`, which a synthetic world does not have?"""
        return False

    def reads_skips(self) -> bool:
        """Does it need `FeedbackLog.skips`, which users must give?"""
        return False

    reads_ties: ClassVar[bool] = False      # True: it is told who follows whom (`befriend`) before each training

    def befriend(self, follows: sp.csr_array) -> None:
        """Take note of who follows whom, 1 in (n_users, n_users): asked of whom `reads_ties`, before each training."""
        raise TypeError(f"{type(self).__name__} reads no ties")

    def representations(self) -> Tensor | None:
        """Return what it knows each user by (n_users, d), as of the last fit; None: nothing that users could be compared by."""
        return None

    def reads_signal(self) -> str | None:
        """Return the signal of `FeedbackLog.signals` that it needs, which users must give; None: no one in particular."""
        return None

    def ratings(self, log: FeedbackLog) -> Tensor | None:
        """Return what is to stand beside each item as its rating (n_items,) float32, for everybody to see; None: nothing."""
        return None

    def epochs_without_gain(self) -> int | None:
        """Return after how many epochs without a higher held-out NDCG training stops and returns to the best; None = never."""
        return None

    def share_held_out(self) -> float:
        """Return the share of the users with at least two interactions whose newest one judges the training."""
        return self.held_out_share

    def enough(self) -> float | None:
        """Return the held-out NDCG at which training stops at once; None = it goes on, however good."""
        return None

    def size(self) -> Size | None:
        """Return how many weights have been learnt; None: it does not say."""
        return None

    def work(self) -> float | None:
        """Return the floating-point operations of the newest pass over the data; None: they are not counted."""
        return None

    def _learnt(self) -> dict[str, object]:
        """Return what `learn` changes from epoch to epoch."""
        given = {"log_", "items_", "popularity_", "untrained_", "training_"}
        return {name: value for name, value in vars(self).items() if name.endswith("_") and name not in given}

    def meet(self, items: ItemData) -> None:
        """Take note of the catalogue as it is now, which may have grown since the last fit: asked of whom `reads_features`."""
        self.items_ = items
        self.popularity_ = F.pad(self.popularity_, (0, len(items) - len(self.popularity_)))

    def knows(self) -> Tensor:
        """Return a bool (n_items then,): which items of the last fit it can score; by default those that somebody had taken."""
        return self.popularity_ > 0

    @abstractmethod
    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        """Train, yielding the mean training loss (None if there is none) after each pass over the data."""

    @abstractmethod
    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        """Return fresh scores (b, n_items) float32, finite, larger = better, for users (b,).

        `log` is what is known about them now, which may be more than what the policy was trained on.
        """

    def unknown(self, users: Tensor, log: FeedbackLog) -> Tensor:
        """Return a bool (b,): users of whom the policy knows nothing, and who get what is popular.

        By default those who have taken nothing up to now: most policies read what was taken since training, too.
        """
        return log.counts()[users] == 0

    def loss_of(self, scores: Tensor, users: Tensor, rows: Tensor, items: Tensor) -> Tensor | None:
        """Return the losses (h,) of having given `users[rows]` the scores `scores[rows]` when they took `items` (h,).

        `scores` (b, n_items) are those of users (b,), and stay as they are. None: the loss is not one of scores alone.
        """
        return None

    def held_out_loss(self, held: HeldOut) -> float | None:
        """Return the mean loss on held-out interactions, comparable to the training loss; None if there is none.

        Asked of a policy that has no `loss_of`.
        """
        return None

    def rank(
        self, users: Tensor, k: int, log: FeedbackLog, draws: Draws, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the k best unseen items of each user: ids (b, k), scores (b, k), best first.

        `log` says what has been seen, up to now; `bias` (n_items,) is added to the scores. Users of whom nothing is known
        get what is popular.
        """
        popularity = self.popularity_ / self.popularity_.max().clamp(min=1)

        def score(block: Tensor) -> Tensor:
            scores = self.score(block, log)
            scores[self.unknown(block, log)] = popularity
            return scores

        return rank(score, users, k, log, bias)

    def luck(self, users: Tensor, n_items: int, draws: Draws) -> Tensor:
        """Return by what items of equal score are ordered, the least first, for users (b,), where that is left to chance."""
        return draws.uniform_pair(users[:, None], torch.arange(n_items))[1]

    def _validate(self, held: HeldOut, k: int) -> tuple[float | None, float | None, float | None]:
        if not len(held.users):
            return None, None, None
        users, of = held.users.unique(return_inverse=True)
        hidden = self.items_.hidden()
        if hidden is not None:
            hidden[held.items] = 0          # what was taken shortly before it disappeared was there to be taken
        losses: list[Tensor | None] = []

        def score(block: Tensor) -> Tensor:
            """Score a block of users, and take down their losses before `rank` writes over the scores."""
            scores = self.score(block, self.log_)
            rows = of - torch.searchsorted(users, block[0])
            mine = (rows >= 0) & (rows < len(block))
            losses.append(self.loss_of(scores, block, rows[mine], held.items[mine]))
            return scores

        ranked, _ = rank(score, users, min(k, len(self.items_)), self.log_, hidden)
        recall, ndcg, _ = accuracy(ranked, held, users)
        known = [block.sum().item() for block in losses if block is not None]
        return sum(known) / len(of) if known else self.held_out_loss(held), recall, ndcg

    def _accuracy_on_training(self, users: Tensor, k: int) -> Accuracy:
        """How well what was learnt from is found when all items are ranked: how much is learnt by heart."""
        users = users.unique()[:MOST_HELD_OUT]
        history = self.log_.history(users)
        rows, places = history.present.nonzero(as_tuple=True)
        nothing_seen = FeedbackLog(self.log_.n_users, self.log_.n_items)
        ranked, _ = rank(lambda block: self.score(block, self.log_), users, min(k, len(self.items_)), nothing_seen)
        return accuracy(ranked, HeldOut(users[rows], history.items[rows, places]), users)

    def explain(self, user: int, items: Tensor, log: FeedbackLog) -> Explanation:
        """Say what carried the scores of `items` (k,) for this user, by default by leaving out one of her items at a time."""
        return leave_one_out(self.score, user, items, log)
