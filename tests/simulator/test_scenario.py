"""Scenario files at the door: what is accepted, what it becomes, and what is said about what is not."""

from __future__ import annotations

import copy
import dataclasses
import math
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from agents.choice import CHOICES, Logit
from agents.churn import DEPARTURES
from agents.drift import DRIFTS, Assimilation
from agents.feedback import FEEDBACKS
from agents.interests import INTERESTS, Dirichlet
from policies import POLICIES, Policy
from policies.explore import EXPLORERS
from policies.mmr import MMR
from policies.people import PEOPLE
from policies.rerank import RERANKERS
from simulator.arms import OneArm
from simulator.controls import CONTROLS
from simulator.events import EVENTS, OneEvent
from simulator.faults import ScenarioError
from simulator.keys.report import ReportKeys
from simulator.keys.traits import Trait
from simulator.measures import MEASURES
from simulator.overrides import parse_override
from simulator.parts import model_of
from simulator.reference import GROUPS, catalogue, describe
from simulator.scenario import Scenario, check, json_schema, load_scenario
from simulator.yaml_source import parse, write

SHORTEST = "title: Shortest\npolicies: [organic]\n"
FULL = """\
title: Short-video feed
question: Which policy narrows people most?
seed: 7
rounds: 60
replicates: 10
users:
  count: 2e3
  interests: {kind: dirichlet, concentration: 0.3}
  choice: {kind: logit, temperature: 2e-1, position_bias: 0.85}
  drift: {kind: assimilation, rate: 0.05}
  susceptibility: {mean: 0.5, spread: 0.2}
items: {count: 1000, topics: 20}
discovery: {share: 0.2, awareness: 30, popularity_weight: 0.5}
policies:
  - organic
  - random
  - {kind: mf, factors: 8, retrain_every: 3}
  - kind: mf
    name: mf+mmr
    rerank: {kind: mmr, strength: 0.25}
    popularity_boost: 1
  - oracle
measures:
  names: ["exposure.*", interests.drift]
  window: cumulative
report: {snapshots: [30]}
"""


def scenario(text: str, *overrides: str) -> Scenario:
    return check(parse(text, "world.yaml"), [parse_override(each) for each in overrides])


def complaints(text: str, *overrides: str) -> str:
    with pytest.raises(ScenarioError) as error:
        scenario(text, *overrides)
    return str(error.value)


# ---- what a file becomes


def test_the_shortest_scenario_has_every_default() -> None:
    made = scenario(SHORTEST)
    assert (made.rounds, made.warmup, made.replicates, made.slate_size) == (50, 5, 1, 10)
    assert (made.users.count, made.items.count) == (1000, 500)
    assert (made.users.interests, made.users.choice, made.users.drift) == (
        Dirichlet(),
        Logit(),
        Assimilation(),
    )
    assert made.users.susceptibility == Trait(mean=1.0)
    assert made.policies[0].name == "organic"


def test_a_full_scenario_says_what_it_says() -> None:
    made = scenario(FULL)
    assert made.users.count == 2000
    assert made.users.choice == Logit(temperature=0.2, position_bias=0.85)
    assert (made.users.susceptibility.mean, made.users.susceptibility.spread) == (0.5, 0.2)
    assert [arm.name for arm in made.policies] == ["organic", "random", "mf", "mf+mmr", "oracle"]
    assert made.policies[2].policy == POLICIES["mf"](factors=8)
    assert (made.policies[2].retrain_every, made.policies[2].rerank) == (3, None)
    assert (made.policies[3].rerank, made.policies[3].popularity_boost) == (MMR(strength=0.25), 1.0)
    assert made.measures.window == "cumulative"


def test_anchors_and_merge_keys() -> None:
    made = scenario("""\
title: Merged
policies:
  - &base {kind: mf, factors: 8}
  - {<<: *base, name: second}
  - {<<: [{epochs: 2}, *base], name: third, factors: 4}
""")
    assert [arm.policy.factors for arm in made.policies] == [8, 8, 4]  # type: ignore[union-attr]
    assert made.policies[2].policy.epochs == 2  # type: ignore[union-attr]


def test_data_leaves_the_counts_to_the_data() -> None:
    made = scenario("title: t\npolicies: [mf]\nusers: {interests: data}\ndata: {kind: movielens, path: x}\n")
    assert made.users.count is None
    assert made.items.count is None


def test_a_scenario_cannot_be_changed() -> None:
    made = scenario(FULL)
    with pytest.raises(ValueError, match="frozen"):
        made.rounds = 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.policies[0].name = "x"  # type: ignore[misc]


def test_every_arm_of_the_tables_can_be_named_and_documented() -> None:
    names, needs = [*ARMS], "network: {}\nusers: {feedback: [rating]}\n"           # of some
    assert [arm.name for arm in scenario(f"title: all\n{needs}policies: [{', '.join(names)}]\n").policies] == names


