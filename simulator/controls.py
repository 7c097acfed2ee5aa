"""Arms that are not policies: no recommender at all, and one that knows the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from agents.catalog import Catalog
from agents.users import Users
from policies.log import FeedbackLog
from policies.ranking import rank


class Control:
    """An arm to compare policies with. `sees_truth`: it uses what no platform knows, and reports say so."""

    sees_truth: ClassVar[bool] = False


@dataclass(frozen=True)
class Organic(Control):
    """Nobody is recommended anything: users live on what they find by themselves.

    Source: the counterfactual of Aridor, Gonçalves & Sikdar 2020 (RecSys), "no recommendation".
    """


@dataclass(frozen=True)
class Oracle(Control):
    """Every user is shown the unseen items of highest true utility, affinity plus quality.

    A control, not a policy: it reads the users' interests.

    Source: the ideal recommender of Chaney, Stewart & Engelhardt 2018 (RecSys).
    """

    sees_truth: ClassVar[bool] = True


CONTROLS: dict[str, type[Control]] = {"organic": Organic, "oracle": Oracle}


def best_unseen(users: Users, items: Catalog, rows: Tensor, k: int, log: FeedbackLog) -> tuple[Tensor, Tensor]:
    """Return for each of the rows (b,) the k unseen items of highest true utility: ids and utilities (b, k), best first."""
    taste = items.taste(users.interests)
    return rank(lambda block: taste[block] @ items.appeal.T, rows, k, log, bias=items.quality)
