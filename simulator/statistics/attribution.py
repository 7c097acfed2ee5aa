"""What a change is due to: people themselves, what a policy shows them, or its learning from what it made them do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from simulator.statistics.windows import end_values

PARTS = ("own drift", "personalisation", "retraining loop")
TOTAL = "change"
KEYS = ["replicate", "measure"]


def attribute(trajectory: pd.DataFrame, baseline: str, twins: Mapping[str, str]) -> pd.DataFrame:
    """Split each policy's change of each measure from the start to the end into three parts, in each replicate.

    With S the value at the start, O, F and P those at the end (`end_values`) in the organic arm, in the frozen twin (the same
    policy and settings, trained once and never again) and in the policy itself:

        P − S  =  (O − S)  +  (F − O)  +  (P − F)
        change =  own drift + personalisation + retraining loop

    All arms live through one warm-up, so S is the organic arm's first round, which all share. Own drift is what people do when
    left alone (and, in a measure over a window of rounds that the warm-up has not filled, the filling of it); personalisation
    what a recommender does that never learns from its own effects, the mere fact of being shown something included (the level
    of the random arm, see `change_of`, shows how much that is); the retraining loop what comes of its learning from what it
    made people do, and of its having more data than the twin ever gets. The parts add up exactly, replicate by replicate; they
    are taken in this order, and in another one what two parts do together would fall elsewhere. Own definition.

    `trajectory` is tidy, `twins` maps a policy to its frozen twin (`frozen_twins`). Columns of the result: arm, measure,
    replicate, part (one of `PARTS`, or `TOTAL`), value. Measures that the organic arm does not have, such as those of
    exposure, are left out, and so are replicates in which one of the three arms did not come to the end.
    """
    ends = end_values(trajectory)
    organic = _start(trajectory, baseline).merge(_of(ends, baseline, "organic"), on=KEYS)
    tables = []
    for arm, twin in twins.items():
        both = organic.merge(_of(ends, twin, "frozen"), on=KEYS).merge(_of(ends, arm, "end"), on=KEYS)
        values = (
            both["organic"] - both["start"],
            both["frozen"] - both["organic"],
            both["end"] - both["frozen"],
            both["end"] - both["start"],
        )
        for part, value in zip((*PARTS, TOTAL), values, strict=True):
            tables.append(both[KEYS].assign(arm=arm, part=part, value=value))
    columns = ["arm", "measure", "replicate", "part", "value"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def change_of(trajectory: pd.DataFrame, baseline: str, arms: Sequence[str]) -> pd.DataFrame:
    """Change of each measure in other arms (random, oracle) from the same start to the end: arm, measure, replicate, value."""
    ends, start = end_values(trajectory), _start(trajectory, baseline)
    changed = ends[ends["arm"].isin(arms)].merge(start, on=KEYS)
    return changed.assign(value=changed["value"] - changed["start"])[["arm", "measure", "replicate", "value"]]


def frozen_twins(policies: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Each retrained arm that has a frozen twin, with its name: the same settings but `frozen: true`.

    `policies` are those of a resolved scenario. How often an arm that is never retrained would be is no difference.
    """

    def settings(policy: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in policy.items() if key not in ("name", "frozen", "retrain_every")}

    frozen = [policy for policy in policies if policy.get("frozen")]
    twins: dict[str, str] = {}
    for policy in policies:
        if policy.get("frozen") is False:
            alike = [twin["name"] for twin in frozen if settings(twin) == settings(policy)]
            if alike:
                twins[policy["name"]] = alike[0]
    return twins


def _start(trajectory: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """The baseline's value in its first round, for each replicate and measure: replicate, measure, start."""
    rows = trajectory[trajectory["arm"] == baseline].sort_values("round", kind="stable")
    return rows.groupby(KEYS, as_index=False)["value"].first().rename(columns={"value": "start"})


def _of(ends: pd.DataFrame, arm: str, name: str) -> pd.DataFrame:
    return ends.loc[ends["arm"] == arm, [*KEYS, "value"]].rename(columns={"value": name})