def test_the_report_focuses_on_measures_that_exist() -> None:
    assert set(ReportKeys().focus) <= set(MEASURES)


# ---- resolved text, digest, schema


def test_equal_content_has_an_equal_digest_and_other_content_another() -> None:
    rewritten = "policies: [organic]\nrounds: 5e1\n\n# a comment\ntitle: 'Shortest'\n"
    assert scenario(rewritten).digest == scenario(SHORTEST).digest
    assert scenario(SHORTEST, "users.drift.rate=0.06").digest != scenario(SHORTEST).digest
    assert scenario(SHORTEST, "seed=1").digest != scenario(SHORTEST).digest


def test_the_digest_is_the_same_in_another_process(tmp_path: Path) -> None:
    file = tmp_path / "world.yaml"
    file.write_text(FULL)
    code = (
        "import sys\nfrom simulator.scenario import load_scenario\nprint(load_scenario(sys.argv[1]).digest)"
    )
    command = [sys.executable, "-c", code, str(file)]
    other = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert other == scenario(FULL).digest


def part_keys(table: Any, choice: Any = None) -> st.SearchStrategy[dict[str, Any]]:
    """Mappings that describe a part of a table, with any of its keys, within their ranges."""
    nested = {"rerank": RERANKERS, "explore": EXPLORERS, "who_to_follow": PEOPLE}

    def mapping(kind: str) -> st.SearchStrategy[dict[str, Any]]:
        model = choice.model(kind) if choice else model_of(kind, table[kind])
        values = {
            key: part_keys(nested[key]) if key in nested
            else LEARNS if key == "trains_on" else st.from_type(field.rebuild_annotation())
            for key, field in model.model_fields.items() if key != "kind"
        }
        return st.fixed_dictionaries({"kind": st.just(kind)}, optional=values).filter(goes_together)

    def goes_together(keys: dict[str, Any]) -> bool:
        part = table[keys["kind"]]
        own = {field.name for field in dataclasses.fields(part)}
        try:
            made = part(**{key: value for key, value in keys.items() if key in own})
        except ValueError:
            return False
        return not (isinstance(made, Policy) and made.reads_titles())       # generated items have none

    return st.sampled_from(list(table)).flatmap(mapping)


LEARNS = st.sampled_from(["takes", "like", "share"]) | st.fixed_dictionaries(
    {"signal": st.sampled_from(["like", "share", "dwell", "rating"]), "at_least": st.floats(0, 1e9)}
)
TRAITS = st.one_of(
    st.floats(0, 1),
    st.floats(0.01, 0.99).flatmap(
        lambda mean: st.fixed_dictionaries(
            {"mean": st.just(mean), "spread": st.floats(0, 0.99 * math.sqrt(mean * (1 - mean)))}
        )
    ),
)
NOT_EVERYWHERE = {"external", "text", "average_rating", "informed", "ab_test"}
"""Code; data; ratings; users who do not know; other arms, see below."""
ARMS = {kind: part for kind, part in {**POLICIES, **CONTROLS}.items() if kind not in NOT_EVERYWHERE}
OF_A_GROWING_CATALOGUE = {"cold_start", "ranks"}            # keys of arms; this world has no creators
WHAT_HAPPENS = {kind: event for kind, event in EVENTS.items() if kind not in {"switch", "burst"}}   # an arm; creators


@st.composite
def arms(draw: Callable, space: str) -> list[Any]:
    """Arms of any kind, A/B tests of them, and, where users do not know what is good for them, who tells them."""
    drawn = draw(st.lists(st.sampled_from(list(ARMS)) | part_keys(ARMS, OneArm()), min_size=1, max_size=3))
    drawn = [
        {key: value for key, value in arm.items() if key not in OF_A_GROWING_CATALOGUE} if isinstance(arm, dict) else arm
        for arm in drawn
    ]
    names = list(dict.fromkeys(map(name_of, drawn)))
    if len(names) > 1 and draw(st.booleans()):
        two = st.permutations(names).map(lambda order: order[:2])
        optional = {"share": st.floats(0.01, 0.99), "name": st.text(min_size=1)}
        drawn.append(draw(st.fixed_dictionaries({"kind": st.just("ab_test"), "of": two}, optional=optional)))
    if space == "values" and draw(st.booleans()):
        drawn.append(draw(st.just("informed") | part_keys({"informed": CONTROLS["informed"]}, OneArm())))
    return drawn


