"""The scenario: a world, and the policies to compare in it. One YAML file, checked before anything runs.

Every key that a file may have is declared here, in the section of `simulator.keys` that it stands in, or in the part that it
configures, with its range, default and meaning. What does not go together is in `simulator.keys.conflicts`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Interval
from pydantic import AfterValidator, Field, Strict, ValidationError, model_validator

from simulator.arms import Arm, OneArm, comparable
from simulator.docs import MOST
from simulator.events import OneEvent, Scheduled, Switch
from simulator.faults import Fault, ScenarioError
from simulator.keys.conflicts import conflicts
from simulator.keys.creators import CreatorKeys
from simulator.keys.data import DataKeys
from simulator.keys.discovery import DiscoveryKeys
from simulator.keys.items import ItemKeys
from simulator.keys.measures import MeasureKeys
from simulator.keys.network import NetworkKeys
from simulator.keys.precision import AUTO, FIRST_LOOK, PrecisionKeys
from simulator.keys.report import ReportKeys
from simulator.keys.users import UserKeys
from simulator.overrides import Changed, Override, apply, option_overrides, parse_override
from simulator.own_code import make_importable
from simulator.parts import ALLOW_CODE, Section, wrong
from simulator.posterior import Posterior, draw_of, fault_here, read_table, undone, with_values
from simulator.ranges import Count, Text
from simulator.replicating.keys import ReplicationKeys
from simulator.studying.keys import StudyKeys
from simulator.wording import faults_in
from simulator.yaml_source import Source, read, write


class Scenario(Section):
    """A world, and the policies to compare in it."""

    title: Text
    """What this is, in a few words."""

    question: str = ""
    """The question that it answers."""

    seed: Annotated[int, Interval(ge=0, lt=2**63)] = 0
    """Decides every random draw."""

    rounds: Count = 50
    """Rounds in which the policies are at work."""

    warmup: Annotated[int, Interval(ge=0, le=MOST)] = 5
    """Rounds before these in which nobody gets recommendations; the platform logs and learns from them."""

    replicates: Count = 1
    """Independent repetitions, each with its own users, items and chance; `auto`: as many as `precision` takes."""

    precision: PrecisionKeys | None = None
    """Go on with more replicates until an interval is narrow enough."""

    posterior: Posterior | None = None
    """Draws of parameters that are not known for sure: a CSV file with a column for each key, seen from the folder of this
    file, or keys with lists of values. Replicate r plays draw r, in all arms; after the last comes the first again."""

    slate_size: Count = 10
    """Number of items in a slate."""

    users: UserKeys = UserKeys()
    items: ItemKeys = ItemKeys()
    discovery: DiscoveryKeys = DiscoveryKeys()
    data: DataKeys | None = None
    """A real log that users, items and the first interactions are taken from; else they are generated."""

    creators: CreatorKeys | None = None
    """Creators who publish new items; null: nothing is published, and nothing disappears."""

    network: NetworkKeys | None = None
    """Who follows whom, and what friends do to each other; null: users know nothing of each other."""

    policies: Annotated[tuple[Annotated[Arm, OneArm()], ...], Strict(False), AfterValidator(comparable)] = (
        Field(json_schema_extra={"minItems": 1})
    )
    """The arms to compare: policies, by name or with their keys, and controls."""

    events: Annotated[tuple[Annotated[Scheduled, OneEvent()], ...], Strict(False)] = ()
    """What happens on the way, to the platform or to its users, in all arms or some."""

    measures: MeasureKeys = MeasureKeys()
    report: ReportKeys = ReportKeys()
    replication: ReplicationKeys | None = Field(default=None, exclude=True)     # changes no world, so it is no part of one
    """A published result that this file replicates, for `filterbubble replicate`."""

    study: StudyKeys | None = Field(default=None, exclude=True)
    """What is asked of these worlds, and what was predicted, for `filterbubble study`."""

    @model_validator(mode="before")
    @classmethod
    def _as_many_as_it_takes(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("replicates") == AUTO:
            return {**values, "replicates": FIRST_LOOK, "precision": values.get("precision") or {}}
        return values

    @model_validator(mode="after")
    def _fits_together(self) -> Scenario:
        if self.data is None:  # without data, nothing else decides how many there are
            users = self.users.model_copy(update={"count": self.users.count or 1000})
            items = self.items.model_copy(update={"count": 500 if self.items.count is None else self.items.count})
            vars(self).update(users=users, items=items)
        more: tuple[str, ...] = ("users.present", "users.retained") if self.users.churn is not None else ()
        more += ("consumption.repeat_rate",) if self.users.repeats is not None else ()
        if more and "focus" not in self.report.model_fields_set:
            vars(self).update(report=self.report.model_copy(update={"focus": (*self.report.focus, *more)}))
        problems = list(conflicts(self))
        if problems:
            raise wrong(*problems)
        return self

    def each_arm(self) -> Iterator[tuple[tuple[str | int, ...], Arm]]:
        """Every policy or control that a platform may come to use, and its key: the arms, and what a platform switches to."""
        for place, arm in enumerate(self.policies):
            yield ("policies", place), arm
        for place, scheduled in enumerate(self.events):
            if isinstance(scheduled.event, Switch):
                yield ("events", place, "to"), scheduled.event.to

    def in_replicate(self, replicate: int) -> Scenario:
        """The scenario as this replicate plays it: with its own draw of the parameters that have a `posterior`."""
        if self.posterior is None:
            return self
        drawn = with_values(self.model_dump(mode="json"), draw_of(self.posterior, replicate))
        return Scenario.model_validate(drawn.values, context={ALLOW_CODE: True})    # its code was allowed when it was loaded

    def resolved(self) -> str:
        """The whole scenario as YAML text, every default written out. Loads back to an equal scenario."""
        return write(self.model_dump(mode="json"))

    @property
    def digest(self) -> str:
        """SHA-256 of the resolved content: equal for equal scenarios, however their files are written."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, allow_nan=False)
        return hashlib.sha256(content.encode()).hexdigest()


