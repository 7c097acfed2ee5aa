"""The keys of a cohort: users who are unlike the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Interval
from pydantic import GetJsonSchemaHandler, PrivateAttr
from pydantic_core import CoreSchema

from agents.choice import CHOICES, ChoiceModel
from agents.cohorts import COHORTS, KindOfUser, Parametric
from agents.drift import DRIFTS, DriftModel
from agents.individual import Individual
from agents.interests import INTERESTS, Interests
from simulator.docs import MOST
from simulator.keys.traits import Trait
from simulator.own_code import NAME
from simulator.parts import OneOf, PartKeys, instance, kind_of, model_of, own_keys
from simulator.ranges import Text

InterestsPart = Annotated[Interests, OneOf(INTERESTS, "interest model", Interests)]
ChoicePart = Annotated[ChoiceModel, OneOf(CHOICES, "choice model", ChoiceModel)]
DriftPart = Annotated[DriftModel, OneOf(DRIFTS, "drift model", DriftModel)]


class CohortKeys(PartKeys):
    """A part of the users who are unlike the others. What is left out is as `users` says."""

    kind: str = "parametric"
    """What decides for them; users of your own are module:Class."""

    name: Text
    """What the cohort is called."""

    share: Annotated[float, Interval(gt=0, le=1)]
    """Its share of the users; the shares of all cohorts sum to 1."""

    group: Annotated[int, Interval(ge=0, le=MOST)] | None = None
    """The group that its users count as, in reports and measures by group. null: their taste group."""

    interests: InterestsPart | None = None
    """What they are interested in at the start."""

    choice: ChoicePart | None = None
    """What they take from what they see."""

    drift: DriftPart | None = None
    """How their interests change."""

    susceptibility: Trait | None = None
    """Share of the drift rate that applies to them, 0 to 1."""

    activity: Trait | None = None
    """Chance that one of them is on the platform in a round, 0 to 1."""

    adoption: Trait | None = None
    """Chance that one of them looks at the slate when on the platform, 0 to 1."""

    _part: Any = PrivateAttr(default_factory=Parametric)

    @property
    def part(self) -> KindOfUser:
        """The kind of its users, with the keys that this kind has."""
        return self._part

    def of(self, part: KindOfUser) -> CohortKeys:
        """Return the same keys for users of another kind, or of the same kind with other keys."""
        keys = self.model_copy(update={"kind": kind_of(COHORTS, part)})
        keys._part = part
        return keys


class OneCohort(OneOf):
    """Annotates a cohort: a mapping whose `kind` may be left out, for users who are parametric."""

    def __init__(self) -> None:
        super().__init__(COHORTS, "kind of user", Individual)

    def made(self, value: Any) -> bool:
        return isinstance(value, CohortKeys)

    def expand(self, value: Any) -> dict[str, Any]:
        named = isinstance(value, Mapping) and "kind" not in value
        return super().expand({"kind": "parametric", **value} if named else value)

    def model(self, kind: str) -> type[PartKeys]:
        return model_of(kind, self.part(kind), CohortKeys)

    def build(self, keys: Any) -> CohortKeys:
        if keys.kind not in COHORTS and self.part(keys.kind).__dataclass_params__.frozen:      # type: ignore[attr-defined]
            raise ValueError("must not be frozen: a user lives, and what she is changes")
        names = CohortKeys.model_fields.keys()
        common = CohortKeys.model_construct(keys.model_fields_set & names, **{name: getattr(keys, name) for name in names})
        return common.of(instance(self.part(keys.kind), keys))

    def dump(self, value: CohortKeys) -> dict[str, Any]:
        return {**value.model_dump(mode="json"), **own_keys(value.part)}

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        mappings = [handler(self.model(kind).__pydantic_core_schema__) for kind in self.table]
        own = {"type": "string", "pattern": f"^{NAME}$", "description": "Users of your own, module:Class."}
        with_keys = {"type": "object", "required": ["kind", "name", "share"], "properties": {"kind": own}}
        return {"anyOf": [{"oneOf": mappings, "type": "object"}, with_keys]}


@dataclass(frozen=True)
class Cohort:
    """What holds for the users of one cohort."""

    kind: KindOfUser
    name: str
    share: float                    # of the users
    group: int | None
    interests: Interests
    choice: ChoiceModel
    drift: DriftModel
    susceptibility: Trait
    activity: Trait
    adoption: Trait
