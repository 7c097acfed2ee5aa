"""What the titles say: items like those that a user took, by a pretrained sentence encoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from policies.content import Profile
from policies.encoder import WORDLLAMA, check_encoder, text_features
from policies.log import FeedbackLog, ItemData


@dataclass
class Text(Profile):
    """Users are shown items whose titles mean what the titles of the items they took mean, be they ever so new.

    s_ui = cos(p_u, x_i) with p_u = Σ_j γ^(a_j) x_j over her items j; x is an item's encoded title, of length 1, and a_j
    the number of items that she took after j. Nothing is learnt from others, so an item that nobody has taken is ranked
    like any other.

    Source: Pazzani & Billsus 2007 (The Adaptive Web), content-based recommendation, the profile being Rocchio's; sentence
    vectors as in Reimers & Gurevych 2019 (EMNLP), Sentence-BERT.
    """

    encoder: str = WORDLLAMA
    """What turns titles into vectors: `wordllama` (extra `text`), or the path of a folder with a sentence-transformers or
    Hugging Face transformers model (needs the package sentence-transformers)."""

    def __post_init__(self) -> None:
        check_encoder(self.encoder)

    def knows(self) -> Tensor:
        return torch.ones(len(self.vectors_), dtype=torch.bool)

    def reads_titles(self) -> bool:
        return True

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        self.vectors_, self.titles_ = self._encoded(items), list(items.titles or [])
        yield None

    def _encoded(self, items: ItemData) -> Tensor:
        """Return the encoded titles (n_items, d), of which those already known at an earlier training are not made again."""
        known = getattr(self, "titles_", [])
        if not known or items.titles is None or list(items.titles[: len(known)]) != known:
            return text_features(items.titles, self.encoder)
        if len(items.titles) == len(known):
            return self.vectors_
        return torch.cat([self.vectors_, text_features(items.titles[len(known) :], self.encoder)])
