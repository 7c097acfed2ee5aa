"""Parts at the door: a table of dataclasses becomes something that a scenario file can choose from.

A part (a choice model, a policy …) is a plain dataclass whose fields are its keys in a scenario file: the
range stands in the type, the default in the field, the meaning in the text below it. From these this module
makes one pydantic model per part: it checks strictly what a file says, describes itself in the JSON schema,
and is what `filterbubble show` prints.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, cast, get_args, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    ValidationError,
    ValidationInfo,
    create_model,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import plain_serializer_function_ser_schema, with_info_plain_validator_function

from simulator.docs import field_docs, summary
from simulator.faults import Loc, did_you_mean, shown
from simulator.own_code import NAME, OwnCodeError, is_own, load_class, name_of, permission

OWN_WORDS = "scenario"  # the type of pydantic's errors whose message needs no rewording
ALLOW_CODE = "allow_code"  # what the context of a validation must hold for parts that run code of the user's


class Section(BaseModel):
    """Keys of a scenario file that stand together: unknown ones, and values of another type, are refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,  # "3" is not 3, 2.5 is not a count, true is not 1
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


class PartKeys(Section):
    """The keys that every part of a kind has beside its own."""

    kind: str


def problem(message: str, loc: Loc = (), value: Any = None) -> InitErrorDetails:
    """One fault in our own words, at a place below the value that is being validated."""
    error = PydanticCustomError(OWN_WORDS, "{message}", {"message": message})
    return InitErrorDetails(type=error, loc=loc, input=value)


def wrong(*problems: InitErrorDetails) -> ValidationError:
    """What a validator raises; pydantic puts the way to the value in front of each place."""
    return ValidationError.from_exception_data("scenario", list(problems))


class OneOf:
    """Annotates a field that holds a part: `Annotated[ChoiceModel, OneOf(CHOICES, "choice model", ChoiceModel)]`.

    A file gives the part's name, or a mapping with `kind` and the part's keys; validation makes an instance
    of the part's class. In the JSON schema it is a union that is told apart by `kind`. A kind that is not in
    the table may be a class of the user's, `module:Class`, which has to be a `base`, or to have what that
    protocol has; parts that run code of the user's are made only if the context of the validation says so.
    """

    def __init__(self, table: Mapping[str, type], what: str, base: type = object) -> None:
        self.table = table
        self.what = what
        self.base = base

    @property
    def in_words(self) -> str:
        return " | ".join(self.table)

    def part(self, kind: str) -> type:
        """The class of this kind: of the table, or the user's own."""
        return self.table[kind] if kind in self.table else load_class(kind, self.base, self.what)

    def made(self, value: Any) -> bool:
        """Is it a part already, made in Python?"""
        return dataclasses.is_dataclass(value) and not isinstance(value, type)

    def model(self, kind: str) -> type[PartKeys]:
        """What a mapping of this kind must look like."""
        return model_of(kind, self.part(kind))

    def build(self, keys: Any) -> Any:
        """The part that checked keys describe."""
        return instance(self.part(keys.kind), keys)

    def dump(self, part: Any) -> dict[str, Any]:
        """The mapping that describes a part, every key written out."""
        return {"kind": kind_of(self.table, part), **own_keys(part)}

    def expand(self, value: Any) -> dict[str, Any]:
        """A bare name, a mapping, or what was made in Python, as a mapping whose kind there is."""
        if self.made(value):
            return self.dump(value)
        if not isinstance(value, str | Mapping):
            raise wrong(problem(f"must be the name of a {self.what}, or a mapping (got {shown(value)})"))
        if isinstance(value, Mapping) and "kind" not in value:
            raise wrong(problem(f"say which {self.what} with `kind`; there are: {', '.join(self.table)}"))
        kind, loc = (value, ()) if isinstance(value, str) else (value["kind"], ("kind",))
        if not isinstance(kind, str):
            raise wrong(problem(f"must be the name of a {self.what} (got {shown(kind)})", loc))
        if kind not in self.table and not is_own(kind):
            hint = did_you_mean(kind, self.table)
            raise wrong(problem(f"there is no {self.what} {shown(kind)}{hint}", loc))
        return {"kind": kind} if isinstance(value, str) else dict(value)

    def _validate(self, value: Any, info: ValidationInfo) -> Any:
        keys = self.expand(value)
        kind, loc = keys["kind"], ("kind",) if isinstance(value, Mapping) else ()
        allowed = self.made(value) or (info.context or {}).get(ALLOW_CODE, False)
        if not allowed and (refusal := permission(kind, self.table.get(kind))):
            raise wrong(problem(refusal, loc))
        try:
            model = self.model(kind)
        except OwnCodeError as error:
            raise wrong(problem(str(error), loc)) from None
        except Exception as error:  # its annotations are code too
            if kind in self.table:
                raise
            raise wrong(problem(f"the fields of {kind} cannot be keys: {str(error).splitlines()[0]}", loc)) from None
        checked = model.model_validate(keys, context=info.context)
        try:
            return self.build(checked)
        except ValidationError:     # says itself which key is wrong
            raise
        except ValueError as error:  # the part's own check of its keys against each other
            raise wrong(problem(str(error))) from None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        written = plain_serializer_function_ser_schema(self.dump)
        return with_info_plain_validator_function(self._validate, serialization=written)

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        models = {kind: self.model(kind) for kind in self.table}
        names = [kind for kind, model in models.items() if not _needs_keys(model)]
        mappings = [handler(model.__pydantic_core_schema__) for model in models.values()]
        bare = {"enum": names, "description": f"The {self.what}, with the defaults of its keys."}
        own = {"type": "string", "pattern": f"^{NAME}$", "description": f"A {self.what} of your own, module:Class."}
        with_keys = {"type": "object", "required": ["kind"], "properties": {"kind": own}}
        return {"anyOf": [bare, {"oneOf": mappings, "type": "object", "required": ["kind"]}, own, with_keys]}


