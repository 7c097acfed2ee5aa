"""Asks many questions at once: from the cache, else from the server, in waves, within a budget.

What comes of it depends on the questions and the answers, and not on the order in which answers arrive, the number of threads,
or what was in the cache: an answer from the cache spends as much of the budget as it did when it was asked for.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from agents.failure import UserFailed
from agents.language.answer import Reading, read
from agents.language.cache import Cache, Kept, key_of
from agents.language.client import Endpoint, NoReply, Reply

_LONGEST_PAUSE = 60.0       # seconds
_UNUSABLE = ("unreadable", "off_list")


@dataclass(frozen=True)
class Question:
    """A request, how many items its list has, and the most tokens that it and its answer can have."""

    request: dict[str, Any]
    listed: int
    takes: int
    tokens: int

    def reading(self, text: str, refused: bool) -> Reading:
        return read(text, refused, self.listed, self.takes)


@dataclass
class Answer:
    """What becomes of a question. The outcome of its reading may also be failed, over_budget or not_asked."""

    question: Question
    key: str
    kept: Kept | None               # what the cache had
    reading: Reading
    tries: list[int] = field(default_factory=list)      # tokens of each, as in `Kept`
    reply: Reply | None = None      # the newest
    sent: int = 0                   # requests that went to the server just now
    trouble: str = ""               # why there is no answer

    def attempt(self, endpoint: Endpoint) -> float:
        """Try once more, from the cache if it is there; return how many seconds the server asks to be left alone."""
        if self.kept is not None:
            self.tries.append(self.kept.tries[len(self.tries)])
            if len(self.tries) == len(self.kept.tries):
                self.reading = self.question.reading(self.kept.text, self.kept.refused)
            return 0.0
        request = self.question.request
        if self.reply is not None:                      # it said something of no use: the same words again would not help
            request = {**request, "seed": request["seed"] + len(self.tries)}
        self.sent += 1
        try:
            self.reply = endpoint.ask(request)
        except NoReply as error:
            self.tries.append(self.question.tokens if error.charged else 0)
            self.reading, self.trouble = Reading("failed", (), 0), str(error)
            return error.after
        self.tries.append(self.question.tokens if self.reply.tokens is None else self.reply.tokens)
        self.reading, self.trouble = self.question.reading(self.reply.text, self.reply.refused), ""
        return 0.0

    def is_open(self, tries: int) -> bool:
        """Is it worth another try, if a question is asked so many times at most?"""
        if self.kept is not None:
            return len(self.tries) < len(self.kept.tries)
        return len(self.tries) < tries and self.reading.outcome in ("failed", *_UNUSABLE)


@dataclass
class Budget:
    """What may be spent (None = no limit), and what has been."""

    calls: int | None
    tokens: int | None
    spent_calls: int = 0
    spent_tokens: int = 0

    def affordable(self, answers: Sequence[Answer]) -> list[Answer]:
        """Return the first of these that there is enough left for, whatever they come to cost."""
        calls, tokens, batch = self.spent_calls, self.spent_tokens, []
        for answer in answers:
            calls, tokens = calls + 1, tokens + answer.question.tokens
            if (self.calls is not None and calls > self.calls) or (self.tokens is not None and tokens > self.tokens):
                break
            batch.append(answer)
        return batch

    def spend(self, answer: Answer) -> None:
        self.spent_calls += 1
        self.spent_tokens += answer.tries[-1]


@dataclass
class Asking:
    """How questions are asked."""

    endpoint: Endpoint
    cache: Cache
    concurrency: int
    retries: int
    pause: float                    # seconds before the second wave; twice as long before each further one
    replay: bool                    # never ask the server
    heard: bool = False             # has it ever said anything?

    def ask(self, questions: Sequence[Question], budget: Budget) -> list[Answer]:
        """Return what became of each question, in their order.

        `UserFailed` if the server will never take such a request, or has never answered anything.
        """
        answers = [self._begin(question) for question in questions]
        waiting = [answer for answer in answers if not (self.replay and answer.kept is None)]
        wave = 0
        while waiting:
            trouble, longest = False, 0.0
            left = waiting
            while batch := budget.affordable(left):
                longest = max(longest, *self._attempt(batch))
                for answer in batch:
                    budget.spend(answer)
                    trouble |= bool(answer.trouble)
                left = left[len(batch) :]
            for answer in left:
                if not answer.tries:
                    answer.reading = Reading("over_budget", (), 0)
            waiting = [answer for answer in waiting[: len(waiting) - len(left)] if answer.is_open(self.retries + 1)]
            if waiting and trouble:
                time.sleep(min(max(self.pause * 2**wave, longest), _LONGEST_PAUSE))
            wave += 1
        for answer in answers:
            self._keep(answer)
        self._expect_to_be_heard(answers)
        return answers

    def _begin(self, question: Question) -> Answer:
        key = key_of(question.request)
        return Answer(question, key, self.cache.get(key), Reading("not_asked", (), 0))

    def _attempt(self, batch: list[Answer]) -> list[float]:
        live = [answer for answer in batch if answer.kept is None]
        waits = [answer.attempt(self.endpoint) for answer in batch if answer.kept is not None]
        if live:
            with ThreadPoolExecutor(min(self.concurrency, len(live))) as threads:
                waits += threads.map(lambda answer: answer.attempt(self.endpoint), live)
        return waits

    def _keep(self, answer: Answer) -> None:
        """Keep what the model said; if another process was first with this question, its answer stands."""
        if answer.kept is not None or answer.reply is None or answer.reading.outcome == "failed":
            return
        ours = Kept(answer.reply.text, answer.reply.refused, tuple(answer.tries))
        stands = self.cache.put(answer.key, answer.question.request, ours)
        answer.reading = answer.question.reading(stands.text, stands.refused)

    def _expect_to_be_heard(self, answers: Sequence[Answer]) -> None:
        self.heard |= any(answer.kept is not None or answer.reply is not None for answer in answers)
        trouble = [answer.trouble for answer in answers if answer.trouble and not answer.is_open(self.retries + 1)]
        if trouble and not self.heard:
            raise UserFailed(
                f"the language model has answered none of {len(trouble)} questions, in {self.retries + 1} tries each; the last "
                f"thing it was: {trouble[-1]}"
            )
