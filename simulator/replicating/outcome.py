"""What a replication has left in its folder: a table of claims, and what it was."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from simulator.plain import count
from simulator.replicating.claims import SHOWN, Verdict
from simulator.replicating.keys import STATUS, Status

_WORDS = {"claim", "figure", "status", "over", "at", "kind", "of", "paper", "measured", "tolerance", "inside", "discrepancy",
          "measure"}


LEVELS = 0.8
"""Share of levels that have to be inside for a result to count as reproduced."""


@dataclass(frozen=True)
class Outcome:
    """A replication that was played, or a part of it."""

    folder: Path
    about: dict[str, Any]
    claims: pd.DataFrame            # the columns of `Verdict`

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """Return the table in words."""
        return [_in_words(Verdict(**row)) for row in self.claims.to_dict("records")]

    @property
    def unmet(self) -> int:
        """Return how many claims did not come out as published, and are not known not to."""
        return int(((self.claims["inside"] == "no") & (self.claims["discrepancy"] == "")).sum())

    def inside(self, kind: str) -> tuple[int, int]:
        """Return how many rows of a kind, levels or orders, are inside, and of how many that were played and are judged."""
        judged = self._judged(kind)
        return int((judged["inside"] == "yes").sum()), len(judged)

    @property
    def levels_known_by(self) -> dict[Status, int]:
        """Return how the levels that are judged are known, and how many of them so, the most frequent first."""
        return dict(Counter(self._judged("level")["status"]).most_common())

    def _judged(self, kind: str) -> pd.DataFrame:
        """Return the rows of a kind that were played and are compared."""
        return self.claims[(self.claims["kind"] == kind) & self.claims["inside"].isin(["yes", "no"])]

    @property
    def reproduced(self) -> bool:
        """Is every order inside that was played, and are at least four fifths of the levels?"""
        (orders, all_orders), (levels, all_levels) = self.inside("order"), self.inside("level")
        return orders == all_orders and levels >= LEVELS * all_levels

    @property
    def summary(self) -> str:
        """Return how many rows are inside, in a sentence."""
        inside, known = self.claims["inside"], self.claims["discrepancy"] != ""
        judged = ~inside.isin(["not played", SHOWN])
        words = [f"{int((inside == 'yes').sum())} of {count(int(judged.sum()), 'row')} inside"]
        if (outside := int(((inside == "no") & known).sum())):
            words.append(f"{outside} known not to be")
        if self.unmet:
            words.append(f"{self.unmet} outside")
        if shown := int((inside == SHOWN).sum()):
            words.append(f"{shown} shown only")
        if unplayed := int((inside == "not played").sum()):
            words.append(f"{unplayed} not played")
        return ", ".join(words)


def load_outcome(folder: Path) -> Outcome:
    """Read the folder of a replication."""
    words = dict.fromkeys(_WORDS, str)
    claims = pd.read_csv(folder / "claims.csv", dtype=words, keep_default_na=False,
                         na_values={name: ["", "nan"] for name in Verdict._fields if name not in _WORDS})
    lacking = {name: default for name, default in Verdict._field_defaults.items() if name not in claims}   # of earlier versions
    claims = claims.assign(**lacking)
    return Outcome(folder, json.loads((folder / "replication.json").read_text(encoding="utf-8")), claims)


def _in_words(row: Verdict) -> dict[str, str]:
    at = f", {row.over} {row.at}" if row.over else ""
    interval = "–" if pd.isna(row.low) else f"[{_digits(row.low)}, {_digits(row.high)}]"
    if row.kind == "order" and not pd.isna(row.p):
        interval = f"p {'< 0.001' if row.p < 0.001 else f'= {row.p:.3f}'}"
    inside = "no (known)" if row.inside == "no" and row.discrepancy else row.inside
    return {
        "claim": f"{row.claim}{at}", "figure": row.figure, "status": STATUS[row.status],                   # type: ignore[index]
        "paper": row.paper or "–", "measured": row.measured or "–", "interval": interval, "tolerance": row.tolerance or "–",
        "inside": inside, "discrepancy": "" if row.inside == "yes" else row.discrepancy, "of": row.of, "kind": row.kind,
    }


def _digits(value: float) -> str:
    return f"{value:.5g}"