@st.composite
def happenings(draw: Callable, rounds: int, policies: list[Any]) -> list[dict[str, Any]]:
    """Events of any kind, one escape at most, in any of the arms."""
    kinds = draw(st.lists(st.sampled_from([*WHAT_HAPPENS, "switch"]), max_size=4, unique=True))
    drawn = []
    for kind in kinds:
        keys = {"kind": kind, "to": draw(st.sampled_from(policies))} if kind == "switch" else draw(
            part_keys({kind: EVENTS[kind]}, OneEvent()).map(lambda keys: {k: v for k, v in keys.items() if k != "rounds"})
        )
        keys["at"] = draw(st.integers(1, rounds))
        keys["arms"] = draw(st.none() | st.lists(st.sampled_from(list(map(name_of, policies))), max_size=2))
        if EVENTS[kind].lasts:
            keys["rounds"] = draw(st.none() | st.integers(1, 300))
            if "every" in keys:                     # over before it begins again
                keys["every"] = None if keys["rounds"] is None else keys["rounds"] + draw(st.integers(1, 300))
        drawn.append(keys)
    return drawn


@st.composite
def feedback_for(draw: Callable, policies: list[Any], choice: str) -> list[Any]:
    """What users let the platform know: whatever the arms learn from, skips for those who read them, and more."""
    asked = [arm["trains_on"] for arm in policies if isinstance(arm, dict) and "trains_on" in arm]
    needed = {said if isinstance(said, str) else said["signal"] for said in asked} - {"takes"}
    kinds = sorted(needed | {"skip"} | set(draw(st.lists(st.sampled_from(list(FEEDBACKS))))))   # some policies learn from skips
    parts = [draw(st.just(kind) | part_keys({kind: FEEDBACKS[kind]})) for kind in kinds]
    if not hasattr(CHOICES[choice], "examined"):
        parts = ["skip" if isinstance(part, dict) and part["kind"] == "skip" else part for part in parts]
    return parts


@st.composite
def scenarios(draw: Callable) -> dict[str, Any]:
    space = draw(st.sampled_from(["simplex", "sphere", "values"]))
    interests = {kind: part for kind, part in INTERESTS.items() if space in part.spaces and kind != "data"}
    drifts = {kind: part for kind, part in DRIFTS.items() if space in part.spaces and kind != "belief"}
    choices = {kind: part for kind, part in CHOICES.items() if space in getattr(part, "spaces", (space,))}
    choices.pop("certainty_equivalent", None)
    choices.pop("recorded", None)               # needs a real log
    items = {"count": draw(st.integers(30, 9999)), "topics": 2 * draw(st.integers(1, 20)), "space": space}
    if space == "values":                       # users who do not know what items are worth to them, each an item's own
        interests, drifts = {"correlated": INTERESTS["correlated"]}, {"belief": DRIFTS["belief"]}
        choices = {"certainty_equivalent": CHOICES["certainty_equivalent"]}
        items |= {"topics": items["count"], "mixture": "one_hot"}
    rounds = draw(st.integers(1, 300))
    policies = draw(arms(space))
    users = draw(
        st.fixed_dictionaries(
            {
                "interests": part_keys(interests),
                "choice": st.sampled_from(list(choices)) | part_keys(choices),
                "drift": part_keys(drifts),
            },
            optional={
                "count": st.integers(11, 10_000) | st.none(),       # a network of ten friends each
                "susceptibility": TRAITS,
                "activity": TRAITS,
                "takes": st.integers(1, 5),
                "churn": st.fixed_dictionaries(
                    {}, optional={"leave": part_keys(DEPARTURES), "come_back": st.floats(0, 1), "arrivals": st.floats(0, 100)}
                ),
                "repeats": st.fixed_dictionaries({}, optional={"after": st.integers(1, 9), "share": st.floats(0, 1)}),
            },
        )
    )
    if users["interests"]["kind"] == "alike":
        items["topics"] = len(users["interests"].get("shares", (1, 1)))
    choice = users["choice"]
    users["feedback"] = draw(feedback_for(policies, choice if isinstance(choice, str) else choice["kind"]))
    rewiring = {"rewiring": {"probability": draw(st.floats(0.01, 1))}}
    suggests = any(isinstance(arm, dict) and arm.get("who_to_follow") for arm in policies)
    asks_friends = any((arm if isinstance(arm, str) else arm["kind"]) == "friends" for arm in policies)
    network = {"network": rewiring if suggests else {}} if suggests or asks_friends else {}
    return {
        **network,
        "events": draw(happenings(rounds, policies)),
        "title": draw(st.text(min_size=1)),
        "question": draw(st.text()),
        "seed": draw(st.integers(0, 2**63 - 1)),
        "rounds": rounds,
        "users": users,
        "items": items,
        "policies": policies,
        "measures": draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "names": st.lists(st.sampled_from([*MEASURES, "exposure.*", "*"]), min_size=1, max_size=3),
                    "window": st.integers(1, 100) | st.just("cumulative"),
                },
            )
        ),
        "report": {
            "snapshots": draw(st.lists(st.integers(0, rounds), max_size=3)),
            "log": draw(st.booleans()),
        },
    }


def name_of(arm: Any) -> str:
    return arm if isinstance(arm, str) else arm.get("name") or arm["kind"]


def distinct(raw: dict[str, Any]) -> bool:
    names = list(map(name_of, raw["policies"]))
    return len(set(names)) == len(names)