def kind_of(table: Mapping[str, type], part: Any) -> str:
    """The name that a table has for a part; for one of the user's own, module:Class."""
    return next((kind for kind, part_type in table.items() if type(part) is part_type), name_of(type(part)))


def by_name(kind: str) -> Any:
    """A default for a field of `OneOf`: the part of this name, made when the default is validated."""
    return kind


@cache
def model_of(kind: str, part: type, keys: type[PartKeys] = PartKeys) -> type[PartKeys]:
    """A pydantic model of `kind`, the further keys that its table asks for, and the part's own."""
    hints = get_type_hints(part, include_extras=True)
    docs = field_docs(part)
    left_out = keys.model_fields["kind"].default == kind        # what may be left out
    fields: dict[str, Any] = {"kind": (Literal[kind], Field(kind if left_out else ..., description=summary(part)))}
    for field in settable(part):
        if field.name in keys.model_fields:
            raise TypeError(f"{part.__name__}.{field.name}: every part of its table has a key of this name")
        info = Field(_default(field), description=docs.get(field.name))
        fields[field.name] = (_writable(hints[field.name]), info)
    module, doc = part.__module__, inspect.getdoc(part)
    return cast(type[PartKeys], create_model(kind, __base__=keys, __module__=module, __doc__=doc, **fields))


def settable(part: Any) -> list[dataclasses.Field]:
    """The fields of a part, or of its class, that are its keys."""
    return [field for field in dataclasses.fields(part) if field.init]


def own_keys(part: Any) -> dict[str, Any]:
    """A part's keys and their values."""
    return {field.name: getattr(part, field.name) for field in settable(part)}


def instance(part: type, keys: Section) -> Any:
    """The part that checked keys describe; keys that are not its own are left alone."""
    return part(**{field.name: getattr(keys, field.name) for field in settable(part)})


def _needs_keys(model: type[PartKeys]) -> bool:
    return any(field.is_required() for name, field in model.model_fields.items() if name != "kind")


def _default(field: dataclasses.Field) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return ... if field.default is dataclasses.MISSING else field.default


def _writable(hint: Any) -> Any:
    """YAML has lists and no tuples: a list is the one way to write a tuple, not a sloppy one."""
    bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return Annotated[hint, Strict(False)] if get_origin(bare) is tuple else hint
