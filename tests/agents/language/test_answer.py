"""What a model's words mean."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.language.answer import Reading, read


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ('{"take": [3]}', Reading("taken", (3,), 0)),
        ('{"take": []}', Reading("taken", (), 0)),
        ('{"take": null}', Reading("taken", (), 0)),
        ('{"take": 3}', Reading("taken", (3,), 0)),
        ('{"take": ["3", 1.0]}', Reading("taken", (3, 1), 0)),
        ('```json\n{"take": [2]}\n```', Reading("taken", (2,), 0)),
        ("I would take the first. [1]", Reading("taken", (1,), 0)),
        ('<think>{"take": [5]} or not?</think>{"take": [4]}', Reading("taken", (4,), 0)),
        ('{"take": [2, 2, 1]}', Reading("taken", (2, 1), 1)),
        ('{"take": [4, 3, 2, 1]}', Reading("taken", (4, 3), 2)),
        ('{"take": [9, 2]}', Reading("taken", (2,), 1)),
        ('{"take": [9]}', Reading("off_list", (), 1)),
        ('{"take": [0, -1]}', Reading("off_list", (), 2)),
        ('{"take": [1.5]}', Reading("unreadable", (), 0)),
        ('{"take": [true]}', Reading("unreadable", (), 0)),
        ('{"choose": [1]}', Reading("unreadable", (), 0)),
        ('{"take": [1', Reading("unreadable", (), 0)),
        ("", Reading("unreadable", (), 0)),
        ("Number one looks nice.", Reading("unreadable", (), 0)),
        ("I'm sorry, but I can't help with that.", Reading("refused", (), 0)),
        ("As an AI language model I have no interests.", Reading("refused", (), 0)),
        ('I cannot be sure, but {"take": [1]}', Reading("taken", (1,), 0)),
    ],
)
def test_words(text: str, reading: Reading):
    assert read(text, refused=False, listed=5, takes=2) == reading


def test_what_the_server_calls_a_refusal_is_one():
    assert read('{"take": [1]}', refused=True, listed=5, takes=1).outcome == "refused"


@given(st.lists(st.integers(-3, 12)), st.integers(1, 9), st.integers(1, 4), st.text(alphabet="abc \n", max_size=8))
def test_numbers_come_back_in_order_and_nothing_is_lost(numbers: list[int], listed: int, takes: int, around: str):
    reading = read(around + json.dumps({"take": numbers}) + around, False, listed, takes)
    assert len(reading.numbers) + reading.dropped == len(numbers)
    assert len(reading.numbers) <= takes
    assert len(set(reading.numbers)) == len(reading.numbers)
    assert all(1 <= number <= listed for number in reading.numbers)
    places = [numbers.index(number) for number in reading.numbers]
    assert places == sorted(places)
    assert (reading.outcome == "off_list") == (bool(numbers) and not any(1 <= number <= listed for number in numbers))


@given(st.text(max_size=60))
def test_any_words_give_some_reading(text: str):
    assert read(text, False, 3, 1).outcome in {"taken", "refused", "unreadable", "off_list"}
