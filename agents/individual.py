"""A user written in plain Python: each is a Mesa agent, and their cohort acts through them."""

from __future__ import annotations

import copy
import inspect
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from agents.abm import mesa
from agents.chance import Draws
from agents.choice import Choice, Menu, true_utility
from agents.cohort import UserCohort
from agents.describe import title, topic_names
from agents.failure import UserFailed
from agents.space import mixture, unmix


@dataclass(frozen=True, eq=False)
class Item:
    """An item as a person may see it."""

    id: int
    title: str                      # with what it is about
    topics: np.ndarray              # (T,) shares that sum to 1, read-only
    quality: float                  # added to everybody's utility
    creator: int

    @cached_property
    def topic(self) -> int:
        """What it is mostly about."""
        return int(self.topics.argmax())


@dataclass(frozen=True, eq=False)
class Offer(Item):
    """An item that is before her now."""

    place: int | None               # in the slate, 0 at the top; None: she found it by herself
    utility: float                  # what she would get out of it: affinity + quality


Taken = Offer | Sequence[Offer] | None


class Individual(mesa.Agent, ABC):
    """A user. Subclass it as a dataclass, whose fields are keys of the scenario, and say in `choose` what she takes.

    Everything that is left to chance comes from `random`, `rng` or `luck`, which depend on who she is and on the round and on
    nothing else: so she lives the same life in another arm as long as she is shown the same, and in any number of processes.
    """

    divisible: ClassVar[bool] = True

    model: Any
    cohort: IndividualCohort
    row: int                        # hers in the cohort
    _draws: Draws
    _seed: int
    _random: random.Random | None
    _rng: np.random.Generator | None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in inspect.get_annotations(cls):
            if hasattr(Individual, name) or name in Individual.__annotations__:
                raise TypeError(f"{cls.__name__}.{name}: every user has something of this name; choose another")
        cls.__hash__ = object.__hash__      # type: ignore[method-assign]  # or a dataclass has none, and Mesa keeps agents in a set

    @abstractmethod
    def choose(self, menu: list[Offer]) -> Taken:
        """Take one of the offers, some of them in the order in which they are taken (at most `takes`), or None."""

    def begin(self) -> None:
        """Called once, before the first round."""

    def drift(self, taken: list[Offer]) -> np.ndarray | None:
        """Return her new interests (T,), scaled to sum to 1; None: they move as the cohort's drift model says.

        `memory` holds what she took in this round already.
        """
        return None

    @property
    def user(self) -> int:
        """Her number."""
        return int(self.cohort.users.ids[self.row])

    @property
    def interests(self) -> np.ndarray:
        """How much each topic interests her now: (T,) shares that sum to 1."""
        return self._shares(self.cohort.users.interests)

    @property
    def origin(self) -> np.ndarray:
        """Her interests before anything happened."""
        return self._shares(self.cohort.users.origin)

    @property
    def memory(self) -> list[int]:
        """The items that she has taken, the newest last."""
        memory = self.cohort.memory
        return memory.items[self.row, : memory.counts[self.row]].tolist()

    @property
    def takes(self) -> int:
        """The most that she may take in a round."""
        return self.cohort.takes

    @property
    def round(self) -> int:
        """Which round it is; 1 is the first with recommendations."""
        return self.model.round

    @property
    def topic_names(self) -> tuple[str, ...]:
        return self.cohort.names

    def item(self, number: int) -> Item:
        """Look an item up, for instance one of `memory`."""
        return self.cohort.items(number)

    @property
    def random(self) -> random.Random:
        """Python's generator, for this user in this round."""
        if self._random is None:
            self._random = random.Random(self._seed)
        return self._random

    @property
    def rng(self) -> np.random.Generator:
        """NumPy's generator, for this user in this round."""
        if self._rng is None:
            self._rng = np.random.default_rng(self._seed)
        return self._rng

    def luck(self, item: Item) -> float:
        """A number between 0 and 1 that belongs to her, this item and this round: the same whenever she asks, in every arm."""
        users = self.cohort.users.ids[self.row]
        return float(self._draws("luck of an individual").uniform(users, torch.tensor(item.id)))

    def gather(self, *world: Any) -> UserCohort:
        """Make a cohort of users like this one."""
        return IndividualCohort(*world, self)

    def _enter(self, cohort: IndividualCohort, row: int) -> Individual:
        """Return a copy of this one who lives in the model as the user of a row."""
        person = copy.deepcopy(self)
        mesa.Agent.__init__(person, cohort.model)
        person.cohort, person.row = cohort, row
        return person

    def _wake(self, draws: Draws, seed: int) -> None:
        self._draws, self._seed = draws, seed
        self._random = self._rng = None

    def _shares(self, rows: Tensor) -> np.ndarray:
        return _frozen(mixture(rows[self.row], self.cohort.catalog.space).numpy().copy())


