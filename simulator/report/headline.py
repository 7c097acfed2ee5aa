"""The first thing a reader sees: which policy narrows people most, how sure that is, and what it means in usefulness."""

from __future__ import annotations

from simulator.report.answers import Finding
from simulator.report.evidence import ALPHA, UTILITY, Evidence
from simulator.report.vocabulary import difference, listing, number, signed
from simulator.statistics import Interval

NAMED = 4  # rivals named one by one


def headline(evidence: Evidence) -> list[Finding]:
    """Questions and their answers about the narrowest policy; empty where the run has no intervals to hedge them by.

    The narrowest is the policy of the lowest mean, so it is chosen by the same numbers that judge it. To be called the
    narrowest, the two-sided 95 % interval of its paired difference to *every* other policy must lie below zero: a two-sided
    test against the runner-up keeps the error of such a choice at 5 % (Gutmann & Maymin 1987, Annals of Statistics 15).
    """
    effects = {arm: effect for arm, effect in evidence.policy_effects(ALPHA).items() if effect.n > 1}
    baseline = evidence.run.baseline
    if baseline is None or not effects:
        return []
    ranked = sorted(effects, key=lambda arm: effects[arm].mean)
    first, others = ranked[0], ranked[1:]
    apart = {arm: found for arm in others if (found := evidence.between(first, arm, ALPHA)) is not None}
    rivals = [arm for arm in apart if not apart[arm].high < 0]
    sure = [_sure(evidence, first, effects[first]), *_told_apart(first, apart, rivals)]
    findings = [
        Finding("Which policy narrows people most?", _who(evidence, first, effects[first], rivals)),
        Finding("How sure is that?", " ".join(sure)),
        Finding("At what gain or cost in usefulness?", _use(evidence, first, others, effects)),
    ]
    return [finding for finding in findings if finding.text]


def _who(evidence: Evidence, first: str, effect: Interval, rivals: list[str]) -> str:
    level, baseline = evidence.level(first, ALPHA), evidence.run.baseline
    assert level is not None        # there is an effect
    without = level.mean - effect.mean
    size = (
        f"{number(level.mean)} effective topics (alpha) at the end ({evidence.end}), in place of {number(without)} without a "
        f"recommender ({baseline}): {difference(effect.mean, effect.low, effect.high)}, or {_percent(effect.mean, without)}"
    )
    if not effect.high < 0:
        return f"None is shown to. The narrowest diets are those under {first}: one person's spans {size}."
    shared = f", or {_some(rivals, 'or')}, which cannot be told from it" if rivals else ""
    return f"{first}{shared}. Under {first} one person's diet spans {size}."


def _sure(evidence: Evidence, first: str, effect: Interval) -> str:
    interval = f"The 95 % interval over {effect.n} paired replicates"
    if effect.high < 0:
        holds = "and holds" if (first, ALPHA) in evidence.holding else "but does not hold"
        return f"{interval} lies below zero, {holds} when all differences of the verdict are tested together (Holm)."
    if effect.low > 0:
        return f"{interval} lies above zero: even {first} broadens people."
    return f"{interval} includes zero. That no policy is shown to narrow people does not show that none does."


def _told_apart(first: str, apart: dict[str, Interval], rivals: list[str]) -> list[str]:
    """Whether the narrowest is shown to be so: its difference to the others in the same replicates."""
    if not apart:
        return []
    closest = rivals[0] if rivals else next(iter(apart))
    found = apart[closest]
    if found.n < 2:
        return [f"Against {closest} there is one replicate, and so no interval."]
    gap = difference(found.mean, found.low, found.high)
    if not rivals:
        if len(apart) == 1:
            return [f"In the same replicates it is below {closest}, too: {gap}."]
        return [f"In the same replicates it is below every other policy, too: against {closest}, the closest, by {gap}."]
    likewise = f", as does its difference to {_some(rivals[1:], 'and')}" if rivals[1:] else ""
    minus = f"{first} minus {closest} is {gap} in the same replicates"
    return [f"Which is narrowest is open: {minus}, which includes zero{likewise}."]


def _use(evidence: Evidence, first: str, others: list[str], effects: dict[str, Interval]) -> str:
    """What people get under the narrowest policy, and what they would get under the one that leaves diets broadest."""
    gain, level = evidence.effect(first, UTILITY), evidence.level(first, UTILITY)
    if gain is None or level is None:
        return ""
    percent = _percent(gain.mean, level.mean - gain.mean)
    told = [
        f"Utility per user and round is {_interval(gain)} under {first} against no recommender ({percent}){_meaning(gain)}."
    ]
    if others:
        broadest = others[-1]
        step, alpha = evidence.between(broadest, first, UTILITY), effects[broadest]
        if step is not None:
            told.append(
                f"Under {broadest}, which leaves diets broadest (alpha {_interval(alpha)}), it is {_interval(step)} against "
                f"{first}{_meaning(step)}."
            )
    return " ".join(told)


def _side(effect: Interval) -> int:
    """On which side of zero the interval lies: 1, −1, or 0 where it includes it."""
    return (effect.low > 0) - (effect.high < 0)


def _interval(effect: Interval) -> str:
    return difference(effect.mean, effect.low, effect.high)


def _meaning(effect: Interval) -> str:
    return {1: ", a gain", -1: ", a loss", 0: "; the interval includes zero, so neither gain nor loss is shown"}[_side(effect)]


def _percent(change: float, of: float) -> str:
    return f"{signed(100 * change / of, 0)} %" if of > 0 else "–"


def _some(arms: list[str], joined: str) -> str:
    """a, b or c; beyond `NAMED` arms, how many more there are."""
    named = arms if len(arms) <= NAMED else [*arms[: NAMED - 1], f"{len(arms) - NAMED + 1} more"]
    return listing(named, joined)
