"""What policies and platforms that learn from feedback need of the users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from agents.choice import Examining
from agents.feedback import Skip
from policies.base import Policy
from simulator.parts import problem
from simulator.trains_on import TAKES

if TYPE_CHECKING:
    from simulator.scenario import Scenario


def feedback_conflicts(scenario: Scenario) -> Iterator[InitErrorDetails]:
    """Feedback that a policy is to learn from, or the platform to see, and that there is not."""
    feedback = scenario.users.feedback
    signals = {part.name: part for part in feedback if not isinstance(part, Skip)}
    for key, arm in scenario.each_arm():
        asked, where = arm.trains_on, (*key, "trains_on")
        if asked.signal == TAKES:
            if asked.at_least is not None:
                yield problem("takes have no strength that could be at least so much", (*where, "at_least"))
        elif asked.signal not in signals:
            given = f"they give {', '.join(signals)}" if signals else f"add `feedback: [{asked.signal}]` under `users`"
            yield problem(f"users give no {asked.signal!r}: {given}", where)
        elif asked.at_least is None and not signals[asked.signal].binary:
            message = f"say how much is enough: {{signal: {asked.signal}, at_least: …}}"
            yield problem(message, where)
        wanted = arm.policy.reads_signal() if isinstance(arm.policy, Policy) else None
        if wanted is not None and wanted not in signals:
            given = f"they give {', '.join(signals)}" if signals else f"add `feedback: [{wanted}]` under `users`"
            yield problem(f"{arm.name!r} reads the signal {wanted!r}, which users do not give: {given}", (*key, "signal"))
        if isinstance(arm.policy, Policy) and arm.policy.reads_skips() and not any(isinstance(part, Skip) for part in feedback):
            yield problem(f"{arm.name!r} learns from skips, and users give none: add `feedback: [skip]` under `users`", key)
    models = [scenario.users.choice, *(cohort.choice for cohort in scenario.users.cohorts if cohort.choice is not None)]
    for place, part in enumerate(feedback):
        if isinstance(part, Skip) and part.of == "examined" and not all(isinstance(model, Examining) for model in models):
            message = "the choice model does not say what was examined: give it a method `examined`, or write `of: above`"
            yield problem(message, ("users", "feedback", place, "of"))
