"""The section `study` of a scenario or sweep file: what is asked of the worlds of the file, and what was predicted.

No world depends on it. What it names beyond its own keys (arms, axes, cells) is checked where it is used, in `faults.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, Strict, WithJsonSchema, model_validator

from simulator.parts import Section, problem, wrong
from simulator.ranges import Text, at_least_one
from simulator.replicating.keys import AskedKeys, GroupExpression, Round, Status, _one_measure

Sign = Literal["negative", "positive", "zero", "either"]
Kind = Literal["prediction", "contrast", "control", "published"]

MeasureName = Annotated[str, AfterValidator(_one_measure)]
Group = dict[str, float | None]
"""Arms, each with its place on the axis of a trend; null: the common logarithm of its parameters beyond embeddings."""


class QuestionKeys(AskedKeys):
    """One thing that is asked: an expression over arms, and the sign that it is expected to have.

    In an expression an arm's name stands for the question's `measure` in that arm at its `round`, one value for each replicate;
    `oracle(round=5)`, `oracle(measure='utility.mean')` or `oracle(regime='early stop')`, an axis, stand for another one, and
    `round='first'` for the study's `first`. trend(group) is the least squares slope over the arms of a group, trend(group,
    given='training.ndcg') that of a regression on both. The rest is as in the claims of a replication.
    """

    ask: Text
    """What is asked, in words."""

    kind: Kind = "prediction"
    """prediction: of ours, fixed before it was run; contrast: asked without a prediction; control: what has to come out if the
    instrument is right; published: what others have found."""

    value: GroupExpression | None = None
    """What is measured."""

    expect: Sign = "either"
    """The sign that it is expected to have; zero: none; either: nothing is expected."""

    source: str = ""
    """Who has found it, where: of what was published."""

    status: Status | None = None
    """How what was published is known."""

    incomparable: Text | None = None
    """Why this study cannot say anything about it: instead of a `value`."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> QuestionKeys:
        faults = []
        if (self.value is None) == (self.incomparable is None):
            raise wrong(problem("has either a `value`, or says why it is `incomparable`"))
        if self.kind == "published":
            faults += [problem("is missing: who has found it", ("source",))] if not self.source else []
            faults += [problem("is missing: how is it known?", ("status",))] if self.status is None else []
        elif self.incomparable is not None:
            faults.append(problem("is of what was published", ("incomparable",)))
        if self.kind == "control" and self.expect == "either":
            faults.append(problem("is missing: a control has to come out one way", ("expect",)))
        if self.kind == "contrast" and self.expect != "either":
            faults.append(problem("nothing is expected of a contrast; a `prediction` has a sign", ("expect",)))
        if faults:
            raise wrong(*faults)
        return self


_GROUP = {
    "anyOf": [
        {"type": "array", "items": {"type": "string"}, "minItems": 3},
        {"type": "object", "additionalProperties": {"type": "number"}, "minProperties": 3},
    ]
}


def _a_mapping(value: Any) -> Any:
    return dict.fromkeys(value) if isinstance(value, list | tuple) else value


class StudyKeys(Section):
    """A study: what is asked, what was predicted before it was run, and how far its answers reach."""

    registered: Text
    """When and where the predictions were fixed."""

    scope: Annotated[tuple[Text, ...], Strict(False), AfterValidator(at_least_one)]
    """How far the answers reach, and what they say nothing about."""

    notes: Annotated[tuple[Text, ...], Strict(False)] = ()
    """What to know about how it is done."""

    seen: Annotated[tuple[Text, ...], Strict(False)] = ()
    """What was noticed in the results, and what was changed after that; it stands under the answer. Of a smaller form: within
    its `sizes`."""

    outcomes: Annotated[tuple[MeasureName, ...], Strict(False), AfterValidator(at_least_one)]
    """The primary outcomes: the trend of each over each group is estimated, with p values adjusted for looking at them all."""

    secondary: Annotated[tuple[MeasureName, ...], Strict(False)] = ()
    """Further outcomes, of which trends are estimated without adjusting for looking at them all."""

    given: MeasureName | None = None
    """A measure that trends under the first training are adjusted for, too."""

    first: Round
    """The last round under the first training: what is measured then is called one-shot, and at the end in the loop."""

    groups: dict[str, Annotated[Group, WithJsonSchema(_GROUP)]]
    """Groups of arms, small to large, that trends are taken over: a list, placed by the common logarithm of their parameters
    beyond embeddings, or a mapping of arms to their places."""

    steps: dict[str, Text] = Field(default={})
    """What one step is in a group that has places of its own: `layer`, `doubling`."""

    questions: Annotated[tuple[QuestionKeys, ...], Strict(False), AfterValidator(at_least_one)]
    """What is asked."""

    sizes: dict[str, dict[str, Any]] = Field(default={})
    """Smaller forms of the study, for `--size`: changes as in `--set`, and under `arms` the names of those that are played, in
    all cells or, within the changes of an axis' value, in those."""

    @model_validator(mode="before")
    @classmethod
    def _lists_are_places(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("groups"), dict):
            groups = {name: _a_mapping(group) for name, group in values["groups"].items()}
            return {**values, "groups": groups}
        return values

    @model_validator(mode="after")
    def _groups_have_arms(self) -> StudyKeys:
        faults = [
            problem(f"must have at least three arms, or there is no trend (got {len(group)})", ("groups", name))
            for name, group in self.groups.items() if len(group) < 3
        ]
        faults += [
            problem("places all of its arms, or none", ("groups", name))
            for name, group in self.groups.items() if len({place is None for place in group.values()}) > 1
        ]
        faults += [
            problem("is of a group that has places of its own, and there is none of this name", ("steps", name))
            for name in self.steps if None in self.groups.get(name, {"": None}).values()
        ]
        if faults:
            raise wrong(*faults)
        return self
