"""Who to follow: a platform suggests people to its users. The PEOPLE table.

All that is known is the log and who follows whom; interests are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np
import scipy.sparse as sp
import torch
from annotated_types import Interval
from torch import Tensor

from policies.chance import Draws
from policies.interaction_matrix import history_matrix
from policies.log import FeedbackLog
from policies.neighbours import sizes
from policies.ranking import block_size


class PeopleRecommender(Protocol):
    """Scores everybody for each of `users` (b,): (b, n_users) float32, at least 0, larger = better.

    `follows` (n_users, n_users): 1 where the user of the row follows that of the column. `taken` (n_users, n_items): 1 where
    the user has taken the item.
    """

    def score(self, users: Tensor, follows: sp.csr_array, taken: sp.csr_array) -> Tensor: ...


@dataclass(frozen=True)
class Anybody:
    """Users are suggested anybody.

    Source: none: a yardstick.
    """

    def score(self, users: Tensor, follows: sp.csr_array, taken: sp.csr_array) -> Tensor:
        return torch.zeros(len(users), follows.shape[0])


@dataclass(frozen=True)
class FriendsOfFriends:
    """Users are suggested whom most of those follow whom they follow.

    s_uv = number of users w with u → w → v; equally good ones at random.

    Source: Liben-Nowell & Kleinberg 2007 (JASIST), "The link-prediction problem for social networks", common neighbours.
    """

    def score(self, users: Tensor, follows: sp.csr_array, taken: sp.csr_array) -> Tensor:
        return torch.from_numpy((follows[users.numpy()] @ follows).toarray())


@dataclass(frozen=True)
class SimilarTaste:
    """Users are suggested those who took the same items.

    s_uv = n_uv / (√(n_u n_v) + shrink), of u's n_u items n_uv are v's too; equally good ones at random, and anybody while
    nobody shares anything.

    Source: Herlocker, Konstan, Borchers & Riedl 1999 (SIGIR), for the neighbours of collaborative filtering; suggested as
    people to follow after Sasahara et al. 2021 (Journal of Computational Social Science).
    """

    shrink: Annotated[float, Interval(ge=0)] = 0.0
    """Damps similarities, the more the fewer items they rest on; 0 = not at all."""

    def score(self, users: Tensor, follows: sp.csr_array, taken: sp.csr_array) -> Tensor:
        own = taken[users.numpy()]
        overlap = torch.from_numpy((own @ taken.T).toarray())
        return overlap / (sizes(own)[:, None] * sizes(taken)).clamp_(min=1).sqrt_().add_(self.shrink)


def suggest(recommender: PeopleRecommender, users: Tensor, follows: sp.csr_array, log: FeedbackLog, draws: Draws) -> Tensor:
    """Return the best user (b,) for each of `users` (b,) to follow: not herself, and nobody whom she follows.

    Equally good ones are as likely as each other. Everybody has somebody left to follow.
    """
    taken = history_matrix(torch.arange(log.n_users), log)
    found = []
    for block in users.split(block_size(log.n_users)):
        scores = recommender.score(block, follows, taken)
        own = follows[block.numpy()]
        scores[np.repeat(np.arange(len(block)), np.diff(own.indptr)), own.indices] = -1.0
        scores[torch.arange(len(block)), block] = -1.0
        best = scores == scores.max(1, keepdim=True).values
        luck = draws.uniform_pair(block)[1]
        nth = (luck * best.sum(1)).long().clamp_(min=0)
        nth = torch.minimum(nth, best.sum(1) - 1)
        found.append((best.cumsum(1) > nth[:, None]).to(torch.uint8).argmax(1))
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.int64)


PEOPLE: dict[str, type[PeopleRecommender]] = {
    "random": Anybody,
    "friends_of_friends": FriendsOfFriends,
    "similar_taste": SimilarTaste,
}