class IndividualCohort(UserCohort):
    """Lets each of its users act by herself."""

    def __init__(self, *world: Any):
        *arguments, pattern = world
        super().__init__(*arguments)
        self.names = topic_names(self.catalog)
        self.seen: dict[int, Item] = {}
        self.people = [pattern._enter(self, row) for row in range(len(self.users))]
        self.offers: list[dict[int, Offer]] = [{} for _ in self.people]     # what was before each in the newest round
        self._begun = False

    def items(self, number: int) -> Item:
        if number not in self.seen:
            catalog = self.catalog
            item = Item(
                number, title(catalog, number, self.names), _frozen(catalog.topics[number].numpy().copy()),
                float(catalog.quality[number]), int(catalog.creator[number]),
            )
            if catalog.published is not None and not catalog.published[number]:
                return item                     # it will be another when it is there
            self.seen[number] = item
        return self.seen[number]

    def decide(self, menu: Menu, draws: Draws) -> Choice:
        """Ask each user who has something before her, in turn."""
        self._wake("individual", draws)
        if not self._begun:
            self._begun = True
            for person in self.people:
                person.begin()
        utility = true_utility(self.users, self.catalog, menu, menu.offered).tolist()
        items, offered = menu.items.tolist(), menu.offered.tolist()
        self.offers = [
            self._offers(items[row], offered[row], utility[row], menu.slate_size) for row in range(len(self.people))
        ]
        taken = torch.zeros(len(self.people), self.takes, dtype=torch.bool)
        from_slate, worth = taken.clone(), torch.zeros(taken.shape)
        ids = torch.zeros(taken.shape, dtype=torch.int64)
        for row, (person, offers) in enumerate(zip(self.people, self.offers, strict=True)):
            answer = person.choose(list(offers.values())) if offers else None
            for place, offer in enumerate(self._checked(person, answer, offers)):
                taken[row, place], ids[row, place] = True, offer.id
                from_slate[row, place], worth[row, place] = offer.place is not None, offer.utility
        return Choice(ids, taken, from_slate, worth)

    def move(self, choice: Choice, draws: Draws) -> None:
        """Interests move as the drift model says, but for those who say it themselves."""
        self._wake("individual drift", draws)
        present = self.users.present            # who has left, or is still to come, does not change
        own = [
            person.drift([offers[item] for item in choice.items[row][choice.taken[row]].tolist()])
            if present is None or present[row] else None
            for row, (person, offers) in enumerate(zip(self.people, self.offers, strict=True))
        ]
        super().move(choice, draws)
        for row, shares in enumerate(own):
            if shares is not None:
                self.users.interests[row] = self._interests(self.people[row], shares)

    def _wake(self, phase: str, draws: Draws) -> None:
        """Give everybody the chance that is hers in this phase of the round."""
        words = draws(phase).uniform_pair(self.users.ids[:, None], torch.arange(2))[1] * 2**32      # two of 32 bits each
        for person, (high, low) in zip(self.people, words.long().tolist(), strict=True):
            person._wake(draws, high << 32 | low)

    def _offers(self, items: list[int], offered: list[bool], utility: list[float], slate_size: int) -> dict[int, Offer]:
        """Her menu; an item that stands in it twice is offered once, as the slate has it."""
        offers: dict[int, Offer] = {}
        for place, item in enumerate(items):
            if offered[place] and item not in offers:
                seen = self.items(item)
                offers[item] = Offer(
                    seen.id, seen.title, seen.topics, seen.quality, seen.creator,
                    place if place < slate_size else None, utility[place],
                )
        return offers

    def _checked(self, person: Individual, answer: Any, offers: dict[int, Offer]) -> list[Offer]:
        taken = [] if answer is None else [answer] if isinstance(answer, Item) else answer
        who = f"{type(person).__name__}.choose, user {person.user}, round {person.round}"
        if not isinstance(taken, Sequence) or isinstance(taken, str):
            raise UserFailed(f"{who}: must return an offer, a list of offers or None (got {answer!r})")
        for offer in taken:
            if not any(offer is each for each in offers.values()):
                said = f"item {offer.id}, as `item` gives it," if isinstance(offer, Item) else repr(offer)
                raise UserFailed(f"{who}: {said} is not one of the offers on her menu")
        if len({offer.id for offer in taken}) < len(taken):
            raise UserFailed(f"{who}: takes an item twice")
        if len(taken) > self.takes:
            raise UserFailed(f"{who}: takes {len(taken)} items, and `users.takes` lets her take {self.takes}")
        return list(taken)

    def _interests(self, person: Individual, shares: Any) -> Tensor:
        wanted = len(self.names)
        try:
            row = np.asarray(shares, dtype=np.float64)
        except (TypeError, ValueError):
            row = np.zeros(0)
        if row.shape != (wanted,) or not np.isfinite(row).all() or (row < 0).any() or row.sum() <= 0:
            raise UserFailed(
                f"{type(person).__name__}.drift, user {person.user}, round {person.round}: must return {wanted} shares of "
                f"topics, none of them negative and not all 0, or None (got {shares!r})"
            )
        moved = unmix(torch.from_numpy((row / row.sum()).astype(np.float32)), self.catalog.space)
        if self.catalog.space == "values":      # what everything is worth to her beside the shares
            moved = moved + self.users.interests[person.row].mean()
        return moved


def _frozen(row: np.ndarray) -> np.ndarray:
    """What somebody's code is given to read it must not be able to change."""
    row.setflags(write=False)
    return row
