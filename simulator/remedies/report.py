"""The report of a study of remedies: its tables in, one self-contained page and its figures out. It plays nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from simulator.plain import count
from simulator.remedies.figures import fronts, look_of_kinds, orders, places
from simulator.remedies.pairs import HOLDS, TURNS, UNDECIDED
from simulator.remedies.sentences import SURE, answer
from simulator.remedies.study import Study, World, load_study
from simulator.report import check_formats, save_all
from simulator.report.html import swatch
from simulator.report.style import house_style
from simulator.report.tradeoff import section
from simulator.report.vocabulary import NO_BREAK, difference, lowered, number, signed, wording
from simulator.sweeping.labels import in_words, steps
from simulator.sweeping.report import write_swept_page
from simulator.yaml_source import read


def write_remedies_report(folder: Path, formats: Sequence[str] = ("svg",)) -> Path:
    """Write `report.html`, `figures/` and the tables `remedies.csv`, `pairs.csv` and `survival.csv` into the folder of a sweep.

    Returns the path of the page. Every figure goes to `figures/` in each of `formats` (svg, png), with its numbers beside it as
    CSV. What is missing is said to be. Made again, all files come out the same. `NotASweep` if a file is missing or malformed.
    """
    check_formats(formats)
    study = load_study(Path(folder))
    look = look_of_kinds(study)
    figures = folder / "figures"
    with house_style():
        drawings = [each for each in (fronts(study, look), places(study), orders(study)) if each is not None]
        pictures = save_all(drawings, folder, formats)
    tables = {"remedies": study.effects, "pairs": study.pairs, "survival": study.survival, "dominating": study.dominating}
    for name, table in tables.items():
        _named(study, table).to_csv(figures / f"{name}.csv", index=False, float_format="%.6g")
    named = {"fronts": None, "places": None, "orders": None} | {drawing.name: drawing for drawing in drawings}

    swatches = {arm: swatch(look[kind]) for arm, kind in study.kind_of.items()}
    context = {
        "study": study, "answer": answer(study), "drawings": named,
        "swatches": swatches | {kind: swatch(look[kind]) for kind in study.kinds},
        "diversity": wording(study.keys.diversity), "utility": wording(study.keys.utility), "lowered": lowered,
        "overview": _overview(study), "worlds": [_world(study, world) for world in study.played],
        "dominating": _dominating(study), "survival": _survival(study), "assumed": list(_assumed(folder, study)),
        "sizes": list(_sizes(folder)), "seconds": _seconds(folder, study),
        "glossary": [wording(measure) for measure in dict.fromkeys([study.keys.diversity, study.keys.utility])],
    }  # fmt: skip
    return write_swept_page("remedies/remedies.html", folder, study.swept, pictures, context)


def _named(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """A table with the world and the assumptions of each cell."""
    world = {cell: each.name for each in study.worlds for cell in (each.base, *each.others)}
    names = table["cell"].map(world)
    return table.assign(world=names, assumptions=[study.assumptions(int(cell)) for cell in table["cell"]])


# Tables of the page ------------------------------------------------------------------------------------------


def _overview(study: Study) -> list[dict[str, Any]]:
    """Every remedy in every world, in a row: gain and cost in per cent of the arm without it, and its place."""
    rows = []
    for arm in study.keys.arms:
        if arm in study.policies:
            rows.append({"arm": arm, "cells": [_at(study, world, arm) for world in study.played]})
    return rows


def _at(study: Study, world: World, arm: str) -> dict[str, Any]:
    own = study.effects[(study.effects["cell"] == world.base) & (study.effects["arm"] == arm)].set_index("measure")
    gain, cost = (_in_percent(own, measure) for measure in (study.keys.diversity, study.keys.utility))
    way = study.sign * float(own.at[study.keys.diversity, "mean"]) if study.keys.diversity in own.index else 0.0
    shown = study.keys.diversity in own.index and own.at[study.keys.diversity, "p_holm"] < SURE
    return {"gain": gain, "cost": cost, "place": _place(study, world, arm),
            "shade": ("open" if way > 0 else "bubble") if shown else ""}  # fmt: skip


def _in_percent(own: pd.DataFrame, measure: str) -> str:
    if measure not in own.index or own.at[measure, "share"] != own.at[measure, "share"]:
        return "–"
    star = "*" if own.at[measure, "p_holm"] < SURE else ""
    return f"{signed(100 * float(own.at[measure, 'share']), 0)}{NO_BREAK}%{star}"


def _place(study: Study, world: World, arm: str) -> str:
    found = study.fronts[world.name][0] if study.fronts[world.name] else None
    if found is None or arm not in found.names:
        return "–"
    place = found.names.index(arm)
    return "knee" if place == found.front.knee else "front" if found.front.on_front[place] else ""


def _world(study: Study, world: World) -> dict[str, Any]:
    """One world in full: each remedy with its intervals, and the fronts."""
    own = study.effects[study.effects["cell"] == world.base]
    rows = []
    for arm in dict.fromkeys(own["arm"]):
        table = own[own["arm"] == arm].set_index("measure")
        row: dict[str, Any] = {"arm": arm, "of": table["of"].iloc[0], "place": _place(study, world, arm)}
        for name, measure in (("gain", study.keys.diversity), ("cost", study.keys.utility)):
            found = table.loc[measure] if measure in table.index else None
            row[name] = "–" if found is None else difference(found["mean"], found["low"], found["high"])
            row[f"{name}_p"] = "–" if found is None else number(float(found["p_holm"]), 3)
            row[f"{name}_sure"] = found is not None and bool(found["p_holm"] < SURE)
        rows.append(row)
    return {"name": world.name, "rows": rows, "fronts": section([("", found) for found in study.fronts[world.name]])}


def _dominating(study: Study) -> list[dict[str, Any]]:
    """For each kind, world by world, whose settings it is better than in both."""
    rows: list[dict[str, Any]] = []
    for kind in study.kinds:
        cells = []
        for world in study.played:
            own = study.dominating[(study.dominating["cell"] == world.base) & (study.dominating["by"] == kind)]
            told = [f"{row.over} {row.settings}/{row.of}{'*' if row.holm else ''}" for row in own.itertuples(index=False)]
            cells.append(", ".join(told) or "–")
        rows.append({"kind": kind, "cells": cells})
    return rows if any(cell != "–" for row in rows for cell in row["cells"]) else []


def _survival(study: Study) -> list[dict[str, Any]]:
    """A row for each world under other assumptions."""
    rows = []
    for world in study.played:
        for cell in world.others:
            own = study.survival[study.survival["cell"] == cell].set_index("what")
            if len(own):
                told = {
                    what: {key: int(own.at[what, key]) for key in ("base", HOLDS, UNDECIDED, TURNS)} | {
                        "tau": number(float(own.at[what, "tau"]), 2)
                    } for what in own.index
                }  # fmt: skip
                rows.append({"world": world.name, "assumptions": study.assumptions(cell), **told})
    return rows


# Where it is from --------------------------------------------------------------------------------------------


def _assumed(folder: Path, study: Study) -> Iterator[tuple[str, str, str]]:
    """Every value of every axis, and what it sets; of one that sets nothing, what each world has there."""
    written = read(folder / "sweep.yaml").values
    axes = (written.get("sweep") or {}).get("axes") or {}
    for name, axis in axes.items():
        values, label = axis.get("values"), axis.get("label", name)
        if not isinstance(values, dict):
            yield label, "", ", ".join(in_words(value) for value in values or [])
            continue
        moved = dict.fromkeys(key for changes in values.values() if isinstance(changes, dict) for key in changes)
        for value, changes in values.items():
            if changes or not isinstance(changes, dict):
                yield label, value, in_words(changes) if not isinstance(changes, dict) else "; ".join(
                    f"{key}: {in_words(each)}" for key, each in changes.items()
                )
            else:
                worlds = _documents(written)
                yield label, value, "; ".join(
                    f"{world}: {in_words(_found(document, key))}" for world, document in worlds.items() for key in moved
                )


def _documents(written: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return written["worlds"] if "worlds" in written else {"": written["base"]}


def _found(document: Any, key: str) -> Any:
    """What stands at a dotted key of a scenario; "by default" where it says nothing."""
    for step in steps(key):
        if not isinstance(document, dict) or step not in document:
            return "by default"
        document = document[step]
    return document


def _sizes(folder: Path) -> Iterator[tuple[str, str]]:
    for world, document in _documents(read(folder / "sweep.yaml").values).items():
        users = (document.get("users") or {}).get("count")
        told = [count(users, "user") if users else "", count(document["rounds"], "round") if "rounds" in document else "",
                count(document["replicates"], "replicate") if "replicates" in document else ""]  # fmt: skip
        yield world or str(document.get("title", "the world")), ", ".join(each for each in told if each) or "as by default"


def _seconds(folder: Path, study: Study) -> str:
    """How long all finished runs took, one after the other."""
    total = 0.0
    for cell in study.swept.finished:
        file = folder / str(study.swept.cells.at[cell, "folder"]) / "manifest.json"
        manifest = json.loads(file.read_text(encoding="utf-8"))
        total += sum(float(unit["seconds"]) for unit in manifest["units"])
    return f"{total / 60:.0f} min" if total >= 120 else f"{total:.0f} s"
