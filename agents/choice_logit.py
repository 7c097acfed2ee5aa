"""Choice by utility and chance: random utility models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice_base import NEVER, Choice, Menu, Positive, Utility, look_by_place, take_in_order, true_utility
from agents.users import Users


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

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor:
        return self._examined(users, menu, draws)[:, : menu.slate_size]

    def _examined(self, users: Users, menu: Menu, draws: Draws) -> Tensor:
        return look_by_place(self.position_bias ** torch.arange(menu.slate_size), users, menu, draws)

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        examined = self._examined(users, menu, draws)
        utility = true_utility(users, items, menu, examined)
        rows, places = examined.nonzero(as_tuple=True)
        value = torch.full(menu.items.shape, NEVER)
        noise = draws("choice").gumbel(users.ids[rows], menu.items[rows, places])
        value[rows, places] = utility[rows, places] / self.temperature + noise
        nothing = self.outside_utility / self.temperature + draws("nothing").gumbel(users.ids)
        return take_in_order(value, nothing, utility, menu, takes)


@dataclass(frozen=True)
class NestedLogit:
    """Users take what appeals most, and things of one kind appeal or fail to appeal together.

    As `logit`, but the noise is shared within a nest. Among the examined items, P(take i) = P(i | B) P(B), where
    P(i | B) ∝ exp(u_ui / (temperature · λ)) over the nest B of i, and P(B) ∝ exp(λ I_B), with its inclusive value
    I_B = ln Σ_{j ∈ B} exp(u_uj / (temperature · λ)). Taking nothing is a nest of its own: ∝ exp(outside_utility / temperature).
    The noises of two items of a nest have correlation 1 − λ², so that a further item of a kind takes most from its own kind;
    λ = 1 is `logit`. With more than one take, the user takes the next best by the same noise.

    Source: McFadden 1978, "Modelling the choice of residential location"; Train 2009, "Discrete choice methods with
    simulation", chapter 4. Drawn exactly: λ (ln S_B + Gumbel) is the noise of a nested logit when S_B is positive stable of
    index λ (Hougaard 1986, Biometrika), and S_B is drawn after Kanter 1975 (Annals of Probability).
    """

    dissimilarity: Annotated[float, Interval(ge=1e-3, le=1)] = 0.5
    """λ: 1 = the items of a nest are as different as any others; near 0 = one of them is as good as another."""

    nests: Literal["topic", "source"] = "topic"
    """What makes a nest: items of one leading topic; or the slate on the one hand, own finds on the other."""

    temperature: Positive = 0.1
    """Noise of the choice, in units of utility; small = the best examined item is nearly always taken."""

    position_bias: Annotated[float, Interval(gt=0, le=1)] = 0.85
    """Chance to examine a place of the slate relative to the place before it; 1 = the whole slate is examined."""

    outside_utility: Utility = 0.3
    """Utility of taking nothing."""

    def examined(self, users: Users, items: Catalog, menu: Menu, choice: Choice, draws: Draws) -> Tensor:
        return self._examined(users, menu, draws)[:, : menu.slate_size]

    def _examined(self, users: Users, menu: Menu, draws: Draws) -> Tensor:
        return look_by_place(self.position_bias ** torch.arange(menu.slate_size), users, menu, draws)

    def choose(self, users: Users, items: Catalog, menu: Menu, takes: int, draws: Draws) -> Choice:
        examined = self._examined(users, menu, draws)
        utility = true_utility(users, items, menu, examined)
        rows, places = examined.nonzero(as_tuple=True)
        ids, chosen = users.ids[rows], menu.items[rows, places]
        nest = items.topics[chosen].argmax(1) if self.nests == "topic" else (places >= menu.slate_size).long()
        shared = self._shared_noise(*draws("nest").uniform_pair(ids, nest))
        value = torch.full(menu.items.shape, NEVER)
        noise = shared + self.dissimilarity * draws("choice").gumbel(ids, chosen)
        value[rows, places] = utility[rows, places] / self.temperature + noise
        nothing = self.outside_utility / self.temperature + draws("nothing").gumbel(users.ids)
        return take_in_order(value, nothing, utility, menu, takes)

    def _shared_noise(self, first: Tensor, second: Tensor) -> Tensor:
        """Return λ ln S from two uniform draws each, S positive stable with E exp(−t S) = exp(−t^λ); all zeros for λ = 1."""
        index = self.dissimilarity
        if index == 1:
            return torch.zeros_like(first)
        angle = math.pi * first.double()
        rest = ((1 - index) * angle).sin().log() - (-second.log()).log()        # −ln(second) is exponential
        return (index * (index * angle).sin().log() - angle.sin().log() + (1 - index) * rest).float()
