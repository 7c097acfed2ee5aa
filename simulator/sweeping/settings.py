"""The section `set` of a file that plays many runs: changes to the scenario that it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.faults import Fault, Loc
from simulator.overrides import Changed, Override
from simulator.sweeping.labels import NotAKey, steps
from simulator.sweeping.source import fault_at


def read_settings(
    document: Changed, section: Mapping[str, Any] | None, faults: list[Fault]
) -> tuple[list[Override], dict[str, Loc]]:
    """Return the changes, and the place of each by the name that its faults bear; what is no key is added to `faults`."""
    settings: list[Override] = []
    where: dict[str, Loc] = {}
    for key, value in (section or {}).items():
        option, loc = f"set {key}", ("set", key)
        try:
            settings.append(Override(option, steps(key), value))
            where[option] = loc
        except NotAKey as error:
            faults.append(fault_at(document, loc, str(error)))
    return settings, where
