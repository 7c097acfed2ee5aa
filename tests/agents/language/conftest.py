"""A server of the tests' own that speaks the chat-completions protocol, on this machine, in a thread.

It reads the prompt as a model would, and takes the first item that is about what she is most interested in.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Reply = Callable[[dict[str, Any], int], tuple[int, str]]
"""From a request and how often it came before, to a status and a body."""


def completion(content: str | None, **message: Any) -> tuple[int, str]:
    body = {
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content, **message}}],
        "usage": {"prompt_tokens": 120, "completion_tokens": 8, "total_tokens": 128},
    }
    return 200, json.dumps(body)


def sensible(request: dict[str, Any], before: int) -> tuple[int, str]:
    """Take the first listed item whose first topic is her first, or nothing."""
    text = request["messages"][1]["content"]
    favourite = re.search(r"interested in: (.+?) \(", text)
    assert favourite
    numbers = re.findall(rf"^(\d+)\. item \d+: about {re.escape(favourite[1])} \(", text, re.M)
    return completion(json.dumps({"take": [int(number) for number in numbers[:1]]}))


def fails_half(request: dict[str, Any], before: int) -> tuple[int, str]:
    """Answer half of the time, by a hash; else an error, an answer that is cut off, or words without a choice."""
    digest = hashlib.sha256(f"{request['messages']}{before}".encode()).digest()
    if digest[0] < 128:
        return sensible(request, before)
    return [(500, "{}"), (503, "busy"), (200, '{"choices": ['), completion("Hmm, let me think.")][digest[1] % 4]


def refuses(request: dict[str, Any], before: int) -> tuple[int, str]:
    return completion(None, refusal="I cannot act as a person.")


REPLIES: dict[str, Reply] = {"sensible": sensible, "fails half": fails_half, "refuses": refuses}


class LanguageServer:
    """Answers at `url` until it is stopped, and keeps what it was asked."""

    def __init__(self, reply: Reply, delay: Callable[[int], float]):
        self.reply, self.delay = reply, delay
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        self._before: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._http = self._listen()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def calls(self) -> int:
        return len(self.requests)

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _listen(self) -> ThreadingHTTPServer:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server._lock:
                    number = len(server.requests)
                    words = json.dumps(request["messages"])
                    before = server._before[words]
                    server._before[words] += 1
                    server.requests.append({**request, "path": self.path})
                    server.headers.append(dict(self.headers))
                    server.at_once += 1
                    server.most_at_once = max(server.most_at_once, server.at_once)
                time.sleep(server.delay(number))
                status, body = server.reply(request, before)
                with server._lock:
                    server.at_once -= 1
                self.send_response(status)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: Any) -> None:    # a client that did not wait
                pass

        return Quiet(("127.0.0.1", 0), Handler)


@pytest.fixture
def serve() -> Iterator[Callable[..., LanguageServer]]:
    """Start a server that replies as one of `REPLIES` does, as a function says, or always with the same words."""
    servers = []

    def start(
        reply: str | Reply = "sensible", says: str | None = None, delay: Callable[[int], float] = lambda number: 0.0
    ) -> LanguageServer:
        if says is not None:
            answer = completion(says)
            servers.append(LanguageServer(lambda request, before: answer, delay))
        else:
            servers.append(LanguageServer(REPLIES[reply] if isinstance(reply, str) else reply, delay))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
