"""The scenario: a world, and the policies to compare in it. One YAML file, checked before anything runs.

Every key that a file may have is declared here, or in the part that it configures, with its range,
default and meaning.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Interval
from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    PrivateAttr,
    Strict,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails

from agents.catalog import Mixture, Popularity, QualityLaw, Scatter
from agents.choice import CHOICES, ChoiceModel, Examining
from agents.choice_recorded import Recorded
from agents.cohorts import COHORTS, KindOfUser, Parametric
from agents.creator import CREATORS
from agents.discovery import Placing
from agents.discovery import Source as FindSource
from agents.drift import DRIFTS, DriftModel
from agents.feedback import FEEDBACKS, Feedback, Signal, Skip
from agents.individual import Individual
from agents.interests import INTERESTS, Alike, Interests, Positive
from agents.space import Space
from agents.users import divide
from policies.base import Policy
from simulator.arms import Arm, OneArm, comparable, unknown_sides
from simulator.awareness_keys import AwarenessKeys, awareness_conflicts
from simulator.belief_conflicts import belief_conflicts
from simulator.churn_keys import ChurnKeys
from simulator.creator_keys import MOST_PLANNED, CreatorKeys
from simulator.docs import MOST
from simulator.events import Burst, Escape, OneEvent, Scheduled, Switch
from simulator.faults import Fault, ScenarioError, did_you_mean, dotted, shown
from simulator.growth_conflicts import growth_conflicts
from simulator.item_keys import AttributeKeys, Features, feature_conflicts
from simulator.measures import select
from simulator.measures.frame import Pairs
from simulator.network_keys import NetworkKeys, network_conflicts
from simulator.newcomer_conflicts import newcomer_conflicts
from simulator.news_conflicts import news_conflicts
from simulator.overrides import Changed, Override, apply, option_overrides, parse_override
from simulator.own_code import NAME, make_importable
from simulator.parts import (
    ALLOW_CODE,
    OneOf,
    PartKeys,
    Section,
    by_name,
    instance,
    kind_of,
    model_of,
    own_keys,
    problem,
    wrong,
)
from simulator.posterior import Posterior, draw_of, fault_here, read_table, undone, with_values
from simulator.ranges import Count, NonNegative, Text, UnitInterval, at_least_one
from simulator.repeat_keys import RepeatKeys
from simulator.replicating.keys import ReplicationKeys
from simulator.studying.keys import StudyKeys
from simulator.trains_on import TAKES
from simulator.wording import faults_in
from simulator.yaml_source import Source, read, write

AUTO = "auto"


class Trait(Section):
    """A trait in [0, 1] that users differ in: Beta distributed. A bare number: the same for everybody."""

    in_words: ClassVar[str] = "number, 0 to 1, or {mean: …, spread: …}"

    mean: UnitInterval
    """Mean over users."""

    spread: Annotated[float, Interval(ge=0, lt=0.5)] = 0.0
    """Standard deviation over users; less than √(mean · (1 − mean)), which no trait in [0, 1] can reach."""

    @model_validator(mode="before")
    @classmethod
    def _same_for_everybody(cls, value: Any) -> Any:
        return value if isinstance(value, Mapping | Trait) else {"mean": value}

    @model_validator(mode="after")
    def _is_a_beta(self) -> Trait:
        widest = math.sqrt(self.mean * (1 - self.mean))
        if self.spread > 0 and self.spread >= widest:
            message = f"must be less than √(mean · (1 − mean)) = {widest:.3g} (got {shown(self.spread)})"
            raise wrong(problem(message, ("spread",)))
        return self

    @model_serializer
    def _short(self) -> Any:
        return {"mean": self.mean, "spread": self.spread} if self.spread else self.mean

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, handler(schema)]}


InterestsPart = Annotated[Interests, OneOf(INTERESTS, "interest model", Interests)]
ChoicePart = Annotated[ChoiceModel, OneOf(CHOICES, "choice model", ChoiceModel)]
DriftPart = Annotated[DriftModel, OneOf(DRIFTS, "drift model", DriftModel)]
FeedbackPart = Annotated[Feedback, OneOf(FEEDBACKS, "kind of feedback", Signal)]


class CohortKeys(PartKeys):
    """A part of the users who are unlike the others. What is left out is as `users` says."""

    kind: str = "parametric"
    """What decides for them; users of your own are module:Class."""

    name: Text
    """What the cohort is called."""

    share: Annotated[float, Interval(gt=0, le=1)]
    """Its share of the users; the shares of all cohorts sum to 1."""

    group: Annotated[int, Interval(ge=0, le=MOST)] | None = None
    """The group that its users count as, in reports and measures by group. null: their taste group."""

    interests: InterestsPart | None = None
    """What they are interested in at the start."""

    choice: ChoicePart | None = None
    """What they take from what they see."""

    drift: DriftPart | None = None
    """How their interests change."""

    susceptibility: Trait | None = None
    """Share of the drift rate that applies to them, 0 to 1."""

    activity: Trait | None = None
    """Chance that one of them is on the platform in a round, 0 to 1."""

    adoption: Trait | None = None
    """Chance that one of them looks at the slate when on the platform, 0 to 1."""

    _part: Any = PrivateAttr(default_factory=Parametric)

    @property
    def part(self) -> KindOfUser:
        """The kind of its users, with the keys that this kind has."""
        return self._part

    def of(self, part: KindOfUser) -> CohortKeys:
        """Return the same keys for users of another kind, or of the same kind with other keys."""
        keys = self.model_copy(update={"kind": kind_of(COHORTS, part)})
        keys._part = part
        return keys


class OneCohort(OneOf):
    """Annotates a cohort: a mapping whose `kind` may be left out, for users who are parametric."""

    def __init__(self) -> None:
        super().__init__(COHORTS, "kind of user", Individual)

    def made(self, value: Any) -> bool:
        return isinstance(value, CohortKeys)

    def expand(self, value: Any) -> dict[str, Any]:
        named = isinstance(value, Mapping) and "kind" not in value
        return super().expand({"kind": "parametric", **value} if named else value)

    def model(self, kind: str) -> type[PartKeys]:
        return model_of(kind, self.part(kind), CohortKeys)

    def build(self, keys: Any) -> CohortKeys:
        if keys.kind not in COHORTS and self.part(keys.kind).__dataclass_params__.frozen:      # type: ignore[attr-defined]
            raise ValueError("must not be frozen: a user lives, and what she is changes")
        names = CohortKeys.model_fields.keys()
        common = CohortKeys.model_construct(keys.model_fields_set & names, **{name: getattr(keys, name) for name in names})
        return common.of(instance(self.part(keys.kind), keys))

    def dump(self, value: CohortKeys) -> dict[str, Any]:
        return {**value.model_dump(mode="json"), **own_keys(value.part)}

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        mappings = [handler(self.model(kind).__pydantic_core_schema__) for kind in self.table]
        own = {"type": "string", "pattern": f"^{NAME}$", "description": "Users of your own, module:Class."}
        with_keys = {"type": "object", "required": ["kind", "name", "share"], "properties": {"kind": own}}
        return {"anyOf": [{"oneOf": mappings, "type": "object"}, with_keys]}


@dataclass(frozen=True)
class Cohort:
    """What holds for the users of one cohort."""

    kind: KindOfUser
    name: str
    share: float                    # of the users
    group: int | None
    interests: Interests
    choice: ChoiceModel
    drift: DriftModel
    susceptibility: Trait
    activity: Trait
    adoption: Trait


class UserKeys(Section):
    """Who the users are, how they choose, and how they change."""

    count: Count | None = None
    """Number of users. Default: 1000; with data, all of them. With data, a count keeps the most active."""

    interests: InterestsPart = by_name("dirichlet")
    """What users are interested in at the start."""

    choice: ChoicePart = by_name("logit")
    """What users take from what they see."""

    drift: DriftPart = by_name("assimilation")
    """How interests change with what was taken."""

    susceptibility: Trait = Trait(mean=1.0)
    """Share of the drift rate that applies to a user, 0 to 1."""

    activity: Trait = Trait(mean=1.0)
    """Chance that a user is on the platform in a round, 0 to 1."""

    adoption: Trait = Trait(mean=1.0)
    """Chance that a user looks at the slate when on the platform, 0 to 1."""

    intent: Literal["topic"] | None = None
    """What users are on the platform for. topic: in each round each is after one topic, drawn ∝ her interests, and platforms
    show her nothing but items that are mainly about it, as in a search or in a category; her own finds are as ever. null:
    platforms show what they please."""

    takes: Annotated[int, Interval(ge=1, le=100)] = 1
    """The most items that a user takes in a round."""

    churn: ChurnKeys | None = None
    """Who leaves, and who arrives; null: everybody stays. Measures of users are then over those who are there."""

    repeats: RepeatKeys | None = None
    """How users take again what they took before; null: nobody takes anything twice, nor is it recommended twice."""

    feedback: Annotated[tuple[FeedbackPart, ...], Strict(False)] = ()
    """What users let the platform know beside what they take; a policy may learn from it: `trains_on`."""

    cohorts: Annotated[tuple[Annotated[CohortKeys, OneCohort()], ...], Strict(False)] = ()
    """Parts of the users that are unlike each other; empty: everybody is as the keys above say."""

    agents: Count = 1
    """Number of agents that each cohort is split over; changes nothing but speed."""

    @model_validator(mode="after")
    def _cohorts_are_everybody(self) -> UserKeys:
        names = [cohort.name for cohort in self.cohorts]
        problems = [
            problem(f"is the second cohort called {names[place]!r}", ("cohorts", place, "name"))
            for place, name in enumerate(names) if name in names[:place]
        ]
        kinds = [kind_of(FEEDBACKS, part) for part in self.feedback]
        problems += [
            problem(f"is the second {kind!r}", ("feedback", place)) for place, kind in enumerate(kinds) if kind in kinds[:place]
        ]
        total = math.fsum(cohort.share for cohort in self.cohorts)
        if self.cohorts and not math.isclose(total, 1, abs_tol=1e-6):
            problems.append(problem(f"the shares must sum to 1 (they sum to {total:.6g})", ("cohorts",)))
        if problems:
            raise wrong(*problems)
        return self

    def each_cohort(self) -> tuple[Cohort, ...]:
        """Return the cohorts, what they leave out taken from here; without any, one of everybody."""
        parts = [field.name for field in fields(Cohort) if field.name in UserKeys.model_fields]

        def filled_in(keys: CohortKeys) -> Cohort:
            said = {part: getattr(keys, part) for part in parts}
            values = {part: getattr(self, part) if value is None else value for part, value in said.items()}
            return Cohort(keys.part, keys.name, keys.share, keys.group, **values)

        return tuple(map(filled_in, self.cohorts or (CohortKeys(name="everybody", share=1.0),)))


class ItemKeys(Section):
    """What there is to see."""

    count: Annotated[int, Interval(ge=0, le=MOST)] | None = None
    """Number of items. Default: 500; with data, all of them. With data, a count keeps the most popular. With `creators`, those
    at the beginning: 0 = there is nothing yet."""

    topics: Annotated[int, Interval(ge=2, le=10_000)] = 20
    """Number of topics; on the sphere and the plane twice its dimensions. With data, the data's genres are the topics."""

    concentration: Annotated[float, Interval(ge=1e-6, le=1e6)] = 0.02
    """Dirichlet concentration per topic of an item; small = items of one topic, large = of all topics."""

    topic_skew: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """How common each topic is among items, relative to the one before it; 1 = all alike. The interest model `dirichlet` has a
    skew of its own."""

    mixture: Mixture = "dirichlet"
    """dirichlet: topics are drawn, as mixed as `concentration` says; equal: one topic or several, of equal share, as films have
    genres: `topics_per_item` says how many; one_hot: item j is about topic j mod `topics` alone, so that
    with as many topics as items each item is a topic of its own."""

    topics_per_item: Annotated[float, Interval(ge=1, le=10_000)] = 1.7
    """Mean number of topics of an item, if the mixture is equal: one, and a Poisson number more."""

    space: Space = "simplex"
    """simplex: items and interests are mixtures of topics; sphere: they are directions, and can repel; values: items are
    mixtures, interests are what each topic is worth to the user, any number; plane: both are points, and an item is worth the
    less to a user, the farther it is from her: minus the squared distance."""

    scatter: Scatter = "normal"
    """On the plane: how items are scattered around the origin, in topics / 2 dimensions, each point by itself."""

    extent: Positive = 1.0
    """On the plane: the standard deviation of items along each axis; uniform: half of the width of the square."""

    axis_variances: Annotated[tuple[Positive, ...], Strict(False)] | None = None
    """On the sphere: how much items differ along each of its topics / 2 axes, as variances before they are scaled to length 1.
    null: alike along all, every direction as likely."""

    affinity: Literal["dot", "cosine"] = "dot"
    """What a user likes: dot, the share of her interests that an item meets, θ·z; cosine, θ·z / (‖θ‖ ‖z‖), for which an item of
    several of her topics is as good as one of a single topic. On the sphere the two are the same."""

    quality: Annotated[float, Interval(ge=0, le=1000)] = 0.05
    """Standard deviation of the items' quality, in units of utility; uniform: its highest value."""

    quality_law: QualityLaw = "normal"
    """normal: quality is as often below 0 as above; uniform: between 0 and `quality`."""

    popularity_skew: Annotated[float, Interval(ge=0, le=100)] = 1.0
    """How unequally easy items are to meet without a recommender: Zipf exponent, or standard deviation of the logarithm;
    0 = all alike."""

    popularity: Popularity = "zipf"
    """zipf: how easily the item of rank r is met is ∝ r^(−popularity_skew); lognormal: its logarithm is normal, as in logs
    whose hits are less extreme and whose tail falls off."""

    creators: Count = 50
    """Number of creators that the items are by."""

    features: Features = ()
    """Blocks of what items are like beside their topics, as of text, sound or pictures; empty: topics are all there is. Where
    `topics` is not among them, it is of weight 1 and visible."""

    attributes: AttributeKeys = AttributeKeys()
    """What items carry beside their topics, for measures of normative diversity: activation, voice, viewpoint."""


