"""Users who leave, and what makes them: the DEPARTURES table.

Discrete-time survival: in each round that a user is on the platform she leaves for good with a probability, her hazard, which
depends on how the platform has served her; the form of most models here is logistic, ln(h / (1 − h)) linear in what she feels
(Allison 1982, Sociological Methodology). What she feels is kept up to date by `feel`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple, Protocol

import torch
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice import Choice, Menu, Utility
from agents.space import affinity, unit
from agents.users import Users

UnitInterval = Annotated[float, Interval(ge=0, le=1)]
Hazard = Annotated[float, Interval(ge=1e-9, le=1 - 1e-9)]
Sensitivity = Annotated[float, Interval(ge=0, le=1e3)]


class Feeling(NamedTuple):
    """How n users stand to the platform after a round."""

    hazard: Tensor                  # (n,) float32: chance to leave now
    memory: Tensor                  # (n, …) float32: what they remember of it


class Departure(Protocol):
    """Decides who leaves. `start` gives the memory of users who have just arrived."""

    def start(self, users: Users, items: Catalog) -> Tensor: ...

    def feel(self, users: Users, items: Catalog, menu: Menu, choice: Choice, memory: Tensor) -> Feeling: ...


def logistic(base: float, strain: Tensor) -> Tensor:
    """Return the hazard (n,) that is `base` at strain 0 and whose log odds grow with it."""
    return torch.sigmoid(torch.logit(torch.tensor(base)) + strain)


@dataclass(frozen=True)
class Dissatisfaction:
    """Users leave when what they get has for some time been worth less than they expect.

    Satisfaction S ← memory · S + (1 − memory) · U, U the true utility of all that she took this round, 0 if nothing; it starts
    at `expects`. ln(h / (1 − h)) = ln(base / (1 − base)) − sensitivity · (S − expects).

    Source: Oliver 1980 (Journal of Marketing Research), satisfaction as the disconfirmation of expectations; the hazard:
    Allison 1982 (Sociological Methodology).
    """

    base: Hazard = 0.02
    """Chance to leave in a round of a user who gets what she expects."""

    sensitivity: Sensitivity = 10.0
    """Fall of the log odds of leaving per unit of satisfaction; 0 = people leave by chance alone."""

    expects: Utility = 0.35
    """Utility of a round that people expect."""

    memory: Annotated[float, Interval(ge=0, lt=1)] = 0.8
    """Share of the satisfaction that is left of a round after the next; 0 = only the last round counts."""

    def start(self, users: Users, items: Catalog) -> Tensor:
        return torch.full((len(users),), self.expects)

    def feel(self, users: Users, items: Catalog, menu: Menu, choice: Choice, memory: Tensor) -> Feeling:
        satisfaction = self.memory * memory + (1 - self.memory) * (choice.utility * choice.taken).sum(1)
        return Feeling(logistic(self.base, self.sensitivity * (self.expects - satisfaction)), satisfaction)


@dataclass(frozen=True)
class Boredom:
    """Users leave when they are offered more and more of what they just had.

    Boredom b is the cosine of the mean topics of what was before her, slate and own finds, and the topics of what she took
    lately, p ← memory · p + z̄ in each round in which she took items of mean topics z̄; 0 as long as she took nothing.
    ln(h / (1 − h)) = ln(base / (1 − base)) + sensitivity · (b − tolerates).

    Source: after Kapoor, Subbian, Srivastava & Schrater 2015 (WSDM), "Just in time recommendations: modeling the dynamics of
    boredom in activity streams", who are bored by items; here by topics, and with the platform. The hazard: Allison 1982
    (Sociological Methodology).
    """

    base: Hazard = 0.02
    """Chance to leave in a round of a user who is as bored as she tolerates."""

    sensitivity: Sensitivity = 5.0
    """Growth of the log odds of leaving per unit of boredom; 0 = people leave by chance alone."""

    tolerates: UnitInterval = 0.6
    """Boredom that people are used to."""

    memory: Annotated[float, Interval(ge=0, lt=1)] = 0.8
    """Weight of what was taken, relative to what is taken a round later."""

    def start(self, users: Users, items: Catalog) -> Tensor:
        return torch.zeros(len(users), items.topics.shape[1])

    def feel(self, users: Users, items: Catalog, menu: Menu, choice: Choice, memory: Tensor) -> Feeling:
        met = torch.zeros_like(memory)
        for item, offered in zip(menu.items.T, menu.offered.T, strict=True):        # a place at a time: n · T numbers at once
            met += items.topics[item] * offered[:, None]
        bored = affinity(unit(met), unit(memory))
        count = choice.taken.sum(1, keepdim=True)
        taken = (items.topics[choice.items] * choice.taken[..., None]).sum(1) / count.clamp(min=1)
        lately = torch.where(count > 0, self.memory * memory + taken, memory)
        return Feeling(logistic(self.base, self.sensitivity * (bored - self.tolerates)), lately)


@dataclass(frozen=True)
class EmptyHanded:
    """Users who find nothing that they want may not come again.

    A user who took nothing in a round leaves with probability `chance`; one who took something stays. So with a chance p to
    take something in a round she stays for 1 / ((1 − p) · chance) rounds on average.

    Source: Ben-Porat, Cohen, Leqi, Lipton & Mansour 2022 (AAAI), "Modeling attrition in recommender systems with departing
    bandits", where users may depart after each recommendation that they do not click.
    """

    chance: UnitInterval = 0.05
    """Chance to leave after a round in which nothing was taken."""

    def start(self, users: Users, items: Catalog) -> Tensor:
        return torch.zeros(len(users), 0)

    def feel(self, users: Users, items: Catalog, menu: Menu, choice: Choice, memory: Tensor) -> Feeling:
        return Feeling(self.chance * (~choice.taken.any(1)).float(), memory)


DEPARTURES: dict[str, type[Departure]] = {
    "dissatisfaction": Dissatisfaction,
    "boredom": Boredom,
    "empty_handed": EmptyHanded,
}


class Attendance:
    """Keeps `present` of some users: new ones arrive in their round, some leave, and some of those come back."""

    def __init__(self, departure: Departure, come_back: float, users: Users, items: Catalog):
        self.departure, self.come_back = departure, come_back
        self.users, self.items = users, items
        self.memory = departure.start(users, items)

    def open(self, round: int, draws: Draws) -> None:
        """Those arrive whose round it is, and each who has left comes back with the chance to, her grudge forgotten."""
        users = self.users
        assert users.present is not None
        assert users.arrival is not None
        returning = (users.arrival < round) & ~users.present & (draws("come back").uniform(users.ids) < self.come_back)
        self.memory = _where(returning, self.departure.start(users, self.items), self.memory)
        users.present |= returning | (users.arrival == round)

    def close(self, menu: Menu, choice: Choice, active: Tensor, leaving: bool, draws: Draws) -> None:
        """Those who were on the platform remember the round, and if they are free to, some leave. `active` (n,) bool."""
        users = self.users
        assert users.present is not None
        hazard, memory = self.departure.feel(users, self.items, menu, choice, self.memory)
        self.memory = _where(active, memory, self.memory)
        if leaving:
            users.present &= ~(active & (draws("leave").uniform(users.ids) < hazard))


def keep_absent(users: Users, interests: Tensor, trace: Tensor) -> tuple[Tensor, Tensor]:
    """Return new interests (n, d) and a drift model's memory (n, …) with those of absent users as they were."""
    if users.present is None or users.present.all():
        return interests, trace
    return _where(users.present, interests, users.interests), _where(users.present, trace, users.trace)


def _where(rows: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(rows.view(-1, *[1] * (new.dim() - 1)), new, old)