def finite(value: Any) -> bool:
    if isinstance(value, dict | list | tuple):
        return all(map(finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


VALIDATOR = jsonschema.Draft202012Validator(json_schema())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(scenarios())
def test_resolved_text_loads_back_to_an_equal_scenario(raw: dict[str, Any]) -> None:
    assume(distinct(raw) and finite(raw))
    made = scenario(write(raw))
    text = made.resolved()
    again = scenario(text)
    assert again == made
    assert again.digest == made.digest
    assert again.resolved() == text
    assert made == Scenario.model_validate(raw)
    VALIDATOR.validate(parse(text, "").values)


BREAKS = "\n\r\t \x85\u2028\u2029\ufeff\xa0'\"\\:#-ab"


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet=BREAKS, max_size=6))
def test_any_text_with_old_line_breaks_and_quotes_comes_back(text: str) -> None:
    assert parse(write({"title": text}), "").values == {"title": text}


def test_every_character_comes_back() -> None:
    characters = [chr(code) for code in [*range(0xD800), *range(0xE000, 0x10_000)]]
    blocks = ["".join(characters[at : at + 64]) for at in range(0, len(characters), 64)]
    alone = characters[:0x300]
    assert parse(write([*blocks, *alone]), "").values == [*blocks, *alone]


def test_resolved_text_writes_every_default_out() -> None:
    resolved = parse(scenario(SHORTEST).resolved(), "").values
    assert set(resolved) == {key for key, field in Scenario.model_fields.items() if not field.exclude}
    for section in ("users", "items", "discovery", "measures", "report"):
        assert set(resolved[section]) == set(Scenario.model_fields[section].annotation.model_fields)  # type: ignore
    assert resolved["users"]["count"] == 1000
    assert resolved["users"]["choice"]["temperature"] == Logit().temperature


def test_the_schema_is_a_schema_and_accepts_what_is_right() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for text in (SHORTEST, FULL, scenario(FULL).resolved()):
        jsonschema.Draft202012Validator(schema).validate(parse(text, "").values)


FILES = sorted(Path(__file__).parents[2].joinpath("scenarios").rglob("*.yaml"))


@pytest.mark.parametrize("file", [file for file in FILES if "$schema=" in file.read_text()], ids=lambda file: file.stem)
def test_files_that_name_the_schema_are_right_by_it(file: Path) -> None:
    VALIDATOR.validate(parse(file.read_text(), str(file)).values)


SHIPPED = [
    file for file in FILES
    if not file.stem.startswith(("sweep_", "sensitivity_", "tune_", "fit_")) and file.parent.name != "replications"
    and not re.search(r"^(base|worlds|sweep):", file.read_text(), re.M)           # a sweep
]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_scenarios_are_right_by_the_schema_too(file: Path) -> None:
    values = parse(file.read_text(), str(file)).values
    VALIDATOR.validate(values)
    data = "movielens-small" if "data" in values else None
    load_scenario(file, data=data, allow_code=file.stem in {"own_user", "language_users"})


# ---- what is said about what is wrong: the line in file:line:column, the key, and the words

