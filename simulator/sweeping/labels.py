"""The keys that axes move, and the short names by which tables and figures call them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.faults import Loc, ScenarioError, shown
from simulator.overrides import parse_override


class NotAKey(ValueError):
    """A text that is no dotted key; the message says how one is written."""


def steps(key: str) -> Loc:
    """The steps of a dotted key, in the language of `--set`."""
    try:
        override = parse_override(f"{key}=")
    except ScenarioError:
        override = None
    if override is None or "=" in key:
        example = "write it as in users.drift.rate, policies.mf.factors or policies[mf 2.0].factors"
        raise NotAKey(f"{shown(key)} is not a key; {example}")
    return override.loc


def label(chosen: Mapping[str, str | None]) -> dict[str, str]:
    """The label of each axis: the one chosen, or (None) the shortest end of its key, of two words or more, that is its own."""
    taken = {text for text in chosen.values() if text is not None}
    words = {key: steps(key) for key, text in chosen.items() if text is None}
    return {key: _shortest(key, words, taken) if text is None else text for key, text in chosen.items()}


def _shortest(key: str, words: Mapping[str, Loc], taken: set[str]) -> str:
    own = words[key]
    for length in range(2, len(own)):
        end = own[-length:]
        alone = all(other == key or theirs[-length:] != end for other, theirs in words.items())
        if alone and not str(end[0]).isdecimal() and (text := _spelled(end)) not in taken:
            return text
    return key


def _spelled(words: Loc) -> str:
    bracketed = (f"[{word}]" if str(word).isdecimal() or "." in str(word) else f".{word}" for word in words)
    return "".join(bracketed).removeprefix(".")


def in_words(value: Any) -> str:
    """A value of an axis on one line, for tables and messages: 0.1, mf, {kind: logit, temperature: 0.1}."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.4g}"
        case dict():
            return "{" + ", ".join(f"{key}: {in_words(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(in_words, value)) + "]"
    return str(value)
