"""The live dashboard: two arms as they are alone, a story as the log has it, and a page that works in a browser."""

from __future__ import annotations

import gc
import re
import shutil
import signal
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from policies.failure import PolicyFailed
from policies.popularity import Popularity
from simulator.__main__ import app
from simulator.dashboard import command, figures, words
from simulator.dashboard.bench import WITHOUT, Bench, in_words
from simulator.dashboard.knobs import Range, number_range, stops
from simulator.dashboard.pair import PairModel
from simulator.dashboard.server import listen
from simulator.dashboard.story import interests_now, most_apart, row_of, story
from simulator.faults import ScenarioError
from simulator.keys.discovery import DiscoveryKeys
from simulator.keys.items import ItemKeys
from simulator.keys.users import UserKeys
from simulator.model import FilterBubbleModel
from simulator.reference import PARTS
from simulator.scenario import Scenario, load_scenario
from simulator.world import load_data

ROOT = Path(__file__).parents[2]

SCENARIO = """
title: Two <arms>
question: Does it move?
seed: 3
rounds: 12
warmup: 2
slate_size: 4
users: {count: 40, activity: 0.8, takes: 2, drift: {kind: assimilation, rate: 0.1}}
items: {count: 60, topics: 5}
discovery: {awareness: 10}
measures: {names: [consumption.alpha, exposure.gini, interests.drift, utility.per_user]}
report: {focus: [consumption.alpha, exposure.gini, interests.drift]}
policies:
  - popularity
  - organic
  - {kind: mf, name: mf <b>, factors: 4, retrain_every: 2, rerank: {kind: mmr, strength: 0.3}}
"""


def bench(text: str = SCENARIO, **changes: str) -> Bench:
    folder = Path(changes.pop("folder", "."))
    file = folder / "dashboard.yaml"
    file.write_text(text)
    scenario = load_scenario(file, [f"{key}={value}" for key, value in changes.items()])
    return Bench(scenario, load_data(scenario))


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PairModel]:
    """The first pair after six of its twelve rounds."""
    desk = bench(folder=str(tmp_path_factory.mktemp("played")))
    pair = desk.pair(desk.first())
    for _ in range(6):
        pair.step()
    yield pair
    pair.close()


def test_each_arm_lives_as_it_does_alone(played: PairModel) -> None:
    assert [model.platform.arm.name for model in played.sides] == ["organic", "mf <b>"]
    for model in played.sides:
        alone = FilterBubbleModel(model.scenario, model.platform.arm)
        while alone.round < 6:
            alone.step()
        assert model.trajectory == alone.trajectory
        assert torch.equal(model.users.interests, alone.users.interests)
        logs = zip(model.platform.log.interactions(), alone.platform.log.interactions(), strict=True)
        assert all(torch.equal(*columns) for columns in logs)
        alone.close()


def test_a_story_is_what_the_log_and_the_interests_say(played: PairModel) -> None:
    model = played.right
    users, items, rounds = model.platform.log.interactions()
    slates = {
        (round, user): tuple(slate)
        for round, shown_to, shown in model.platform.log.slates
        for user, slate in zip(shown_to.tolist(), shown.tolist(), strict=True)
    }
    found = places = 0
    for row, user in enumerate(model.watched.tolist()):
        before = model.start[row]
        for chapter in story(model, row, played.round):
            assert chapter.slate == slates.get((chapter.round, user), ())
            assert [take.item for take in chapter.takes] == items[(users == user) & (rounds == chapter.round)].tolist()
            for take in chapter.takes:
                item = take.item
                worth = float(before @ model.catalog.topics[item].numpy() + model.catalog.quality[item])
                assert take.utility == pytest.approx(worth, abs=1e-5)
                if take.place is None:
                    found += 1
                else:
                    assert chapter.slate[take.place] == item
                    places += 1
            before = chapter.interests
        assert np.array_equal(before, model.users.interests[user].numpy())
    assert found > 20
    assert places > 20


