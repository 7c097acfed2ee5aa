"""Choice by what is on record: users take what the real ones took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice_base import Choice, Menu, read_so_far, take_from_top, true_utility
from agents.space import Space
from agents.users import Users
from agents.wants import wanted


@dataclass(frozen=True)
class Recorded:
    """Users take what they took in the real log, and nothing else, as soon as they have it before them.

    With `data.known` under 1 the platform has only a part of each user's interactions on record; of what it shows, she takes
    what is in the rest. Users read from the top, own finds last, until they have `takes` items. What the log does not say of an
    item that she never met there, nobody knows: it counts as not wanted.

    Source: the self-biased loop of Ohsaka & Togashi 2023 (SIGIR), "Curse of 'low' dimensionality in recommender systems".
    """

    spaces: ClassVar[tuple[Space, ...]] = ("simplex",)          # that of the genres of a real log

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor:
        return read_so_far(self._accepted(users, menu), menu, takes=choice.taken.shape[1])

    def _accepted(self, users: Users, menu: Menu) -> Tensor:
        assert users.wants is not None          # a scenario with this choice and without `data.known` is refused at the door
        return menu.offered & wanted(users.wants, menu.items)

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        utility = true_utility(users, items, menu, menu.offered)
        return take_from_top(self._accepted(users, menu), utility, menu, takes)
