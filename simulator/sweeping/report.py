"""The report of a sweep: its tables in, one self-contained page and its figures out. It plays nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from simulator.plain import count
from simulator.report import check_formats, save_all
from simulator.report.answers import Finding
from simulator.report.evidence import ALPHA
from simulator.report.html import swatch
from simulator.report.load import Arm
from simulator.report.style import Drawing, Look, house_style, looks
from simulator.report.template import write_page
from simulator.report.vocabulary import capital, difference, listing, lowered, number, signed, wording
from simulator.sweeping.designs import SAMPLED
from simulator.sweeping.execution import REMEDIES
from simulator.sweeping.figures import Swept, SweptAxis, heat_maps, lines, rank_correlations, rivalries, scatter, shifts
from simulator.sweeping.tradeoff import tradeoff_figure, tradeoff_sentence, tradeoff_tables, worlds

NAMED = 6  # policies, cells or flips that a sentence names one by one
DESIGNS = {
    "grid": "a grid: every combination of the values",
    "fraction": "a fraction of a grid: every combination of the values of all axes but the last, and the last one's in turn",
    "cases": "a list of cases",
    "latin_hypercube": "a Latin hypercube (McKay, Beckman & Conover 1979)",
    "sobol": "scrambled Sobol' points (Sobol' 1967; Matoušek 1998)",
    "morris": "trajectories on a grid of four places per axis (Morris 1991)",
    "saltelli": "Saltelli's, on scrambled Sobol' points (Saltelli et al. 2010)",
}
TABLES = {
    "cells.csv": ("cell", "folder", "status", "error"),
    "results.parquet": ("cell", "arm", "replicate", "measure", "value"),
    "effects.csv": ("cell", "arm", "measure", "mean", "low", "high", "n", "excludes_zero"),
}
MANIFEST = ("title", "question", "design", "seed", "axes", "arms", "baseline", "reference", "failures")


class NotASweep(ValueError):
    """The folder does not hold what a sweep leaves behind; the message says what is missing or wrong."""


def write_sweep_report(folder: Path, formats: Sequence[str] = ("svg",)) -> Path:
    """Write `report.html` and `figures/` into the folder of a sweep and return the path of the page.

    Every figure goes to `figures/` in each of `formats` (svg, png), with its numbers beside it as CSV; the page holds its own
    copies and opens without network. A sweep of which cells are missing gives the report of those that are there, and says so.
    The report of a sweep about remedies is that of `simulator.remedies`. `NotASweep` if the folder lacks a file or one is
    malformed.
    """
    check_formats(formats)
    folder = Path(folder)
    if (folder / REMEDIES).is_file():
        from simulator.remedies.report import write_remedies_report  # which is a page of this kind, and needs this module

        return write_remedies_report(folder, formats)
    swept = load_swept(folder)
    look = looks([Arm(name, "", False, False, False) for name in swept.arms], swept.baseline, swept.reference)
    with house_style():
        drawings = _draw(swept, look)
        pictures = save_all(chain.from_iterable(drawings.values()), folder, formats)
    return write_swept_page("sweeping/sweep.html", folder, swept, pictures, _context(swept, look, drawings))


# The tables --------------------------------------------------------------------------------------------------


def load_swept(folder: Path) -> Swept:
    """Read the folder of a sweep; `NotASweep` says in one sentence what is missing or wrong."""
    missing = [name for name in ("manifest.json", *TABLES) if name != "effects.csv" and not (folder / name).is_file()]
    if missing:
        raise NotASweep(f"{folder}: not the folder of a sweep, {listing(missing)} missing")
    manifest = _manifest(folder / "manifest.json")
    axes = tuple(SweptAxis(a["label"], tuple(a["keys"]), tuple(a["values"]), bool(a["numeric"])) for a in manifest["axes"])
    cells = _table(folder / "cells.csv").set_index("cell")
    cells.index = cells.index.astype(int)
    levels = pd.DataFrame(
        {axis.label: [_level(folder, axis, text) for text in cells[axis.label]] for axis in axes}, index=cells.index
    )
    results = _table(folder / "results.parquet")
    there = (folder / "effects.csv").is_file() and (folder / "effects.csv").stat().st_size > 0
    effects = _table(folder / "effects.csv") if there else pd.DataFrame(columns=list(TABLES["effects.csv"]))
    if strangers := sorted({*results["cell"], *effects["cell"]} - set(cells.index)):
        raise NotASweep(f"{folder}: cells.csv has no cell {strangers[0]}, of which the other tables hold results")
    if manifest["design"] == "cases" and len(axes) > 1:
        swept = Swept(manifest, axes, (), cells, levels, results, effects)
        case = SweptAxis("case", (), tuple(f"{cell}: {swept.words(cell)}" for cell in cells.index), False)
        levels = levels.assign(**{case.label: range(len(levels))})
        return Swept(manifest, axes, (case,), cells, levels, results, effects)
    return Swept(manifest, axes, axes, cells, levels, results, effects)


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise NotASweep(f"{path}: is not JSON: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("kind") != "sweep":
        raise NotASweep(f"{path}: is not the manifest of a sweep (kind: sweep)")
    if missing := [key for key in MANIFEST if key not in manifest]:
        raise NotASweep(f"{path}: {listing(missing)} missing")
    return manifest


def _table(path: Path) -> pd.DataFrame:
    columns = TABLES[path.name]
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        elif path.name == "cells.csv":      # words as they are: an axis may well have the value none or 007
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
        else:
            table = pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise NotASweep(f"{path}: cannot be read: {error}") from None
    if missing := [column for column in columns if column not in table]:
        raise NotASweep(f"{path}: has no column {listing(missing)}")
    return table if path.name == "cells.csv" else table[list(columns)]


def _level(folder: Path, axis: SweptAxis, text: str) -> int:
    """The place among an axis's values of what stands in a table."""
    for place, value in enumerate(axis.values):
        if str(value) == text or (axis.numeric and float(value) == float(text)):
            return place
    raise NotASweep(f"{folder / 'cells.csv'}: {axis.label} {text!r} is not one of the values that manifest.json lists")