def test_both_begin_alike_and_the_user_furthest_apart_is_found(played: PairModel) -> None:
    assert np.array_equal(played.left.start, played.right.start)
    left, right = (interests_now(model, 6) for model in played.sides)
    apart = [0.5 * sum(abs(a - b) for a, b in zip(*pair, strict=True)) for pair in zip(left, right, strict=True)]
    assert most_apart(played) == int(np.argmax(apart))
    assert max(apart) > 0.05


@pytest.mark.usefixtures("at_home")
def test_a_pair_stops_at_the_last_round_and_can_be_forgotten() -> None:
    desk = bench(rounds="2", warmup="0")
    pair = desk.pair(desk.first())
    for _ in range(4):      # Mesa asks for more, when it plays several rounds at once
        pair.step()
    assert (pair.round, pair.running, len(pair.left.diary), len(pair.right.trajectory)) == (2, False, 2, 2)
    pair.close()
    traces = [weakref.ref(model) for model in (pair, *pair.sides)]
    del pair
    gc.collect()
    assert [trace() for trace in traces] == [None] * 3


@pytest.mark.usefixtures("at_home")
def test_a_policy_that_breaks_down_ends_the_pair_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(*_: object, **__: object) -> None:
        raise PolicyFailed("the loss is not finite")

    monkeypatch.setattr(Popularity, "fit", diverge)
    desk = bench(policies="[organic, popularity]")
    pair = desk.pair(desk.first())
    pair.step()
    assert (pair.round, pair.running) == (0, False)
    assert pair.failure == "popularity, round 1: the loss is not finite"
    pair.close()


@pytest.mark.usefixtures("at_home")
def test_of_many_users_some_are_watched_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.dashboard.pair.WATCHED", 5)
    desk = bench()
    pair = desk.pair(desk.first())
    assert pair.left.watched.tolist() == [0, 10, 20, 29, 39]        # rounded to even: 19.5 is 20
    assert row_of(pair, 28) == 3
    pair.close()


@pytest.mark.usefixtures("at_home")
def test_the_users_without_a_recommender_are_always_at_hand() -> None:
    desk = bench(policies="[popularity, random, mf]")
    first = desk.first()
    assert [desk.arms()[place].name for place in (first.left, first.right)] == [WITHOUT, "mf"]
    alone = bench(policies="[organic]")
    assert (alone.first().left, alone.first().right) == (0, 0)
    pair = alone.pair(alone.first())
    pair.step()
    assert pair.left.trajectory == pair.right.trajectory
    pair.close()


@pytest.mark.usefixtures("at_home")
def test_sliders_are_the_scenarios_own_numbers() -> None:
    desk = bench()
    knobs = {knob.key: knob for knob in desk.knobs(desk.first())}
    assert list(knobs) == [
        "users.count", "users.choice.temperature", "users.choice.position_bias", "users.choice.outside_utility",
        "users.drift.rate", "items.count", "items.topics", "discovery.share", "discovery.awareness",
        "discovery.popularity_weight", "discovery.fame", "slate_size", "policies[2].retrain_every",
        "policies[2].rerank.strength", "policies[2].rerank.candidates",
    ]
    assert knobs["users.drift.rate"].value == 0.1
    assert "0 to 1" in knobs["users.drift.rate"].range
    assert all(knob.meaning and knob.value in knob.stops for knob in knobs.values())
    for knob in knobs.values():
        for stop in (knob.stops[0], knob.stops[-1]):
            settings = desk.first().having(knob.loc, stop)
            if knob.key in ("items.count", "discovery.awareness", "slate_size"):
                continue                                            # these have to fit each other
            values = desk.changed(settings).model_dump(mode="json")
            for step in knob.loc:
                values = values[step]
            assert values == stop


