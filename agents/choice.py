"""What users take from what they see: the CHOICES table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple, Protocol

import torch
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.space import affinity
from agents.users import Users

_NEVER = -torch.inf                 # the value of what is not considered: below any threshold


Positive = Annotated[float, Interval(ge=1e-6, le=1e6)]
Utility = Annotated[float, Interval(ge=-1e6, le=1e6)]       # far beyond any scale, and far from where float32 ends


class Menu(NamedTuple):
    """What n users have before them: the slate, best first, then what they found by themselves."""

    items: Tensor                   # (n, c) int64 item ids
    offered: Tensor                 # (n, c) bool: False = nothing in this place
    slate_size: int                 # the first places are the slate's; the rest are the user's own finds

    def positions(self) -> Tensor:
        """Return the place (c,) of each column in the list it stands in: 0, 1, … in the slate, 0 for all finds."""
        finds = self.items.shape[1] - self.slate_size
        return torch.cat([torch.arange(self.slate_size), torch.zeros(finds, dtype=torch.int64)])


class Choice(NamedTuple):
    """What n users took, at most m items each, in the order in which they took them."""

    items: Tensor                   # (n, m) int64 item ids
    taken: Tensor                   # (n, m) bool: False = nothing in this place
    from_slate: Tensor              # (n, m) bool: taken from the slate, not found by oneself
    utility: Tensor                 # (n, m) float32: true utility of the item to the user


class ChoiceModel(Protocol):
    """Decides what each user takes from her menu. `takes` is the most that she may take in one round."""

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice: ...


def true_utility(users: Users, items: Catalog, menu: Menu, considered: Tensor) -> Tensor:
    """Return u_ui = affinity + quality_i (n, c) where `considered`, −∞ elsewhere; affinity is θ_u·z_i, or their cosine.

    Only what is considered is computed: most of a wide menu is not.
    """
    rows, places = considered.nonzero(as_tuple=True)
    ids = menu.items[rows, places]
    utility = torch.full(menu.items.shape, _NEVER)
    utility[rows, places] = affinity(items.taste(users.interests)[rows], items.appeal[ids]) + items.quality[ids]
    return utility


def take_in_order(values: Tensor, threshold: Tensor, utility: Tensor, menu: Menu, takes: int) -> Choice:
    """Each user takes the item of highest value, then the next, while the value exceeds her threshold.

    `values` (n, c), `threshold` (n,). The same item twice on the menu is one item: taken once, and credited to
    the slate if she considered it there.
    """
    values = values.clone()
    taken_items, taken, from_slate, taken_utility = [], [], [], []
    for _ in range(takes):
        best, place = values.max(1)
        place = place[:, None]
        item = menu.items.gather(1, place)
        same = menu.items == item
        in_slate = (same & (values > _NEVER))[:, : menu.slate_size].any(1)
        takes_it = best > threshold
        taken_items.append(item[:, 0])
        taken.append(takes_it)
        from_slate.append(takes_it & in_slate)
        taken_utility.append(utility.gather(1, place)[:, 0])
        values.masked_fill_(same, _NEVER)
    columns = [torch.stack(column, 1) for column in (taken_items, taken, from_slate, taken_utility)]
    return Choice(columns[0], columns[1], columns[2], columns[3].where(columns[1], torch.zeros(())))


@dataclass(frozen=True)
class Logit:
    """Users look at some of what is offered and take what appeals most, or nothing.

    The place p = 0, 1, … of the slate is examined with probability position_bias^p; own finds always are. Among the
    examined items, P(take i) ∝ exp(u_ui / temperature), and P(take nothing) ∝ exp(outside_utility / temperature).
    With more than one take, the next is chosen likewise from what is left, until nothing wins.

    Source: McFadden 1974 (conditional logit); Craswell et al. 2008 (examination of positions); Plackett 1975 (takes
    without replacement). Drawn exactly, by the largest Gumbel-perturbed utility (Yellott 1977).
    """

    temperature: Positive = 0.1
    """Noise of the choice, in units of utility; small = the best examined item is nearly always taken."""

    position_bias: Annotated[float, Interval(gt=0, le=1)] = 0.85
    """Chance to examine a place of the slate relative to the place before it; 1 = the whole slate is examined."""

    outside_utility: Utility = 0.3
    """Utility of taking nothing."""

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        examined = menu.offered.clone()
        slate_places = torch.arange(menu.slate_size)
        examined[:, : menu.slate_size] &= (
            draws("examine").uniform(users.ids[:, None], slate_places) < self.position_bias**slate_places
        )
        utility = true_utility(users, items, menu, examined)
        rows, places = examined.nonzero(as_tuple=True)
        value = torch.full(menu.items.shape, _NEVER)
        noise = draws("choice").gumbel(users.ids[rows], menu.items[rows, places])
        value[rows, places] = utility[rows, places] / self.temperature + noise
        nothing = self.outside_utility / self.temperature + draws("nothing").gumbel(users.ids)
        return take_in_order(value, nothing, utility, menu, takes)


@dataclass(frozen=True)
class Cascade:
    """Users read from the top and take what is good enough, until they have enough or lose patience.

    Each item read is taken with probability σ((u_ui − outside_utility) / temperature); after each item that was not
    taken the user reads on with probability `patience`. Own finds are read after the slate.

    Source: Craswell et al. 2008 (WSDM), cascade model; Chapelle & Zhang 2009 (WWW), for the chance to give up.
    """

    temperature: Positive = 0.1
    """Noise of each decision, in units of utility."""

    patience: Annotated[float, Interval(ge=0, le=1)] = 0.9
    """Chance to read on after an item that was not taken."""

    outside_utility: Utility = 0.3
    """Utility at which an item is taken half of the time."""

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        utility = true_utility(users, items, menu, menu.offered)
        ids = users.ids[:, None]
        good_enough = draws("choice").uniform(ids, menu.items) < torch.sigmoid(
            (utility - self.outside_utility) / self.temperature
        )
        gives_up = menu.offered & ~good_enough & (draws("patience").uniform(ids, menu.items) >= self.patience)
        given_up_before = gives_up.cumsum(1) - gives_up.long() > 0
        order = -torch.arange(menu.items.shape[1], dtype=torch.float32)
        values = torch.where(menu.offered & good_enough & ~given_up_before, order, _NEVER)
        return take_in_order(values, torch.full((len(users),), _NEVER), utility, menu, takes)


@dataclass(frozen=True)
class Best:
    """Users know what is good for them and take the best of what they see.

    Takes argmax_i max(u_ui, 0) · (1 + p)^(−rank_discount) over the menu (p = 0, 1, … the place in the slate, 0 for own
    finds), if it exceeds outside_utility.

    Source: Chaney, Stewart & Engelhardt 2018 (RecSys), with rank discount 0.8 as in Lucherini et al. 2021 (T-RECS).
    """

    rank_discount: Annotated[float, Interval(ge=0)] = 0.0
    """How fast attention falls with the place in the slate; 0 = every place is seen alike."""

    outside_utility: Utility = 0.0
    """Utility of taking nothing."""

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        utility = true_utility(users, items, menu, menu.offered)
        discount = (1.0 + menu.positions()) ** -self.rank_discount
        values = torch.where(menu.offered, utility.clamp(min=0) * discount, _NEVER)
        return take_in_order(values, torch.full((len(users),), float(self.outside_utility)), utility, menu, takes)


CHOICES: dict[str, type[ChoiceModel]] = {"logit": Logit, "cascade": Cascade, "best": Best}