# Sentences ---------------------------------------------------------------------------------------------------


def answer(swept: Swept) -> list[Finding]:
    """What the sweep says, hedged by its intervals: an opening, then for each measure how often, over what, and the ranking."""
    done, cells = len(swept.finished), len(swept.cells)
    if not done:
        return [Finding("", "No cell is finished, so there is nothing to say yet.")]
    where = f"in {'all ' if done == cells else ''}{count(done, 'cell')}" + ("" if done == cells else f" of {cells}")
    if swept.baseline is None:
        return [Finding("", f"This sweep has no organic arm, so the figures show levels {where}, not effects.")]
    if swept.replicates < 2:
        return [Finding("", f"One replicate has no interval, so nothing {where} can be told from chance: repeat the sweep with "
                            "--replicates 5 or more.")]  # fmt: skip
    if not swept.policies:
        return [Finding("", "This sweep has no policy to compare.")]
    opening = (
        f"Compared with the same users without a recommender ({swept.baseline}) at the end of the run, {where}, with 95 % "
        f"intervals over {swept.replicates} paired replicates:"
    )
    findings = [Finding("", opening)]
    for measure in swept.measures:
        told = {
            f"{wording(measure).label}:": _how_often(swept, measure),
            "What this depends on:": _over_what(swept, measure),
            "Ranking by it:": _ranking(swept, measure),
        }
        findings += [Finding(head, text) for head, text in told.items() if text]
    bargain = tradeoff_sentence(swept, worlds(swept))
    return [*findings, *([Finding("The trade-off:", bargain)] if bargain else [])]


