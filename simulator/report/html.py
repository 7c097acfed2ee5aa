"""The page: numbers, sentences and figures into one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import filter as filter_names
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from simulator.report.answers import answer
from simulator.report.asked import asked
from simulator.report.attribution import attribution, wanting
from simulator.report.evidence import BETA, VERDICT, Evidence
from simulator.report.headline import headline
from simulator.report.language import language_users
from simulator.report.style import Drawing, Look
from simulator.report.sureness import sureness
from simulator.report.template import write_page
from simulator.report.tradeoff import fronts_section
from simulator.report.training import accuracies
from simulator.report.vocabulary import difference, difference_parts, number, wording
from simulator.statistics import PARTS, RESAMPLES, Interval

TWO_SIDED = {BETA}  # up is fragmentation, down is homogenisation: neither way leads away from a bubble


@dataclass(frozen=True)
class Cell:
    """One arm and one measure in the verdict: the value at the end, and its difference to organic."""

    value: str
    difference: str  # empty: this is the organic arm, or there is none
    interval: str
    mark: str  # "▲" or "▼" when the interval excludes zero
    towards: str  # "bubble", "open" or "": which way the difference points, if it is marked
    holds: bool  # still significant when all differences of the table are tested together


def write_run_page(
    evidence: Evidence,
    figures: dict[str, Drawing | list[Drawing] | None],
    pictures: dict[str, str],
    look: dict[str, Look],
) -> Path:
    """Write the whole report and return its path; `pictures` holds the SVG text of each drawing by its name."""
    run = evidence.run
    split = attribution(evidence)
    return write_page(
        run.path / "report.html",
        "report/report.html",
        pictures,
        run=run,
        manifest=run.manifest,
        evidence=evidence,
        headline=[*asked(evidence), *headline(evidence)],
        answer=answer(evidence),
        label=wording,
        verdict=[wording(measure) for measure in VERDICT],
        cells=verdict_cells(evidence),
        tested=bool(len(evidence.effects)) and int(evidence.effects["n"].max()) > 1,
        effects=_effect_rows(evidence),
        resampled=bool(len(evidence.effects)) and bool(evidence.effects["bca_low"].notna().any()),
        resamples=RESAMPLES,
        areas=_area_rows(evidence),
        sure=sureness(evidence),
        fronts=fronts_section(evidence),
        parts=PARTS,
        splits=[] if split is None else split.splits(),
        wanting=wanting(evidence),
        figures=figures,
        swatches={arm: swatch(arm_look) for arm, arm_look in look.items()},
        accuracies=accuracies(evidence),
        language=language_users(evidence),
        focus_absent=_absent(evidence, "focus"),
        about_absent=_absent(evidence, "about"),
        glossary=[wording(measure) for measure in sorted(evidence.measures)],
        made=_provenance(evidence),
        text=run.scenario_text,
    )


def _absent(evidence: Evidence, key: str) -> list[str]:
    """The measures that the scenario's report asks for and the run does not have."""
    asked_for = (evidence.run.scenario.get("report") or {}).get(key) or []
    return [name for name in asked_for if not filter_names(evidence.measures, name)]


def verdict_cells(evidence: Evidence) -> dict[str, list[Cell]]:
    """The cells of the verdict table by arm; p values are adjusted over its policies and measures (Holm)."""
    return {
        arm.name: [
            _cell(
                evidence.level(arm.name, measure),
                evidence.effect(arm.name, measure),
                wording(measure).bubble,
                measure in TWO_SIDED,
                (arm.name, measure) in evidence.holding,
            )
            for measure in VERDICT
        ]
        for arm in evidence.run.arms
    }


def _cell(level: Interval | None, effect: Interval | None, bubble: int, two_sided: bool, holds: bool) -> Cell:
    value = "–" if level is None else number(level.mean)
    if effect is None:
        return Cell(value, "", "", "", "", False)
    mean, bounds = difference_parts(effect.mean, effect.low, effect.high)
    if not effect.excludes_zero:
        return Cell(value, mean, bounds, "", "", False)
    towards = "" if bubble == 0 or two_sided else "bubble" if effect.mean * bubble > 0 else "open"
    return Cell(value, mean, bounds, "▲" if effect.mean > 0 else "▼", towards, holds)


