"""Asking: waves of tries, the budget, the cache; what a server may say, and where the key may not go."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from agents.failure import UserFailed
from agents.language.asking import Asking, Budget, Question
from agents.language.cache import Cache, Kept, key_of
from agents.language.client import Endpoint, NoReply

KEY = "sk-sentinel-5f1d"        # nothing but a header may hold it


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)


def question(number: int, tokens: int = 100) -> Question:
    listed = "\n".join(f"{n}. item {n}: about topic {n} (80 %)" for n in (1, 2))
    text = f"You are interested in: topic {number % 3} (90 %).\n{listed}"
    messages = [{"role": "system", "content": "rules"}, {"role": "user", "content": f"{text}\nI am {number}."}]
    return Question({"model": "m", "messages": messages, "seed": number}, listed=2, takes=1, tokens=tokens)


def asking(url: str, folder: Path, **keys: Any) -> Asking:
    endpoint = Endpoint(url, "TEST_KEY", keys.pop("timeout", 5.0))
    return Asking(endpoint, Cache(folder), **{"concurrency": 4, "retries": 3, "pause": 0.0, "replay": False, **keys})


def outcomes(answers: list) -> list[str]:
    return [answer.reading.outcome for answer in answers]


def test_the_request_is_the_protocol_s_and_the_key_is_in_the_header(serve, tmp_path: Path):
    server = serve()
    (answer,) = asking(server.url, tmp_path).ask([question(1)], Budget(None, None))
    assert answer.reading.numbers == (1,)
    assert answer.tries == [128]
    assert server.requests == [{**question(1).request, "path": "/v1/chat/completions"}]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert not any(KEY in file.read_text() for file in tmp_path.rglob("*.json"))


def test_answers_come_in_the_order_of_the_questions_whenever_they_arrive(serve, tmp_path: Path):
    server = serve(delay=lambda number: 0.06 - 0.005 * number)
    answers = asking(server.url, tmp_path, concurrency=10).ask([question(n) for n in range(10)], Budget(None, None))
    assert [answer.reading.numbers for answer in answers] == [(n % 3,) if n % 3 else () for n in range(10)]
    assert 4 < server.most_at_once <= 10


def test_no_more_are_asked_at_once_than_is_said(serve, tmp_path: Path):
    server = serve(delay=lambda number: 0.01)
    asking(server.url, tmp_path, concurrency=2).ask([question(n) for n in range(8)], Budget(None, None))
    assert server.most_at_once == 2


def test_the_second_time_everything_is_in_the_cache(serve, tmp_path: Path):
    server = serve("fails half")
    many, first, second = [question(n) for n in range(12)], Budget(None, None), Budget(None, None)
    before = asking(server.url, tmp_path, retries=30).ask(many, first)
    calls = server.calls
    after = asking(server.url, tmp_path, retries=30).ask(many, second)
    assert server.calls == calls > 12
    assert set(outcomes(before)) == {"taken"}
    assert [(a.reading, a.tries) for a in before] == [(a.reading, a.tries) for a in after]
    assert first == second
    assert first.spent_calls == calls
    assert [a.sent for a in after] == [0] * 12


@pytest.mark.parametrize("calls", [0, 1, 7, 13, 24, 40])
def test_the_budget_of_calls_is_kept_and_spent_alike_from_the_cache(serve, tmp_path: Path, calls: int):
    server = serve("fails half")
    many, first = [question(n) for n in range(12)], Budget(calls, None)
    before = asking(server.url, tmp_path, retries=30).ask(many, first)
    assert server.calls == first.spent_calls <= calls
    assert server.calls == calls or outcomes(before).count("taken") == 12
    again, second = asking(server.url, tmp_path, replay=True), Budget(calls, None)
    replayed = again.ask([q for q, a in zip(many, before, strict=True) if a.reading.outcome == "taken"], second)
    assert outcomes(replayed) == ["taken"] * len(replayed)
    if len(replayed) == 12:
        assert second == first


def test_the_budget_of_tokens_is_never_passed_and_nearly_used_up(serve, tmp_path: Path):
    server, budget = serve(), Budget(None, 1000)
    answers = asking(server.url, tmp_path).ask([question(n, tokens=400) for n in range(12)], budget)
    assert budget.spent_tokens == 128 * server.calls
    assert 1000 - 400 < budget.spent_tokens <= 1000
    assert outcomes(answers) == ["taken"] * server.calls + ["over_budget"] * (12 - server.calls)
    assert all(answer.tries == [] for answer in answers[server.calls :])


def test_a_server_that_says_no_tokens_is_charged_all_that_there_can_be(serve, tmp_path: Path):
    body = json.dumps({"choices": [{"message": {"content": '{"take": []}'}}]})
    budget = Budget(None, 250)
    answers = asking(serve(lambda request, before: (200, body)).url, tmp_path).ask([question(n) for n in range(5)], budget)
    assert budget.spent_tokens == 200
    assert outcomes(answers) == ["taken"] * 2 + ["over_budget"] * 3


@pytest.mark.parametrize(
    ("says", "outcome", "calls"),
    [("no idea", "unreadable", 4), ('{"take": [99]}', "off_list", 4), ("I cannot do that.", "refused", 1)],
)
def test_what_is_of_no_use_is_asked_again_with_another_seed(serve, tmp_path: Path, says: str, outcome: str, calls: int):
    server = serve(says=says)
    (first,) = asking(server.url, tmp_path).ask([question(5)], Budget(None, None))
    assert [request["seed"] for request in server.requests] == [5, 6, 7, 8][:calls]
    (second,) = asking(server.url, tmp_path).ask([question(5)], Budget(None, None))
    assert (first.reading, first.tries) == (second.reading, second.tries)
    assert first.reading.outcome == outcome
    assert server.calls == calls


def test_a_refusal_by_protocol_is_one(serve, tmp_path: Path):
    (answer,) = asking(serve("refuses").url, tmp_path).ask([question(1)], Budget(None, None))
    assert answer.reading.outcome == "refused"
    assert Cache(tmp_path).get(answer.key).refused


def test_a_server_that_is_slow_is_given_up_and_its_tokens_counted(serve, tmp_path: Path):
    server = serve(delay=lambda number: 0.6 if number == 0 else 0.0)
    budget = Budget(None, None)
    (answer,) = asking(server.url, tmp_path, timeout=0.2).ask([question(1)], budget)
    assert answer.reading.outcome == "taken"
    assert answer.tries == [100, 128]
    assert budget.spent_calls == 2


def test_who_is_never_heard_ends_the_run_and_who_was_heard_once_does_not(serve, tmp_path: Path):
    broken = asking(serve(lambda request, before: (500, '{"error": {"message": "out of order"}}')).url, tmp_path)
    with pytest.raises(UserFailed, match=r"none of 3 questions, in 4 tries each.* answers 500 .*out of order"):
        broken.ask([question(n) for n in range(3)], Budget(None, None))
    broken.heard = True
    assert outcomes(broken.ask([question(4)], Budget(None, None))) == ["failed"]
    with pytest.raises(UserFailed, match="cannot be reached"):
        asking("http://127.0.0.1:9/v1", tmp_path).ask([question(1)], Budget(None, None))


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "is the key in TEST_KEY right"), (404, "are `base_url`"), (400, "see `structured`"), (307, "answers 307")],
)
def test_what_will_not_change_is_said_at_once_and_without_the_key(serve, tmp_path: Path, status: int, words: str):
    server = serve(lambda request, before: (status, json.dumps({"error": {"message": f"{KEY} is wrong"}})))
    with pytest.raises(UserFailed, match=words) as failure:
        asking(server.url, tmp_path, concurrency=1).ask([question(1)], Budget(None, None))
    assert server.calls == 1
    assert KEY not in str(failure.value)
    if status == 401:
        assert "(key) is wrong" in str(failure.value)


def test_a_server_that_repeats_the_key_does_not_get_it_into_the_cache(serve, tmp_path: Path):
    asking(serve(says=f'Bearer {KEY}: {{"take": [1]}}').url, tmp_path).ask([question(1)], Budget(None, None))
    (file,) = tmp_path.rglob("*.json")
    assert KEY not in file.read_text()
    assert "Bearer (key)" in file.read_text()


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"choices": []}', '{"choices": [{"message": {"content": 3}}]}', "nonsense"])
def test_what_is_no_completion_is_worth_another_try(serve, body: str):
    endpoint = Endpoint(serve(lambda request, before: (200, body)).url, "TEST_KEY", 5.0)
    with pytest.raises(NoReply, match="not a chat completion"):
        endpoint.ask(question(1).request)


def test_without_its_key_nothing_is_asked(serve, monkeypatch: pytest.MonkeyPatch):
    server = serve()
    monkeypatch.delenv("TEST_KEY")
    with pytest.raises(UserFailed, match="environment variable TEST_KEY"):
        Endpoint(server.url, "TEST_KEY", 5.0).ask(question(1).request)
    monkeypatch.setenv("TEST_KEY", f"{KEY}\n injected: yes")
    with pytest.raises(UserFailed, match="characters that no key has") as failure:
        Endpoint(server.url, "TEST_KEY", 5.0).ask(question(1).request)
    assert KEY not in str(failure.value)
    assert server.calls == 0
    Endpoint(server.url, None, 5.0).ask(question(1).request)
    assert "Authorization" not in server.headers[0]


def test_a_replay_asks_nothing(serve, tmp_path: Path):
    server = serve()
    asking(server.url, tmp_path).ask([question(1)], Budget(None, None))
    answers = asking(server.url, tmp_path, replay=True).ask([question(1), question(2)], Budget(None, None))
    assert outcomes(answers) == ["taken", "not_asked"]
    assert server.calls == 1


def test_the_first_answer_stands_whoever_comes_second(tmp_path: Path):
    cache, request, start = Cache(tmp_path), {"model": "m", "messages": []}, threading.Barrier(8)
    key, stood = key_of(request), []

    def put(number: int) -> None:
        start.wait()
        stood.append(cache.put(key, request, Kept(str(number), False, (number,))))

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(stood) == {cache.get(key)}
    assert len(list(tmp_path.rglob("*"))) == 2      # a folder and a file: no scraps


def test_requests_of_other_models_words_and_seeds_have_other_keys():
    request = question(1).request
    others = [{**request, "model": "n"}, {**request, "seed": 2}, {**request, "messages": []}, {**request, "temperature": 0.5}]
    assert len({key_of(each) for each in [request, *others]}) == 5
    assert key_of(dict(reversed(request.items()))) == key_of(request)


def test_a_file_of_the_cache_that_is_none_is_named(tmp_path: Path):
    cache, request = Cache(tmp_path), {"model": "m"}
    cache.put(key_of(request), request, Kept("x", False, (1,)))
    (file,) = tmp_path.rglob("*.json")
    file.write_text("{")
    with pytest.raises(UserFailed, match=f"{file.name}: is not an answer"):
        cache.get(key_of(request))