def verdicts(swept: Swept, measure: str) -> pd.DataFrame:
    """In how many cells the interval of each policy's effect lies below zero, above it, or holds it.

    Columns: arm, lower, higher, undecided; these are counts, and add up to the cells that have an effect of that policy.
    """
    effects = swept.effects[swept.effects["measure"] == measure]
    rows = []
    for arm in swept.policies:
        own = effects[effects["arm"] == arm]
        if len(own):
            lower, higher = int((own["high"] < 0).sum()), int((own["low"] > 0).sum())
            rows.append((arm, lower, higher, len(own) - lower - higher))
    return pd.DataFrame(rows, columns=["arm", "lower", "higher", "undecided"])


def _how_often(swept: Swept, measure: str) -> str:
    table = verdicts(swept, measure)
    if table.empty:
        return ""
    below, above = ("narrows people", "broadens people") if measure == ALPHA else ("lowers it", "raises it")
    parts = []
    for row in table.head(NAMED).to_dict("records"):
        cells = row["lower"] + row["higher"] + row["undecided"]
        told = [(below, row["lower"]), (above, row["higher"]), ("is undecided", row["undecided"])]
        (verb, times), *others = [(verb, times) for verb, times in told if times]
        share = f"all {count(cells, 'cell')}" if times == cells else f"{times} of {count(cells, 'cell')}"
        parts.append(f"{row['arm']} {listing([f'{verb} in {share}', *(f'{verb} in {times}' for verb, times in others)])}")
    if (rest := len(table) - NAMED) > 0:
        parts.append(f"{rest} more in the table")
    return f"{'; '.join(parts)}."


def _over_what(swept: Swept, measure: str) -> str:
    return _correlated(swept, measure) if swept.sampled else _shifted(swept, measure)


def _shifted(swept: Swept, measure: str) -> str:
    """Over which axis each policy's effect changes most; only said where the interval of that change excludes zero."""
    steady: list[str] = []
    moved: dict[str, list[str]] = {}
    anywhere = "any axis" if len(swept.directions) > 1 else swept.directions[0].label
    for arm in swept.policies[:NAMED]:
        found = shifts(swept, arm, measure)
        if not found:
            continue
        first = found[0]
        if not first.excludes_zero:
            steady.append(arm)
            continue
        axis = first.axis
        moved.setdefault(f"changes {'most ' if len(found) > 1 else ''}over {axis.label}", []).append(
            f"under {arm} from {signed(first.low_mean)} at {axis.named(first.low_level)} to {signed(first.high_mean)} at "
            f"{axis.named(first.high_level)} ({difference(first.mean, first.low, first.high)})"
        )
    parts = [f"the effect {how}: {', '.join(arms)}" for how, arms in moved.items()]
    if steady:
        parts.append(_not_shown(steady, f"change over {anywhere}"))
    return f"{capital('; '.join(parts))}." if parts else ""


def _not_shown(arms: list[str], what: str) -> str:
    return f"the effect{'s' if len(arms) > 1 else ''} of {listing(arms)} {'are' if len(arms) > 1 else 'is'} not shown to {what}"


def _correlated(swept: Swept, measure: str) -> str:
    table = rank_correlations(swept)
    table = table[table["measure"] == measure]
    parts, steady = [], []
    for arm in swept.policies[:NAMED]:
        own = table[table["arm"] == arm].dropna(subset=["rho"])
        if own.empty:
            continue
        first = own.loc[own["rho"].abs().idxmax()]
        if first["p_holm"] >= 0.05:
            steady.append(arm)
            continue
        way = "rises" if first["rho"] > 0 else "falls"
        parts.append(f"the effect of {arm} goes most with {first['axis']}: it {way} as that rises (Spearman's ρ "
                     f"{signed(first['rho'], 2)}, {_p(first['p_holm'])} after Holm's adjustment)")  # fmt: skip
    if steady:
        parts.append(_not_shown(steady, "rise or fall with any axis"))
    return f"{capital('; '.join(parts))}." if parts else ""


