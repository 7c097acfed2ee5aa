"""What the scenario's own question is about: the measures that `report.about` names, policy by policy."""

from __future__ import annotations

from fnmatch import fnmatchcase

from simulator.report.answers import Finding, one_by_one, with_doubt
from simulator.report.evidence import Evidence
from simulator.report.vocabulary import number, wording
from simulator.statistics import Interval


def asked(evidence: Evidence) -> list[Finding]:
    """Return a finding for each measure that the scenario says its question is about, in its order.

    A measure that the organic arm has is told as paired differences to it, one that it cannot have (it shows no slates) as it
    is under each policy. Measures without any value at the end are left out.
    """
    names = (evidence.run.scenario.get("report") or {}).get("about") or ()
    measures = dict.fromkeys(measure for name in names for measure in evidence.measures if fnmatchcase(measure, name))
    findings = [Finding(f"{wording(measure).axis}:", _told(evidence, measure)) for measure in measures]
    return [finding for finding in findings if finding.text]


def _told(evidence: Evidence, measure: str) -> str:
    baseline, effects = evidence.run.baseline, evidence.policy_effects(measure)
    without = evidence.level(baseline, measure) if baseline else None
    if without is None or not effects:
        levels = {arm.name: found for arm in evidence.compared if (found := evidence.level(arm.name, measure)) is not None}
        return f"at the end {one_by_one(levels, {arm: _level(found) for arm, found in levels.items()})}." if levels else ""
    start = f"{number(without.mean)} at the end without a recommender ({baseline})"
    if all(effect.n > 1 and not effect.excludes_zero for effect in effects.values()):
        return f"{start}; no policy is shown to change it: {with_doubt(effects)}."
    return f"{start}; against this, {with_doubt(effects)}."


def _level(found: Interval) -> str:
    return number(found.mean) if found.n < 2 else f"{number(found.mean)} [{number(found.low)}, {number(found.high)}]"
