"""Users who ask a language model: the keys of such a cohort, and what it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple
from urllib.parse import urlsplit

import torch
from annotated_types import Interval, MinLen
from torch import Tensor

from agents.chance import Draws, Stream
from agents.choice import Choice, Menu, true_utility
from agents.cohort import UserCohort
from agents.describe import shares_in_words, title, topic_names
from agents.language.answer import Reading
from agents.language.asking import Answer, Asking, Budget, Question
from agents.language.cache import Cache
from agents.language.client import Endpoint
from agents.language.prompt import messages, response_format
from agents.language.record import Asked
from agents.space import mixture

Text = Annotated[str, MinLen(1)]
Limit = Annotated[int, Interval(ge=0, le=1_000_000_000_000)]

_TEMPLATE = 200
"""Tokens that a server may put around the messages: their roles, and the form of the answer."""


@dataclass(frozen=True)
class LanguageModel:
    """Users who ask a language model what to take.

    Each is told her interests, what she took lately and what is before her, and answers with numbers of the list. Where there
    is no answer that can be used, the cohort's choice model decides, which is counted. It also decides on the same menu beside
    each answer, for the report of validity. Interests move as the cohort's drift model says.

    Source: the loop of Agent4Rec (Zhang, Chen, Sheng, Wang & Chua 2024, SIGIR), reduced to what is taken.
    """

    asks_server: ClassVar[bool] = True      # a scenario may do so only where that is allowed
    divisible: ClassVar[bool] = False       # one budget, and all questions at once

    base_url: Text
    """Where the server is, with the version: http://localhost:8000/v1. It speaks OpenAI's protocol, /chat/completions."""

    model: Text
    """The name that the server has for the model."""

    key_env: Text | None = "OPENAI_API_KEY"
    """The environment variable that holds the key; null: the server needs none."""

    memory: Annotated[int, Interval(ge=0, le=1000)] = 10
    """Number of items that she is told to have taken, the newest."""

    order: Literal["slate", "shuffled"] = "slate"
    """slate: she reads the slate from the top; shuffled: in an order drawn anew, which parts the place from the merit."""

    temperature: Annotated[float, Interval(ge=0, le=2)] | None = 0.0
    """Sampling temperature; null: the server's own."""

    structured: Literal["json_schema", "json_object", "none"] = "json_schema"
    """How the server is told the form of the answer; not every server knows all of them."""

    answer_tokens: Annotated[int, Interval(ge=1, le=1_000_000)] = 200
    """Most tokens of an answer, thoughts included."""

    limit_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the server calls this limit."""

    concurrency: Annotated[int, Interval(ge=1, le=1000)] = 8
    """Questions that are asked at the same time."""

    retries: Annotated[int, Interval(ge=0, le=100)] = 5
    """Further tries when there is no answer, or none that can be used."""

    pause: Annotated[float, Interval(ge=0, le=60)] = 1.0
    """Seconds before the first of these tries; twice as long before each further one."""

    timeout: Annotated[float, Interval(gt=0, le=86_400)] = 60.0
    """Seconds to wait for an answer."""

    max_calls: Limit | None = 10_000
    """Most requests to the server in a run, shared out evenly to its arms and replicates; null: no limit."""

    max_tokens: Limit | None = None
    """Most tokens in a run, likewise."""

    cache: Text = "runs/.language_cache"
    """Folder of the answers; relative to the current one."""

    replay: bool = False
    """Use the answers of the cache and ask nothing."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("base_url: must begin with http:// or https://, as in http://localhost:8000/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("base_url: must hold no key, user or query; the key comes from the environment (`key_env`)")

    @property
    def endpoint(self) -> Endpoint:
        """Where questions go."""
        return Endpoint(self.base_url, self.key_env, self.timeout)

    def gather(self, *world: Any) -> UserCohort:
        """Make a cohort of such users."""
        return LanguageCohort(*world, self)


