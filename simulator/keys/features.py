"""The keys of a block of features: what items are like beside their topics."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Interval, MinLen
from pydantic import AfterValidator, Strict, model_validator

from policies.encoder import WORDLLAMA, check_encoder
from simulator.parts import Section, problem, wrong

Weight = Annotated[float, Interval(ge=0, le=1000)]

TOPICS = "topics"
"""The block that every world has."""


class FeatureKeys(Section):
    """A block of what items are like, such as text, sound or pictures, in which users have tastes. `topics` is the one that
    every world has."""

    name: Annotated[str, MinLen(1)]
    """What the block is called; `topics`: what items are about, and the weight of that."""

    weight: Weight = 1.0
    """How much it counts for users: affinity is the sum over blocks of weight times the cosine in the block; in topics, of
    weight times what `items.affinity` says. 0: nobody cares."""

    visible: bool | Weight = True
    """Do platforms see it and compare items by it? A number: how much it counts for them; true: as much as for users."""

    source: Literal["drawn", "titles"] = "drawn"
    """drawn: vectors at random; titles: the encoded titles of the data (extra `text`), tastes being those of what was taken."""

    dimensions: Annotated[int, Interval(ge=1, le=10_000)] = 16
    """Length of the vectors; of titles, what the encoder makes."""

    correlation: Annotated[float, Interval(ge=0, le=1)] = 0.5
    """ρ: how far vectors and tastes follow from topics and interests, and move with them; 0 = not at all, and tastes never
    change. Of titles always 0."""

    @property
    def shown(self) -> float:
        """How much it counts for platforms."""
        return self.weight * self.visible if isinstance(self.visible, bool) else self.visible

    @model_validator(mode="after")
    def _has_a_use_for_its_keys(self) -> FeatureKeys:
        of_topics, of_titles = {"source", "dimensions", "correlation"}, {"dimensions", "correlation"}
        useless = of_topics if self.name == TOPICS else of_titles if self.source == "titles" else set()
        for key in sorted(useless & self.model_fields_set):
            if getattr(self, key) != type(self).model_fields[key].default:
                what = "topics are as `items` says" if self.name == TOPICS else "the encoder decides"
                raise wrong(problem(f"has no effect here: {what}", (key,)))
        if self.source == "titles":
            try:
                check_encoder(WORDLLAMA)
            except ValueError as error:
                raise wrong(problem(f"titles cannot be encoded here: {error}", ("source",))) from error
        return self


def _different(blocks: tuple[FeatureKeys, ...]) -> tuple[FeatureKeys, ...]:
    names = [block.name for block in blocks]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise wrong(problem(f"is the second block called {name!r}", (place, "name")))
    if blocks and not (TOPICS not in names or any(block.shown for block in blocks)):
        raise wrong(problem("leave platforms nothing to compare items by: make one visible, of a weight above 0"))
    return blocks


Features = Annotated[tuple[FeatureKeys, ...], Strict(False), AfterValidator(_different)]