class DiscoveryKeys(Section):
    """What users find without the recommender."""

    share: UnitInterval = 0.2
    """Chance that an own find is still noticed when a slate is looked at; without a slate all are considered."""

    awareness: Count | Literal["all", "new"] = 20
    """Items that each user meets by herself in a round; all: every one that there is, for small worlds; new: every one that is
    published in the round, with `creators`."""

    popularity_weight: UnitInterval = 0.5
    """Share of the finds that are met by how well known they are; the rest are met by the user's interests."""

    fame: Annotated[float, Interval(ge=0, le=10)] = 0.0
    """How much sooner the well-known is found by interest too: among the items of a topic, ∝ salience^fame; 0 = all alike."""

    known: AwarenessKeys | None = None
    """With `awareness: all`, on the plane: of all items, users find those alone that they know of. null: all."""

    placing: Placing = "beside"
    """Where finds stand for users whose attention falls from the top of a list to its end: beside the slate, each as if at the
    top; mingled: at random places in it."""

    source: FindSource = "drawn"
    """drawn: finds are as the keys above say; individual: they are news, new items for each user in each round that nobody else
    ever finds; central: news that are the same for everybody."""


class DataKeys(Section):
    """A real log that users, items and the first interactions are taken from."""

    kind: Literal["movielens"]
    """The form of the data."""

    path: Text | None = None
    """A folder, or the name of a packaged data set; `--data PATH` on the command line overrides it."""

    min_rating: NonNegative = 0.0
    """Ratings below this do not count as interactions, in stars."""

    known: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """Share of each user's interactions, drawn at random, that the platform has on record at the start; the rest is what she
    would take too, for choice `recorded` and measures. What users and items are like is read off all."""

    activity: Literal["relative", "even"] = "relative"
    """relative: users are on the platform the more often, the more they did in the log; even: as `users.activity` has it, all
    alike."""