class LanguageCohort(UserCohort):
    """Asks the model for each of its users, and takes the choice model's word where it gives no answer."""

    def __init__(self, *world: Any):
        *arguments, keys = world
        super().__init__(*arguments)
        self.keys: LanguageModel = keys
        self.asking = Asking(keys.endpoint, Cache(Path(keys.cache)), keys.concurrency, keys.retries, keys.pause, keys.replay)
        self.budget = Budget(None, None)
        self.names = topic_names(self.catalog)
        self.titles: dict[int, str] = {}
        self.asked: list[Asked] = []

    def decide(self, menu: Menu, draws: Draws) -> Choice:
        """Ask for all who have something before them."""
        parametric = super().decide(menu, draws)
        again = self.choice_model.choose(self.users, self.catalog, menu, self.takes, _Otherwise(draws))
        lists = list(self._lists(menu, draws))
        seeds = (draws("language model").uniform(self.users.ids) * 2**23).long().tolist()
        questions = [self._question(each, seeds[each.row]) for each in lists]
        self._share_out()
        answers = self.asking.ask(questions, self.budget)
        for each, answer in zip(lists, answers, strict=True):
            self.asked.append(self._record(each, answer, parametric, again))
        return self._choice(menu, parametric, lists, [answer.reading for answer in answers])

    def _share_out(self) -> None:
        """This world's part of what the run may spend. How many worlds share it may change after the warm-up."""
        for name in ("calls", "tokens"):
            most = getattr(self.keys, f"max_{name}")
            setattr(self.budget, name, None if most is None else most // self.model.worlds)

    def _lists(self, menu: Menu, draws: Draws) -> Iterator[_List]:
        """What each user reads; an item that is before her twice is listed once, as the slate has it."""
        order = torch.arange(menu.items.shape[1]).expand(menu.items.shape)
        if self.keys.order == "shuffled":
            slate = draws("order of a list").uniform(self.users.ids[:, None], menu.items[:, : menu.slate_size])
            order = torch.cat([slate.argsort(dim=1, stable=True), order[:, menu.slate_size :]], 1)
        items, offered = menu.items.gather(1, order).tolist(), menu.offered.gather(1, order).tolist()
        for row, (ids, there) in enumerate(zip(items, offered, strict=True)):
            slots: dict[int, int] = {}
            for slot, item in enumerate(ids):
                if there[slot]:
                    slots.setdefault(item, slot)
            if slots:
                shown = sum(slot < menu.slate_size for slot in slots.values())
                yield _List(row, tuple(slots), tuple(order[row, list(slots.values())].tolist()), shown)

    def _question(self, each: _List, seed: int) -> Question:
        keys = self.keys
        shares = mixture(self.users.interests[each.row], self.catalog.space).tolist()
        count = int(self.memory.counts[each.row])
        remembered = self.memory.items[each.row, max(count - keys.memory, 0) : count].tolist()
        titles = [self._title(item) for item in each.items]
        said = messages(
            shares_in_words(shares, self.names, most=6), [self._title(item) for item in remembered],
            titles[: each.shown], titles[each.shown :], self.takes,
        )
        request: dict[str, Any] = {
            "model": keys.model, "messages": said, keys.limit_key: keys.answer_tokens, "seed": seed,
        }
        if keys.temperature is not None:
            request["temperature"] = keys.temperature
        if (form := response_format(keys.structured)) is not None:
            request["response_format"] = form
        # A token of text is at least a byte of it.
        tokens = sum(len(message["content"].encode()) for message in said) + _TEMPLATE + keys.answer_tokens
        return Question(request, len(each.items), self.takes, tokens)

    def _title(self, item: int) -> str:
        if item not in self.titles:
            self.titles[item] = title(self.catalog, item, self.names)
        return self.titles[item]

    def _record(self, each: _List, answer: Answer, parametric: Choice, again: Choice) -> Asked:
        taken = tuple(each.items[number - 1] for number in answer.reading.numbers)
        instead = _taken(parametric, each.row)
        return Asked(
            cohort=self.name, round=self.model.round, user=int(self.users.ids[each.row]), outcome=answer.reading.outcome,
            shown=each.shown, listed=len(each.items), dropped=answer.reading.dropped,
            taken=taken, places=tuple(number - 1 for number in answer.reading.numbers),
            parametric=instead, parametric_places=tuple(map(each.items.index, instead)), again=_taken(again, each.row),
            calls=len(answer.tries), tokens=sum(answer.tries),
            characters=sum(len(message["content"]) for message in answer.question.request["messages"]),
            key=answer.key, sent=answer.sent,
        )

    def _choice(self, menu: Menu, parametric: Choice, lists: list[_List], readings: list[Reading]) -> Choice:
        """What they take: what the model says, or the parametric choice where it says nothing."""
        decided = [(each, reading) for each, reading in zip(lists, readings, strict=True) if reading.outcome == "taken"]
        width = max(self.takes, parametric.items.shape[1])
        items, taken, from_slate, utility = (
            torch.nn.functional.pad(column, (0, width - column.shape[1])) for column in parametric
        )
        rows = [each.row for each, _ in decided]
        taken[rows] = False
        from_slate[rows] = False
        utility[rows] = 0
        considered = torch.zeros_like(menu.offered)
        for each, reading in decided:
            considered[each.row, [each.columns[number - 1] for number in reading.numbers]] = True
        worth = true_utility(self.users, self.catalog, menu, considered)
        for each, reading in decided:
            for place, number in enumerate(reading.numbers):
                column = each.columns[number - 1]
                items[each.row, place], taken[each.row, place] = each.items[number - 1], True
                from_slate[each.row, place] = column < menu.slate_size
                utility[each.row, place] = worth[each.row, column]
        return Choice(items, taken, from_slate, utility)


class _List(NamedTuple):
    """What one user reads."""

    row: int
    items: tuple[int, ...]          # from the top; her own finds after the slate
    columns: tuple[int, ...]        # where on the menu each stands
    shown: int                      # how many are of the slate


class _Otherwise(NamedTuple):
    """The draws of a round as they might have been as well."""

    draws: Draws

    def __call__(self, decision: str) -> Stream:
        return self.draws(f"otherwise {decision}")

    def at(self, round: int) -> Draws:
        return self.draws.at(round)             # what she was born with is no other


def _taken(choice: Choice, row: int) -> tuple[int, ...]:
    there: Tensor = choice.taken[row]
    return tuple(choice.items[row][there].tolist())
