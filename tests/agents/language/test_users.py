"""Users who ask a language model, in whole runs against a server of this machine."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

from agents.failure import UserFailed
from simulator.__main__ import app
from simulator.api import ScenarioError, run
from simulator.language import models_asked, without_server
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario
from simulator.store import packed
from simulator.yaml_source import write

KEY = "sk-sentinel-77aa"        # nothing that a run leaves or says may hold it


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)             # where the cache is


def asking(url: str, share: float = 1.0, **keys: Any) -> dict[str, Any]:
    return {"name": "asking", "share": share, "kind": "language_model", "base_url": url, "model": "m", "pause": 0, **keys}


def world(*cohorts: dict[str, Any], count: int = 24, **keys: Any) -> dict[str, Any]:
    return {
        "title": "Language", "rounds": 3, "warmup": 1, "slate_size": 4, "items": {"count": 60, "topics": 5},
        "discovery": {"awareness": 8}, "policies": ["popularity"], "report": {"formats": []},
        "measures": {"names": ["consumption.alpha", "utility.per_user"]},
        "users": {"count": count, "cohorts": list(cohorts)}, **keys,
    }  # fmt: skip


PARAMETRIC = {"name": "parametric", "share": 0.5}


def played(values: dict[str, Any]) -> FilterBubbleModel:
    scenario = Scenario.model_validate(values, context={"allow_code": True})
    model = FilterBubbleModel(scenario, scenario.policies[0])
    try:
        return model.run()
    finally:
        model.close()


def asked_by(model: FilterBubbleModel) -> pd.DataFrame:
    return pd.DataFrame([vars(row) for cohort in model.cohorts for row in getattr(cohort, "asked", [])])


def test_the_second_run_of_a_hundred_makes_no_calls_and_is_the_same(serve, tmp_path: Path):
    server = serve()
    values = world(asking(server.url), count=100, rounds=2, warmup=0, policies=["organic", "popularity"])
    run(values, out="one", allow_code=True).report()
    calls = server.calls
    assert 200 <= calls <= 400
    run(values, out="two", allow_code=True)
    assert server.calls == calls
    for name in ("trajectory", "language", "people"):
        assert Path(f"one/{name}.parquet").read_bytes() == Path(f"two/{name}.parquet").read_bytes(), name
    first, second = (json.loads(Path(name, "manifest.json").read_text())["language"] for name in ("one", "two"))
    assert first == {"questions": calls, "cached": 0, "calls": calls, "tokens": 128 * calls}
    assert second == {"questions": calls, "cached": calls, "calls": 0, "tokens": 0}
    page = Path("one/report.html").read_text()
    assert "decided 100.0% of the time" in page
    assert 'data-name="language"' in page
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]


def test_a_server_that_fails_half_of_the_time_loses_nothing(serve):
    healthy = played(world(asking(serve().url, cache="a"), count=40))
    server = serve("fails half")
    tried = played(world(asking(server.url, cache="b", retries=40), count=40))
    asked = asked_by(tried)
    assert set(asked["outcome"]) == {"taken"}
    assert server.calls == asked["sent"].sum() > 1.5 * len(asked)
    assert tried.trajectory == healthy.trajectory
    assert torch.equal(tried.users.interests, healthy.users.interests)


def test_a_few_among_many_and_the_others_live_as_if_all_were_parametric(serve):
    few = world(PARAMETRIC | {"share": 0.99}, asking(serve().url, 0.01), count=200)
    all_of_one_kind = world(PARAMETRIC | {"share": 1.0}, count=200)
    mixed, all_parametric = played(few), played(all_of_one_kind)
    asked = asked_by(mixed)
    assert set(asked["user"]) == {198, 199}
    assert len(asked) == 2 * 4
    first = slice(0, 198)       # in the warm-up nothing passes from one to the other
    assert torch.equal(mixed.users.origin, all_parametric.users.origin)
    warm = [played(each | {"rounds": 1, "policies": ["organic"]}) for each in (few, all_of_one_kind)]
    assert torch.equal(warm[0].users.interests[first], warm[1].users.interests[first])
    assert not torch.equal(warm[0].users.interests[198:], warm[1].users.interests[198:])


@pytest.mark.parametrize(("reply", "says", "outcome"), [("refuses", None, "refused"), (None, "dunno", "unreadable")])
def test_where_there_is_no_answer_the_choice_model_stands_in_and_is_counted(serve, reply: str, says: str, outcome: str):
    server = serve(reply or "sensible", says=says)
    model = played(world(asking(server.url, retries=0)))
    instead = played(world(PARAMETRIC | {"share": 1.0}))
    asked = asked_by(model)
    assert set(asked["outcome"]) == {outcome}
    assert model.trajectory == instead.trajectory
    assert torch.equal(model.users.interests, instead.users.interests)
    assert asked["parametric"].map(len).sum() > 0
    assert not asked["taken"].map(len).any()


def test_what_the_model_says_is_what_is_taken(serve):
    cohorts = [asking(serve(says='{"take": [2, 1]}').url)]
    model = played(world(users={"count": 24, "takes": 2, "cohorts": cohorts}))
    asked = asked_by(model)
    for row in asked.itertuples():
        assert row.places == ((1, 0) if row.listed > 1 else (0,))
        assert len(row.taken) == len(row.places)
    (cohort,) = model.cohorts
    for user, rows in asked.groupby("user"):
        expected = [item for items in rows.sort_values("round")["taken"] for item in items]
        assert cohort.memory.items[user, : cohort.memory.counts[user]].tolist() == expected


def test_the_prompt_says_who_she_is_what_she_took_and_what_is_there(serve):
    server = serve(says='{"take": [1]}')
    model = played(world(asking(server.url, memory=2, concurrency=1), count=3))
    by_round = [server.requests[start : start + 3] for start in range(0, 12, 3)]
    warmup, last = by_round[0][0], by_round[3][0]
    text = last["messages"][1]["content"]
    assert "You have not taken anything yet." in warmup["messages"][1]["content"]
    assert "The platform shows you" not in warmup["messages"][1]["content"]
    taken = model.cohorts[0].memory.items[0].tolist()
    assert re.findall(r"^- item (\d+):", text, re.M) == [str(item) for item in taken[1:3]]     # the newest two, before this one
    assert re.search(rf"shows you, from the top:\n1\. item {taken[3]}: about topic \d \(", text)
    numbers = [int(number) for number in re.findall(r"^(\d+)\. item", text, re.M)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {"temperature": 0.0, "max_tokens": 200, "model": "m"}.items() <= last.items()
    schema = last["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["take"]["items"] == {"type": "integer"}
    assert len({request["seed"] for request in server.requests}) == 12


def test_keys_turn_what_is_sent(serve):
    server = serve(says='{"take": []}')
    played(world(asking(
        server.url, structured="json_object", temperature=None, limit_key="max_completion_tokens", answer_tokens=50
    ), rounds=1, warmup=0, count=2))
    for request in server.requests:
        assert request["response_format"] == {"type": "json_object"}
        assert request["max_completion_tokens"] == 50
        assert "temperature" not in request
        assert "max_tokens" not in request


def test_a_shuffled_list_parts_place_from_merit(serve):
    """A reader who takes the first of the list: from the top of the slate as it is, from anywhere when it is shuffled."""
    first = serve(says='{"take": [1]}').url
    heads = {}
    for order in ("slate", "shuffled"):
        model = played(world(asking(first, order=order, cache=order), count=60, warmup=0, policies=["oracle"], rounds=2))
        asked = asked_by(model)
        assert (asked.loc[asked["shown"] > 0, "places"] == (0,)).all()
        heads[order] = model.values["utility.per_user"]
    assert heads["slate"] > heads["shuffled"]


def test_the_budget_of_a_run_is_shared_by_its_worlds_and_never_passed(serve):
    server = serve()
    values = world(asking(server.url, max_calls=100), policies=["organic", "popularity"], replicates=2, warmup=2)
    run(values, out="one", allow_code=True)
    asked = pd.read_parquet("one/language.parquet")
    assert server.calls <= 100
    per_world = asked.groupby(["arm", "replicate"])["calls"].sum()
    assert (per_world == 25).all()
    ordered = asked.sort_values(["arm", "replicate", "round", "user"])
    spent = ordered.groupby(["arm", "replicate"]).cumcount() < 25
    assert (ordered["outcome"] == spent.map({True: "taken", False: "over_budget"})).all()
    calls = server.calls
    run(values, out="two", allow_code=True)
    assert server.calls == calls
    assert Path("one/trajectory.parquet").read_bytes() == Path("two/trajectory.parquet").read_bytes()


def test_a_run_from_a_checkpoint_is_the_same(serve):
    values = world(asking(serve().url))
    scenario = Scenario.model_validate(values, context={"allow_code": True})
    whole, half = (FilterBubbleModel(scenario, scenario.policies[0]) for _ in range(2))
    whole.run()
    half.step()
    half.step()
    rest = torch.load(io.BytesIO(packed(half)), weights_only=False)
    rest.run()
    assert asked_by(rest).drop(columns="sent").equals(asked_by(whole).drop(columns="sent"))
    assert rest.trajectory == whole.trajectory
    for model in (whole, half, rest):
        model.close()


def test_it_needs_leave_and_a_key_and_neither_is_silent(serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    server = serve()
    file = tmp_path / "world.yaml"
    file.write_text(write(world(asking(server.url))))

    def command(*arguments: object):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    refused = command("run", file, "--out", "out")
    assert refused.exit_code == 2
    assert "'language_model' sends questions and a key to a server" in refused.stderr
    assert re.search(r"world\.yaml:\d+:\d+: users\.cohorts\[0\]\.kind", refused.stderr)
    with pytest.raises(ScenarioError, match="pass allow_code=True"):
        run(world(asking(server.url)))
    monkeypatch.delenv("OPENAI_API_KEY")
    keyless = command("run", file, "--out", "out", "--allow-code")
    assert keyless.exit_code == 2
    assert "OPENAI_API_KEY" in keyless.stderr
    assert server.calls == 0
    assert not Path("out").exists()


def test_a_server_that_refuses_the_key_ends_the_run_with_words(serve, tmp_path: Path):
    server = serve(lambda request, before: (401, json.dumps({"error": {"message": f"no such key: {KEY}"}})))
    file = tmp_path / "world.yaml"
    file.write_text(write(world(asking(server.url, concurrency=1), warmup=0)))
    result = CliRunner().invoke(app, ["run", str(file), "--out", "out", "--allow-code"])
    assert result.exit_code == 1
    assert "is the key in OPENAI_API_KEY right?" in result.stderr
    assert "Traceback" not in result.output
    assert KEY not in result.output
    assert server.calls < 24            # as many as were under way


def test_the_dry_run_counts_and_asks_nothing(serve, tmp_path: Path):
    server = serve()
    file = tmp_path / "world.yaml"
    file.write_text(write(world(asking(server.url), policies=["organic", "popularity"])))

    def dry() -> list[str]:
        result = CliRunner().invoke(app, ["run", str(file), "--dry-run", "--allow-code"])
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()

    before = dry()
    assert server.calls == 0
    assert re.search(r"\d+ questions to m at http.*; 0 \(0%\) are in the cache", before[1])
    estimate = int(re.search(r"^([\d,]+) calls to make", before[2])[1])
    run(file, out="out", allow_code=True)
    calls = server.calls
    assert estimate == pytest.approx(calls, rel=0.1)
    after = dry()
    assert server.calls == calls
    assert "(100%) are in the cache" in after[1]
    assert after[2].startswith("0 calls to make, about 0 tokens")


def test_without_its_server_a_scenario_is_the_same_but_for_that():
    scenario = Scenario.model_validate(world(asking("http://x/v1", 0.5), PARAMETRIC), context={"allow_code": True})
    quiet = without_server(scenario)
    assert [model.replay for model in models_asked(scenario)] == [False]
    assert [model.replay for model in models_asked(quiet)] == [True]
    assert quiet.users.cohorts[1] == scenario.users.cohorts[1]
    assert without_server(Scenario(title="t", policies=["random"])).users.cohorts == ()


@pytest.mark.parametrize(
    ("url", "words"),
    [("localhost:8000/v1", "must begin with"), ("http://me:secret@x/v1", "no key"), ("https://x/v1?key=1", "no key"),
     ("file:///etc/passwd", "must begin with")],
)
def test_addresses_that_are_none_or_hold_a_secret_are_refused(url: str, words: str):
    with pytest.raises(ScenarioError, match=words):
        run(world(asking(url)), allow_code=True)


def test_a_key_of_the_scenario_that_is_none_is_refused_with_what_is_there():
    with pytest.raises(ScenarioError, match="there is no key 'basis_url'; did you mean 'base_url'"):
        run(world(asking("http://x/v1") | {"basis_url": "http://y"}), allow_code=True)
    with pytest.raises(ScenarioError, match="there is no kind of user 'langauge_model'"):
        run(world(asking("http://x/v1") | {"kind": "langauge_model"}), allow_code=True)


def test_without_a_key_in_python_too(serve, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(UserFailed, match="OPENAI_API_KEY"):
        played(world(asking(serve().url)))


def test_the_columns_are_those_of_the_page(serve):
    run(world(asking(serve().url), rounds=1, count=4), out="out", allow_code=True)
    tables = (Path(__file__).parents[3] / "docs" / "tables.md").read_text(encoding="utf-8")
    section = tables.partition("### language.parquet")[2].partition("\n### ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.M) == pq.read_schema("out/language.parquet").names