def _asks_for_something(name: str) -> str:
    select([name])  # says what is wrong with a name that no measure has
    return name


MeasureName = Annotated[str, AfterValidator(_asks_for_something)]


class MeasureKeys(Section):
    """What is measured, and how."""

    names: Annotated[tuple[MeasureName, ...], Strict(False), AfterValidator(at_least_one)] = ("*",)
    """The measures to take; `*` stands for anything: `exposure.*`."""

    window: Count | Literal["cumulative"] = 10
    """Number of rounds that a measure of what was shown or consumed looks back; cumulative: all."""

    every: Count = 1
    """Rounds from one measurement to the next."""

    panel: Count = 1000
    """Number of users that costly measures look at, always the same."""

    pairs: Pairs = "sample"
    """The pairs of users that are compared: a sample, all, each user with the nearest by interests (nearest), or with the one
    who is most like her as the policy sees them, anew in every round (policy). The last are compared with the same two under
    the oracle, too, which is played beside each arm for that."""

    pair_sample: Count = 10_000
    """Number of pairs in the sample."""

    rarefied_to: Count = 5
    """Number of takes of each user's that are drawn for `consumption.rarefied_entropy`; who took fewer is left out."""

    topic: Count | None = None
    """A topic to watch, by its number from 1: its share of what is shown and taken, and how much a policy amplifies it."""


