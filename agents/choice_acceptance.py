"""Choice by acceptance: of what resembles oneself, or of what stands where one looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice_base import NEVER, Choice, Menu, read_so_far, take_from_top, take_in_order, true_utility
from agents.space import Space, affinity
from agents.users import Users


@dataclass(frozen=True)
class BoundedConfidence:
    """Users take in what is near to what they think already, and nothing that is far from it.

    An item at distance d = ‖θ_u − z_i‖ is taken with probability 1 / (1 + (d / latitude)^sharpness), each item independently of
    the others: half of the time at d = latitude. Users read from the top, own finds last, until they have `takes` items.

    Source: Geschke, Lorenz & Holtz 2019 (British Journal of Social Psychology), "The triple filter bubble", integration of
    information; its limit for sharpness → ∞ is the bound of confidence of Deffuant, Neau, Amblard & Weisbuch 2000 (Advances
    in Complex Systems) and Hegselmann & Krause 2002 (JASSS).
    """

    latitude: Annotated[float, Interval(ge=1e-6, le=1e6)] = 0.7
    """Latitude of acceptance: the distance at which half is taken. On the simplex no two rows are further apart than √2, on the
    sphere than 2."""

    sharpness: Annotated[float, Interval(ge=0, le=1e3)] = 20.0
    """How abruptly acceptance ends there; 0 = half of everything is taken, whatever its distance."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere", "plane")

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor:
        return read_so_far(self._accepted(users, items, menu, draws), menu, takes=choice.taken.shape[1])

    def _accepted(self, users: Users, items: Catalog, menu: Menu, draws: Draws) -> Tensor:
        rows, places = menu.offered.nonzero(as_tuple=True)
        ids = menu.items[rows, places]
        gap = users.interests[rows] - items.features[ids]
        distance = affinity(gap, gap).sqrt().clamp(min=1e-30)
        chance = torch.sigmoid(-self.sharpness * (distance / self.latitude).log())      # 1 / (1 + (d / D)^δ), never ∞
        accepted = torch.zeros_like(menu.offered)
        accepted[rows, places] = draws("choice").uniform(users.ids[rows], ids) < chance
        return accepted

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        accepted = self._accepted(users, items, menu, draws)
        return take_from_top(accepted, true_utility(users, items, menu, menu.offered), menu, takes)


@dataclass(frozen=True)
class LikeMinded:
    """Users accept what agrees with them more readily than what does not, and so hear their own side more often.

    Item i is accepted with probability x_ui^bias, where x_ui is the share of her interests that it meets: θ_u·z_i on the
    simplex; on the sphere (1 + ⟨p_u, v_i⟩) / 2. With two topics and items of one topic each, a user who leans to red by x
    accepts red with probability x and blue with 1 − x. Each item is judged independently; users read from the top, own finds
    last, until they have `takes` items.

    Source: Dandekar, Goel & Lee 2013 (PNAS), acceptance of recommendations by biased users (bias 1) and unbiased ones (bias 0);
    the exponent is that of their biased assimilation.
    """

    bias: Annotated[float, Interval(ge=0, le=1e3)] = 1.0
    """0 = everything is accepted, 1 = in proportion to the agreement; larger = ever less of what is foreign."""

    spaces: ClassVar[tuple[Space, ...]] = ("simplex", "sphere")

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor:
        return read_so_far(self._accepted(users, items, menu, draws), menu, takes=choice.taken.shape[1])

    def _accepted(self, users: Users, items: Catalog, menu: Menu, draws: Draws) -> Tensor:
        rows, places = menu.offered.nonzero(as_tuple=True)
        ids = menu.items[rows, places]
        agreement = affinity(users.interests[rows], items.features[ids])
        if items.space == "sphere":
            agreement = (1 + agreement) / 2
        accepted = torch.zeros_like(menu.offered)
        accepted[rows, places] = draws("choice").uniform(users.ids[rows], ids) < agreement.clamp(min=0) ** self.bias
        return accepted

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        accepted = self._accepted(users, items, menu, draws)
        return take_from_top(accepted, true_utility(users, items, menu, menu.offered), menu, takes)


@dataclass(frozen=True)
class BiasedAcceptance:
    """Users accept one of what they are shown, more often what stands further up, whatever it is.

    With probability `acceptance` a user accepts, P(item in place p) ∝ e^(α p), p = 0, 1, … the place in the slate, 0 for own
    finds beside it; else nothing. With more than one take, the next is chosen likewise from what is left. Her interests have
    no say.

    Source: Mansoury, Abdollahpouri, Pechenizkiy, Mobasher & Burke 2020 (CIKM), "Feedback loop and bias amplification in
    recommender systems": the acceptance of recommendations in their simulated loop, exactly one each time.
    """

    alpha: Annotated[float, Interval(ge=-100, le=100)] = -0.1
    """α: how acceptance changes from one place to the next; 0 = every place alike, negative = the top is favoured."""

    acceptance: Annotated[float, Interval(ge=0, le=1)] = 1.0
    """Chance that a user accepts anything in a round."""

    reads_places: ClassVar[bool] = True

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor:
        return menu.offered[:, : menu.slate_size]

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        accepts = draws("accept").uniform(users.ids) < self.acceptance
        value = self.alpha * menu.positions() + draws("choice").gumbel(users.ids[:, None], menu.items)
        value = torch.where(menu.offered & accepts[:, None], value, NEVER)
        utility = true_utility(users, items, menu, menu.offered)
        return take_in_order(value, torch.full((len(users),), NEVER), utility, menu, takes)
