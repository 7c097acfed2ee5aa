"""What the titles say: items like those that a user took, by a pretrained sentence encoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor

from policies.base import Policy
from policies.encoder import WORDLLAMA, check_encoder, text_features
from policies.explanation import Explanation
from policies.log import FeedbackLog, ItemData


@dataclass
class Text(Policy):
    """Users are shown items whose titles mean what the titles of the items they took mean, be they ever so new.

    s_ui = cos(p_u, x_i) with p_u = Σ_j decay^(a_j) x_j over her items j; x is an item's encoded title, of length 1, and a_j
    the number of items that she took after j. Nothing is learnt from others, so an item that nobody has taken is ranked
    like any other.

    Source: Pazzani & Billsus 2007 (The Adaptive Web), content-based recommendation, the profile being Rocchio's; sentence
    vectors as in Reimers & Gurevych 2019 (EMNLP), Sentence-BERT.
    """


    encoder: str = WORDLLAMA
    """What turns titles into vectors: `wordllama` (extra `text`), or the path of a folder with a sentence-transformers or
    Hugging Face transformers model (needs the package sentence-transformers)."""

    decay: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """Weight of an item in the user's profile relative to the one that she took next."""

    def __post_init__(self) -> None:
        check_encoder(self.encoder)

    def reads_titles(self) -> bool:
        return True

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        self.text_, self.titles_ = self._encoded(items), list(items.titles or [])
        yield None

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        items, weights, starts = self._weighted(users, log)
        profile = F.embedding_bag(items, self.text_, starts, mode="sum", per_sample_weights=weights)
        return F.normalize(profile) @ self.text_.T

    def unknown(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return log.counts()[users] == 0             # whoever has taken anything since training has a profile too

    def explain(self, user: int, items: Tensor, log: FeedbackLog) -> Explanation:
        """Exactly: s_ui = Σ_j decay^(a_j) x_j·x_i / ‖p_u‖."""
        history, weights, _ = self._weighted(torch.tensor([user]), log)
        terms = weights[:, None] * self.text_[history]                              # (h, d)
        parts = self.text_[items] @ terms.T / terms.sum(0).norm().clamp(min=1e-12)
        return Explanation("exact", "history", history, parts, torch.zeros(len(items)))

    def _weighted(self, users: Tensor, log: FeedbackLog) -> tuple[Tensor, Tensor, Tensor]:
        """Return what users (b,) took, one after the other: items (n,), their weights (n,), where each user's start (b,)."""
        items, present = log.history(users)
        counts = present.sum(1)
        newer = (counts[:, None] - 1 - torch.arange(items.shape[1]))[present]
        return items[present], self.decay ** newer.float(), counts.cumsum(0) - counts

    def _encoded(self, items: ItemData) -> Tensor:
        """Return the encoded titles (n_items, d), of which those already known at an earlier training are not made again."""
        known = getattr(self, "titles_", [])
        if not known or items.titles is None or list(items.titles[: len(known)]) != known:
            return text_features(items.titles, self.encoder)
        if len(items.titles) == len(known):
            return self.text_
        return torch.cat([self.text_, text_features(items.titles[len(known) :], self.encoder)])
