"""What a claim measures, as an expression over arms: parsed once, evaluated on one value for each replicate."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Protocol

import numpy as np
from scipy import stats


def spearman(*each: Any) -> np.ndarray:
    """Return the rank correlation of several values with the order that they come in, in each replicate (R,).

    Spearman 1904 (American Journal of Psychology).
    """
    ranks = stats.rankdata(np.broadcast_arrays(*map(np.atleast_1d, each)), axis=0)
    ranks -= ranks.mean(0)
    order = np.arange(len(each))[:, None] - (len(each) - 1) / 2
    norm = np.sqrt((ranks**2).sum(0) * (order**2).sum())
    return np.divide((ranks * order).sum(0), norm, out=np.full(norm.shape, np.nan), where=norm > 0)


OF_ONE: dict[str, Callable[[Any], Any]] = {
    "abs": np.abs, "sqrt": np.sqrt, "log": np.log, "exp": np.exp, "atan": np.arctan, "tan": np.tan,
}  # fmt: skip

OF_SEVERAL: dict[str, Callable[..., Any]] = {
    "min": lambda *each: reduce(np.minimum, each), "max": lambda *each: reduce(np.maximum, each), "spearman": spearman,
}

FUNCTIONS: dict[str, Callable[..., Any]] = {**OF_ONE, **OF_SEVERAL}

_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Pow: np.power,
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
}  # fmt: skip


class NotAnExpression(ValueError):
    """What is wrong with it."""


@dataclass(frozen=True)
class Reference:
    """A measure in an arm: `oracle`, or `oracle(round=5, measure='utility.mean', correlation=0.5)`."""

    arm: str
    given: Mapping[str, Any] = field(default_factory=dict)      # round, measure, values of axes


class Values(Protocol):
    """What an expression is evaluated on: values for each replicate (R,)."""

    def at(self, reference: Reference) -> np.ndarray: ...

    def slope(self, reference: Reference, first: int, last: int) -> np.ndarray: ...

    def trend(self, group: Reference, given: str | None) -> np.ndarray: ...


def parse_expression(text: str) -> ast.expr:
    """Return the tree of an expression in which nothing is but what an expression may have."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise NotAnExpression(f"must be an expression over arms, as in log(oracle / organic(round=1)) (got {text!r})") from None
    _check(tree, text)
    return tree


def references(tree: ast.expr) -> Iterator[Reference]:
    """Yield all that an expression refers to."""
    if isinstance(tree, ast.Call) and _name(tree) == "trend":
        return
    if isinstance(tree, ast.Name) or (isinstance(tree, ast.Call) and _name(tree) not in (*FUNCTIONS, "slope")):
        yield _reference(tree)
        return
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.expr) and not (isinstance(tree, ast.Call) and child is tree.func):
            yield from references(child)


def trends(tree: ast.expr) -> Iterator[tuple[Reference, str | None]]:
    """Yield the groups of arms that trends are taken over, each with the measure that it is adjusted for, if any."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node) == "trend":
            yield _reference(node.args[0]), _given(node)


def evaluate(tree: ast.expr, values: Values) -> np.ndarray:
    """Return what an expression comes to in each replicate (R,); what holds is 1, what does not 0."""
    match tree:
        case ast.Constant():
            return np.asarray(tree.value, dtype=float)
        case ast.UnaryOp():
            return -evaluate(tree.operand, values)
        case ast.BinOp():
            return _OPERATORS[type(tree.op)](evaluate(tree.left, values), evaluate(tree.right, values))
        case ast.Compare():
            holds = _OPERATORS[type(tree.ops[0])](evaluate(tree.left, values), evaluate(tree.comparators[0], values))
            return np.asarray(holds, dtype=float)
        case ast.Call() if _name(tree) in FUNCTIONS:
            return FUNCTIONS[_name(tree)](*(evaluate(each, values) for each in tree.args))
        case ast.Call() if _name(tree) == "slope":
            first, last = (int(_constant(each)) for each in tree.args[1:])
            return values.slope(_reference(tree.args[0]), first, last)
        case ast.Call() if _name(tree) == "trend":
            return values.trend(_reference(tree.args[0]), _given(tree))
    return values.at(_reference(tree))


def _check(tree: ast.expr, text: str) -> None:
    match tree:
        case ast.Constant(value=bool()) | ast.Constant(value=complex()):
            pass
        case ast.Constant(value=int() | float()) | ast.Name():
            return None
        case ast.UnaryOp(op=ast.USub()):
            return _check(tree.operand, text)
        case ast.BinOp() if type(tree.op) in _OPERATORS:
            _check(tree.left, text)
            return _check(tree.right, text)
        case ast.Compare(ops=[operator]) if type(operator) in _OPERATORS:
            _check(tree.left, text)
            return _check(tree.comparators[0], text)
        case ast.Call(func=ast.Name(id="slope")):
            if len(tree.args) != 3 or tree.keywords or not isinstance(tree.args[0], ast.Name | ast.Call):
                raise NotAnExpression(f"slope has an arm and two rounds, slope(oracle, 2, 19) (got {text!r})")
            _reference(tree.args[0])
            for each in tree.args[1:]:
                _constant(each)
            return None
        case ast.Call(func=ast.Name(id="trend")):
            if len(tree.args) != 1 or not isinstance(tree.args[0], ast.Name | ast.Call):
                raise NotAnExpression(f"trend has a group of arms, trend(ladder) or trend(ladder(round=5)) (got {text!r})")
            if any(each.arg != "given" for each in tree.keywords) or not isinstance(_given(tree), str | None):
                raise NotAnExpression(f"trend may be adjusted for a measure, given='training.ndcg' (got {text!r})")
            _reference(tree.args[0])
            return None
        case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
            if tree.keywords or not tree.args or (len(tree.args) > 1) != (name in OF_SEVERAL):
                number = "several values" if name in OF_SEVERAL else "one value"
                raise NotAnExpression(f"{name} has {number} (got {text!r})")
            for each in tree.args:
                _check(each, text)
            return None
        case ast.Call(func=ast.Name()):
            _reference(tree)
            return None
    raise NotAnExpression(f"{ast.unparse(tree)!r} has no meaning in an expression over arms")


def _reference(tree: ast.expr) -> Reference:
    match tree:
        case ast.Name(id=name):
            return Reference(name)
        case ast.Call(func=ast.Name(id=name), args=[]):
            return Reference(name, {each.arg or "**": _constant(each.value) for each in tree.keywords})
    raise NotAnExpression(f"must be an arm, or an arm with what is different, oracle(round=5) (got {ast.unparse(tree)!r})")


def _given(trend: ast.Call) -> Any:
    return next((_constant(each.value) for each in trend.keywords if each.arg == "given"), None)


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _constant(tree: ast.expr) -> Any:
    try:
        return ast.literal_eval(tree)
    except ValueError:
        raise NotAnExpression(f"must be a number or a quoted text (got {ast.unparse(tree)!r})") from None
