"""Arms that are not policies: no recommender at all, and one that knows the truth."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor

from agents.catalog import Catalog
from agents.choice import Told
from agents.users import Users
from policies.candidates import Candidates
from policies.explore import EpsilonGreedy
from policies.log import FeedbackLog, ItemData
from policies.ranking import rank
from simulator.draws import Draws, Stream


class Truth(NamedTuple):
    """What no platform knows, and what every platform does."""

    users: Users
    catalog: Catalog
    log: FeedbackLog
    items: ItemData                 # those that may be shown


class Control:
    """An arm to compare policies with. `sees_truth`: it uses what no platform knows, and reports say so."""

    sees_truth: ClassVar[bool] = False


@dataclass(frozen=True)
class Organic(Control):
    """Nobody is recommended anything: users live on what they find by themselves.

    Source: the counterfactual of Aridor, Gonçalves & Sikdar 2020 (RecSys), "no recommendation".
    """


class Knowing(Control):
    """A control that recommends, and reads the users' interests to do so."""

    sees_truth: ClassVar[bool] = True

    @abstractmethod
    def slates(self, world: Truth, users: Tensor, k: int, bias: Tensor | None, draws: Stream) -> Tensor:
        """Return the slates (b, k), item ids, of users (b,). `bias` (M,) is added to what items are worth; −∞ keeps one out."""


@dataclass(frozen=True)
class Oracle(Knowing):
    """Every user is shown the unseen items of highest true utility, affinity plus quality.

    A control, not a policy: it reads the users' interests.

    Source: the ideal recommender of Chaney, Stewart & Engelhardt 2018 (RecSys).
    """

    ranks: Literal["all", "earlier", "start"] = "all"
    """all: everything that there is; earlier: what was published before the round; start: what was published before round 1.
    Earlier and start are what a policy ranks that is trained in every round, or once, without `cold_start`. With `creators`."""

    def slates(self, world: Truth, users: Tensor, k: int, bias: Tensor | None, draws: Stream) -> Tensor:
        return best_unseen(world.users, world.catalog, users, k, world.log, bias)[0]


@dataclass(frozen=True)
class ExploringOracle(Knowing):
    """Every user is shown the unseen items of highest true utility, but each place goes, with chance ε, to one drawn at random.

    A control, not a policy: it reads the users' interests. What exploring does, apart from what is not known.

    Source: the ε-greedy model in the code of Khritankov & Pilkevich 2021 (WISE), which explores around true interests; drawn
    items are unseen and no item stands twice in a slate, as for `explore: epsilon_greedy`.
    """

    epsilon: Annotated[float, Interval(ge=0, le=1)] = 0.1
    """Chance per place; 0 = the oracle, 1 = random slates."""

    def slates(self, world: Truth, users: Tensor, k: int, bias: Tensor | None, draws: Stream) -> Tensor:
        best, worth = best_unseen(world.users, world.catalog, users, k, world.log, bias)
        unlearnt = torch.zeros(world.log.n_items)
        candidates = Candidates(users, best, worth, world.items, world.log, popularity=unlearnt)
        return EpsilonGreedy(self.epsilon).replace(best, candidates, draws)


@dataclass(frozen=True)
class Extremes(Knowing):
    """Every user is shown the unseen items that she feels most strongly about, for or against: those of largest |u|.

    A control, not a policy: it reads the users' interests. Where what is taken grows dearer and what is refused more hateful,
    nothing moves users faster.

    Source: after Jiang, Chiappa, Lattimore, György & Kohli 2019 (AIES), "Degenerate feedback loops in recommender systems",
    whose oracle shows what is liked most.
    """

    def slates(self, world: Truth, users: Tensor, k: int, bias: Tensor | None, draws: Stream) -> Tensor:
        return best_unseen(world.users, world.catalog, users, k, world.log, bias, extremes=True)[0]


@dataclass(frozen=True)
class Informed(Control):
    """Nobody is shown a slate; but users are told something of every item that they come across, and choose by themselves.

    quality: what it is worth to everybody, so that only what it is worth to them beyond that is left to find out. utility: all
    that it is worth to them, so that nothing is. For users who do not know it anyway (`choice: certainty_equivalent`).

    Source: Aridor, Gonçalves & Sikdar 2020 (RecSys), "Deconstructing the filter bubble": their recommendation regime (quality)
    and their oracle regime (utility).
    """

    of: Literal["quality", "utility"] = "quality"
    """What users are told."""

    sees_truth: ClassVar[bool] = True

    @property
    def tells(self) -> Told:
        return {"quality": Told.QUALITY, "utility": Told.UTILITY}[self.of]


@dataclass(frozen=True)
class ABTest(Control):
    """Each user is served by one of two other arms of the scenario, for good, by chance: a platform's own experiment.

    Both policies learn from one log, in which both groups are. So what one group takes changes what the other is shown, and the
    difference between the groups is not what deploying the one policy instead of the other would do.

    Source: Kohavi, Longbotham, Sommerfield & Henne 2009 (Data Mining and Knowledge Discovery), assignment by a hash of the
    user's id; Hudgens & Halloran 2008 (JASA), interference between units.
    """

    of: tuple[str, str]
    """Names of the two arms, the one that is now and the one that is tried."""

    share: Annotated[float, Interval(gt=0, lt=1)] = 0.5
    """Share of the users whom the second one serves."""

    def __post_init__(self) -> None:
        if len(set(self.of)) < len(self.of):
            raise ValueError(f"both are {self.of[0]!r}: name two arms; for the same policy twice, give one another name")

    def assign(self, users: Tensor, draws: Draws) -> Tensor:
        """Return which of the two arms serves each user (N,): 0 or 1, the same in every round."""
        return (draws.at(0)("ab_test").uniform(users) < self.share).long()


CONTROLS: dict[str, type[Control]] = {
    "organic": Organic, "oracle": Oracle, "exploring_oracle": ExploringOracle, "extremes": Extremes, "informed": Informed,
    "ab_test": ABTest,
}


def best_unseen(
    users: Users, items: Catalog, rows: Tensor, k: int, log: FeedbackLog, bias: Tensor | None = None, extremes: bool = False
) -> tuple[Tensor, Tensor]:
    """Return for each of the rows (b,) the k unseen items of highest true utility: ids and utilities (b, k), best first.

    `bias` (M,) is added to the utilities; −∞ keeps an item out. `extremes`: of largest |utility| instead, which is returned.
    """
    taste = items.taste(users.interests, users.leanings)
    value = items.quality if bias is None else items.quality + F.pad(bias, (0, len(items) - len(bias)))
    if items.available is not None:
        value = value.masked_fill(~items.available, -torch.inf)
    there = slice(log.n_items)                  # where the catalogue grows, the rest has not been published
    if extremes:
        hidden, appeal = torch.where(value[there] == -torch.inf, -torch.inf, 0.0), items.appeal[there].T
        return rank(lambda block: (taste[block] @ appeal + items.quality[there]).abs(), rows, k, log, bias=hidden)
    return rank(lambda block: taste[block] @ items.appeal[there].T, rows, k, log, bias=value[there])
