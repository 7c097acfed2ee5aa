"""The section `remedies` of a sweep file: which arms are remedies for what another arm does, and what they are judged by.

The axes of such a sweep are assumptions about people: the first cell of each world is the world as it stands, and the others
say whether what is found there survives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Strict, model_validator

from simulator.faults import shown
from simulator.parts import Section, problem, wrong
from simulator.ranges import Text


class KindKeys(Section):
    """One kind of remedy. A bare list: its arms."""

    arms: list[Text]
    """Names of its arms, from the weakest setting to the strongest."""

    of: Text | None = None
    """The arm that it is compared with, if another one than the section's: the same policy without it."""

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, value: Any) -> Any:
        if not isinstance(value, list | Mapping):
            raise wrong(problem(f"must be a list of names of arms, or a mapping with `arms` and `of` (got {shown(value)})"))
        return {"arms": value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _some(self) -> KindKeys:
        if not self.arms:
            raise wrong(problem("must name at least one arm", ("arms",)))
        return self


class RemedyKeys(Section):
    """What is to be improved, by what, and how one tells."""

    of: Text
    """The arm that they are to improve: the same policy without a remedy."""

    kinds: dict[Text, KindKeys]
    """Kinds of remedies, each with its arms from the weakest setting to the strongest."""

    diversity: Text = "consumption.alpha"
    """The measure of narrowing, one that has a direction: what a remedy is for."""

    utility: Text = "utility.per_user"
    """What a remedy may cost; more is better."""

    swapped: list[Text] | None = None
    """The remedies that are also played under the other assumptions, to save time. Default: all."""

    notes: Annotated[tuple[Text, ...], Strict(False)] = ()
    """What to know when reading the result: limits of the comparison, and what explains a surprise."""

    @model_validator(mode="after")
    def _some(self) -> RemedyKeys:
        if not self.kinds:
            raise wrong(problem("must have at least one kind of remedy, as in {MMR: [mf+mmr]}", ("kinds",)))
        return self

    @property
    def arms(self) -> list[str]:
        """All remedies, kind after kind."""
        return [arm for kind in self.kinds.values() for arm in kind.arms]

    @property
    def compared_with(self) -> dict[str, str]:
        """Of each remedy, the arm without it."""
        return {arm: kind.of or self.of for kind in self.kinds.values() for arm in kind.arms}

    @property
    def kept(self) -> list[str]:
        """The arms that are played under the other assumptions, beside controls."""
        chosen = self.arms if self.swapped is None else self.swapped
        return [*dict.fromkeys([self.of, *(self.compared_with.get(arm, self.of) for arm in chosen), *chosen])]
