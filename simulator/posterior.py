"""Parameters that are not known for sure: each replicate plays draws of its own from a posterior, all its arms the same.

A scenario's `posterior` holds the draws, key by key. A file may name a table instead, as `filterbubble fit` leaves one:
`posterior.csv`, a column for each key and a row for each draw. It is read when the scenario is, so that a run's own
scenario.yaml has the draws in it.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from annotated_types import MinLen
from pydantic import AfterValidator, WithJsonSchema

from simulator.faults import Fault, Loc, ScenarioError, dotted
from simulator.overrides import Changed, Override, apply, parse_override
from simulator.parts import problem, wrong
from simulator.yaml_source import Source

SECTIONS = ("users", "items", "discovery")
"""The sections whose keys may differ from replicate to replicate."""

SIZES = ("users.count", "users.agents", "items.count", "items.topics")
"""Keys of these that may not: tables and pictures take the world of all replicates to be of one size."""


def key_steps(key: str) -> Loc:
    """Return the steps of a dotted key. Raises `ScenarioError` if it is none."""
    return parse_override(f"{key}=").loc


def refusal(key: str) -> str | None:
    """Return why a key may not differ between replicates; None if it may."""
    try:
        steps = key_steps(key)
    except ScenarioError:
        steps = ()
    if len(steps) > 1 and steps[0] in SECTIONS and key not in SIZES:
        return None
    return f"may not differ between replicates; what may is {', '.join(f'{section}.…' for section in SECTIONS)}, but no sizes"


def _draws(columns: dict[str, list[float]]) -> dict[str, list[float]]:
    problems = []
    lengths = {len(values) for values in columns.values()}
    if not columns or 0 in lengths:
        problems.append(problem("must have at least one key with at least one draw"))
    elif len(lengths) > 1:
        apart = f"there are {min(lengths)} to {max(lengths)}"
        problems.append(problem(f"every key must have as many draws as the others ({apart})"))
    problems += [problem(message, (key,)) for key in columns if (message := refusal(key))]
    if problems:
        raise wrong(*problems)
    return columns


_SCHEMA = {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "number"}, "minItems": 1}}

Posterior = Annotated[
    dict[str, Annotated[list[float], MinLen(1)]],
    AfterValidator(_draws),
    WithJsonSchema({"anyOf": [{"type": "string", "description": "A CSV file of draws."}, _SCHEMA]}),
]
"""Draws by key, as in `--set`: place r of all keys together is one draw."""


def draw_of(posterior: Mapping[str, Sequence[float]], replicate: int) -> dict[str, float]:
    """Return the values of a replicate, by key: its row, from the first again after the last."""
    return {key: values[replicate % len(values)] for key, values in posterior.items()}


def with_values(scenario: Mapping[str, Any], values: Mapping[str, float]) -> Changed:
    """Return the content of a scenario with these values in place of its own, and no posterior."""
    source = Source("posterior", "", {**scenario, "posterior": None}, places={(): 0})
    changes = [Override(f"posterior {key}", key_steps(key), _plain(value)) for key, value in values.items()]
    return apply(source, changes, {})


def _plain(value: float) -> float | int:
    """A whole number where it is one: a count is none with a point in it."""
    return int(value) if float(value).is_integer() else float(value)


def read_table(source: Changed) -> tuple[Changed, list[Fault]]:
    """Return a scenario's source with the table that its `posterior` names read in, and what is wrong with the table."""
    named = source.values.get("posterior") if isinstance(source.values, dict) else None
    if not isinstance(named, str):
        return source, []
    folder = Path() if source.origin(("posterior",))[0] else Path(source.name).parent
    columns, faults = None, []
    try:
        columns = _table(folder / Path(named).expanduser())
    except ValueError as error:
        faults.append(fault_here(source, str(error)))
    return replace(source, values={**source.values, "posterior": columns}), faults


def fault_here(source: Changed, message: str) -> Fault:
    """Return a fault at the key `posterior`, wherever it comes from."""
    option, known = source.origin(("posterior",))
    return Fault(option, message, "posterior") if option else source.fault(source.places[known], message, "posterior")


def _table(path: Path) -> dict[str, list[float]]:
    """Return the columns of a CSV file. Raises `ValueError` with what is wrong with it."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            head, *rows = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"{path}: cannot be read: {reason}") from None
    columns: dict[str, list[float]] = {key: [] for key in head}
    if len(columns) < len(head) or not rows:
        raise ValueError(f"{path}: must have a line of keys, each once, and a line for each draw")
    for line, cells in enumerate(rows, 2):
        try:
            numbers = [float(cell) for cell in cells]
        except ValueError:
            numbers = []
        if len(numbers) != len(head) or not all(map(math.isfinite, numbers)):
            raise ValueError(f"{path}:{line}: must be {len(head)} numbers (got {','.join(cells)[:60]!r})")
        for key, number in zip(head, numbers, strict=True):
            columns[key].append(number)
    return columns


def undone(source: Changed, posterior: Mapping[str, Any]) -> list[Fault]:
    """Return the options that set what every replicate's draw sets again, and so would do nothing."""
    ways = {key: tuple(map(str, key_steps(key))) for key in posterior}
    faults = []
    for loc, option in source.options.items():
        at = tuple(map(str, loc))
        for key, way in ways.items():
            if way[: len(at)] == at or at[: len(way)] == way:
                faults.append(Fault(option, f"is undone by the draws of {key}: take it out of `posterior`", dotted(loc)))
                break
    return faults
