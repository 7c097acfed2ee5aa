"""The keys of a trait in which users differ: one number for everybody, or how it is distributed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from annotated_types import Interval
from pydantic import GetJsonSchemaHandler, model_serializer, model_validator
from pydantic_core import CoreSchema

from simulator.faults import shown
from simulator.parts import Section, problem, wrong
from simulator.ranges import UnitInterval


class Trait(Section):
    """A trait in [0, 1] that users differ in: Beta distributed. A bare number: the same for everybody."""

    in_words: ClassVar[str] = "number, 0 to 1, or {mean: …, spread: …}"

    mean: UnitInterval
    """Mean over users."""

    spread: Annotated[float, Interval(ge=0, lt=0.5)] = 0.0
    """Standard deviation over users; less than √(mean · (1 − mean)), which no trait in [0, 1] can reach."""

    @model_validator(mode="before")
    @classmethod
    def _same_for_everybody(cls, value: Any) -> Any:
        return value if isinstance(value, Mapping | Trait) else {"mean": value}

    @model_validator(mode="after")
    def _is_a_beta(self) -> Trait:
        widest = math.sqrt(self.mean * (1 - self.mean))
        if self.spread > 0 and self.spread >= widest:
            message = f"must be less than √(mean · (1 − mean)) = {widest:.3g} (got {shown(self.spread)})"
            raise wrong(problem(message, ("spread",)))
        return self

    @model_serializer
    def _short(self) -> Any:
        return {"mean": self.mean, "spread": self.spread} if self.spread else self.mean

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, handler(schema)]}