def load_scenario(
    path: str | Path,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    replicates: int | str | None = None,
    data: str | None = None,
    allow_code: bool = False,
) -> Scenario:
    """Read and check a scenario file. All that is wrong with it is one ScenarioError.

    `overrides` are `KEY=VALUE` texts as in `--set users.count=100`, `policies[2].factors=8` or
    `policies.mf.factors=8` (by the arm's name); values are YAML. The others are the options of the same name.
    With `allow_code` it may use classes of the user's, from the folder of the file or the current one, and programs.
    """
    source = read(path)
    changed = (str(loc[1]) for loc in source.keys if loc[0] == "set" and len(loc) > 1)
    sections = {loc[0] for loc in source.keys} | {key.partition(".")[0] for key in changed}
    asked = next((command for key, command in _ASKED.items() if key in sections), None)
    for key, command in _COMMANDS.items():
        if (key,) in source.keys:
            command = asked or command
            message = f"this is a file for {command}, whose --dry-run checks it; a scenario is one world and its policies"
            raise ScenarioError([source.fault(source.keys[(key,)], message, key)])
    if allow_code:
        make_importable([Path(path).parent, Path()])
    changes = [parse_override(text) for text in overrides]
    return check(source, [*changes, *option_overrides(source, seed, replicates, data)], allow_code)


ABOUT = tuple(key for key, field in Scenario.model_fields.items() if field.exclude)
"""Sections that say something of a world and change nothing in it."""

_COMMANDS = {
    "sweep": "`filterbubble sweep` or `filterbubble sensitivity`",
    "tune": "`filterbubble tune`",
    "fit": "`filterbubble fit`",
}
"""Sections that make a file one for another command."""

_ASKED = {"study": "`filterbubble study`", "replication": "`filterbubble replicate`"}
"""Sections that, beside one of these, or changed under `set`, make it one for that command."""


def check(source: Source, overrides: Sequence[Override] = (), allow_code: bool = False) -> Scenario:
    """The scenario that a YAML text describes, after some changes to it."""
    changed, unread = read_table(apply(source, overrides, _defaults()))
    faults = [*source.faults, *unread]
    try:
        scenario = Scenario.model_validate(changed.values, context={ALLOW_CODE: allow_code})
    except ValidationError as error:
        faults += faults_in(error, Scenario, changed)
    else:
        faults += _misdrawn(scenario, changed)
    if faults:
        raise ScenarioError(faults)
    return scenario


def _misdrawn(scenario: Scenario, source: Changed) -> list[Fault]:
    """What is wrong with the draws of a scenario's posterior: what no world could be made of, and options that they undo."""
    if scenario.posterior is None:
        return []
    if faults := undone(source, scenario.posterior):
        return faults
    replicates = scenario.precision.most if scenario.precision else scenario.replicates
    for replicate in range(min(replicates, len(next(iter(scenario.posterior.values()))))):
        try:
            drawn = with_values(scenario.model_dump(mode="json"), draw_of(scenario.posterior, replicate))
            Scenario.model_validate(drawn.values, context={ALLOW_CODE: True})
        except ScenarioError as error:
            found: Sequence[Fault] = error.faults
        except ValidationError as error:
            found = faults_in(error, Scenario, drawn)
        else:
            continue
        message = "; ".join(f"{fault.key}: {fault.message}" for fault in found)
        return [fault_here(source, f"draw {replicate + 1} makes no world: {message}")]
    return []


def _defaults() -> dict[str, Any]:
    """What stands in a section that a file leaves out."""
    defaults = {key: field.default for key, field in Scenario.model_fields.items()}
    return {key: held.model_dump(mode="json") for key, held in defaults.items() if isinstance(held, Section)}


def json_schema() -> dict[str, Any]:
    """The JSON schema of scenario files, for editors. Of sections for other commands it knows that they may be there."""
    schema = Scenario.model_json_schema()
    schema["properties"] |= {key: {"type": "object", "description": f"For {command}."} for key, command in _COMMANDS.items()}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
