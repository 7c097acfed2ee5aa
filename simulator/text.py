"""Text that has to fit."""

from __future__ import annotations


def shorten(text: str, length: int = 26) -> str:
    """Text of at most `length` characters: what is longer is cut, and ends with an ellipsis."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"