WRONG = [
    (
        "title: t\nroundz: 3\npolicies: [mf]",
        "2:1: roundz",
        "there is no key 'roundz'; did you mean 'rounds'?",
    ),
    ("title: t\nrounds: many\npolicies: [mf]", "2:9: rounds", "must be a whole number (got 'many')"),
    (
        "title: t\nrounds: '3'\npolicies: [mf]",
        "2:9: rounds",
        "must be a whole number (got '3'); leave out the quotes",
    ),
    ("title: t\nrounds: 2.5\npolicies: [mf]", "2:9: rounds", "must be a whole number (got 2.5)"),
    ("title: t\nrounds: true\npolicies: [mf]", "2:9: rounds", "must be a whole number (got true)"),
    ("title: t\nrounds: 0\npolicies: [mf]", "2:9: rounds", "must be at least 1 (got 0)"),
    ("title: t\nrounds:\npolicies: [mf]", "2:1: rounds", "must be a whole number (got nothing)"),
    ("title: 3\npolicies: [mf]", "1:8: title", "must be text (got 3); put it in quotes"),
    ("title: ''\npolicies: [mf]", "1:8: title", "must not be empty"),
    ('title: "\\uD800"\npolicies: [mf]', "1:8: title", "must be valid Unicode text"),
    ("policies: [mf]", "1:1: title", "is missing"),
    ("title: t", "1:1: policies", "is missing"),
    ("title: t\npolicies: []", "2:11: policies", "must have at least one entry"),
    ("title: t\npolicies: mf", "2:11: policies", "must be a list (got 'mf')"),
    ("title: t\npolicies: [mff]", "2:12: policies[0]", "there is no policy 'mff'; did you mean 'mf'?"),
    ("title: t\npolicies:\n- {kind: mff}", "3:10: policies[0].kind", "there is no policy 'mff'"),
    ("title: t\npolicies:\n- {factors: 3}", "3:3: policies[0]", "say which policy with `kind`"),
    (
        "title: t\npolicies:\n- mf\n- {kind: mf, factors: 0}",
        "4:23: policies[1].factors",
        "must be at least 1 (got 0)",
    ),
    ("title: t\npolicies:\n- {kind: mf, factros: 2}", "3:14: policies[0].factros", "did you mean 'factors'?"),
    (
        "title: t\npolicies:\n- {kind: oracle, frozen: true}",
        "3:18: policies[0].frozen",
        "there are: kind, name",
    ),
    (
        "title: t\npolicies:\n- {kind: mf, loss: asl}",
        "3:20: policies[0].loss",
        "must be 'als' or 'bpr' (got 'asl'); did",
    ),
    (
        "title: t\npolicies: [mf, mf]",
        "2:16: policies[1]",
        "is the second arm called 'mf'; give it another `name:`",
    ),
    (
        "title: t\npolicies: [{kind: mf, rerank: {kind: mmr, strength: 2}}]",
        "2:53: policies[0].rerank.strength",
        "at most 1",
    ),
    ("title: t\npolicies: [mf]\nusers: 5", "3:8: users", "must be a mapping of keys to values (got 5)"),
    (
        "title: t\npolicies: [mf]\nusers: {choice: logti}",
        "3:17: users.choice",
        "there is no choice model 'logti'; did",
    ),
    ("title: t\npolicies: [mf]\nusers: {activity: 3}", "3:19: users.activity", "must be at most 1 (got 3)"),
    (
        "title: t\npolicies: [mf]\nusers: {activity: often}",
        "3:19: users.activity",
        "must be a number (got 'often')",
    ),
    ("title: t\npolicies: [mf]\nusers: {activity: {spread: 0.1}}", "3:9: users.activity.mean", "is missing"),
    (
        "title: t\npolicies: [mf]\nusers: {activity: {mean: 0.5, spread: .5}}",
        "3:39: users.activity.spread",
        "must be less than 0.5",
    ),
    (
        "title: t\npolicies: [mf]\nusers: {activity: {mean: 0.9, spread: .3}}",
        "3:39: users.activity.spread",
        "must be less than √(mean · (1 − mean)) = 0.3 (got 0.3)",
    ),
    (
        "title: t\npolicies: [mf]\nitems: {quality: .nan}",
        "3:18: items.quality",
        "must be a finite number (got nan)",
    ),
    (
        "title: t\npolicies: [mf]\nitems: {quality: 1e400}",
        "3:18: items.quality",
        "must be a finite number (got inf)",
    ),
    (
        "title: t\npolicies: [mf]\nmeasures: {window: 0}",
        "3:20: measures.window",
        "at least 1, or 'cumulative' (got 0)",
    ),
    (
        "title: t\npolicies: [mf]\nmeasures: {names: [exposure.gni]}",
        "3:20: measures.names[0]",
        "exposure.gini",
    ),
    (
        "title: t\npolicies: [mf]\nreport: {formats: [pdf]}",
        "3:20: report.formats[0]",
        "must be 'svg' or 'png'",
    ),
    # keys that do not go together
    (
        "title: t\npolicies: [mf]\nslate_size: 501",
        "3:13: slate_size",
        "at most the number of items, 500 (got 501)",
    ),
    (
        "title: t\npolicies: [mf]\nitems: {count: 12}",
        "3:16: items.count",
        "at least `discovery.awareness`, 20 (got 12)",
    ),
    (
        "title: t\npolicies: [mf]\nrounds: 5\nreport: {snapshots: [1, 6]}",
        "4:25: report.snapshots[1]",
        "at most `rounds`, 5",
    ),
    (
        "title: t\npolicies: [mf]\nitems: {space: sphere}",
        "3:16: items.space",
        "'dirichlet' needs `items.space: simplex`",
    ),
    (
        "title: t\npolicies: [mf]\nusers: {interests: sphere}",
        "3:20: users.interests",
        "needs `items.space: sphere`",
    ),
    (
        "title: t\npolicies: [mf]\nusers: {drift: biased_assimilation}",
        "3:16: users.drift",
        "'biased_assimilation' needs `items.space: sphere`",
    ),
    (
        "title: t\npolicies: [mf]\nusers: {interests: sphere}\nitems: {space: sphere, topics: 5}",
        "4:32: items.topics",
        "must be even on the sphere (got 5)",
    ),
    ("title: t\npolicies: [mf]\nusers: {interests: data}", "3:20: users.interests", "add `data:`"),
    (
        "title: t\npolicies: [mf]\ndata: {kind: movielens, path: x}\nusers: {interests: dirichlet}",
        "4:20: users.interests",
        "write `interests: data`",
    ),
    (
        "title: t\npolicies: [mf]\nusers: {interests: data}\ndata: {kind: movielens}",
        "4:7: data",
        "pass --data PATH on the command line",
    ),
    # what is not a scenario, or not YAML
    ("", "1:1", "the file is empty"),
    ("# nothing\n", "1:1", "the file is empty"),
    ("- a\n", "1:1", "must be a mapping of keys to values (got a list)"),
    ("hello\n", "1:1", "must be a mapping of keys to values (got 'hello')"),
    ("title: t\n\tpolicies: [mf]\n", "2:1", "indent with spaces, not tabs"),
    ("title: t\nusers:\n    count: 3\n  takes: 1\n", "4:3", "does not line up"),
    ("title: a: b\n", "1:9", "unexpected ':'"),
    ("title: 'a\n", "1:8", "what is opened here is never closed"),
    ("title: t\npolicies: [mf, {kind: random\n", "2:16", "the '{' opened here is never closed"),
    ("policies: [random, mf\nrounds: 3\n", "1:11", "the '[' opened here is not closed, or a ',' is missing before line 2"),
    ("title: '[' # {\npolicies: [\n", "2:11", "the '[' opened here is never closed"),
    ("policies: [mf}\n", "1:14", "expected ',' or ']'"),
    ("policies: ]\n", "1:11", "a value is missing here"),
    ("title: t\n---\ntitle: u\n", "2:1", "a second document"),
    ("title: *t\n", "1:8", "an alias without its anchor"),
    ("title: t\npolicies: [mf]\ntitle: u\n", "3:1", "the key 'title' is given twice (first in line 1)"),
    ("title: t\npolicies: [mf]\nusers: {? [a] : 1}\n", "3:11", "a key must be a word"),
    ("title: !x t\npolicies: [mf]\n", "1:8", "the tag !x has no meaning here"),
    ("title: !!int t\npolicies: [mf]\n", "1:8", "'t' is not of the type !!int"),
    ("title: t\npolicies: [mf]\n<<: 3\n", "3:5", "`<<` must be followed by the alias of a mapping"),
    ("title: &a [*a]\n", "1:8", "this anchor stands inside itself"),
    ("title: \x07\n", "1:8", "the character U+0007 is not allowed here"),
    ("[" * 1000, "1:1", "is nested too deeply"),
]


