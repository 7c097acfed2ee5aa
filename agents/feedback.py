"""What users let the platform know beside what they take: the FEEDBACKS table.

A signal is a pure function of who took what, what it was worth to her, and draws keyed by user and item. It says nothing new
about her choice and changes neither it nor her interests: worlds with and without feedback are the same worlds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, NamedTuple, Protocol

import torch
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice import Choice, ChoiceModel, Examining, Menu, Positive, Utility
from agents.users import Users

UnitInterval = Annotated[float, Interval(ge=0, le=1)]
STARS = 5


class Signal(Protocol):
    """What is left with an item that was taken.

    `give` is handed parallel columns: user ids (n,), item ids (n,) and the true utility (n,) of the one to the other. NaN
    stands for no signal. `name` is that of its column in the log; `binary`: it is 1 or 0. One that is about what an item is
    worth to everybody is handed that in place of the utility and says so: `about: ClassVar[str] = "quality"`.
    """

    name: ClassVar[str]
    binary: ClassVar[bool]

    def give(self, users: Tensor, items: Tensor, utility: Tensor, draws: Draws) -> Tensor: ...


@dataclass(frozen=True)
class Like:
    """Users press a button under what was better than they ask of a thing they like.

    P(like) = σ((u − threshold) / temperature), independently for each item taken; utility u = affinity + quality.

    Source: the logistic (Rasch) response of one person to one item, Rasch 1960, with the item's true utility for ability minus
    difficulty.
    """

    threshold: Utility = 0.6
    """Utility of what is liked half of the time."""

    temperature: Positive = 0.1
    """Noise of the decision, in units of utility."""

    name: ClassVar[str] = "like"
    binary: ClassVar[bool] = True

    def give(self, users: Tensor, items: Tensor, utility: Tensor, draws: Draws) -> Tensor:
        chance = torch.sigmoid((utility - self.threshold) / self.temperature)
        return (draws(self.name).uniform(users, items) < chance).float()


@dataclass(frozen=True)
class Share(Like):
    """Users pass on what is so good that they want others to have it: rarer than a like.

    P(share) = σ((u − threshold) / temperature), independently of likes given the utility.

    Source: as for `like`, with a higher threshold.
    """

    threshold: Utility = 0.85
    """Utility of what is shared half of the time."""

    name: ClassVar[str] = "share"


@dataclass(frozen=True)
class Dwell:
    """Users stay longer with what is good for them.

    Seconds spent on an item taken are log-normal: ln T = ln median + growth · u + spread · ε, ε standard normal, so that each
    0.1 of utility makes the typical time longer by the factor exp(0.1 · growth).

    Source: Yi, Hong, Zhong, Liu & Rajan 2014 (RecSys), "Beyond clicks: dwell time for personalization", for bell-shaped
    distributions of log dwell time and for dwell as the target of a recommender; Liu, White & Dumais 2010 (SIGIR) for the
    skew, there as a Weibull distribution.
    """

    median: Annotated[float, Interval(gt=0, le=1e6)] = 20.0
    """Typical time with an item of utility 0, in seconds."""

    growth: Annotated[float, Interval(ge=0, le=100)] = 2.0
    """Growth of the logarithm of the time per unit of utility; 0 = the time says nothing."""

    spread: Annotated[float, Interval(ge=0, le=10)] = 0.8
    """Standard deviation of the logarithm of the time."""

    name: ClassVar[str] = "dwell"
    binary: ClassVar[bool] = False

    def give(self, users: Tensor, items: Tensor, utility: Tensor, draws: Draws) -> Tensor:
        normal = torch.special.ndtri(draws("dwell").uniform_pair(users, items)[1])
        log_seconds = self.growth * utility.double() + self.spread * normal
        return (self.median * log_seconds.clamp(max=60).exp()).float()


@dataclass(frozen=True)
class Rating:
    """Some users give stars, 1 to 5, the more the better the thing was for them.

    stars = 1 + #{j = 1 … 4: u + noise · ε > centre + (j − 2.5) · step}, ε standard logistic: an ordered logit with evenly
    spaced cut points. Whether an item is rated at all is chance, `share`, and does not depend on how good it was.

    Source: McCullagh 1980 (JRSS B), the proportional-odds model; for stars, Koren & Sill 2011 (RecSys), OrdRec.
    """

    centre: Utility = 0.45
    """Utility between a low and a high three."""

    step: Annotated[float, Interval(gt=0, le=1e6)] = 0.15
    """Utility from one star to the next."""

    noise: Annotated[float, Interval(ge=0, le=1e6)] = 0.05
    """Scale of the logistic noise, in units of utility; 0 = the utility, rounded."""

    share: UnitInterval = 1.0
    """Chance that an item that was taken is rated."""

    name: ClassVar[str] = "rating"
    binary: ClassVar[bool] = False

    def give(self, users: Tensor, items: Tensor, utility: Tensor, draws: Draws) -> Tensor:
        felt = utility + self.noise * torch.logit(draws("rating").uniform(users, items))
        stars = torch.ones_like(utility)
        for j in range(1, STARS):
            stars += felt > self.centre + (j - STARS / 2) * self.step
        rated = draws("rates").uniform(users, items) < self.share
        return stars.where(rated, torch.nan)


@dataclass(frozen=True)
class Review:
    """Users report what the item was worth to them, as exactly as they can tell.

    report = u + noise · ε, ε standard normal.

    Source: Schmit & Riquelme 2018 (AISTATS), "Human interaction with recommendation systems", section 2: the value reported
    after a selection.
    """

    noise: Annotated[float, Interval(ge=0, le=1e6)] = 0.5
    """Standard deviation of the error, in units of utility."""

    name: ClassVar[str] = "review"
    binary: ClassVar[bool] = False

    def give(self, users: Tensor, items: Tensor, utility: Tensor, draws: Draws) -> Tensor:
        normal = torch.special.ndtri(draws("review").uniform_pair(users, items)[1])
        return (utility.double() + self.noise * normal).float()


@dataclass(frozen=True)
class FairReview(Review):
    """Users report what the item was worth, but for what it was worth to them alone: whether it was better than expected.

    report = u − θ·z + noise · ε: the quality and the same error as that of a `review`.

    Source: Schmit & Riquelme 2018 (AISTATS), "Human interaction with recommendation systems": the unbiased score, which
    corrects for private preferences.
    """

    name: ClassVar[str] = "fair_review"
    about: ClassVar[str] = "quality"


@dataclass(frozen=True)
class Skip:
    """Users pass over what they looked at in a slate and did not take, and the platform sees it.

    above: items that stand above the last one that was taken from the slate and were not taken; nothing is known of a slate of
    which nothing was taken. examined: all that was looked at and not taken, as a feed knows that plays one item at a time.

    Source: Joachims, Granka, Pan, Hembrooke & Gay 2005 (SIGIR), strategy "Click > Skip Above".
    """

    of: Literal["above", "examined"] = "above"
    """What counts as skipped."""

    def skipped(
        self, model: ChoiceModel, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws
    ) -> Tensor:
        """Return a bool (n, k): was the item in this place of the slate skipped?"""
        k = menu.slate_size
        credited = (choice.taken & choice.from_slate)[:, None]
        took = ((menu.items[:, :k, None] == choice.items[:, None]) & credited).any(2)
        if self.of == "examined":
            assert isinstance(model, Examining)             # a scenario whose choice model is not is refused at the door
            return model.examined(users, items, menu, choice, draws) & ~took
        above = took.flip(1).cumsum(1).flip(1) > 0          # one that was taken stands here or further down
        return menu.offered[:, :k] & above & ~took


Feedback = Signal | Skip


class Reaction(NamedTuple):
    """What n users let the platform know after a round in which they took at most m items each."""

    signals: dict[str, Tensor]      # by name (n, m) float32, NaN where there is none
    skipped: Tensor | None          # (n, k) bool: which places of the slate were skipped; None: nobody knows


def signals(
    feedback: Iterable[Feedback], users: Tensor, items: Tensor, utility: Tensor, quality: Tensor, draws: Draws
) -> dict[str, Tensor]:
    """Return by name what users (n,) signalled about items (n,) of this utility to them and quality (n,)."""
    worth = {"utility": utility, "quality": quality}
    return {
        part.name: part.give(users, items, worth[getattr(part, "about", "utility")], draws)
        for part in feedback if not isinstance(part, Skip)
    }


def react(
    feedback: Sequence[Feedback], model: ChoiceModel, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws
) -> Reaction:
    """Return all that n users let the platform know about what they took from their menu, by this choice model."""
    rows, places = choice.taken.nonzero(as_tuple=True)
    ids = choice.items[rows, places]
    given = signals(feedback, users.ids[rows], ids, choice.utility[rows, places], items.quality[ids], draws)
    columns = {name: torch.full(choice.items.shape, torch.nan) for name in given}
    for name, column in columns.items():
        column[rows, places] = given[name]
    skip = next((part for part in feedback if isinstance(part, Skip)), None)
    return Reaction(columns, None if skip is None else skip.skipped(model, users, items, menu, choice, draws))


def joined(reactions: Iterable[Reaction]) -> Reaction:
    """Return the reactions of several blocks of users, one after the other, as that of all."""
    columns, skipped = zip(*reactions, strict=True)
    together = {name: torch.cat([each[name] for each in columns]) for name in columns[0]}
    return Reaction(together, None if skipped[0] is None else torch.cat(skipped))


FEEDBACKS: dict[str, type] = {
    "like": Like, "share": Share, "dwell": Dwell, "rating": Rating, "review": Review, "fair_review": FairReview, "skip": Skip,
}