@pytest.mark.parametrize(
    "model", [Scenario, UserKeys, ItemKeys, DiscoveryKeys, *(PARTS["drifts"][0].model(kind) for kind in PARTS["drifts"][1])]
)
def test_ranges_are_those_of_the_schema(model: type) -> None:
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        found, described = number_range(field), schema["properties"][name]
        members = described.get("anyOf", [described])
        member = next((each for each in members if each.get("type") in ("integer", "number")), None)
        if found is None:
            assert member is None or "$ref" in str(described) or len(members) > 1
            continue
        assert member is not None
        assert (found.kind is int) == (member["type"] == "integer")
        assert found.low == member.get("exclusiveMinimum", member.get("minimum", -np.inf))
        assert found.high == member.get("exclusiveMaximum", member.get("maximum", np.inf))
        assert (found.above, found.below) == ("exclusiveMinimum" in member, "exclusiveMaximum" in member)


@given(
    limits=st.sampled_from([
        Range(float, 0, 1), Range(float, 0, 1, above=True), Range(float, 0, 1, below=True), Range(float, 1e-6, 1e6),
        Range(float, -1e6, 1e6), Range(float, 0, 1000), Range(int, 1, 10**9), Range(int, 2, 10_000),
    ]),
    share=st.floats(0.001, 0.999),
)
def test_a_slider_stops_within_the_range_and_at_the_scenarios_own_value(limits: Range, share: float) -> None:
    value = limits.kind(limits.low + share**6 * (limits.high - limits.low))
    found = stops(limits, value)
    assert value in found
    assert list(found) == sorted(set(found))
    assert 2 <= len(found) <= 45
    assert all(stop in limits and isinstance(stop, limits.kind) for stop in found)
    if limits.low < 0:
        assert min(found) <= -abs(value)


def test_sliders_of_real_data_leave_out_what_does_nothing(tmp_path: Path) -> None:
    desk = Bench(load_scenario(ROOT / "scenarios" / "movielens.yaml", ["users.count=50"], data="movielens-small"), None)
    keys = [knob.key for knob in desk.knobs(desk.first())]
    assert "users.count" in keys
    assert "items.topics" not in keys
    assert "items.count" not in keys        # null: all of them


@pytest.mark.usefixtures("at_home")
def test_settings_that_do_not_go_together_are_told_in_words() -> None:
    desk = bench()
    with pytest.raises(ScenarioError) as caught:
        desk.pair(desk.first().having(("items", "count"), 6).having(("slate_size",), 7))
    assert in_words(caught.value) == (
        "slate_size: must be at most the number of items, 6 (got 7) · "
        "discovery.awareness: must be at most the number of items, 6 (got 10)"
    )


def test_names_cannot_write_html(played: PairModel) -> None:
    look = figures.cast(played, (played.setup.left, played.setup.right))
    row = most_apart(played)
    html = words.now(played, look, ["consumption.alpha"]) + words.told(
        played.right, look, story(played.right, row, played.round), row
    )
    assert "mf &lt;b&gt;" in html
    assert "<b>" not in html
    ends = [f"{model.trajectory[-1][1]['consumption.alpha']:.2f}" for model in played.sides]
    assert all(f"<td>{end}</td>" in html for end in ends)
    assert html.count('class="box') == 4 * sum(bool(chapter.slate) for chapter in story(played.right, row, played.round))


def test_the_documented_example_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(code, "docs/dashboard.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5"]


def asked(*arguments: object):
    return CliRunner().invoke(app, ["dashboard", *map(str, arguments), "--no-open"])


