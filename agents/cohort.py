"""Users as Mesa agents: a cohort acts for a block of them, a focal user is a view of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from agents.abm import mesa
from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice import Choice, ChoiceModel, Menu
from agents.churn import Attendance, keep_absent
from agents.discovery import Discovery, ItemSampler
from agents.drift import DriftModel
from agents.drift_base import Holding
from agents.escape import choose_deliberately, instead, outside
from agents.feedback import Feedback, Reaction, react
from agents.memory import Memory
from agents.mingling import mingled
from agents.network import Network
from agents.repeats import Repeats
from agents.users import Users


class UserCohort(mesa.Agent):
    """Acts for the users in `rows`: all of them, a segment, or exactly one.

    Draws are keyed by user, so one cohort of N and N cohorts of one live the same lives.
    """

    def __init__(
        self, model: Any, name: str, rows: slice, users: Users, catalog: Catalog, sampler: ItemSampler,
        discovery: Discovery, choice_model: ChoiceModel, drift_model: DriftModel, takes: int,
        feedback: Sequence[Feedback] = (),
    ):
        super().__init__(model)
        self.name = name
        self.rows = rows                # the cohort's rows in the whole population
        self.users = users              # views of those rows, and what the drift model remembers of them
        self.users.trace = drift_model.start(users.interests)
        self.catalog = catalog
        self.sampler = sampler
        self.discovery = discovery
        self.choice_model = choice_model
        self.drift_model = drift_model
        self.takes = takes
        self.feedback = feedback
        self.memory = Memory(len(users))
        self.repeats: Repeats | None = None             # how they take things again; None: they never do
        self.attendance: Attendance | None = None       # who comes and goes; None: nobody does
        self.network: Network | None = None     # whom they hear from beside the platform
        self.menu: Menu | None = None   # what was before them in the newest round
        self.trust = 1.0                # chance that an item of a slate is considered at all
        self.share = discovery.share    # chance that an own find is noticed beside a slate
        self.avoided: Tensor | None = None      # (n, T) bool: topics that those who try to leave their bubble do not look at
        self.known: Tensor | None = None        # (n, M) bool: items that they know of; None: no such thing in this world
        self.shown_again = False        # may they be shown what they do not take now?

    def choose(
        self, slate: Tensor, shown: Tensor, active: Tensor, draws: Draws, filled: Tensor | None = None,
        told: Tensor | None = None, ratings: Tensor | None = None,
    ) -> Choice:
        """Each active user examines her slate and what she finds by herself, and takes some items or nothing.

        `told` (n,): what the platform tells her of items, as `Told` (None: nothing); `ratings` (n, k): what stands beside the
        items of the slate (None: nothing). The rest as in `look`.
        """
        menu = self.look(slate, shown, active, draws, filled)
        if ratings is not None:
            ratings = functional.pad(ratings, (0, menu.items.shape[1] - menu.slate_size), value=torch.nan)
        self.menu = menu._replace(told=told, ratings=ratings)
        choice = self.decide(self.menu, draws)
        if self.avoided is None:
            return choice
        deliberate = choose_deliberately(self.users, self.catalog, self.menu, self.takes)
        return instead(choice, deliberate, self.avoided.any(1))

    def decide(self, menu: Menu, draws: Draws) -> Choice:
        """What they take of what is before them."""
        return self.choice_model.choose(self.users, self.catalog, menu, self.takes, draws)

    def look(
        self, slate: Tensor, shown: Tensor, active: Tensor, draws: Draws, filled: Tensor | None = None
    ) -> Menu:
        """What is before each user: her slate, if she looks at it, and what she finds by herself.

        `slate` (n, k) int64 item ids, best first (k = 0: no recommender); `shown` (n,) bool: was given a slate;
        `active` (n,) bool; `filled` (n, k) bool: False = an empty place (None: there is none). Nobody takes the same item
        twice, or so soon again. A recommender shows such an item only to users whom it has fewer than k others to show: to
        them, it is as if that place of the slate were empty.
        """
        users = self.users
        looks = shown & (draws("look").uniform(users.ids) < users.adoption)
        finds, noticed = self.discovery.meet(users, self.catalog, self.sampler, looks, draws, active, self.model.round)
        if self.known is not None:
            noticed &= self.known               # of all that there is
        if self.repeats is not None:
            finds, noticed = self.repeats.meet(users, self.catalog, self.memory, finds, noticed, self.model.round, draws)
        if self.network is not None:
            finds, noticed = self.network.hear(users, finds, noticed, self.catalog, active, draws)
        rows, slots = noticed.nonzero(as_tuple=True)
        noticed[rows, slots] = ~self.had(rows, finds[rows, slots])
        k = slate.shape[1]
        offered = looks[:, None].repeat(1, k)
        if filled is not None:
            offered &= filled
        listed = offered.clone()        # what she passes over takes up a place, too
        if self.trust < 1:
            offered &= draws("trust").uniform(users.ids[:, None], slate) < self.trust
        few_left = offered & ((self.memory.counts > len(self.catalog) - k) | self.shown_again)[:, None]
        rows, places = few_left.nonzero(as_tuple=True)
        offered[rows, places] = ~self.had(rows, slate[rows, places])
        items, offered = torch.cat([slate, finds], 1), torch.cat([offered, noticed], 1)
        order = mingled(users.ids, listed, noticed, draws) if self.discovery.placing == "mingled" else None
        if self.avoided is not None:
            offered &= outside(self.catalog, items, self.avoided)
        if self.known is not None:
            rows, places = offered.nonzero(as_tuple=True)
            self.known[rows, items[rows, places]] = True
        return Menu(items, offered, slate_size=k, places=order)

    def had(self, rows: Tensor, items: Tensor) -> Tensor:
        """Return a bool (b,): has user rows[j] taken items[j], so that she does not take it now?"""
        since = None if self.repeats is None else self.repeats.fresh_since(self.model.round)
        if since == self.model.round:           # nothing was taken in this round yet
            return torch.zeros(len(rows), dtype=torch.bool)
        return self.memory.contains(rows, items, since)

    def repeat(self, repeats: Repeats, shown_again: bool = False) -> None:
        """Let them take things again. To be said before they have anything to remember.

        `shown_again`: may a slate hold what they do not take again yet?
        """
        self.repeats, self.memory = repeats, Memory(len(self.users), dated=True)
        self.shown_again = shown_again

    def again(self, choice: Choice) -> Tensor:
        """Return a bool (n, m): what of their choice they had taken before. Asked before `drift`, which remembers it."""
        again = torch.zeros_like(choice.taken)
        rows, places = choice.taken.nonzero(as_tuple=True)
        again[rows, places] = self.memory.contains(rows, choice.items[rows, places])
        return again

    def weigh_sources(self, trust: float, notice: float | None) -> None:
        """From now on consider an item of a slate with chance `trust`, and notice an own find beside one with chance `notice`.

        Without `notice`, as often as ever.
        """
        self.trust = trust
        self.discovery = replace(self.discovery, share=self.share if notice is None else notice)

    def avoid(self, topics: Tensor | None) -> None:
        """From now on look at nothing that is mainly about these topics (n, T) bool; users without any are as ever."""
        self.avoided = topics

    def react(self, choice: Choice, draws: Draws) -> Reaction:
        """What they let the platform know about it."""
        assert self.menu is not None            # they have chosen
        return react(self.feedback, self.choice_model, self.users, self.catalog, self.menu, choice, draws)

    def come_and_go(self, choice: Choice, active: Tensor, leaving: bool, draws: Draws) -> None:
        """After a round, some leave for good, if they may; `active` (n,) bool: who was on the platform."""
        assert self.attendance is not None
        assert self.menu is not None
        self.attendance.close(self.menu, choice, active, leaving, draws)

    def remember(self, users: Tensor, items: Tensor) -> None:
        """Take over the part of a past that is about this cohort's users: ids (n,) and items (n,), oldest first."""
        ours = (users >= self.rows.start) & (users < self.rows.stop)
        self.keep(users[ours] - self.rows.start, items[ours])

    def keep(self, rows: Tensor, items: Tensor) -> None:
        """Remember that items (n,) were taken in rows (n,)."""
        self.memory.append(rows, items, 0 if self.repeats is None else self.model.round)

    def drift(self, choice: Choice, draws: Draws) -> None:
        """Users remember what they took, and their interests move."""
        rows, places = choice.taken.nonzero(as_tuple=True)
        self.keep(rows, choice.items[rows, places])
        self.move(choice, draws)

    def held(self) -> Tensor | None:
        """Return what each of them holds in mind (n, places) int64 item ids, −1 in an empty place, all of them last.

        None: their drift model holds nothing.
        """
        return self.drift_model.held(self.users.trace) if isinstance(self.drift_model, Holding) else None

    def move(self, choice: Choice, draws: Draws) -> None:
        """Their interests move with what they took."""
        assert self.menu is not None            # they have chosen
        drifted = self.drift_model.drift(self.users, self.catalog, choice, self.menu, draws)
        interests, self.users.trace = keep_absent(self.users, *drifted)
        self.users.interests[:] = interests     # in place: the whole population shares this memory


class FocalUser(mesa.Agent):
    """A light view of one user's row, for inspection, agent reporters and the dashboard. Does nothing."""

    def __init__(self, model: Any, cohort: UserCohort, row: int):
        super().__init__(model)
        self.cohort = cohort
        self.row = row                  # the user's row in the cohort

    @property
    def interests(self) -> Tensor:
        """θ_u now (d,)."""
        return self.cohort.users.interests[self.row]

    @property
    def taken(self) -> list[int]:
        """The items that she has taken, in order."""
        return self.cohort.memory.items[self.row, : self.cohort.memory.counts[self.row]].tolist()
