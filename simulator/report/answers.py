"""Sentences from numbers: what the run says, hedged by its intervals.

Four words have one meaning each: people are *narrowed* when consumption alpha is down, *homogenised* when
beta is down, *fragmented* when alpha is down and beta up, and the *public sphere* is smaller when gamma is
down; each against the same users without a recommender, and only when the 95 % interval of the paired
difference excludes zero.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulator.report.evidence import ALPHA, BETA, DRIFT, GAMMA, UTILITY, Evidence
from simulator.report.tradeoff import best_bargain
from simulator.report.vocabulary import capital, difference, listing, number, signed, wording
from simulator.statistics import Interval

RETAINED = "users.retained"
LISTED = 12  # gains named one by one; the table has the rest

ONE_REPLICATE = (
    "One replicate has no interval, so nothing here can be told from chance: repeat the run with "
    "--replicates 5 or more."
)


@dataclass(frozen=True)
class Finding:
    """One thing that the run says: a few words to find it by (empty for the opening), and the sentence."""

    head: str
    text: str


def answer(evidence: Evidence) -> list[Finding]:
    """The answer: an opening and the findings; the less the run can say, the shorter."""
    baseline = evidence.run.baseline
    if evidence.levels.empty:
        return [Finding("", "No arm has played a round yet, so there is nothing to say.")]
    if baseline is None:
        opening = (
            "This run has no organic arm, so nothing here separates what a recommender did from what people "
            "would have done anyway: the table shows levels, not effects."
        )
        return [Finding("", opening), *_levels(evidence), *_alone(evidence)]
    if not evidence.compared:
        return [Finding("", "This run has no policy to compare.")]
    if evidence.effects.empty:
        return [
            Finding("", f"No other arm has come as far as {baseline}, so there is nothing to compare yet.")
        ]
    if int(evidence.effects["n"].max()) < 2:
        return [Finding("", ONE_REPLICATE), *_single(evidence)]
    opening = (
        f"Compared with the same users without a recommender ({baseline}), at the end ({evidence.end}), "
        f"with 95 % intervals over {evidence.pairs} paired replicates, people are:"
    )
    findings = [*_effects(evidence), *_gains(evidence), *_staying(evidence), *_bargain(evidence), *_control(evidence)]
    return [Finding("", opening), *findings]


def _effects(evidence: Evidence) -> list[Finding]:
    """What the policies do to people, one finding for each of the words that applies to any of them."""
    narrowed = _moved(evidence, ALPHA, -1)
    fragmented = {arm: effect for arm, effect in _moved(evidence, BETA, +1).items() if arm in narrowed}
    claims = [
        ("narrowed", narrowed, "alpha, the effective number of topics in one person's diet, is", "lower"),
        ("broadened", _moved(evidence, ALPHA, +1), "alpha is", "higher"),
        ("homogenised", _moved(evidence, BETA, -1), "beta, the number of distinct diets, is", "lower"),
        ("fragmented into separate bubbles", fragmented, "while alpha falls, beta is", "higher"),
        (
            "left with a smaller public sphere",
            _moved(evidence, GAMMA, -1),
            "gamma, the effective number of topics in everybody's diets together, is",
            "lower",
        ),
        ("moved further from their first interests", _moved(evidence, DRIFT, +1), "drift is", "higher"),
    ]
    findings = [
        Finding(head, f"by {listing(list(effects))}: {what} {_amount(effects, way)}.")
        for head, effects, what, way in claims
        if effects
    ]
    if not narrowed and ALPHA in set(evidence.effects["measure"]):
        findings.insert(
            0, Finding("not shown to be narrowed", "by any policy: no interval of alpha lies below zero.")
        )
    undecided = [arm.name for arm in evidence.compared if _undecided(evidence, arm.name)]
    if undecided:
        findings.append(
            Finding(
                "undecided",
                f"under {listing(undecided)}: every interval of alpha, beta and gamma includes zero, which "
                "does not show that there is no effect.",
            )
        )
    return findings


def _undecided(evidence: Evidence, arm: str) -> bool:
    found = [effect for m in (ALPHA, BETA, GAMMA) if (effect := evidence.effect(arm, m)) is not None]
    return bool(found) and not any(effect.excludes_zero for effect in found)


def _gains(evidence: Evidence) -> list[Finding]:
    effects = evidence.policy_effects(UTILITY)
    return [Finding("What each gains", f"in utility per user: {with_doubt(effects)}.")] if effects else []


def _staying(evidence: Evidence) -> list[Finding]:
    """Where users leave: how many stay, and what that means for all else."""
    effects, baseline = evidence.policy_effects(RETAINED), evidence.run.baseline
    without = evidence.level(baseline, RETAINED) if baseline else None
    if not effects or without is None:
        return []
    return [Finding(
        "Who stays",
        f"of the users of round 0, {without.mean:.0%} are still there at the end without a recommender ({baseline}); against "
        f"this share, {with_doubt(effects)}. All other measures of users are over those who are there: a difference in them is "
        "in part one of who stayed.",
    )]


def with_doubt(effects: dict[str, Interval]) -> str:
    """Each arm with its effect, and a word where that may be none."""
    words = {
        arm: f"{_interval(effect)}{'' if effect.excludes_zero or effect.n < 2 else ', which includes zero'}"
        for arm, effect in effects.items()
    }
    return one_by_one(effects, words)


def one_by_one(effects: dict[str, Interval], words: dict[str, str]) -> str:
    """Name arms from the highest effect to the lowest, the middle ones left to the table if they are many."""
    ranked = sorted(effects, key=lambda arm: -effects[arm].mean)
    named = [f"{arm} {words[arm]}" for arm in ranked]
    if len(ranked) <= LISTED:
        return "; ".join(named)
    half = LISTED // 2
    return "; ".join([*named[:half], f"… ({len(ranked) - LISTED} between them in the table)", *named[-half:]])


def _bargain(evidence: Evidence) -> list[Finding]:
    text = best_bargain(evidence)
    return [Finding("The trade-off", f"{text[:1].lower()}{text[1:]}")] if text else []


def _control(evidence: Evidence) -> list[Finding]:
    """How much of what the oracle reaches the best policy reaches."""
    reference = evidence.run.reference
    top = evidence.level(reference, UTILITY) if reference else None
    levels = {a.name: v.mean for a in evidence.compared if (v := evidence.level(a.name, UTILITY)) is not None}
    if reference is None or top is None or top.mean <= 0 or not levels:
        return []
    best = max(levels, key=levels.__getitem__)
    share = 100 * levels[best] / top.mean
    why = (
        f" {capital(reference)} is best in each round, not in the long run: it uses up each user's best items first, and "
        "changes interests like any other."
        if share > 100 else ""
    )
    return [
        Finding(
            "The yardstick",
            f"is {reference}, a control that sees the users' true interests and that no platform could "
            f"build: {best} reaches {share:.0f} % of its utility per user.{why}",
        )
    ]


def _single(evidence: Evidence) -> list[Finding]:
    findings = []
    for measure in (ALPHA, UTILITY):
        effects = evidence.policy_effects(measure)
        if effects:
            told = one_by_one(effects, {arm: signed(effect.mean) for arm, effect in effects.items()})
            findings.append(
                Finding(
                    wording(measure).label,
                    f"at the end ({evidence.end}) differs from {evidence.run.baseline} in this one "
                    f"replicate by: {told}.",
                )
            )
    return findings


def _levels(evidence: Evidence) -> list[Finding]:
    findings = []
    for measure in (ALPHA, UTILITY):
        levels = {
            a.name: v.mean for a in evidence.run.arms if (v := evidence.level(a.name, measure)) is not None
        }
        if len(levels) > 1:
            low, high = min(levels, key=levels.__getitem__), max(levels, key=levels.__getitem__)
            findings.append(
                Finding(
                    wording(measure).label,
                    f"at the end ({evidence.end}) runs from {number(levels[low])} under {low} to "
                    f"{number(levels[high])} under {high}.",
                )
            )
    return findings


def _alone(evidence: Evidence) -> list[Finding]:
    return [Finding("", ONE_REPLICATE)] if evidence.replicates < 2 else []


def _moved(evidence: Evidence, measure: str, direction: int) -> dict[str, Interval]:
    """The policies whose interval for the measure lies on the side of `direction`, largest first."""
    found = {
        arm: effect
        for arm, effect in evidence.policy_effects(measure).items()
        if effect.excludes_zero and effect.mean * direction > 0
    }
    return dict(sorted(found.items(), key=lambda item: -abs(item[1].mean)))


def _amount(effects: dict[str, Interval], word: str) -> str:
    """lower by 1.2 [0.9, 1.5], or the range over several arms and the one with the most."""
    most = next(iter(effects))
    if len(effects) == 1:
        return f"{word} ({_interval(effects[most])})"
    sizes = [abs(effect.mean) for effect in effects.values()]
    span = f"{word} by {number(min(sizes))} to {number(max(sizes))}"
    return f"{span}, most under {most} ({_interval(effects[most])})"


def _interval(effect: Interval) -> str:
    return difference(effect.mean, effect.low, effect.high)
