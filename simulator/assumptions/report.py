"""The report of swapped assumptions: the tables of its sweep in, one self-contained page, figures and tables out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator.assumptions.figures import TITLES, orders_by_assumption, swap_matrix
from simulator.assumptions.orders import FLIPS
from simulator.assumptions.sentences import NAMES, answer, claim
from simulator.assumptions.survey import NotAssumptions, Survey, load_survey
from simulator.files import moved_into_place
from simulator.report import check_formats, save_all
from simulator.report.html import swatch
from simulator.report.load import Arm
from simulator.report.style import Drawing, Look, house_style, looks
from simulator.report.template import write_page
from simulator.report.vocabulary import NO_BREAK, difference, number

__all__ = ["NotAssumptions", "write_assumptions_report"]

OPEN = 20  # rows of a table that are shown without being asked for


def write_assumptions_report(folder: Path, formats: Sequence[str] = ("svg",)) -> Path:
    """Write assumptions.csv, orders.csv, `figures/` and `report.html` into the folder; return the path of the page.

    Every figure goes to `figures/` in each of `formats` (svg, png), with its numbers beside it as CSV. Worlds that are missing
    are said to be. Made again, all files come out the same. `NotAssumptions` if the folder lacks a file or one is malformed.
    """
    check_formats(formats)
    folder = Path(folder)
    survey = load_survey(folder)
    _tables(folder, survey)
    look = looks([Arm(name, "", False, False, False) for name in survey.swept.arms], survey.baseline, survey.swept.reference)
    drawings: list[Drawing] = []
    pictures: dict[str, str] = {}
    if survey.speaks:
        with house_style():
            drawings = [swap_matrix(survey, look)]
            drawings += [orders_by_assumption(survey)] if survey.pairs["decided"].any() else []
            pictures = save_all(drawings, folder, formats)
    return _write(folder, survey, look, drawings, pictures)


def _tables(folder: Path, survey: Survey) -> None:
    """assumptions.csv: every arm in every world; orders.csv: every pair of arms in every world."""
    assumed = survey.played.reset_index()
    with moved_into_place(folder / "assumptions.csv") as part:
        assumed.merge(survey.ranked, on="cell").to_csv(part, index=False, float_format="%.10g")
    with moved_into_place(folder / "orders.csv") as part:
        assumed.merge(survey.orders, on="cell").to_csv(part, index=False, float_format="%.10g")


def _write(
    folder: Path, survey: Survey, look: dict[str, Look], drawings: Sequence[Drawing], pictures: dict[str, str]
) -> Path:
    source = folder / "sweep.yaml"
    swept = survey.swept
    return write_page(
        folder / "report.html",
        "assumptions/assumptions.html",
        pictures,
        survey=survey,
        manifest=swept.manifest,
        answer=answer(survey),
        drawings=drawings,
        swatches={arm: swatch(arm_look) for arm, arm_look in look.items()},
        flips=_flip_rows(survey) if survey.speaks else [],
        pairs=_pair_rows(survey) if survey.speaks else [],
        worlds=_world_rows(survey),
        titles=TITLES,
        names=NAMES,
        open=OPEN,
        missing=len(swept.cells) - len(swept.finished),
        made=_made(survey),
        text=source.read_text(encoding="utf-8") if source.is_file() else "",
    )


def _flip_rows(survey: Survey) -> list[dict[str, str]]:
    """The flips, those first that hold best."""
    flips = survey.orders[survey.orders["verdict"] == FLIPS].sort_values("p_holm", kind="stable")
    return [
        {
            "claim": claim(survey, row["second"], row["first"]), "world": survey.world(row["cell"]),
            "pair": f"{row['first']} − {row['second']}",
            "base": difference(row["base_mean"], row["base_low"], row["base_high"]),
            "here": difference(row["mean"], row["low"], row["high"]), "p": _p(row["p"]), "holm": _p(row["p_holm"]),
        }
        for row in flips.to_dict("records")
    ]  # fmt: skip


def _pair_rows(survey: Survey) -> list[dict[str, Any]]:
    base = survey.orders[survey.orders["cell"] == survey.base].set_index(["first", "second"])
    rows = []
    for pair in survey.pairs.to_dict("records"):
        own = base.loc[(pair["first"], pair["second"])]
        rows.append({**pair, "base": difference(own["mean"], own["low"], own["high"])})
    return rows


def _world_rows(survey: Survey) -> list[dict[str, Any]]:
    known = survey.worlds.set_index("cell").to_dict("index") if survey.speaks else {}
    order = {cell: rows["arm"].tolist() for cell, rows in survey.ranked.groupby("cell")} if survey.speaks else {}
    return [
        {
            "number": cell, "levels": list(survey.assumed.loc[cell]), "base": cell == survey.base, "status": row["status"],
            "error": row["error"], "folder": row["folder"], "known": known.get(cell), "order": order.get(cell, []),
            "tau": number(known[cell]["tau"], 2) if cell in known else "–",
            "largest": number(known[cell]["largest"]) if cell in known else "–",
        }
        for cell, row in survey.swept.cells.iterrows()
    ]  # fmt: skip


def _made(survey: Survey) -> list[tuple[str, str]]:
    """How it was made, as pairs of a term and what it is here."""
    swept, manifest = survey.swept, survey.swept.manifest
    return [
        ("Assumptions", "; ".join(f"{NAMES[axis.label]}: {', '.join(map(str, axis.values))}" for axis in swept.axes)),
        ("Base", survey.world(survey.base)),
        ("Worlds", f"{len(swept.finished)} of {len(swept.cells)} played to the end"),
        ("Arms", ", ".join(swept.arms)),
        ("Not ranked", f"{swept.reference}, a control that sees the truth" if swept.reference else "–"),
        ("Replicates", str(swept.replicates)),
        ("Runs", str(manifest.get("runs", "–"))),
        ("Seed", str(manifest["seed"])),
        ("Wall-clock time of the last call", f"{manifest['seconds']:.0f} s" if "seconds" in manifest else "–"),
        ("SHA-256 of the sweep", str(manifest.get("digest", "–"))),
        ("Versions", ", ".join(f"{name} {version}" for name, version in (manifest.get("versions") or {}).items() if version)),
    ]


def _p(p: float) -> str:
    return "–" if p != p else f"<{NO_BREAK}0.001" if p < 0.001 else number(p, 3)
