"""The report of a sensitivity analysis: its tables in, one self-contained page and its figures out. It plays nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from simulator.plain import count
from simulator.report import check_formats, save_all
from simulator.report.html import swatch
from simulator.report.load import Arm
from simulator.report.style import house_style, looks
from simulator.report.vocabulary import number, wording
from simulator.sensitivity.analysis import LEVEL
from simulator.sensitivity.figures import draw
from simulator.sensitivity.sentences import answer, bend, estimate, outcome_words, percent
from simulator.sensitivity.study import Estimate, NotASensitivity, Study, load_study
from simulator.sweeping.report import write_swept_page

__all__ = ["NotASensitivity", "write_sensitivity_report"]

SYMBOLS = {"mu_star": "µ*", "mu": "µ", "sigma": "σ", "S1": "S1", "ST": "ST", "mu_star_noise": "chance", "ST_noise": "chance"}
UNITS = {"morris": ("trajectory", "trajectories"), "sobol": ("base sample", "base samples")}


def write_sensitivity_report(folder: Path, formats: Sequence[str] = ("svg",)) -> Path:
    """Write `report.html` and `figures/` into the folder of a sensitivity analysis and return the path of the page.

    Every figure goes to `figures/` in each of `formats` (svg, png), with its numbers beside it as CSV. What is missing is said
    to be. Made again, all files come out the same. `NotASensitivity` if the folder lacks a file or one is malformed.
    """
    check_formats(formats)
    folder = Path(folder)
    study = load_study(folder)
    swept = study.swept
    look = looks([Arm(name, "", False, False, False) for name in swept.arms], swept.baseline, swept.reference)
    with house_style():
        drawings = {measure: draw(study, look, measure) for measure in study.measures}
        pictures = save_all(chain.from_iterable(drawings.values()), folder, formats)

    context = {
        "study": study,
        "answer": answer(study),
        "drawings": [(wording(measure), each) for measure, each in drawings.items()],
        "swatches": {arm: swatch(arm_look) for arm, arm_look in look.items()},
        "symbols": [SYMBOLS[index] for index in _columns(study)],
        "rows": _rows(study),
        "spread": _spread_rows(study),
        "losses": _losses(study),
        "design": _design(study),
        "level": LEVEL,
        "glossary": [wording(measure) for measure in study.measures],
    }
    return write_swept_page("sensitivity/sensitivity.html", folder, swept, pictures, context)


def _columns(study: Study) -> list[str]:
    return list(dict.fromkeys(study.indices["index"]))


def _rows(study: Study) -> list[dict[str, Any]]:
    """Every index of every outcome, in words: a row for each arm, measure, outcome and key."""
    by = ["measure", "outcome", "arm", "key"]
    rows = []
    for (measure, outcome, arm, key), own in study.indices.groupby(by, sort=False):
        found = {row["index"]: Estimate(row["value"], row["low"], row["high"]) for row in own.to_dict("records")}
        values = [estimate(found[index]) for index in _columns(study)]
        rows.append({"label": wording(measure).label, "outcome": outcome, "arm": arm, "key": key, "values": values})
    if study.method == "morris":
        acts = {(arm, wording(measure).label, key.label): bend(key) for measure in study.measures
                for arm in study.arms(measure) for key in study.keys(arm, measure) if key.size.value > 0}  # fmt: skip
        for row in rows:
            told = row["label"] if row["outcome"] != LEVEL else ""
            row["acts"] = acts.get((row["arm"], told, row["key"]), "–")
    return rows


def _spread_rows(study: Study) -> list[dict[str, str]]:
    return [
        {
            "arm": arm, "label": wording(measure).label, "outcome": outcome_words(study, measure),
            "sd": number(found["sd"]), "within": percent(found["within"]), "noise": percent(found["noise"]),
            "cells": str(int(found["cells"])),
        }
        for measure in study.measures for arm in study.arms(measure) for found in [study.spread_of(arm, measure)]
    ]  # fmt: skip


def _losses(study: Study) -> list[str]:
    """What is missing, in words."""
    one, many = UNITS[study.method]
    asked = int(study.about["samples"])
    words = []
    for measure in study.measures:
        fewest, most = study.samples(measure)
        if fewest < asked:
            used = str(fewest) if fewest == most else f"{fewest} to {most}"
            words.append(f"{wording(measure).label}: {used} of {asked} {one if asked == 1 else many} are whole.")
    absent = [wording(measure).label for measure in study.about["measures"] if measure not in study.measures]
    if absent:
        words.append(f"No two whole {many} hold {', '.join(absent)}.")
    return words


def _design(study: Study) -> list[tuple[str, str]]:
    about = study.about
    keys = len(study.swept.axes)
    size = int(about["samples"])
    _, many = UNITS[study.method]
    points = size * (keys + (1 if study.method == "morris" else 2))
    return [
        ("Method", f"{'Morris screening' if study.method == 'morris' else 'Sobol’ indices'}, by SALib {about['salib']}"),
        (many.capitalize(), f"{size} of {count(keys, 'key')}: {points:,} points in {count(len(study.swept.cells), 'cell')}"),
        ("Resamples of an interval", str(about["resamples"])),
        ("Seed of design and resamples", str(about["seed"])),
    ]