@pytest.mark.parametrize("key", ["sweep", "tune", "fit"])
def test_a_file_for_another_command_names_it(key: str, tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(f"title: t\nbase: world.yaml\n{key}: {{}}\n")
    with pytest.raises(ScenarioError, match=f":3:1: {key}: this is a file for `filterbubble {key}`") as told:
        load_scenario(file)
    assert len(told.value.faults) == 1


@pytest.mark.parametrize(("key", "command"), [("study", "study"), ("replication", "replicate")])
def test_a_file_with_questions_names_the_command_that_answers_them(key: str, command: str, tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    for says in (f"{key}: {{}}", f"base: other.yaml\nset: {{{key}.notes: []}}"):
        file.write_text(f"title: t\n{says}\nsweep: {{}}\n")
        with pytest.raises(ScenarioError, match=f"this is a file for `filterbubble {command}`, whose --dry-run checks it"):
            load_scenario(file)


@pytest.mark.parametrize(("text", "where", "words"), WRONG, ids=range(len(WRONG)))
def test_a_fault_is_told_with_its_place_and_in_words(text: str, where: str, words: str) -> None:
    told = complaints(text)
    first, *_ = [line for line in told.splitlines() if where in line] or [""]
    assert first.startswith(f"world.yaml:{where}: "), told
    assert words in first


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    told = complaints("""\
seed: -1
users: {count: 2.5, choice: {kind: logit, temprature: 1}}
policies:
  - {kind: mf, factors: "8"}
  - 7
seed: 3
""")
    places = [line.split(": ")[0] for line in told.splitlines() if line.startswith("world.yaml")]
    assert places == [f"world.yaml:{at}" for at in ("1:1", "1:7", "2:16", "2:43", "4:25", "5:5", "6:1")]


def test_a_fault_shows_its_line_with_a_caret() -> None:
    assert complaints("title: t\npolicies:\n  - {kind: mf, factors: 0}\n") == (
        "world.yaml:3:25: policies[0].factors: must be at least 1 (got 0)\n"
        "    3 |   - {kind: mf, factors: 0}\n"
        "      |                         ^"
    )


def test_many_aliases_of_aliases_are_refused_before_they_fill_the_memory() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "holds more than" in complaints("\n".join(lines))
    merges = ["a0: &a0 {k: 1}"] + [
        f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 9)
    ]
    assert "holds more than" in complaints("\n".join(merges))


# ---- files


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("title: t\nquestion: für wen?\n".encode("latin-1"))
    for path, words in (
        (tmp_path / "none.yaml", "none.yaml: there is no such file"),
        (tmp_path, "this is a directory; give a scenario file"),
        (latin, "latin.yaml:2:12: is not UTF-8 text (byte 0xfc)"),
        ("no\0file", "cannot be read"),
    ):
        with pytest.raises(ScenarioError) as error:
            load_scenario(path)
        assert words in str(error.value)


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "windows.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + FULL.replace("\n", "\r\n").encode())
    assert load_scenario(file) == scenario(FULL)
    file.write_bytes(b"\xef\xbb\xbftitle: t\r\nrounds: x\r\npolicies: [mf]\r\n")
    with pytest.raises(ScenarioError, match=r"windows\.yaml:2:9: rounds"):
        load_scenario(file)


def test_options_of_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "world.yaml"
    file.write_text(SHORTEST)
    made = load_scenario(file, ["users.count=7"], seed=3, replicates=4)
    assert (made.users.count, made.seed, made.replicates) == (7, 3, 4)
    with pytest.raises(ScenarioError, match="--seed -1: seed: must be at least 0"):
        load_scenario(file, seed=-1)
    with pytest.raises(ScenarioError, match=r"--data x: .* has no `data:`"):
        load_scenario(file, data="x")
    file.write_text("title: t\npolicies: [mf]\nusers: {interests: data}\ndata: {kind: movielens}\n")
    made = load_scenario(file, data="movielens-small")
    assert made.data is not None
    assert made.data.path == "movielens-small"


# ---- overrides


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("users.count=100", lambda s: s.users.count == 100),
        ("users.count=1e3", lambda s: s.users.count == 1000),
        ("title=Other words", lambda s: s.title == "Other words"),
        ("users.choice=cascade", lambda s: s.users.choice == CHOICES["cascade"]()),
        ("users.choice.temperature=0.7", lambda s: s.users.choice == Logit(0.7, 0.85)),
        ("users.drift={kind: reinforcement}", lambda s: s.users.drift == DRIFTS["reinforcement"]()),
        ("users.susceptibility=0.5", lambda s: s.users.susceptibility == Trait(mean=0.5)),
        ("users.susceptibility.spread=0.1", lambda s: s.users.susceptibility == Trait(mean=0.5, spread=0.1)),
        ("users.adoption.mean=0.1", lambda s: s.users.adoption == Trait(mean=0.1)),
        ("policies[2].factors=16", lambda s: s.policies[2].policy.factors == 16),
        ("policies.mf.factors=16", lambda s: s.policies[2].policy.factors == 16),
        ("policies.mf+mmr.factors=16", lambda s: s.policies[3].policy.factors == 16),
        ("policies[mf+mmr].rerank.strength=1", lambda s: s.policies[3].rerank == MMR(strength=1.0)),
        ("policies.mf.rerank=mmr", lambda s: s.policies[2].rerank == MMR()),
        ("policies.random.frozen=true", lambda s: s.policies[1].frozen),
        ("policies[0]=popularity", lambda s: s.policies[0].name == "popularity"),
        ("policies=[oracle]", lambda s: [arm.name for arm in s.policies] == ["oracle"]),
        ("report.focus[0]=utility.*", lambda s: s.report.focus[0] == "utility.*" and len(s.report.focus) > 1),
        ("measures.names=[interests.drift]", lambda s: s.measures.names == ("interests.drift",)),
        ("items.creators=3", lambda s: s.items.creators == 3 and s.items.topics == 20),
    ],
)
def test_an_override_changes_one_thing(override: str, value: Callable[[Scenario], bool]) -> None:
    assert not value(scenario(FULL))
    assert value(scenario(FULL, override))


