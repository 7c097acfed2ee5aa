"""What was asked and what was taken, question by question: what the validity of language-model users is judged by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

OUTCOMES = ("taken", "refused", "unreadable", "off_list", "failed", "over_budget", "not_asked")
"""What became of a question. Only after the first does the model decide; after the others the parametric choice stands in."""


@dataclass(frozen=True)
class Asked:
    """One question. Places count from 0 down the list that the model read: the slate, then her own finds."""

    cohort: str
    round: int
    user: int
    outcome: str                    # one of OUTCOMES
    shown: int                      # items on the list that are of the slate
    listed: int                     # items on the list
    dropped: int                    # numbers of the answer that could not be taken
    taken: tuple[int, ...]          # items that the model takes
    places: tuple[int, ...]
    parametric: tuple[int, ...]     # items that the choice model takes of the same menu with the draws of the round
    parametric_places: tuple[int, ...]
    again: tuple[int, ...]          # and with other draws: as well as one can agree with it
    calls: int                      # requests that the answer took when it was asked for
    tokens: int
    characters: int                 # of the messages
    key: str                        # of the answer in the cache
    sent: int                       # requests that it took now; 0: it was in the cache


def columns(rows: Iterable[Asked]) -> dict[str, list[Any]]:
    """The rows as columns."""
    held = [vars(row) for row in rows]
    return {name: [row[name] for row in held] for name in Asked.__dataclass_fields__}