def _effect_rows(evidence: Evidence) -> list[dict[str, Any]]:
    """The appendix of effects: every measure of every arm, in the order of the scenario, in words."""
    arms = [arm.name for arm in evidence.run.arms]
    measures = evidence.measures
    records = evidence.effects.to_dict("records")
    rows = []
    for row in sorted(records, key=lambda row: (arms.index(row["arm"]), measures.index(row["measure"]))):
        rows.append(
            {
                "arm": row["arm"],
                "label": wording(row["measure"]).label,
                "unit": wording(row["measure"]).unit,
                "difference": difference(row["mean"], row["low"], row["high"]),
                "size": number(row["size"], 2),
                "p": _p_value(row["p"]),
                "p_holm": _p_value(row["p_holm"]),
                "bca": "" if np.isnan(row["bca_low"]) else difference_parts(row["mean"], row["bca_low"], row["bca_high"])[1],
                "n": int(row["n"]),
            }
        )
    return rows


def _p_value(p: float) -> str:
    return "–" if np.isnan(p) else "< 0.001" if p < 0.001 else number(p, 3)


def _area_rows(evidence: Evidence) -> list[dict[str, str]]:
    """The area between each arm's curve and the organic arm's, per round: the mean difference over the whole course."""
    arms, measures = [arm.name for arm in evidence.run.arms], evidence.measures
    records = evidence.areas.to_dict("records")
    return [
        {
            "arm": row["arm"],
            "label": wording(row["measure"]).label,
            "unit": wording(row["measure"]).unit,
            "area": difference(row["mean"], row["low"], row["high"]),
            "mean": difference(*(row[name] / row["rounds"] for name in ("mean", "low", "high"))),
            "n": str(int(row["n"])),
        }
        for row in sorted(records, key=lambda row: (measures.index(row["measure"]), arms.index(row["arm"])))
    ]


def swatch(look: Look) -> Markup:
    """A short stroke that looks as the arm's line does in the figures."""
    dashes = "" if look.dash == "-" else ",".join(f"{length * 2:g}" for length in look.dash[1])
    return Markup(
        '<svg class="swatch" viewBox="0 0 26 8" aria-hidden="true"><line x1="0" y1="4" x2="26" y2="4" '
        'stroke="{}" stroke-width="3" stroke-dasharray="{}"/></svg>'
    ).format(look.colour, dashes or "none")


def _provenance(evidence: Evidence) -> list[tuple[str, str]]:
    """Where the numbers come from, as pairs of a term and what it is here."""
    manifest = evidence.run.manifest
    units: Sequence[Any] = evidence.run.units
    training = sum(unit.training_seconds for unit in units)
    total = sum(unit.seconds for unit in units)
    rows = [
        ("Seed", str(manifest["seed"])),
        ("Replicates", str(manifest["replicates"])),
        ("Rounds", f"{manifest['rounds']} after the warm-up"),
        ("Started", str(manifest.get("started", "–"))),
        ("Wall-clock time", _duration(manifest.get("seconds"))),
        ("Time of all arms and replicates", f"{_duration(total)}, of which training {_duration(training)}"),
        ("Workers × threads", f"{manifest.get('workers', '–')} × {manifest.get('threads', '–')}"),
        *((f"SHA-256 of the {name}", str(value)) for name, value in (manifest.get("hashes") or {}).items()),
        (
            "Versions",
            ", ".join(
                f"{name} {version}" for name, version in (manifest.get("versions") or {}).items() if version
            ),
        ),
    ]
    data = manifest.get("data")
    if data:
        sizes = ", ".join(
            f"{data[key]:,} {key}" for key in ("users", "items", "interactions") if data.get(key)
        )
        rows += [
            ("Data", f"{data['name']} ({sizes})" if sizes else str(data["name"])),
            ("Data citation", str(data.get("citation") or "–")),
            ("Data licence", str(data.get("licence") or "–")),
        ]
    else:
        rows.append(("Data", "synthetic: everything is drawn from the scenario and the seed"))
    return rows


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