def test_an_override_makes_the_sections_that_a_file_leaves_out() -> None:
    assert scenario(SHORTEST, "users.choice.temperature=0.5").users.choice == Logit(temperature=0.5)
    assert (
        scenario(SHORTEST, "users.activity.spread=0.1", "users.activity.mean=0.5").users.activity.spread
        == 0.1
    )
    arm = scenario(SHORTEST.replace("organic", "mf"), "policies.mf.rerank.kind=mmr").policies[0]
    assert arm.rerank == MMR()


def test_the_last_of_several_overrides_wins_and_is_the_one_that_is_blamed() -> None:
    assert scenario(SHORTEST, "users.count=5", "users.count=6").users.count == 6
    told = complaints(SHORTEST, "users.count=5", "users={count: 0}")
    assert told == "--set users={count: 0}: users.count: must be at least 1 (got 0)"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("users.cuont=100", "users.cuont: there is no key 'cuont'; did you mean 'count'?"),
        ("user.count=100", "user: there is no key 'user'; did you mean 'users'?"),
        ("users.count=abc", "users.count: must be a whole number (got 'abc')"),
        ("users.count.x=1", "users.count: must be a whole number (got a mapping)"),
        ("users.count=[", "users.count: "),
        ("users.count", "must be KEY=VALUE"),
        ("=3", "must be KEY=VALUE"),
        ("users..count=3", "must be KEY=VALUE"),
        ("users.choice.temprature=3", "users.choice.temprature: there is no key 'temprature'; did you mean"),
        ("policies[9].factors=3", "policies: there is no '9' among its 5 entries (numbered from 0)"),
        (
            "policies.mff.factors=3",
            "policies: there is no 'mff' among its 5 entries (numbered from 0); did you mean",
        ),
        ("policies.mf.factor=3", "policies[2].factor: there is no key 'factor'; did you mean 'factors'?"),
        ("title=", "title: must be text (got nothing)"),
        ("rounds={a: 1, a: 2}", "rounds: the key 'a' is given twice"),
    ],
)
def test_a_bad_override_is_blamed_and_not_the_file(override: str, words: str) -> None:
    assert complaints(FULL, override).startswith(f"--set {override}: {words}")


