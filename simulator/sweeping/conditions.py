"""The conditions of a sweep file, applied to its combinations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulator.faults import Fault, Loc
from simulator.overrides import Changed
from simulator.sweeping.cells import Combination, words
from simulator.sweeping.constraints import Constraint, ConstraintError, parse_constraint
from simulator.sweeping.source import fault_at


def meet(
    document: Changed, texts: str | Sequence[str], combinations: Sequence[Combination], faults: list[Fault]
) -> list[Combination]:
    """The combinations that meet every condition; what is wrong with the conditions goes to `faults`.

    In a condition a key stands for the value that it is set to, and a label for what the table of cells shows.
    """
    environments = [_environment(combination) for combination in combinations]
    names = dict.fromkeys(name for environment in environments for name in environment)
    root: Loc = ("sweep", "where")
    kept = set(range(len(combinations)))
    before = len(faults)
    listed = [(root, texts)] if isinstance(texts, str) else [((*root, place), text) for place, text in enumerate(texts)]
    for loc, text in listed:
        try:
            constraint = parse_constraint(text, names)
            met = {place for place in range(len(combinations)) if _holds(constraint, combinations[place], environments[place])}
        except ConstraintError as error:
            faults.append(fault_at(document, loc, str(error)))
            continue
        if not met:
            faults.append(fault_at(document, loc, f"leaves no cell: none of the {len(combinations)} meets it"))
        kept &= met
    if not kept and len(faults) == before:
        message = f"leaves no cell: each condition is met by some of the {len(combinations)}, but all together by none"
        faults.append(fault_at(document, root, message))
    return [combinations[place] for place in sorted(kept)]


def _environment(combination: Combination) -> dict[str, Any]:
    shown = {label: level.value for label, level in combination.items()}
    return shown | {change.key: change.value for level in combination.values() for change in level.changes}


def _holds(constraint: Constraint, combination: Combination, environment: dict[str, Any]) -> bool:
    try:
        return constraint.holds(environment)
    except ConstraintError as error:
        values = {label: level.value for label, level in combination.items()}
        raise ConstraintError(f"{error}; in the cell {words(values)}") from None
