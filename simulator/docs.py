"""What the classes behind a scenario's keys say about themselves, for `filterbubble show` and the schema."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Container, Iterable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

MOST = 1_000_000_000  # a limit from here on only keeps numbers within what the machine can count


@dataclass(frozen=True)
class KeyDoc:
    """One key of a section or part."""

    name: str
    type: str  # in words, with the range: "number, 0 to 1"
    default: str  # as one would write it in YAML; "required" if there is none
    meaning: str


@dataclass(frozen=True)
class PartDoc:
    """All there is to say about a part, or a section, to somebody who writes a scenario."""

    group: str  # "choices", "policies", …
    kind: str
    summary: str  # one sentence
    text: str  # what happens, and the formula
    keys: tuple[KeyDoc, ...]
    source: str  # where it was published; empty when it was not


def document(group: str, kind: str, model: type[BaseModel], leave_out: Container[str] = ()) -> PartDoc:
    """The documentation of a pydantic model of keys: its docstring, fields and ranges."""
    text, _, source = (inspect.getdoc(model) or "").partition("\nSource:")
    fields = model.model_fields.items()
    keys = tuple(_key_doc(name, field) for name, field in fields if name not in leave_out)
    return PartDoc(group, kind, summary(model), text.strip(), keys, one_line(source))


def summary(documented: type) -> str:
    """The first paragraph of a docstring, on one line."""
    return one_line((inspect.getdoc(documented) or "").split("\n\n")[0])


def one_line(text: str) -> str:
    return " ".join(text.split())


@cache
def field_docs(part: type) -> dict[str, str]:
    """The text below each field of a dataclass, inherited too. Python forgets it; the source does not."""
    docs: dict[str, str] = {}
    for owner in reversed(part.__mro__):
        if "__annotations__" not in vars(owner):
            continue
        try:
            source = inspect.getsource(owner)
        except (OSError, TypeError):        # a class of a notebook's cell: its fields are keys all the same
            continue
        body = ast.parse(textwrap.dedent(source)).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, below in pairwise(body.body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                    docs[name] = one_line(text)
    return docs


def _key_doc(name: str, field: FieldInfo) -> KeyDoc:
    meaning = field.description
    if not meaning and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
        meaning = summary(field.annotation)
    default = "required" if field.is_required() else _in_yaml(field.get_default(call_default_factory=True))
    return KeyDoc(name, in_words(field.annotation, field.metadata), default, one_line(meaning or ""))


def _in_yaml(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return value if value[:1].isalnum() else repr(value)
        case list() | tuple():
            return f"[{', '.join(map(_in_yaml, value))}]"
        case BaseModel():
            written = value.model_dump()
            return "{}" if isinstance(written, dict) else _in_yaml(written)  # its keys are shown with it
    return str(value)


def in_words(hint: Any, metadata: Iterable[Any] = ()) -> str:
    """A type and its range in words: `Annotated[float, Ge(0), Le(1)]` is "number, 0 to 1"."""
    for described in (hint, *metadata):
        if isinstance(words := getattr(described, "in_words", None), str):
            return words
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return in_words(arguments[0], [*arguments[1:], *metadata])
    if origin in (Union, UnionType):
        return " or ".join("null" if each is NoneType else in_words(each, metadata) for each in arguments)
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin in (list, tuple):
        return f"list of: {in_words(arguments[0])}"
    words = {float: "number", int: "whole number", bool: "true | false", str: "text"}.get(hint, "mapping")
    return words + _range(metadata)


def _range(metadata: Iterable[Any]) -> str:
    low = high = ""
    for item in metadata:
        for bound in item if isinstance(item, GroupedMetadata) else [item]:
            match bound:
                case Ge(end):
                    low = f"{end}"
                case Gt(end):
                    low = f"above {end}"
                case Le(int() | float() as end) if end < MOST:
                    high = f"{end}"
                case Lt(int() | float() as end) if end < MOST:
                    high = f"below {end}"
                case MinLen(length) if length > 0:
                    return ", not empty"
    if low and high:
        return f", {low} to {high}"
    end, words = (low, "at least ") if low else (high, "at most ")
    return f", {'' if ' ' in end else words}{end}" if end else ""
