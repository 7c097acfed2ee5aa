"""The page of a replication, from its folder alone, and the overview of several as Markdown. Nothing is played here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simulator.replicating.figures import draw
from simulator.replicating.keys import STATUS
from simulator.replicating.outcome import Outcome, load_outcome
from simulator.report import save_all
from simulator.report.style import house_style
from simulator.report.template import write_page

COLUMNS = ("claim", "paper", "measured", "interval", "tolerance", "inside")

NEEDS_DATA = "not played: needs data (--data PATH, MovieLens 100K)"

_RULE = "|---|---|---|---|---|---|---|"


def write_replication_report(folder: Path, formats: Sequence[str] = ("svg", "png")) -> Path:
    """Write `report.html` and `figures/` into the folder of a replication and return the path of the page."""
    outcome = load_outcome(folder)
    with house_style():
        drawings = draw(outcome)
        pictures = save_all(drawings, folder, formats)
    return write_page(
        folder / "report.html", "replicating/replication.html", pictures,
        about=outcome.about, rows=outcome.rows, summary=outcome.summary, unmet=outcome.unmet, drawings=drawings, status=STATUS,
        text=(folder / "replication.yaml").read_text(encoding="utf-8"),
    )


def write_overview(outcomes: Sequence[Outcome], made_by: str, quick: bool, unplayed: Sequence[str] = ()) -> str:
    """Return a Markdown page with the table of each replication.

    `made_by`: the command; `quick`: are they in their quick form; `unplayed`: names of those that lack their data.
    """
    form = (
        " **In the quick form of each**: fewer replicates, rounds or worlds than the files ask for; what is about the rest is "
        "\"not played\"."
    )
    lines = [
        "# Published results, replicated", "",
        f"Made by `{made_by}`; not edited by hand.{form if quick else ''} A level is *inside* if the band of its tolerance "
        "and the 95 % interval over replicates have a point in common; an order, if a one-sided sign test over replicates says "
        "so for each pair of neighbours (p < .05). What is known not to come out as published stays, and says why. "
        "What is \"shown\" was published of another world, and is not compared.", "",
        "| result | rows | seeds | seconds |", "|---|---|---|---|",
    ]  # fmt: skip
    for outcome in outcomes:
        about = outcome.about
        lines.append(f"| {about['paper']} | {outcome.summary} | {about['replicates']} | {about['seconds']:.0f} |")
    lines += [f"| {name} | {NEEDS_DATA} | – | – |" for name in unplayed]
    for outcome in outcomes:
        lines += ["", f"## {outcome.about['name']}: {outcome.about['title']}", "",
                  f"{outcome.about['paper']}, {outcome.about['venue']}.", ""]
        lines += [f"- {note}" for note in outcome.about["notes"]] + ([""] if outcome.about["notes"] else [])
        lines += ["| claim | where, and how known | paper | measured | 95 % interval | tolerance | inside? |", _RULE]
        for row in outcome.rows:
            known = f" ({row['discrepancy']})" if row["discrepancy"] else ""
            where = "; ".join(filter(None, (row["figure"], row["status"])))
            cells = (row["claim"] + known, where, *(row[key] for key in COLUMNS[1:]))
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
