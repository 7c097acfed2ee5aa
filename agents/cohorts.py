"""The kinds of users that a cohort may be of: the COHORTS table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from agents.cohort import UserCohort
from agents.language import LanguageModel


class KindOfUser(Protocol):
    """Makes the cohort that acts for some users, out of what `UserCohort` is made of."""

    divisible: ClassVar[bool]           # may the users be split over several agents?

    def gather(self, *world: Any) -> UserCohort: ...


@dataclass(frozen=True)
class Parametric:
    """Users who choose and change as the cohort's choice and drift models say."""

    divisible: ClassVar[bool] = True

    def gather(self, *world: Any) -> UserCohort:
        """Make a cohort of such users."""
        return UserCohort(*world)


COHORTS: dict[str, type[KindOfUser]] = {"parametric": Parametric, "language_model": LanguageModel}
