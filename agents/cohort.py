"""Users as Mesa agents: a cohort acts for a block of them, a focal user is a view of one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from agents.abm import mesa
from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice import Choice, ChoiceModel, Menu
from agents.discovery import Discovery, ItemSampler
from agents.drift import DriftModel
from agents.memory import Memory
from agents.users import Users


class UserCohort(mesa.Agent):
    """Acts for the users in `rows`: all of them, a segment, or exactly one.

    Draws are keyed by user, so one cohort of N and N cohorts of one live the same lives.
    """

    def __init__(
        self, model: Any, name: str, rows: slice, users: Users, catalog: Catalog, sampler: ItemSampler,
        discovery: Discovery, choice_model: ChoiceModel, drift_model: DriftModel, takes: int,
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
        self.memory = Memory(len(users))
        self.menu: Menu | None = None   # what was before them in the newest round

    def choose(self, slate: Tensor, shown: Tensor, active: Tensor, draws: Draws) -> Choice:
        """Each active user examines her slate and what she finds by herself, and takes some items or nothing."""
        self.menu = self.look(slate, shown, active, draws)
        return self.decide(self.menu, draws)

    def decide(self, menu: Menu, draws: Draws) -> Choice:
        """What they take of what is before them."""
        return self.choice_model.choose(self.users, self.catalog, menu, self.takes, draws)

    def look(self, slate: Tensor, shown: Tensor, active: Tensor, draws: Draws) -> Menu:
        """What is before each user: her slate, if she looks at it, and what she finds by herself.

        `slate` (n, k) int64 item ids, best first (k = 0: no recommender); `shown` (n,) bool: was given a slate;
        `active` (n,) bool. Nobody takes the same item twice. A recommender shows an item again only to users whom it has
        fewer than k others to show: to them, it is as if that place of the slate were empty.
        """
        users = self.users
        looks = shown & (draws("look").uniform(users.ids) < users.adoption)
        finds, noticed = self.discovery.meet(users, self.catalog, self.sampler, looks, draws)
        noticed &= active[:, None]
        rows, slots = noticed.nonzero(as_tuple=True)
        noticed[rows, slots] = ~self.memory.contains(rows, finds[rows, slots])
        k = slate.shape[1]
        offered = looks[:, None].repeat(1, k)
        few_left = offered & (self.memory.counts > len(self.catalog) - k)[:, None]
        rows, places = few_left.nonzero(as_tuple=True)
        offered[rows, places] = ~self.memory.contains(rows, slate[rows, places])
        return Menu(torch.cat([slate, finds], 1), torch.cat([offered, noticed], 1), slate_size=k)

    def remember(self, users: Tensor, items: Tensor) -> None:
        """Take over the part of a past that is about this cohort's users: ids (n,) and items (n,), oldest first."""
        ours = (users >= self.rows.start) & (users < self.rows.stop)
        self.memory.append(users[ours] - self.rows.start, items[ours])

    def drift(self, choice: Choice, draws: Draws) -> None:
        """Users remember what they took, and their interests move."""
        rows, places = choice.taken.nonzero(as_tuple=True)
        self.memory.append(rows, choice.items[rows, places])
        assert self.menu is not None            # they have chosen
        interests, self.users.trace = self.drift_model.drift(self.users, self.catalog, choice, self.menu, draws)
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