# ---- nothing but a Scenario or a ScenarioError with a line, whatever a file holds


def attempt(make: Callable[[], Scenario]) -> Scenario | ScenarioError:
    try:
        made = make()
    except ScenarioError as error:
        return error
    assert isinstance(made, Scenario)
    return made


def outcome(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    made = attempt(lambda: load_scenario(path))
    if isinstance(made, ScenarioError):
        assert made.faults
        assert all(fault.line >= 1 and fault.column >= 1 for fault in made.faults), str(made)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "world.yaml"


@settings(max_examples=300, deadline=None)
@given(
    content=st.binary()
    | st.text().map(str.encode)
    | st.text("ab:-?[]{}&*!|>'\"%@`#,<~=. \n\t01").map(str.encode)
)
def test_arbitrary_files(file: Path, content: bytes) -> None:
    outcome(content, file)


@settings(max_examples=200, deadline=None)
@given(
    start=st.integers(0, len(FULL)),
    length=st.integers(0, 30),
    inserted=st.text(max_size=8) | st.text("ab:-?[]{}&*!|>'\"%@`#,<~=. \n\t01", max_size=8),
)
def test_a_scenario_with_some_text_replaced(file: Path, start: int, length: int, inserted: str) -> None:
    outcome((FULL[:start] + inserted + FULL[start + length :]).encode(), file)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["mf", "logit"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "mean", "name", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**9), value=VALUES, name=st.text(max_size=5), how=st.sampled_from("vdr"))
def test_a_scenario_with_a_value_replaced_or_a_key_dropped_or_renamed(
    file: Path, seed: int, value: Any, name: str, how: str
) -> None:
    raw = copy.deepcopy(parse(FULL, "").values)
    holder, step = random.Random(seed).choice(list(entries(raw)))
    if how == "v":
        holder[step] = value
    else:
        old = holder.pop(step)
        if how == "r" and isinstance(holder, dict):
            holder[name] = old
    outcome(write(raw).encode(), file)


def entries(value: Any) -> Any:
    """Every (container, key or index) within."""
    if isinstance(value, dict | list):
        for step in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, step
            yield from entries(value[step])


@settings(max_examples=200, deadline=None)
@given(
    text=st.text()
    | st.tuples(st.sampled_from(["users", "policies.mf", "users.choice.x"]), st.text()).map("=".join)
)
def test_arbitrary_overrides(text: str) -> None:
    assert str(attempt(lambda: scenario(FULL, text)))


# ---- reference


@pytest.mark.parametrize("group", GROUPS)
def test_everything_listed_is_documented(group: str) -> None:
    docs = catalogue(group)
    assert docs
    for doc in docs:
        assert doc.summary, doc.kind
        assert describe(f"{group}.{doc.kind}") == [doc]
        assert all(key.meaning for key in doc.keys), doc


def test_a_name_may_belong_to_several_groups() -> None:
    assert {doc.group for doc in describe("data")} == {"interests", "sections"}
    assert [key.name for key in describe("mmr")[0].keys][:1] == ["strength"]


def test_an_unknown_name_says_what_was_probably_meant() -> None:
    with pytest.raises(LookupError, match="did you mean 'sasrec'"):
        describe("sasrek")
    with pytest.raises(LookupError, match="did you mean 'policies'"):
        catalogue("policy")


def test_sections_inside_sections_can_be_looked_up_by_their_names() -> None:
    names = [doc.kind for doc in catalogue("sections")]
    assert len(set(names)) == len(names)
    assert {"users", "users.churn", "items.features", "users.cohorts.activity", "replication.claims", "sweep"} <= set(names)
    (churn,) = describe("users.churn")
    assert "leave" in {key.name for key in churn.keys}


def test_what_an_option_does_to_many_arms_is_said_once() -> None:
    source = parse("title: t\npolicies: [mf, {kind: mf, name: b}, {kind: mf, name: c}]\n", "t.yaml")
    with pytest.raises(ScenarioError) as told:
        check(source, [parse_override("policies.*.factors=x")])
    assert len(told.value.faults) == 3
    (line,) = str(told.value).splitlines()
    assert line.startswith("--set policies.*.factors=x: policies[0].factors and 2 more: ")