RELATIVE = 0.02
"""Half width of an interval that is narrow enough when the scenario does not say, relative to the measure's size."""


class PrecisionKeys(Section):
    """When there are enough replicates: an interval is narrow enough. `replicates` is then the number to begin with."""

    measure: MeasureName = "consumption.alpha"
    """The measure whose differences to the organic arm are to be known, at the end, for every arm but the controls that see
    the truth; without an organic arm, its values."""

    half_width: Annotated[float, Interval(gt=0)] | None = None
    """Half width of the widest 95 % interval that is narrow enough, in units of the measure. null: 2 % of the measure's mean
    in the organic arm."""

    most: Count = 100
    """Replicates after which it ends in any case."""


FIRST_LOOK = 5
"""Replicates that `replicates: auto` begins with: the spread of fewer is too often small by luck."""


class ReportKeys(Section):
    """What a run leaves behind to look at."""

    about: Annotated[tuple[MeasureName, ...], Strict(False)] = ()
    """The measures that the scenario's question is about: the answer tells of them first. `*` stands for anything."""

    focus: Annotated[tuple[MeasureName, ...], Strict(False)] = (
        "exposure.alpha",
        "exposure.gini",
        "exposure.miscalibration",
        "consumption.alpha",
        "consumption.beta",
        "consumption.gamma",
        "consumption.gini",
        "consumption.mean_jaccard",
        "interests.alpha",
        "interests.beta",
        "interests.drift",
        "utility.per_user",
    )
    """The measures that the report is about; `*` stands for anything."""

    formats: Annotated[tuple[Literal["svg", "png"], ...], Strict(False)] = ("svg", "png")
    """The forms in which figures are saved."""

    snapshots: Annotated[tuple[Annotated[int, Interval(ge=0)], ...], Strict(False)] = ()
    """Rounds in which every user's interests are saved, beside round 0 and the last: as they were before that round's drift."""

    log: bool = False
    """Save what the platform logged in the first replicate."""


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
        conflicts = list(_conflicts(self))
        if conflicts:
            raise wrong(*conflicts)
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


