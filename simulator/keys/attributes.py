"""The keys of a scenario that say what items carry beside their topics: labels for the measures."""

from __future__ import annotations

import math
from typing import Annotated

from annotated_types import Interval, MinLen
from pydantic import Strict, model_validator
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.labels import Bearer, Labels, bearers, draw_activation, draw_minority, draw_viewpoint
from simulator.faults import shown
from simulator.parts import Section, problem, wrong

Share = Annotated[float, Interval(gt=0, lt=1)]


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
