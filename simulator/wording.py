"""pydantic's findings as faults: in the words of whoever writes scenarios, at the place where they stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from simulator.faults import Fault, Loc, did_you_mean, dotted, shown
from simulator.overrides import Changed
from simulator.parts import OWN_WORDS, OneOf


def faults_in(error: ValidationError, model: type[BaseModel], source: Changed) -> list[Fault]:
    """All that `model` found wrong with the values of `source`: one fault a place."""
    found: dict[Loc, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        found.setdefault(_in_document(source.values, details), []).append(details)
    faults = []
    for loc, details_here in found.items():
        error_type = details_here[0]["type"]
        known = known_keys(model, source.values, loc[:-1]) if error_type == "extra_forbidden" else []
        faults.append(_fault(loc, _message(details_here, loc, known), error_type, source))
    return faults


def _in_document(values: Any, error: ErrorDetails) -> Loc:
    """The place as the file has it: pydantic goes on into what a short form stands for, and into unions."""
    loc: tuple[Any, ...] = error["loc"]
    for depth, step in enumerate(loc):
        in_mapping = isinstance(values, dict) and step in values
        in_list = isinstance(values, list) and isinstance(step, int) and step < len(values)
        if not (in_mapping or in_list):
            lacking = error["type"] == "missing" and depth == len(loc) - 1
            return loc if lacking else loc[:depth]
        values = values[step]
    return loc


def _fault(loc: Loc, message: str, error_type: str, source: Changed) -> Fault:
    option, known = source.origin(loc)
    if option:
        return Fault(option, message, dotted(loc))
    offset = source.keys.get(known) if error_type in ("extra_forbidden", "missing") else None
    return source.fault(source.places[known] if offset is None else offset, message, dotted(loc))


def _message(errors: list[ErrorDetails], loc: Loc, known: list[str]) -> str:
    """What is wrong at a place. Several errors: what each member of a union would have asked for."""
    error_type, context, got = errors[0]["type"], errors[0].get("ctx", {}), errors[0]["input"]
    if error_type == OWN_WORDS:
        return errors[0]["msg"]
    if error_type == "value_error":  # raised by a check outside this package, with words of its own
        return str(context["error"])
    if error_type == "missing":
        return "is missing"
    if error_type == "extra_forbidden":
        return f"there is no key {shown(loc[-1])}{did_you_mean(str(loc[-1]), known)}"
    expected, *others = dict.fromkeys(map(_expected, errors))
    message = ", or ".join([expected, *(other.removeprefix("must be ") for other in others)])
    return f"{message} (got {shown(got)}){_hint(error_type, context, got)}"


def _expected(error: ErrorDetails) -> str:
    words = _WORDS.get(error["type"])
    return words(error.get("ctx", {})) if words else error["msg"][:1].lower() + error["msg"][1:]


def _hint(error_type: str, context: Mapping[str, Any], got: Any) -> str:
    if error_type == "literal_error" and isinstance(got, str):
        return did_you_mean(got, _options(context), listed=False)
    if error_type in _UNQUOTED and isinstance(got, str) and _needs_no_quotes(got):
        return "; leave out the quotes"
    if error_type == "string_type" and isinstance(got, int | float):
        return "; put it in quotes"
    return ""


_UNQUOTED = ("int_type", "float_type", "bool_type")
_WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than_equal": lambda ctx: f"must be at least {ctx['ge']:.10g}",
    "greater_than": lambda ctx: f"must be greater than {ctx['gt']:.10g}",
    "less_than_equal": lambda ctx: f"must be at most {ctx['le']:.10g}",
    "less_than": lambda ctx: f"must be less than {ctx['lt']:.10g}",
    "finite_number": lambda ctx: "must be a finite number",
    "int_type": lambda ctx: "must be a whole number",
    "int_from_float": lambda ctx: "must be a whole number",
    "float_type": lambda ctx: "must be a number",
    "bool_type": lambda ctx: "must be true or false",
    "string_type": lambda ctx: "must be text",
    "string_unicode": lambda ctx: "must be valid Unicode text",
    "string_too_short": lambda ctx: "must not be empty",
    "literal_error": lambda ctx: "must be " + " or ".join(map(repr, _options(ctx))),
    "list_type": lambda ctx: "must be a list",
    "tuple_type": lambda ctx: "must be a list",
    "model_type": lambda ctx: "must be a mapping of keys to values",
    "dict_type": lambda ctx: "must be a mapping of keys to values",
}


def _options(context: Mapping[str, Any]) -> list[str]:
    return re.findall(r"'([^']*)'", context["expected"])


def _needs_no_quotes(text: str) -> bool:
    """Would be a number, or true or false, without them."""
    try:
        float(text)
    except ValueError:
        return text in ("true", "false")
    return True


def known_keys(model: type[BaseModel], values: Any, loc: Loc) -> list[str]:
    """The keys that may stand in the mapping at a place."""
    hint: Any = model
    for step in loc:
        values = values[step]
        inside = get_args(hint)[0] if isinstance(step, int) else hint.model_fields[step].rebuild_annotation()
        hint = _chosen(inside, values)
    return list(hint.model_fields)


def _chosen(hint: Any, value: Any) -> Any:
    """The model, or the list type, that describes a value."""
    if get_origin(hint) is Annotated:
        inner, *metadata = get_args(hint)
        for each in metadata:
            if isinstance(each, OneOf):
                return each.model(each.expand(value)["kind"])
        return _chosen(inner, value)
    if get_origin(hint) in (Union, UnionType):
        chosen = [_chosen(member, value) for member in get_args(hint)]
        return next(member for member in chosen if isinstance(member, type) and issubclass(member, BaseModel))
    return hint