def _conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Keys that are right by themselves and wrong together, each at the key that the file sets."""
    users, items, discovery = scenario.users, scenario.items, scenario.discovery

    if scenario.data is not None and scenario.data.path is None:
        yield problem(
            "has no `path`: write the folder of the data here, or pass --data PATH on the command line "
            "(--data movielens-small with the extra `data` installed)",
            ("data",),
        )
    reads_data = kind_of(INTERESTS, users.interests) == "data"
    if reads_data and scenario.data is None:
        yield problem("'data' reads interests off real histories: add `data:`", ("users", "interests"))
    if scenario.data is not None and not reads_data:
        where = ("users", "interests") if "interests" in users.model_fields_set else ("data",)
        yield problem("with `data:`, interests are read off it: write `interests: data` under `users`", where)

    if items.topic_skew < 1 and (items.space in ("sphere", "plane") or items.mixture == "one_hot"):
        message = "is of mixtures that are drawn: not on the sphere or the plane, nor with `mixture: one_hot`"
        yield problem(f"{message} (got {items.topic_skew:g})", ("items", "topic_skew"))
    if scenario.creators is not None:
        for key in ("topic_skew", "popularity"):
            if getattr(items, key) != ItemKeys.model_fields[key].default:
                yield problem("is of items that are there from the start: leave it out with `creators`", ("items", key))
    if items.axis_variances is not None:
        if items.space != "sphere" or items.mixture != "dirichlet":
            message = "is of directions that are drawn: needs `space: sphere` and no other `mixture`"
            yield problem(message, ("items", "axis_variances"))
        elif len(items.axis_variances) != items.topics // 2:
            message = f"must be one for each axis, topics / 2 = {items.topics // 2} (got {len(items.axis_variances)})"
            yield problem(message, ("items", "axis_variances"))
    if items.space == "sphere" and items.mixture == "equal":
        yield problem("'equal' makes mixtures, and the sphere has directions", ("items", "mixture"))
    if items.space == "plane" and items.mixture != "dirichlet":
        yield problem(f"{items.mixture!r} makes mixtures, and the plane has points: leave it out", ("items", "mixture"))
    if items.space == "plane" and items.affinity == "cosine":
        yield problem("on the plane affinity is by distance: leave it out", ("items", "affinity"))
    if items.space in ("sphere", "plane") and items.topics % 2:
        yield problem(f"must be even on the {items.space} (got {items.topics})", ("items", "topics"))
    for key in ("scatter", "extent"):
        if items.space != "plane" and getattr(items, key) != ItemKeys.model_fields[key].default:
            yield problem(f"is of points: needs `items.space: plane` (it is {items.space})", ("items", key))
    groups: list[tuple[UserKeys | CohortKeys, tuple[str | int, ...]]] = [(users, ("users",))]
    groups += [(cohort, ("users", "cohorts", place)) for place, cohort in enumerate(users.cohorts)]
    for keys, place_of in groups:
        for part_key, table in (("interests", INTERESTS), ("choice", CHOICES), ("drift", DRIFTS)):
            part = getattr(keys, part_key)
            spaces = getattr(part, "spaces", (items.space,))
            if items.space not in spaces:
                yield problem(
                    f"{kind_of(table, part)!r} needs `items.space: {' or '.join(spaces)}` "
                    f"(it is {items.space}): change `{dotted((*place_of, part_key))}` or `items.space`",
                    (*place_of, part_key) if part_key in keys.model_fields_set else ("items", "space"),
                )
    creators = scenario.creators
    if creators is not None:
        planned = creators.rate * items.creators * (scenario.rounds + scenario.warmup)
        if scenario.data is not None:
            yield problem("are of generated worlds: with `data:`, nobody knows who made the items", ("creators",))
        elif items.mixture != "dirichlet":
            yield problem(f"make mixtures: not with `items.mixture: {items.mixture}`", ("creators",))
        elif items.space not in creators.behaviour.spaces:
            yield problem(
                f"{kind_of(CREATORS, creators.behaviour)!r} needs `items.space: {' or '.join(creators.behaviour.spaces)}` "
                f"(it is {items.space})", ("creators", "behaviour"),
            )
        for name, label in items.attributes:
            if label is not None and label.by == "topic":
                message = "is the topic's, and what creators will publish has no topic yet: 'item' or 'creator'"
                yield problem(message, ("items", "attributes", name, "by"))
        if planned > MOST_PLANNED:
            yield problem(
                f"makes about {planned:,.0f} items: {items.creators} creators for {scenario.rounds + scenario.warmup} rounds; "
                f"at most {MOST_PLANNED:,} fit", ("creators", "rate") if "rate" in creators.model_fields_set else ("creators",),
            )
    parts = divide(users.count, [cohort.share for cohort in users.cohorts]) if users.count and users.cohorts else []
    for place, rows in enumerate(parts):
        if rows.start == rows.stop:
            message = f"is nobody, of {users.count} users: give the cohort a larger share, or have more users"
            yield problem(message, ("users", "cohorts", place, "share"))
    for keys, place_of in groups:
        if isinstance(keys.interests, Alike) and len(keys.interests.shares) != items.topics and scenario.data is None:
            message = f"must be one for each topic, {items.topics} (got {len(keys.interests.shares)})"
            yield problem(message, (*place_of, "interests", "shares"))
    for place, cohort in enumerate(users.cohorts):
        own = cohort.interests is not None and kind_of(INTERESTS, cohort.interests) == "data"
        if cohort.interests is not None and own != (scenario.data is not None):
            message = "without `data:` there are no histories to read" if own else "with `data:`, interests are read off it"
            yield problem(message, ("users", "cohorts", place, "interests"))

    if users.churn is not None and users.churn.arrivals and scenario.data is not None:
        message = "must be 0 with `data:`: new users are generated, and all users are those of the data"
        yield problem(message, ("users", "churn", "arrivals"))
    if users.repeats is not None and users.repeats.share and discovery.awareness == "all":
        message = f"must be 0 with `discovery.awareness: all`: she finds all that there is (got {users.repeats.share:g})"
        yield problem(message, ("users", "repeats", "share"))
    yield from _unheard(scenario)
    yield from network_conflicts(scenario)
    yield from news_conflicts(scenario)
    yield from growth_conflicts(scenario)
    yield from feature_conflicts(items.features, items.space, scenario.data is not None)
    yield from belief_conflicts(scenario)
    yield from newcomer_conflicts(scenario)
    yield from _unrecorded(scenario)
    yield from awareness_conflicts(scenario)

    precision = scenario.precision
    if precision is not None:
        if scenario.replicates < 2:
            message = f"must be at least 2 with `precision`: one replicate has no spread (got {scenario.replicates})"
            yield problem(message, ("replicates",) if "replicates" in scenario.model_fields_set else ("precision",))
        if precision.most < scenario.replicates:
            message = f"must be at least `replicates`, {scenario.replicates} (got {precision.most})"
            yield problem(message, ("precision", "most"))
        if precision.measure not in select(scenario.measures.names):
            where = ("precision", "measure") if "measure" in precision.model_fields_set else ("precision",)
            yield problem(f"{precision.measure!r} is not one of `measures.names`", where)

    if users.count == 1 and scenario.measures.pairs in ("nearest", "policy"):
        message = f"{scenario.measures.pairs!r} compares each user with another, and there is one"
        yield problem(message, ("measures", "pairs"))
    if scenario.data is None:
        for arm_key, arm in scenario.each_arm():
            if isinstance(arm.policy, Policy) and arm.policy.reads_titles():
                yield problem(f"{arm.name!r} reads titles, and generated items have none: add `data:`", arm_key)
    if scenario.data is None and not scenario.warmup:
        for place, arm in enumerate(scenario.policies):
            if arm.frozen:
                message = "would be trained on nothing, once and for all: without `warmup` the platform has no data yet"
                yield problem(message, ("policies", place))

    sizes = (
        ("slate_size", ("slate_size",), scenario.slate_size, scenario),
        ("awareness", ("discovery", "awareness"), discovery.awareness, discovery),
    )
    for key, loc, size, section in sizes:
        if items.count is None or isinstance(size, str) or size <= items.count:
            continue
        if scenario.creators is not None and key == "slate_size":      # there will be more
            continue
        if key in section.model_fields_set:
            yield problem(f"must be at most the number of items, {items.count} (got {size})", loc)
        else:
            message = f"must be at least `{dotted(loc)}`, {size} (got {items.count})"
            yield problem(message, ("items", "count"))

    if scenario.measures.topic is not None and scenario.data is None and scenario.measures.topic > items.topics:
        yield problem(f"there are {items.topics} topics (got {scenario.measures.topic})", ("measures", "topic"))
    names, attempts = [arm.name for arm in scenario.policies], 0
    for place, scheduled in enumerate(scenario.events):
        attempts += isinstance(scheduled.event, Escape)
        if attempts > 1 and isinstance(scheduled.event, Escape):
            yield problem("is the second attempt to escape, and there can be one", ("events", place))
        if isinstance(scheduled.event, Burst):
            if scenario.creators is None:
                yield problem("'burst' is of new items: add `creators:`, who publish them", ("events", place, "kind"))
            elif items.space != "simplex":
                yield problem(f"'burst' needs `items.space: simplex` (it is {items.space})", ("events", place, "kind"))
            elif scheduled.event.topic > items.topics:
                yield problem(f"there are {items.topics} topics (got {scheduled.event.topic})", ("events", place, "topic"))
        if isinstance(scheduled.event, Switch):
            yield from unknown_sides(scheduled.event.to, scenario.policies, ("events", place, "to", "of"))
        if scheduled.at > scenario.rounds:
            yield problem(f"must be at most `rounds`, {scenario.rounds} (got {scheduled.at})", ("events", place, "at"))
        for number, name in enumerate(scheduled.arms or ()):
            if name not in names:
                yield problem(f"there is no arm {name!r}{did_you_mean(name, names)}", ("events", place, "arms", number))
    for place, round in enumerate(scenario.report.snapshots):
        if round > scenario.rounds:
            message = f"must be at most `rounds`, {scenario.rounds} (got {round})"
            yield problem(message, ("report", "snapshots", place))


def _unrecorded(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Users who are to take what is in a log and not on record, where there is no such thing."""
    if scenario.data is not None and scenario.data.known < 1:
        return
    cohorts = scenario.users.cohorts
    for place, each in enumerate(scenario.users.each_cohort()):
        if isinstance(each.choice, Recorded):
            message = "'recorded' takes what is in the log and not on record: add `data:` with `known` under 1"
            own = bool(cohorts) and "choice" in cohorts[place].model_fields_set
            yield problem(message, ("users", "cohorts", place, "choice") if own else ("users", "choice"))