def _ranking(swept: Swept, measure: str) -> str:
    """Is the order of the policies the same in all cells? A flip is told only where both sides of it hold."""
    table = swept.results[swept.results["measure"] == measure]
    means = table[table["arm"].isin(swept.policies)].pivot_table(index="cell", columns="arm", values="value").dropna()
    if means.shape[1] < 2 or len(means) < 2:
        return ""
    orders = [tuple(row.sort_values(ascending=False, kind="stable").index) for _, row in means.iterrows()]
    usual = max(sorted(set(orders)), key=orders.count)
    rivals = rivalries(swept, measure)
    holding, all_of_them = rivals["p_holm"] < 0.05, len(rivals)
    said = f"{int(holding.sum())} of {all_of_them} differences between two policies in a cell hold (paired t test, Holm)"
    shown = " > ".join(usual[:NAMED]) + (" > …" if len(usual) > NAMED else "")
    if orders.count(usual) == len(orders):
        return f"The policies rank the same in all {count(len(orders), 'cell')}, by their means: {shown}; {said}."
    flips = []
    for (first, second), pair in rivals[holding].groupby(["first", "second"], sort=False):
        above, below = pair[pair["mean"] > 0], pair[pair["mean"] < 0]
        if len(above) and len(below):
            high, low = above.loc[above["mean"].idxmax()], below.loc[below["mean"].idxmin()]
            flips.append(
                f"{first} is above {second} in {count(len(above), 'cell')} (most at {swept.words(int(high['cell']))}) and "
                f"below it in {len(below)} (most at {swept.words(int(low['cell']))})"
            )
    times = f"{orders.count(usual)} of {count(len(orders), 'cell')}"
    start = f"By their means the policies rank {shown} in {times}, differently in the others"
    if not flips:
        return f"{start}; but no two policies are shown to change places: {said}."
    if (rest := len(flips) - NAMED) > 0:
        flips[NAMED:] = [f"so {'do' if rest > 1 else 'does'} {count(rest, 'more pair')}"]
    return f"{start}. {capital('; '.join(flips))}. {capital(said)}."


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {number(p, 3)}"


# The page ----------------------------------------------------------------------------------------------------


def _draw(swept: Swept, look: dict[str, Look]) -> dict[str, list[Drawing]]:
    """The figures by their place in the page; a place without figures has an empty list."""
    if not swept.finished:
        return {"along": [], "heat": [], "scatter": [], "tradeoff": []}
    two = swept.manifest["design"] == "grid" and len(swept.axes) == 2 and all(len(axis.values) > 1 for axis in swept.axes)
    along = [] if swept.sampled else [lines(swept, look, axis) for axis in swept.directions if len(axis.values) > 1]
    heat = [heat_maps(swept, look, measure) for measure in swept.measures] if two else []
    cloud = [scatter(swept, look, rank_correlations(swept))] if swept.sampled else []
    places = {"along": along, "heat": heat, "scatter": cloud, "tradeoff": [tradeoff_figure(swept, look, worlds(swept))]}
    return {place: [drawing for drawing in each if drawing is not None] for place, each in places.items()}


def write_swept_page(
    template: str, folder: Path, swept: Swept, pictures: Mapping[str, str], context: Mapping[str, Any]
) -> Path:
    """Write the page of a sweep, or one that extends it: what every such page tells, and `context`. Returns its path."""
    sources = folder / "sweep.yaml"
    shared = {
        "manifest": swept.manifest,
        "swept": swept,
        "cells": _cell_rows(swept),
        "failures": swept.manifest["failures"],
        "unfinished": len(swept.cells) - len(swept.finished),
        "made": _made(swept),
        "text": sources.read_text(encoding="utf-8") if sources.is_file() else "",
    }
    return write_page(folder / "report.html", template, pictures, **{**shared, **context})


