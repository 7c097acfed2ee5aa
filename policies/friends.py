"""What those took whom you follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from policies.base import Policy
from policies.explanation import Explanation, nothing
from policies.failure import PolicyFailed
from policies.interaction_matrix import interaction_matrix
from policies.log import FeedbackLog, ItemData


@dataclass
class Friends(Policy):
    """Users are shown what most of those took whom they follow.

    s_ui = number of users v with u → v who took i, the user herself among them if `herself`. Needs a `network`.

    Source: the social filter of Chaney, Stewart & Engelhardt 2018 (RecSys), as in Lucherini et al. 2021 (T-RECS), where nearly
    everybody counts among her own friends; after Guy et al. 2009 (RecSys), "Personalized recommendation of social software
    items based on social relations".
    """

    herself: bool = True
    """Does what a user took herself count, too? It changes the order only where things may be shown again."""

    reads_ties: ClassVar[bool] = True

    def befriend(self, follows: sp.csr_array) -> None:
        self.follows_ = follows

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        if not hasattr(self, "follows_"):
            raise PolicyFailed("nobody follows anybody here: the policy 'friends' needs a scenario with a `network`.")
        self.heard_ = self.follows_ + sp.eye_array(log.n_users, dtype=np.float32) if self.herself else self.follows_
        self.taken_ = interaction_matrix(log)
        yield None

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return torch.from_numpy((self.heard_.tocsr()[users.numpy()] @ self.taken_).toarray())

    def unknown(self, users: Tensor, log: FeedbackLog) -> Tensor:
        heard = torch.from_numpy(self.heard_ @ (self.log_.counts() > 0).numpy().astype(np.float32))
        return heard[users] == 0                    # nobody whom she follows has taken anything

    def representations(self) -> Tensor:
        return torch.from_numpy(self.heard_.toarray())

    def explain(self, user: int, items: Tensor, log: FeedbackLog) -> Explanation:
        return nothing(items, self.score(torch.tensor([user]), log)[0, items])     # it is what others took
