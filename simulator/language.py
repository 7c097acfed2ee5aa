"""Language-model users of a scenario: without their server, and what is written down of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from agents.language import LanguageModel
from agents.language.record import Asked, columns
from agents.language.users import LanguageCohort
from simulator.scenario import Scenario

if TYPE_CHECKING:
    from simulator.model import FilterBubbleModel
    from simulator.play import Played

_NUMBERS = pa.list_(pa.int64())
SCHEMA = {
    "arm": pa.string(), "replicate": pa.int32(), "cohort": pa.string(), "round": pa.int32(), "user": pa.int64(),
    "outcome": pa.string(), "shown": pa.int32(), "listed": pa.int32(), "dropped": pa.int32(), "taken": _NUMBERS,
    "places": _NUMBERS, "parametric": _NUMBERS, "parametric_places": _NUMBERS, "again": _NUMBERS, "calls": pa.int32(),
    "tokens": pa.int64(), "characters": pa.int64(), "key": pa.string(),
}  # fmt: skip
"""The columns of language.parquet: the same whether an answer was asked for or in the cache."""


def models_asked(scenario: Scenario) -> list[LanguageModel]:
    """Return the language models of a scenario's users, one for each cohort that asks one."""
    return [cohort.part for cohort in scenario.users.cohorts if isinstance(cohort.part, LanguageModel)]


def require_keys(scenario: Scenario) -> None:
    """`UserFailed` if the environment lacks a key for a server that is to be asked."""
    for model in models_asked(scenario):
        if not model.replay:
            model.endpoint.key()


def without_server(scenario: Scenario) -> Scenario:
    """Return the scenario with users who know the answers of the cache and ask nothing."""
    if not models_asked(scenario):
        return scenario
    cohorts = tuple(
        cohort.of(replace(cohort.part, replay=True)) if isinstance(cohort.part, LanguageModel) else cohort
        for cohort in scenario.users.cohorts
    )
    return scenario.model_copy(update={"users": scenario.users.model_copy(update={"cohorts": cohorts})})


def asked_in(model: FilterBubbleModel) -> tuple[Asked, ...]:
    """Return every question of a model's users, round by round."""
    asked = [question for cohort in model.cohorts if isinstance(cohort, LanguageCohort) for question in cohort.asked]
    return tuple(sorted(asked, key=lambda question: (question.round, question.user)))


def language_table(done: Sequence[Played]) -> pa.Table | None:
    """Return all questions of a run; None if there are none."""
    played = [each for each in done if each.asked]
    if not played:
        return None
    tables = []
    for each in played:
        held: dict[str, Any] = columns(each.asked)
        held |= {"arm": [each.arm] * len(each.asked), "replicate": [each.replicate] * len(each.asked)}
        tables.append(pa.table({name: pa.array(held[name], kind) for name, kind in SCHEMA.items()}))
    return pa.concat_tables(tables)


def spending(done: Sequence[Played]) -> dict[str, int] | None:
    """Return what the run's questions took: of the server now, and what the cache had; None if there were none."""
    questions = list(_once((each.replicate, each.asked) for each in done))
    if not questions:
        return None
    live = [question for question in questions if question.sent]
    return {
        "questions": len(questions),
        "cached": sum(question.calls > 0 and not question.sent for question in questions),
        "calls": sum(question.sent for question in live),
        "tokens": sum(question.tokens for question in live),
    }


def _once(asked: Iterable[tuple[int, Sequence[Asked]]]) -> Iterator[Asked]:
    """The questions of several arms: those of the warm-up, which arms have in common, once, as they were first asked."""
    warmup: dict[tuple[int, int, int], Asked] = {}
    for replicate, questions in asked:
        for question in questions:
            if question.round > 0:
                yield question
                continue
            place = replicate, question.round, question.user
            if place not in warmup or question.sent > warmup[place].sent:
                warmup[place] = question
    yield from warmup.values()
