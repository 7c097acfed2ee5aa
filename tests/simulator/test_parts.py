"""Parts: a dataclass as checked keys, JSON schema and documentation. With stand-ins for the real tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import jsonschema
import pytest
from annotated_types import Gt, Interval
from pydantic import TypeAdapter, ValidationError

from simulator.docs import document, field_docs, in_words
from simulator.parts import OneOf, PartKeys, model_of


@dataclass(frozen=True)
class Still:
    """Nothing moves."""

    spaces: ClassVar[tuple[str, ...]] = ("simplex",)


@dataclass
class Moving:
    """Things move toward
    what was taken.

    x ← x + rate · (z − x).

    Source: A. Author 2020 (Venue),
    section 3.
    """

    rate: Annotated[float, Interval(gt=0, le=1)] = 0.5
    """Share of the way, per round;
    1 = all of it."""

    steps: Annotated[int, Interval(ge=1)] = 3
    """Steps."""

    way: Literal["up", "down"] = "up"
    """Direction."""

    eager: bool = False
    """Start at once."""

    label: str | None = None
    sizes: tuple[int, ...] = (1, 2)
    """Sizes."""

    learnt_: list[float] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if self.eager and self.steps > 10:
            raise ValueError("eager needs at most 10 steps")


@dataclass
class Faster(Moving):
    """Inherits its keys."""

    rate: Annotated[float, Interval(gt=0, le=2)] = 2.0
    """Twice the way."""

    boost: Annotated[float, Gt(0)] = 1.0
    """How much faster."""


@dataclass
class Needy:
    """Has a key without default."""

    path: str
    """Where."""


TABLE = {"none": Still, "moving": Moving, "faster": Faster, "needy": Needy}
PARTS: TypeAdapter = TypeAdapter(Annotated[object, OneOf(TABLE, "drift model")])


def test_a_bare_name_gives_the_part_with_its_defaults() -> None:
    assert PARTS.validate_python("none") == Still()
    assert PARTS.validate_python("moving") == Moving()


def test_a_mapping_gives_the_part_with_its_keys() -> None:
    keys = {"kind": "moving", "rate": 1, "steps": 7, "way": "down", "eager": True, "label": "a", "sizes": [5]}
    part = PARTS.validate_python(keys)
    assert part == Moving(1.0, 7, "down", True, "a", (5,))
    assert type(part.rate) is float


def test_a_part_made_in_python_is_checked_too() -> None:
    assert PARTS.validate_python(Moving(rate=0.25)) == Moving(rate=0.25)
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        PARTS.validate_python(Moving(rate=3.0))


@pytest.mark.parametrize(
    "part", [Still(), Moving(0.1, 2, "down", True, None, ()), Faster(boost=3.0), Needy("x")]
)
def test_what_is_dumped_loads_back(part: object) -> None:
    dumped = PARTS.dump_python(part)
    assert PARTS.validate_python(dumped) == part
    assert dumped["kind"] in TABLE


def test_a_dump_writes_every_key_and_nothing_learnt() -> None:
    assert PARTS.dump_python(Moving()) == {
        "kind": "moving", "rate": 0.5, "steps": 3, "way": "up", "eager": False, "label": None,
        "sizes": (1, 2),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rate", "0.5"), ("rate", True), ("rate", float("nan")), ("rate", float("inf")), ("rate", 0),
        ("rate", 1.1),
        ("rate", None), ("steps", 2.5), ("steps", True), ("steps", "3"), ("steps", 0), ("way", "left"),
        ("eager", 1),
        ("eager", "true"), ("label", 3), ("sizes", [1.5]), ("sizes", "12"), ("sizes", 3), ("learnt_", []),
        ("spaces", []), ("unknown", 1),
    ],
)  # fmt: skip
def test_bad_values_and_unknown_keys_are_refused_at_their_key(key: str, value: object) -> None:
    with pytest.raises(ValidationError) as error:
        PARTS.validate_python({"kind": "moving", key: value})
    assert {each["loc"][0] for each in error.value.errors()} == {key}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("movin", "there is no drift model 'movin'; did you mean 'moving'?"),
        ({"kind": "x"}, "there are: none, moving, faster, needy"),
        ({"kind": 3}, "must be the name of a drift model"),
        ({"rate": 1.0}, "say which drift model with `kind`"),
        (3, "must be the name of a drift model, or a mapping"),
        (None, "got nothing"),
        (["moving"], "got a list"),
        ("needy", "Field required"),
        ({"kind": "moving", "eager": True, "steps": 11}, "eager needs at most 10 steps"),
    ],
)
def test_errors_say_what_there_is(value: object, says: str) -> None:
    with pytest.raises(ValidationError) as error:
        PARTS.validate_python(value)
    assert says in str(error.value)


def test_the_schema_is_a_union_told_apart_by_kind() -> None:
    schema = PARTS.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    names, mappings, *_ = schema["anyOf"]
    models = {model["properties"]["kind"]["const"]: model for model in mappings["oneOf"]}
    assert names["enum"] == ["none", "moving", "faster"]
    assert list(models) == list(TABLE)
    rate = models["moving"]["properties"]["rate"]
    assert rate["description"] == "Share of the way, per round; 1 = all of it."
    assert (rate["exclusiveMinimum"], rate["maximum"], rate["default"]) == (0, 1, 0.5)
    assert models["moving"]["description"].startswith("Things move toward")


@pytest.mark.parametrize(
    "value",
    [
        "none", "moving", "needy", "mov", 3, {}, {"kind": "none"}, {"kind": "none", "rate": 1},
        {"kind": "needy"},
        {"kind": "needy", "path": "x"}, {"kind": "moving", "rate": 0}, {"kind": "moving", "rate": 0.5},
        {"kind": "moving", "steps": 1.5}, {"kind": "faster", "rate": 2}, {"kind": "moving", "rate": 2},
    ],
)  # fmt: skip
def test_schema_and_validation_agree(value: object) -> None:
    valid = jsonschema.Draft202012Validator(PARTS.json_schema()).is_valid(value)
    try:
        PARTS.validate_python(value)
        accepted = True
    except ValidationError:
        accepted = False
    assert valid == accepted


def test_keys_that_a_table_adds_may_not_be_a_parts_own() -> None:
    class Common(PartKeys):
        rate: float = 1.0

    with pytest.raises(TypeError, match=r"Moving\.rate"):
        model_of("moving", Moving, Common)
    assert list(model_of("none", Still, Common).model_fields) == ["kind", "rate"]


def test_field_docs_are_those_of_the_source_inherited_or_not() -> None:
    assert field_docs(Moving)["rate"] == "Share of the way, per round; 1 = all of it."
    assert "label" not in field_docs(Moving)
    assert field_docs(Faster)["rate"] == "Twice the way."
    assert field_docs(Faster)["steps"] == "Steps."
    assert field_docs(Still) == {}


def test_documentation() -> None:
    doc = document("drifts", "moving", model_of("moving", Moving), leave_out={"kind"})
    assert doc.summary == "Things move toward what was taken."
    assert doc.text.endswith("x ← x + rate · (z − x).")
    assert doc.source == "A. Author 2020 (Venue), section 3."
    told = {key.name: (key.type, key.default) for key in doc.keys}
    assert told == {
        "rate": ("number, above 0 to 1", "0.5"),
        "steps": ("whole number, at least 1", "3"),
        "way": ("up | down", "up"),
        "eager": ("true | false", "false"),
        "label": ("text or null", "null"),
        "sizes": ("list of: whole number", "[1, 2]"),
    }
    assert document("drifts", "needy", model_of("needy", Needy)).keys[1].default == "required"


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (Annotated[float, Interval(ge=0)], "number, at least 0"),
        (Annotated[float, Interval(le=1)], "number, at most 1"),
        (Annotated[float, Interval(lt=1)], "number, below 1"),
        (Annotated[float, Gt(0)], "number, above 0"),
        (Annotated[int, Interval(ge=1, le=5)] | None, "whole number, 1 to 5 or null"),
    ],
)
def test_ranges_in_words(hint: object, words: str) -> None:
    assert in_words(hint) == words