def _context(swept: Swept, look: dict[str, Look], drawings: dict[str, list[Drawing]]) -> dict[str, Any]:
    return {
        "answer": answer(swept),
        "verdicts": {wording(measure): verdicts(swept, measure).set_index("arm").to_dict("index") for measure in swept.measures}
        if swept.baseline and swept.replicates > 1 else {},
        "alpha": ALPHA,
        "lowered": lowered,
        "drawings": drawings,
        "swatches": {arm: swatch(arm_look) for arm, arm_look in look.items()},
        "shifts": _shift_rows(swept) if swept.baseline and swept.replicates > 1 and not swept.sampled else [],
        "correlations": _correlation_rows(swept) if swept.sampled else [],
        "glossary": [wording(measure) for measure in swept.measures],
        "fronts": tradeoff_tables(swept, worlds(swept)),
    }


def _shift_rows(swept: Swept) -> list[dict[str, str]]:
    return [
        {
            "arm": arm, "label": wording(measure).label, "axis": shift.axis.label,
            "start": f"{signed(shift.low_mean)} at {shift.axis.named(shift.low_level)}",
            "end": f"{signed(shift.high_mean)} at {shift.axis.named(shift.high_level)}",
            "difference": difference(shift.mean, shift.low, shift.high),
        }
        for measure in swept.measures for arm in swept.policies for shift in shifts(swept, arm, measure)
    ]  # fmt: skip


def _correlation_rows(swept: Swept) -> list[dict[str, Any]]:
    return [
        {
            "arm": row["arm"], "axis": row["axis"], "label": wording(row["measure"]).label, "rho": signed(row["rho"], 2),
            "p": _p(row["p"]), "p_holm": _p(row["p_holm"]), "n": row["n"],
        }
        for row in rank_correlations(swept).to_dict("records")
    ]


def _cell_rows(swept: Swept) -> list[dict[str, Any]]:
    return [
        {
            "number": cell,
            "values": [axis.named(swept.levels.at[cell, axis.label]) for axis in swept.axes],
            "status": row["status"],
            "folder": row["folder"],
            "error": row["error"],
        }
        for cell, row in swept.cells.iterrows()
    ]


def _made(swept: Swept) -> list[tuple[str, str]]:
    """How the sweep was made, as pairs of a term and what it is here."""
    manifest = swept.manifest
    rows = [("Design", DESIGNS.get(manifest["design"], str(manifest["design"])))]
    rows += [(f"Axis {axis.label}", _axis_words(axis, manifest["design"])) for axis in swept.axes]
    per_cell = swept.results.groupby("cell")["replicate"].nunique()
    replicates = "–" if per_cell.empty else " to ".join(str(n) for n in sorted({int(per_cell.min()), int(per_cell.max())}))
    rows += [
        ("Arms", ", ".join(swept.arms)),
        ("Cells", f"{len(swept.finished)} of {len(swept.cells)} finished"),
        ("Runs", str(manifest.get("runs", "–"))),
        ("Replicates in a cell", replicates),
        ("Seed", str(manifest["seed"])),
        *([("Made by", manifest["called"])] if manifest.get("called") else []),
        ("Wall-clock time of the last call", f"{manifest['seconds']:.0f} s" if "seconds" in manifest else "–"),
        ("SHA-256 of the sweep", str(manifest.get("digest", "–"))),
        ("Versions", ", ".join(f"{name} {version}" for name, version in (manifest.get("versions") or {}).items() if version)),
    ]
    return rows


def _axis_words(axis: SweptAxis, design: str) -> str:
    values = [axis.named(place) for place in range(len(axis.values))]
    if design in SAMPLED and axis.numeric:
        values = [f"{len(values)} values from {values[0]} to {values[-1]}"]
    keys = "" if axis.keys == (axis.label,) else f" ({', '.join(axis.keys)})"
    return f"{', '.join(values)}{keys}"
