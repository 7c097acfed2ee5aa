"""The keys of a scenario that say what items have beside their topics: blocks of features, and labels for the measures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal

from annotated_types import Interval, MinLen
from pydantic import AfterValidator, Strict, model_validator
from pydantic_core import InitErrorDetails
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.labels import Bearer, Labels, bearers, draw_activation, draw_minority, draw_viewpoint
from agents.space import Space
from policies.encoder import WORDLLAMA, check_encoder
from simulator.faults import shown
from simulator.parts import Section, problem, wrong

Share = Annotated[float, Interval(gt=0, lt=1)]
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


def feature_conflicts(features: tuple[FeatureKeys, ...], space: Space, has_data: bool) -> Iterator[InitErrorDetails]:
    """Blocks that are right by themselves and wrong in this world."""
    if features and space in ("values", "plane"):
        what = "values are worths" if space == "values" else "points have a place"
        yield problem(f"needs `items.space: simplex or sphere`: {what}, not directions", ("items", "features"))
    for place, block in enumerate(features):
        if block.source == "titles" and not has_data:
            message = "generated items have no titles: add `data:`, or write `source: drawn`"
            yield problem(message, ("items", "features", place, "source"))


Features = Annotated[tuple[FeatureKeys, ...], Strict(False), AfterValidator(_different)]


class ActivationKeys(Section):
    """How much items stir people up: a sentiment from −1 to 1, Beta distributed. Measured by exposure.radio_activation."""

    mean: Annotated[float, Interval(gt=-1, lt=1)] = 0.0
    """Mean sentiment over items, creators or topics."""

    spread: Annotated[float, Interval(ge=0, lt=1)] = 0.4
    """Standard deviation; less than √(1 − mean²), which no sentiment from −1 to 1 can reach."""

    by: Bearer = "item"
    """What it belongs to: each item has its own, or shares that of its creator, or of its leading topic."""

    @model_validator(mode="after")
    def _is_a_beta(self) -> ActivationKeys:
        widest = math.sqrt(1 - self.mean**2)
        if self.spread >= widest:
            raise wrong(problem(f"must be less than √(1 − mean²) = {widest:.3g} (got {shown(self.spread)})", ("spread",)))
        return self


class VoiceKeys(Section):
    """Whose voice items are: of a minority, or of the majority. Measured by exposure.radio_alternative_voices and
    exposure.disparate_treatment."""

    minority: Share
    """Chance that an item, a creator or a topic is of the minority."""

    by: Bearer = "creator"
    """What it belongs to: each item has its own, or shares that of its creator, or of its leading topic."""

    prominence: Annotated[float, Interval(gt=0, le=1000)] = 1.0
    """How easily an item of the minority is met without a recommender, relative to one of the majority that is like it."""


class ViewpointKeys(Section):
    """Which of several views items take. Measured by exposure.radio_representation."""

    shares: Annotated[tuple[Share, ...], Strict(False), MinLen(2)]
    """Chance of each view; they sum to 1."""

    by: Bearer = "creator"
    """What it belongs to: each item has its own, or shares that of its creator, or of its leading topic."""

    @model_validator(mode="after")
    def _is_all(self) -> ViewpointKeys:
        total = math.fsum(self.shares)
        if not math.isclose(total, 1, abs_tol=1e-6):
            raise wrong(problem(f"the shares must sum to 1 (they sum to {total:.6g})", ("shares",)))
        return self


class AttributeKeys(Section):
    """What items carry beside their topics, for measures of normative diversity. Nobody's taste depends on it."""

    activation: ActivationKeys | None = None
    """How much items stir people up; null: not known."""

    voice: VoiceKeys | None = None
    """Whose voice items are; null: not known."""

    viewpoint: ViewpointKeys | None = None
    """Which of several views items take; null: not known."""

    def draw(self, catalog: Catalog, draws: Draws) -> Labels:
        """Return the labels of these items. A bearer's label is a function of its id: more items change no other."""

        def bearer(keys: ActivationKeys | VoiceKeys | ViewpointKeys) -> Tensor:
            return bearers(keys.by, catalog.creator, catalog.topics)

        activation, voice, view = self.activation, self.voice, self.viewpoint
        return Labels(
            draw_activation(activation.mean, activation.spread, bearer(activation), draws("item activation"))
            if activation else None,
            draw_minority(voice.minority, bearer(voice), draws("item voice")) if voice else None,
            draw_viewpoint(view.shares, bearer(view), draws("item viewpoint")) if view else None,
        )
