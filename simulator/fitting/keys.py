"""The keys of a file's section `fit`, with their ranges, defaults and meaning."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Interval
from pydantic import model_validator

from simulator.parts import Section, problem, wrong
from simulator.ranges import NonNegative, Text

MOST = 100_000


class FitKeys(Section):
    """What is fitted to a real log, and how long."""

    axes: dict[str, Any] | None = None
    """The keys to fit, as in `--set`, each with the range {low, high, scale, integer} in which it is uniform before anything is
    known. Default: popularity_skew, activity, temperature, drift rate and the like, as far as the scenario has them."""

    arm: Text | None = None
    """The arm that the site's log is taken to have come about under. Default: the first."""

    depth: Annotated[int, Interval(ge=2, le=10_000)] = 20
    """Takes per user that facts compare. Users with fewer are left out, of the real log and of the simulated one."""

    min_rating: NonNegative = 0.0
    """Ratings of the real log below this do not count as takes, in stars."""

    simulations: Annotated[int, Interval(ge=4, le=MOST)] = 400
    """Worlds that are simulated in the search."""

    population: Annotated[int, Interval(ge=4, le=MOST)] = 160
    """Worlds of the first generation, drawn from the ranges; those after it have half as many, drawn from the posterior as it
    is known by then."""

    draws: Annotated[int, Interval(ge=2, le=MOST)] = 100
    """Draws from the posterior that are written down."""

    halves: Annotated[int, Interval(ge=20, le=MOST)] = 200
    """Times that the real users are cut into random halves, to see how far two halves of the same log are apart."""

    replicates: Annotated[int, Interval(ge=2, le=1000)] = 10
    """Fresh replicates in which the fitted world is compared with the half of the users that the search has not seen."""

    seed: Annotated[int, Interval(ge=0, lt=2**32)] | None = None
    """Decides the halves and the search. Default: the scenario's seed."""

    @model_validator(mode="after")
    def _enough(self) -> FitKeys:
        if self.population > self.simulations:
            message = f"must be at most `simulations`, {self.simulations} (got {self.population})"
            raise wrong(problem(message, ("population",) if "population" in self.model_fields_set else ("simulations",)))
        if self.axes is not None and not self.axes:
            raise wrong(problem("must have at least one entry", ("axes",)))
        return self

    @property
    def generations(self) -> list[int]:
        """Worlds of each generation: the whole population first, then half of it until none are left."""
        new = (self.population + 1) // 2
        left = self.simulations - self.population
        return [self.population, *[new] * (left // new), *([left % new] if left % new else [])]
