"""What a run will take, before it is played: runs, time, and questions to a language model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agents.language.record import Asked
from simulator.datasets import Dataset
from simulator.language import asked_in, models_asked, without_server
from simulator.plain import count
from simulator.runner import units
from simulator.scenario import Scenario
from simulator.sweeping.plan import unit_seconds
from simulator.warmup import WarmStart

_CHARACTERS, _ANSWER = 4, 10
"""Characters of English text that make a token, about; tokens of an answer that is only the JSON."""


@dataclass(frozen=True)
class Questions:
    """The questions of a run, by its users' play with the answers that the cache has."""

    asked: int
    cached: int         # of these, answers that are there already
    calls: int          # requests that are left, if each is answered at once: a question of several arms is asked once
    tokens: int         # of these, about
    over_budget: int    # questions for which `max_calls` or `max_tokens` would leave nothing


def questions(scenario: Scenario, data: Dataset | None) -> Questions:
    """Play the scenario without its server and count.

    Where an answer is not in the cache the choice model stands in, so that later questions are like those to come and not the
    same. Until the cache holds a run, its later part is an estimate.
    """
    seen = list(_play(without_server(scenario), data))
    left = {question.key: question for question in seen if question.outcome == "not_asked"}
    return Questions(
        asked=len(seen),
        cached=sum(question.calls > 0 for question in seen),
        calls=len(left),
        tokens=sum(question.characters // _CHARACTERS + _ANSWER for question in left.values()),
        over_budget=sum(question.outcome == "over_budget" for question in seen),
    )


def _play(scenario: Scenario, data: Dataset | None) -> Iterator[Asked]:
    warm = WarmStart()
    try:
        for arm, replicate in units(scenario):
            model = warm.model(scenario, arm, replicate, data)
            try:
                yield from asked_in(model.run())
            finally:
                model.close()
    finally:
        warm.close()


def in_words(scenario: Scenario, data: Dataset | None) -> str:
    """Say what a run will take."""
    quiet = without_server(scenario)
    seconds = sum(unit_seconds(quiet, data, arm) for arm in scenario.policies) * scenario.replicates
    said = [f"{count(len(units(scenario)), 'run')}, about {seconds:.3g} seconds of one process without questions to a server."]
    models = models_asked(scenario)
    if not models:
        return "\n".join([*said, "No language model is asked."])
    found = questions(scenario, data)
    share = f" ({found.cached / found.asked:.0%})" if found.asked else ""
    said += [
        f"{count(found.asked, 'question')} to {' and '.join(dict.fromkeys(f'{m.model} at {m.base_url}' for m in models))}; "
        f"{found.cached:,}{share} are in the cache.",
        f"{count(found.calls, 'call')} to make, about {found.tokens:,} tokens.",
    ]
    for model in models:
        limits = [
            f"{getattr(model, name):,} {what}"
            for name, what in (("max_calls", "calls"), ("max_tokens", "tokens")) if getattr(model, name) is not None
        ]
        said.append(f"The run ends its questions after {' or '.join(limits)}." if limits else "The run has no limit.")
    if found.over_budget:
        said.append(f"{count(found.over_budget, 'question')} would be left to the choice model for want of budget.")
    return "\n".join(said)
