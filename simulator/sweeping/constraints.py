"""Constraints between the axes of a sweep: `users.drift.rate < 0.1 and mf.factors <= 64`, read without running code."""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from simulator.faults import did_you_mean, shown

Values = Mapping[str, Any]  # what each key and label is in a cell
EXAMPLE = "users.drift.rate < 0.1"
_COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_TRUTHS = {"true": True, "false": False}  # as YAML writes them


class ConstraintError(ValueError):
    """A constraint that cannot be read, or has no answer in some cell."""


@dataclass(frozen=True)
class Constraint:
    """A condition that a cell's values have to meet."""

    text: str
    holds: Callable[[Values], bool]  # raises ConstraintError where there is no answer: 'a' < 3, 1 / 0


def parse_constraint(text: str, names: Iterable[str]) -> Constraint:
    """Read comparisons (< <= > >= == !=) of names, numbers and quoted words, joined by and, or, not; with + - * / of numbers.

    `names` are the keys and labels of the axes; they may hold what no Python name can: `policies[mf 2.0].factors`.
    All operators have the meaning, and bind as tightly, as in Python.
    """
    prefix = "_"
    while prefix in text:
        prefix += "_"
    slots = {f"{prefix}{number}": name for number, name in enumerate(sorted(names, key=len, reverse=True))}
    reader = _Reader(slots)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice on style: `1is 2`
            tree = ast.parse(reader.with_slots(" ".join(text.split())), mode="eval")
        return Constraint(text, reader.condition(tree.body))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, ConstraintError):
            raise
        raise ConstraintError(f"cannot be read as a comparison; write it as in `{EXAMPLE}`") from None


class _Reader:
    """Turns the tree of an expression into functions of a cell's values. `slots`: Python names that stand for the axes'."""

    def __init__(self, slots: Mapping[str, str]) -> None:
        self.slots = slots
        self.names = sorted(slots.values())

    def with_slots(self, text: str) -> str:
        if not self.slots:
            return text
        slot_of = {name: slot for slot, name in self.slots.items()}
        quoted = r"'[^']*'|\"[^\"]*\""
        known = "|".join(map(re.escape, slot_of))  # longest first
        pattern = re.compile(rf"{quoted}|(?<![\w.\]])(?:{known})(?![\w.\[])")
        return pattern.sub(lambda match: slot_of.get(match[0], match[0]), text)

    def condition(self, node: ast.expr) -> Callable[[Values], bool]:
        match node:
            case ast.BoolOp(op=op, values=parts):
                joined, conditions = all if isinstance(op, ast.And) else any, [self.condition(part) for part in parts]
                return lambda values: joined(condition(values) for condition in conditions)
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                condition = self.condition(inner)
                return lambda values: not condition(values)
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARE for op in ops):
                terms = [self.term(each) for each in (left, *others)]
                links = [(_COMPARE[type(op)], *pair) for op, pair in zip(ops, pairwise(terms), strict=True)]
                return lambda values: all(_apply(compare, a(values), b(values)) for compare, a, b in links)
        raise ConstraintError(f"{self.spelled(node)} is no comparison; write one, as in `{EXAMPLE}`")

    def term(self, node: ast.expr) -> Callable[[Values], Any]:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as constant):
                return lambda values: constant
            case ast.Name(id=name) if name in self.slots:
                return lambda values: _look_up(values, self.slots[name])
            case ast.Name(id=name) if name in _TRUTHS:
                return lambda values: _TRUTHS[name]
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=inner):
                value, factor = self.term(inner), -1 if isinstance(sign, ast.USub) else 1
                return lambda values: _calculate(operator.mul, factor, value(values))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                calculate, a, b = _ARITHMETIC[type(op)], self.term(left), self.term(right)
                return lambda values: _calculate(calculate, a(values), b(values))
            case ast.Name() | ast.Attribute() | ast.Subscript():
                name = self.spelled(node)
                raise ConstraintError(f"there is no axis {shown(name)}{did_you_mean(name, self.names)}")
        allowed = "names of axes, numbers, words in quotes, and + - * /"
        raise ConstraintError(f"{self.spelled(node)} is not allowed here; there are {allowed}")

    def spelled(self, node: ast.expr) -> str:
        """A part of the constraint, about as its author wrote it."""
        text = ast.unparse(node)
        for slot, name in self.slots.items():
            text = re.sub(rf"\b{slot}\b", lambda _, name=name: name, text)  # type: ignore[misc]
        return text


def _look_up(values: Values, name: str) -> Any:
    if name not in values:
        raise ConstraintError(f"{shown(name)} is not set in every cell")
    return values[name]


def _apply(compare: Callable[[Any, Any], bool], a: Any, b: Any) -> bool:
    try:
        return compare(a, b)
    except TypeError:
        raise ConstraintError(f"{shown(a)} cannot be compared with {shown(b)}") from None


def _calculate(calculate: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """Numbers only: a word times a million is no number, but a full memory."""
    for each in (a, b):
        if not isinstance(each, int | float):
            raise ConstraintError(f"{shown(each)} is not a number to calculate with")
    try:
        return calculate(a, b)
    except ArithmeticError as error:
        raise ConstraintError(f"{shown(a)} and {shown(b)}: {error}") from None
