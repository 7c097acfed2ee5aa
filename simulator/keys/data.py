"""The keys of a scenario whose users, items and first interactions are a real log's."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Interval

from simulator.parts import Section
from simulator.ranges import NonNegative, Text


class DataKeys(Section):
    """A real log that users, items and the first interactions are taken from."""

    kind: Literal["movielens"]
    """The form of the data."""

    path: Text | None = None
    """A folder, or the name of a packaged data set; `--data PATH` on the command line overrides it."""

    min_rating: NonNegative = 0.0
    """Ratings below this do not count as interactions, in stars."""

    known: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """Share of each user's interactions, drawn at random, that the platform has on record at the start; the rest is what she
    would take too, for choice `recorded` and measures. What users and items are like is read off all."""

    activity: Literal["relative", "even"] = "relative"
    """relative: users are on the platform the more often, the more they did in the log; even: as `users.activity` has it, all
    alike."""
