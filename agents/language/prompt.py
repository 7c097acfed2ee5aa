"""What a language model is told: who she is, what she took, and what is before her, as a numbered list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_RULES = (
    "You act as one particular person who uses a recommendation platform. Decide as this person would, not as an assistant: "
    "people pass over most of what they are shown, and often take nothing. Answer with JSON only: "
    '{"take": [numbers of the items that you take, in order]}, or {"take": []} for nothing.'
)


def messages(interests: str, memory: Sequence[str], shown: Sequence[str], found: Sequence[str], takes: int) -> list[dict]:
    """The conversation. Rules and persona come first and the list last, so that servers can reuse what does not change."""
    lines = [f"You are interested in: {interests}."]
    lines += ["What you took lately, the newest last:", *(f"- {title}" for title in memory)] if memory else [
        "You have not taken anything yet."
    ]
    numbered = [f"{number}. {title}" for number, title in enumerate([*shown, *found], start=1)]
    if shown:
        lines += ["", "The platform shows you, from the top:", *numbered[: len(shown)]]
    if found:
        lines += ["", "You came across these by yourself:", *numbered[len(shown) :]]
    most = "one of these items" if takes == 1 else f"{takes} of these items"
    lines += ["", f"You can take at most {most}, or nothing. What do you take?"]
    return [{"role": "system", "content": _RULES}, {"role": "user", "content": "\n".join(lines)}]


def response_format(structured: str) -> dict[str, Any] | None:
    """How the server is told to keep to the form of the answer."""
    if structured == "none":
        return None
    if structured == "json_object":
        return {"type": "json_object"}
    schema = {
        "type": "object",
        "properties": {"take": {"type": "array", "items": {"type": "integer"}}},
        "required": ["take"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "choice", "strict": True, "schema": schema}}
