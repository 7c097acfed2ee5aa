"""The keys of a scenario that say who its users are, how they choose, and how they change."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Annotated, Literal

from annotated_types import Interval
from pydantic import Strict, model_validator

from agents.feedback import FEEDBACKS, Feedback, Signal
from simulator.keys.churn import ChurnKeys
from simulator.keys.cohorts import ChoicePart, Cohort, CohortKeys, DriftPart, InterestsPart, OneCohort
from simulator.keys.repeats import RepeatKeys
from simulator.keys.traits import Trait
from simulator.parts import OneOf, Section, by_name, kind_of, problem, wrong
from simulator.ranges import Count

FeedbackPart = Annotated[Feedback, OneOf(FEEDBACKS, "kind of feedback", Signal)]


class UserKeys(Section):
    """Who the users are, how they choose, and how they change."""

    count: Count | None = None
    """Number of users. Default: 1000; with data, all of them. With data, a count keeps the most active."""

    interests: InterestsPart = by_name("dirichlet")
    """What users are interested in at the start."""

    choice: ChoicePart = by_name("logit")
    """What users take from what they see."""

    drift: DriftPart = by_name("assimilation")
    """How interests change with what was taken."""

    susceptibility: Trait = Trait(mean=1.0)
    """Share of the drift rate that applies to a user, 0 to 1."""

    activity: Trait = Trait(mean=1.0)
    """Chance that a user is on the platform in a round, 0 to 1."""

    adoption: Trait = Trait(mean=1.0)
    """Chance that a user looks at the slate when on the platform, 0 to 1."""

    intent: Literal["topic"] | None = None
    """What users are on the platform for. topic: in each round each is after one topic, drawn ∝ her interests, and platforms
    show her nothing but items that are mainly about it, as in a search or in a category; her own finds are as ever. null:
    platforms show what they please."""

    takes: Annotated[int, Interval(ge=1, le=100)] = 1
    """The most items that a user takes in a round."""

    churn: ChurnKeys | None = None
    """Who leaves, and who arrives; null: everybody stays. Measures of users are then over those who are there."""

    repeats: RepeatKeys | None = None
    """How users take again what they took before; null: nobody takes anything twice, nor is it recommended twice."""

    feedback: Annotated[tuple[FeedbackPart, ...], Strict(False)] = ()
    """What users let the platform know beside what they take; a policy may learn from it: `trains_on`."""

    cohorts: Annotated[tuple[Annotated[CohortKeys, OneCohort()], ...], Strict(False)] = ()
    """Parts of the users that are unlike each other; empty: everybody is as the keys above say."""

    agents: Count = 1
    """Number of agents that each cohort is split over; changes nothing but speed."""

    @model_validator(mode="after")
    def _cohorts_are_everybody(self) -> UserKeys:
        names = [cohort.name for cohort in self.cohorts]
        problems = [
            problem(f"is the second cohort called {names[place]!r}", ("cohorts", place, "name"))
            for place, name in enumerate(names) if name in names[:place]
        ]
        kinds = [kind_of(FEEDBACKS, part) for part in self.feedback]
        problems += [
            problem(f"is the second {kind!r}", ("feedback", place)) for place, kind in enumerate(kinds) if kind in kinds[:place]
        ]
        total = math.fsum(cohort.share for cohort in self.cohorts)
        if self.cohorts and not math.isclose(total, 1, abs_tol=1e-6):
            problems.append(problem(f"the shares must sum to 1 (they sum to {total:.6g})", ("cohorts",)))
        if problems:
            raise wrong(*problems)
        return self

    def each_cohort(self) -> tuple[Cohort, ...]:
        """Return the cohorts, what they leave out taken from here; without any, one of everybody."""
        parts = [field.name for field in fields(Cohort) if field.name in UserKeys.model_fields]

        def filled_in(keys: CohortKeys) -> Cohort:
            said = {part: getattr(keys, part) for part in parts}
            values = {part: getattr(self, part) if value is None else value for part, value in said.items()}
            return Cohort(keys.part, keys.name, keys.share, keys.group, **values)

        return tuple(map(filled_in, self.cohorts or (CohortKeys(name="everybody", share=1.0),)))
