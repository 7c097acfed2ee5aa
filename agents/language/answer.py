"""What a model's words mean: the numbers of what is taken, a refusal, or nothing that can be read."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

_THINKING = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_REFUSAL = re.compile(
    r"\b(?:sorry|apologi[sz]e|can(?:no|')t|can’t|unable to|not able to|won['’]t|as an? (?:ai|language model))\b", re.IGNORECASE
)


class Reading(NamedTuple):
    """What an answer says."""

    outcome: str                    # taken, refused, unreadable, off_list
    numbers: tuple[int, ...]        # of what is taken, from 1, in order; () = nothing
    dropped: int                    # numbers that are not on the list, come twice, or are more than may be taken


def read(text: str, refused: bool, listed: int, takes: int) -> Reading:
    """Read an answer to a list of so many items, of which so many may be taken.

    `{"take": [3]}` is what is asked for; a bare list, numbers as texts, and words around the JSON are understood too. An answer
    of which no number is on the list is off_list.
    """
    if refused:
        return Reading("refused", (), 0)
    found = _numbers(_THINKING.sub("", text))
    if found is None:
        return Reading("refused" if _REFUSAL.search(text) else "unreadable", (), 0)
    valid = list(dict.fromkeys(number for number in found if 1 <= number <= listed))[:takes]
    outcome = "off_list" if found and not valid else "taken"
    return Reading(outcome, tuple(valid), len(found) - len(valid))


def _numbers(text: str) -> list[int] | None:
    """The numbers of the last piece of JSON that gives some; None if none does."""
    decoder, result, at = json.JSONDecoder(), None, 0
    while (start := min((place for place in (text.find("{", at), text.find("[", at)) if place >= 0), default=-1)) >= 0:
        try:
            value, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            at = start + 1
            continue
        numbers = _listed(value["take"]) if isinstance(value, dict) and "take" in value else _listed(value)
        result = result if numbers is None else numbers
    return result


def _listed(value: Any) -> list[int] | None:
    if value is None:
        return []
    if isinstance(value, list):
        numbers = [_number(each) for each in value]
        return None if None in numbers else [number for number in numbers if number is not None]
    number = _number(value)
    return None if number is None else [number]


def _number(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,9}\.?\s*", value):
        return int(value.strip().rstrip("."))
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 and value == int(value):
        return int(value)
    return None