def _unheard(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Feedback that a policy is to learn from, or the platform to see, and that there is not."""
    feedback = scenario.users.feedback
    signals = {part.name: part for part in feedback if not isinstance(part, Skip)}
    for key, arm in scenario.each_arm():
        asked, where = arm.trains_on, (*key, "trains_on")
        if asked.signal == TAKES:
            if asked.at_least is not None:
                yield problem("takes have no strength that could be at least so much", (*where, "at_least"))
        elif asked.signal not in signals:
            given = f"they give {', '.join(signals)}" if signals else f"add `feedback: [{asked.signal}]` under `users`"
            yield problem(f"users give no {asked.signal!r}: {given}", where)
        elif asked.at_least is None and not signals[asked.signal].binary:
            message = f"say how much is enough: {{signal: {asked.signal}, at_least: …}}"
            yield problem(message, where)
        wanted = arm.policy.reads_signal() if isinstance(arm.policy, Policy) else None
        if wanted is not None and wanted not in signals:
            given = f"they give {', '.join(signals)}" if signals else f"add `feedback: [{wanted}]` under `users`"
            yield problem(f"{arm.name!r} reads the signal {wanted!r}, which users do not give: {given}", (*key, "signal"))
        if isinstance(arm.policy, Policy) and arm.policy.reads_skips() and not any(isinstance(part, Skip) for part in feedback):
            yield problem(f"{arm.name!r} learns from skips, and users give none: add `feedback: [skip]` under `users`", key)
    models = [scenario.users.choice, *(cohort.choice for cohort in scenario.users.cohorts if cohort.choice is not None)]
    for place, part in enumerate(feedback):
        if isinstance(part, Skip) and part.of == "examined" and not all(isinstance(model, Examining) for model in models):
            message = "the choice model does not say what was examined: give it a method `examined`, or write `of: above`"
            yield problem(message, ("users", "feedback", place, "of"))


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
    for key, command in _COMMANDS.items():
        if (key,) in source.keys:
            message = f"this is a file for {command}, whose --dry-run checks it; a scenario is one world and its policies"
            raise ScenarioError([source.fault(source.keys[(key,)], message, key)])
    if allow_code:
        make_importable([Path(path).parent, Path()])
    changes = [parse_override(text) for text in overrides]
    return check(source, [*changes, *option_overrides(source, seed, replicates, data)], allow_code)


_COMMANDS = {
    "sweep": "`filterbubble sweep` or `filterbubble sensitivity`",
    "tune": "`filterbubble tune`",
    "fit": "`filterbubble fit`",
}
"""Sections that make a file one for another command."""


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
    """The JSON schema of scenario files, for editors."""
    schema = Scenario.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
