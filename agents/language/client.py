"""One question to a server that speaks the chat-completions protocol of OpenAI, as vLLM, Ollama, llama.cpp and others do."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, NamedTuple

from agents.failure import UserFailed

_MOST = 10_000_000
"""Bytes of an answer that are read."""

_HOPELESS = {400, 401, 403, 404, 405, 413, 422}
"""Statuses that the same request will get again."""


class Reply(NamedTuple):
    """What the model said."""

    text: str
    refused: bool                   # the server says that it is a refusal
    tokens: int | None              # of the prompt and the answer together; None: the server does not say


class NoReply(Exception):
    """The server did not answer this time: it may the next."""

    def __init__(self, why: str, after: float = 0.0, charged: bool = False):
        super().__init__(why)
        self.after = after              # seconds that it asks to be left alone
        self.charged = charged          # it may have answered all the same


class _StayHere(urllib.request.HTTPRedirectHandler):
    """A redirection would carry the key to wherever it points."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_StayHere)


@dataclass(frozen=True)
class Endpoint:
    """Where to ask. The key is read from the environment when it is needed, and is nowhere else."""

    base_url: str
    key_env: str | None
    timeout: float

    def key(self) -> str | None:
        """Return the key; `UserFailed` if the environment does not have it."""
        if self.key_env is None:
            return None
        key = os.environ.get(self.key_env, "").strip()
        if not key:
            raise UserFailed(
                f"the environment variable {self.key_env}, which `key_env` names, does not hold a key for {self.base_url}; "
                "for a server that needs none write key_env: null"
            )
        if not (key.isascii() and key.isprintable()):
            raise UserFailed(f"the key in the environment variable {self.key_env} has characters that no key has")
        return key

    def ask(self, body: dict[str, Any]) -> Reply:
        """Ask once. `NoReply` if it is worth another try, `UserFailed` if it is not."""
        key = self.key()

        def clean(text: str) -> str:
            return text.replace(key, "(key)") if key else text

        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "filterbubble"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(
            f"{self.base_url.rstrip('/')}/chat/completions", json.dumps(body).encode(), headers, method="POST"
        )
        try:
            with _OPENER.open(request, timeout=self.timeout) as response:
                raw = response.read(_MOST)
        except urllib.error.HTTPError as error:
            with error:
                said = _said(error)
            why = clean(f"{self.base_url} answers {error.code} {error.reason}{said}")
            if error.code in _HOPELESS or 300 <= error.code < 400:
                raise UserFailed(why + _advice(error.code, self.key_env)) from None
            raise NoReply(why, _seconds(error.headers.get("Retry-After"))) from None
        except TimeoutError:
            raise NoReply(f"{self.base_url} takes longer than {self.timeout:g} seconds (`timeout`)", charged=True) from None
        except (OSError, http.client.HTTPException) as error:
            why = clean(f"{self.base_url} cannot be reached: {getattr(error, 'reason', None) or error}")
            raise NoReply(why, charged=isinstance(error, http.client.HTTPException)) from None
        return _read(clean(raw.decode(errors="replace")), self.base_url, clean)


def _read(raw: str, url: str, clean: Any) -> Reply:
    """What stands in a response."""
    try:
        response = json.loads(raw)
        choice = response["choices"][0]
        message, usage = choice["message"], response.get("usage") or {}
        refusal, text = message.get("refusal"), message.get("content")
        tokens = usage.get("total_tokens")
        if not isinstance(refusal or text or "", str):
            raise TypeError
    except (ValueError, LookupError, TypeError, AttributeError):
        raise NoReply(f"{url} answers with something that is not a chat completion", charged=True) from None
    refused = bool(refusal) or choice.get("finish_reason") == "content_filter"
    known = tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0 else None
    return Reply(clean(refusal or text or ""), refused, known)


def _said(error: urllib.error.HTTPError) -> str:
    """The message in the body of an error, if there is one."""
    try:
        body = error.read(100_000).decode(errors="replace")
        found = json.loads(body)["error"]
        message = found["message"] if isinstance(found, dict) else found
        return f": {' '.join(str(message).split())[:500]}"
    except (OSError, ValueError, LookupError, TypeError, http.client.HTTPException):
        return ""


def _advice(status: int, key_env: str | None) -> str:
    match status:
        case 401 | 403:
            return f"; is the key in {key_env} right?" if key_env else "; it seems to want a key: set `key_env`"
        case 404:
            return "; are `base_url` (with its /v1) and `model` right?"
        case 400 | 422:
            return "; see `structured`, `temperature` and `limit_key`: not every server takes them all"
    return ""


def _seconds(header: str | None) -> float:
    """Retry-After, where it is a number of seconds; at most a minute is waited."""
    try:
        return min(max(float(header or 0), 0.0), 60.0)
    except ValueError:
        return 0.0
