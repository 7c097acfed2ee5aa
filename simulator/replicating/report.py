"""The page of a replication, from its folder alone, and the overview of several as Markdown. Nothing is played here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from simulator.plain import count
from simulator.replicating.figures import draw, published
from simulator.replicating.keys import BRIEFLY, STATUS
from simulator.replicating.outcome import LEVELS, Outcome, load_outcome
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


def write_overview(
    outcomes: Sequence[Outcome], made_by: str, quick: bool, folder: str, unplayed: Sequence[str] = ()
) -> tuple[str, dict[str, Path]]:
    """Return a Markdown page of replications, and the pictures that it shows in the `folder` beside it, by their names.

    `made_by`: the command; `quick`: are they in their quick form; `unplayed`: names of those that lack their data.
    """
    pictures: dict[str, Path] = {}
    lines = [*_head(outcomes, made_by, quick, unplayed)]
    for outcome in outcomes:
        lines += _section(outcome, folder, pictures)
    return "\n".join(lines) + "\n", pictures


def _head(outcomes: Sequence[Outcome], made_by: str, quick: bool, unplayed: Sequence[str]) -> Iterator[str]:
    form = (
        " **In the quick form of each**: fewer replicates, rounds or worlds than the files ask for; what is about the rest is "
        "\"not played\"."
    )
    yield from ("# Published results, replicated", "")
    yield (
        f"Made by `{made_by}`; not edited by hand.{form if quick else ''} A claim is a *level*, a number, or an *order*, one "
        "thing larger than another. Not every number was published: some are what the authors' code gives, follow from the "
        "model in closed form, or were measured by an independent implementation of it, as is said of each. A level is "
        "*inside* if the band of its tolerance and the 95 % interval over replicates have a point in common; an order, if a "
        "one-sided sign test over replicates says so for each pair of neighbours (p < .05). What is *known* not to come out "
        "as published stays, and says why. What is *shown* stands beside ours without being compared, as it is of another "
        "world, or a limit, or what the world was set to."
    )
    reproduced = sum(outcome.reproduced for outcome in outcomes)
    orderless = sum(outcome.reproduced and not outcome.inside("order")[1] for outcome in outcomes)
    without = f", of which in {orderless} no order was played" if orderless else ""
    yield from ("", f"Every order that was played is inside, and at least {LEVELS:.0%} of the levels, in **{reproduced} of "
                    f"{count(len(outcomes), 'result')}**{without}. Seconds are those of all runs, one after the other.", "")
    head = ("result", "orders inside", "levels inside", "how the levels are known", "not inside", "not played", "seeds",
            "seconds")
    yield from (f"| {' | '.join(head)} |", "|---" * len(head) + "|")
    for outcome in outcomes:
        about, inside = outcome.about, outcome.claims["inside"]
        known = int(((inside == "no") & (outcome.claims["discrepancy"] != "")).sum())
        outside = ", ".join(filter(None, (f"{known} known" if known else "", f"{outcome.unmet} more" if outcome.unmet else "")))
        of_each = (f"{met} of {judged}" if judged else "–" for met, judged in map(outcome.inside, ("order", "level")))
        unplayed_rows = int((inside == "not played").sum()) or "–"
        by = ", ".join(f"{number} {BRIEFLY[status]}" for status, number in outcome.levels_known_by.items())
        cells = (f"[{about['paper']}](#{_anchor(outcome)})", *of_each, by or "–", outside or "–", f"{unplayed_rows}",
                 f"{about['replicates']}", f"{about['seconds']:.0f}")
        yield f"| {' | '.join(cells)} |"
    yield from (f"| {name}: {NEEDS_DATA} | – | – | – | – | – | – | – |" for name in unplayed)
    caveats = [f"- `{outcome.about['name']}`: {caveat}" for outcome in outcomes for caveat in outcome.about.get("caveats", ())]
    of_what = "Of each as a whole, before one counts on it:" if quick else "Before one counts on it:"
    yield from ("", of_what, "", *caveats) if caveats else ()


def _section(outcome: Outcome, folder: str, pictures: dict[str, Path]) -> Iterator[str]:
    """Tell of one replication, and add the pictures it shows to `pictures`."""
    about = outcome.about
    yield from ("", f"## {_heading(outcome)}", "", f"{about['paper']}, {about['venue']}. {outcome.summary}.", "")
    yield from (f"- {note}" for note in about["notes"])
    for figure in published(outcome):
        picture = outcome.folder / "figures" / f"{figure.name}.png"
        if picture.is_file():
            pictures[name := f"{about['name']}-{picture.name}"] = picture
            title = figure.title or "Levels"
            yield from ("", f"![{title}: published, and here]({folder}/{name})", "", f"*{title}: published, and here.*")
    yield from ("", "| claim | where, and how known | paper | measured | 95 % interval | tolerance | inside? |", _RULE)
    for row in outcome.rows:
        known = f" ({row['discrepancy']})" if row["discrepancy"] else ""
        where = "; ".join(filter(None, (row["figure"], row["status"])))
        cells = (row["claim"] + known, where, *(row[key] for key in COLUMNS[1:]))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _heading(outcome: Outcome) -> str:
    return f"{outcome.about['name']}: {outcome.about['title']}"


def _anchor(outcome: Outcome) -> str:
    """Return what a heading is linked by, as the usual readers of Markdown make it."""
    return re.sub(r"[^\w\- ]", "", _heading(outcome).lower()).replace(" ", "-")