def test_bad_input_is_refused_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "dashboard.yaml"
    file.write_text(SCENARIO)
    wrong = asked(file, "--set", "users.drift.rate=2")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("--set users.drift.rate=2: users.drift.rate: must be at most 1")
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        busy = asked(file, "--port", port)
    assert (busy.exit_code, busy.stderr) == (2, f"127.0.0.1, port {port}: cannot be listened on: Address already in use\n")
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "solara" else object())
    lacking = asked(file)
    assert (lacking.exit_code, lacking.stderr) == (2, "The dashboard needs solara: pip install 'filterbubble[dashboard]'\n")


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
def test_the_page_plays_in_a_browser(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    file = tmp_path / "dashboard.yaml"
    file.write_text(SCENARIO)
    order = [sys.executable, "-m", "simulator", "dashboard", str(file), "--port", "0", "--no-open"]
    server = subprocess.Popen(order, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline()).group()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.set_default_timeout(30_000)
            foreign, errors = [], []
            page.on("request", lambda asked: foreign.append(asked.url) if not _ours(asked.url, address) else None)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(address)
            page.wait_for_selector("img[data-view=story]")
            assert _round(page) == 0

            _press(page, "items.count", "Home")             # none
            _press(page, "items.count", "ArrowRight")       # seven items, and slates of four: but ten are met in a round
            page.get_by_text("discovery.awareness: must be at most the number of items, 7 (got 10)").wait_for()
            _press(page, "items.count", "End")
            page.get_by_text("discovery.awareness: must be").wait_for(state="detached")
            _press(page, "slate_size", "ArrowRight")
            page.wait_for_function("document.querySelector('[data-key=slate_size] .fb-value').textContent == '5'")

            before = _pictures(page)
            table = page.locator("[data-view=now]").inner_text()
            for _ in range(2):
                _press(page, "rounds per picture", "ArrowRight")        # five
            page.get_by_role("button", name="▶").click()
            page.wait_for_function("+document.querySelector('[data-round]').dataset.round >= 10")
            page.wait_for_function("+document.querySelector('[data-round]').dataset.round == 12")
            page.wait_for_function("document.querySelector('[data-view=now]').innerText.startsWith('Round 12')")
            after = _pictures(page)
            assert set(before) == {"trajectories", "map", "heat", "story"}
            assert all(after[view] != before[view] for view in before)
            assert page.locator("[data-view=now]").inner_text() != table
            rows = page.locator("[data-side=right] tbody tr")
            assert rows.count() == 12
            assert {rows.nth(place).locator(".box").count() for place in range(12)} <= {0, 5}
            assert page.locator("[data-side=left] .box").count() == 0

            _choose(page, "Right arm", "popularity")
            page.wait_for_function("document.querySelector('[data-round]').dataset.round == 0")
            page.get_by_role("button", name="Step").click()     # which had ended with the pair before
            page.wait_for_function("document.querySelector('[data-round]').dataset.round == 1")
            page.get_by_label("User").fill("7")
            page.get_by_label("User").press("Enter")
            page.get_by_text("The story of user 7").wait_for()
            assert page.locator("[data-side=right] .arm").inner_text() == "popularity"
            assert page.locator("[data-side=right] tbody tr").count() == 1
            page.get_by_role("button", name="Reset").click()
            page.wait_for_function("document.querySelector('[data-round]').dataset.round == 0")
            page.get_by_role("button", name="▶").click()        # and goes on playing when the server is stopped
            page.wait_for_function("+document.querySelector('[data-round]').dataset.round >= 1")
            assert (foreign, errors) == ([], [])
            server.send_signal(signal.SIGINT)
            assert server.wait(20) == 0
            browser.close()
        assert server.stderr.read() == ""
    finally:
        if server.poll() is None:
            server.kill()
        server.communicate()


def _ours(url: str, address: str) -> bool:
    return url.startswith((address, address.replace("http", "ws"), "data:", "blob:"))


def _round(page) -> int:
    return int(page.locator("[data-round]").get_attribute("data-round"))


def _press(page, key: str, button: str) -> None:
    page.locator(f'[data-key="{key}"] [role=slider]').press(button)


def _choose(page, label: str, option: str) -> None:
    page.locator(".v-select", has_text=label).locator(".v-select__slot").click()
    page.get_by_role("option", name=option, exact=True).click()


def _pictures(page) -> dict[str, str]:
    return {
        picture.get_attribute("data-view"): picture.get_attribute("src")
        for picture in page.locator("img[data-view]").element_handles()
    }
