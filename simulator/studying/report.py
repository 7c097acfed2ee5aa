"""The page of a study, from its folder alone, and several as one Markdown page. Nothing is played here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from simulator.plain import count
from simulator.report import save_all
from simulator.report.style import house_style
from simulator.report.template import write_page
from simulator.report.vocabulary import capital
from simulator.studying.execution import TABLES
from simulator.studying.figures import draw
from simulator.studying.outcome import Outcome, Table, load_outcome

Section = tuple[str, str, list[Table]]
"""A title, a note and tables."""

KINDS = ("prediction", "contrast", "control", "published")

HEADLINE = (
    "What ten times the parameters change (one step, in groups that are placed by steps): the least squares slope over arms in "
    "each replicate, its mean over replicates and their 95 % t interval. One-shot: under the first training; in the loop: at "
    "the end; change: in the loop less one-shot. ∪ and ∩: some arm between is shown to lie beyond both ends, and a slope says "
    "little. ● shown to lead into a bubble, ○ away from one; ▲ and ▼ shown to go up or down, of what a bubble may push either "
    "way (p < .05 by the t test, after Holm over the outcomes of a row). What is not shown may still be there."
)

TRENDS = (
    "As at the top, over every group. Adjusted: in a regression on held-out NDCG too, under the first training alone (later an "
    "arm is judged by what was taken of its own slates). *: p < .05 by the t test, after Holm over the outcomes of a row."
)

SECONDARY = "As above, of further outcomes, each interval for itself."

UNADJUSTED = "Each interval and p stands for itself: nothing here is adjusted for how many questions there are."

SEEN = "Seen once it was played:"

HEDGES = {"scope": "How far this reaches:", "notes": "How it is done:"}
"""Titles of what a study says of itself."""

PARTS = (
    "What the change of an outcome from the start to the end is due to, in arms with a frozen twin. Start: the first round of "
    "the arm without a recommender, which all share; end: the last tenth of rounds. Own drift: people left alone. "
    "Personalisation: a policy that is trained once, the mere fact of being shown something included. Retraining loop: its "
    "training on what it made them do. Of the outcomes that are measured without a recommender, too."
)


def write_study_report(folder: Path, formats: Sequence[str] = ("svg", "png")) -> Path:
    """Write `report.html` and `figures/` into the folder of a study and return the path of the page."""
    outcome = load_outcome(folder)
    with house_style():
        drawings = draw(outcome)
        pictures = save_all(drawings, folder, formats)
    return write_page(
        folder / "report.html", "studying/study.html", pictures,
        about=outcome.about, sections=[*_headline(outcome), *_sections(outcome)], drawings=drawings,
        size=_size(outcome),
        hedges=[
            (SEEN, outcome.about["seen"]), ("Not played:", _left_out(outcome)),
            *((title, outcome.about[key]) for key, title in HEDGES.items()),
        ],
        verdicts={capital(cell): shown for cell, shown in outcome.verdicts.items()},
        summary=outcome.summary("prediction"), text=(folder / "study.yaml").read_text(encoding="utf-8"),
    )


def _over(outcome: Outcome) -> str:
    """Say over which arms the headline is; without one, nothing."""
    if not outcome.headline:
        return ""
    group, arms = next(iter(outcome.about["groups"].items()))
    played = [arm for arm in arms if arm in outcome.about["arms"]]
    return f"Over `{group}`, {played[0]} to {played[-1]}."


def _headline(outcome: Outcome) -> list[Section]:
    """What size changes, on the page of one study; a page of several opens with it."""
    table = outcome.headline
    return [(table.title, f"{_over(outcome)} {HEADLINE}", [table])] if table else []


def _sections(outcome: Outcome) -> list[Section]:
    """The tables under their titles, each with a note."""
    sections: list[Section] = []
    for kind in KINDS:
        table, unplayed = outcome.questions(kind), outcome.unplayed(kind)
        note = f"{UNADJUSTED} About what was not played, and not answered: {'; '.join(unplayed)}." if unplayed else UNADJUSTED
        sections += [(table.title, note, [table] if table.rows else [])] if table.rows or unplayed else []
    sections += [
        (title, note, tables) for title, note, tables in (
            ("Trends", TRENDS, outcome.trend_tables),
            ("Trends of further outcomes", SECONDARY, outcome.secondary_tables),
            ("What changes are due to", PARTS, outcome.due_to_tables),
            ("Arms", "Means over replicates: under the first training, and at the end.", outcome.arm_tables),
            ("Arms, further outcomes", "", outcome.further_tables),
        ) if tables
    ]
    return [*sections, ("What was computed", "", [outcome.expressions])] if outcome.expressions.rows else sections


def _size(outcome: Outcome) -> str:
    about = outcome.about
    world = f"{about['users'] or 'all'} users, {about['items'] or 'all'} items"
    return (
        f"{world}{' of ' + about['data'] if about['data'] else ''}; {count(about['rounds'], 'round')} with "
        f"{count(about['trainings'], 'training')}, "
        f"{count(about['replicates'], 'replicate')}, {count(len(about['arms']), 'arm')}, "
        f"{count(len(about['cells']), 'cell')} ({'; '.join(filter(None, about['cells'])) or 'one world'}); "
        f"seed {about['seed']}; the runs took {about['seconds']:,.0f} s in all"
    )


def _left_out(outcome: Outcome) -> list[str]:
    """What of the whole study was not played."""
    about, whole = outcome.about, outcome.about["whole"]
    left = [
        f"{name}: {whole[name]} in the whole study, {about[name]} here"
        for name in ("replicates", "rounds", "users", "items") if whole[name] != about[name]
    ]
    if whole["arms_left_out"]:
        left.append(f"arms left out: {', '.join(whole['arms_left_out'])}")
    cells = [cell for cell in whole["cells"] if cell not in about["cells"]]
    if cells:
        left.append(f"cells left out or changed: {'; '.join(cells)}")
    for cell, missing in whole["left_out_in"].items():
        there = [arm for arm in about["arms"] if arm not in missing]
        few = len(there) < len(missing)
        left.append(f"arms in {cell}: {', '.join(there)} alone" if few else f"arms left out in {cell}: {', '.join(missing)}")
    if about["cells_finished"] < len(about["cells"]):
        left.append(f"not finished: {about['cells_finished']} of {count(len(about['cells']), 'cell')} are there")
    return left


def write_markdown(outcomes: Sequence[Outcome], command: str, folder: str) -> tuple[str, dict[str, Path]]:
    """Return one Markdown page of several studies, and the files that it shows or links in the `folder` beside it, by name."""
    drawn = {outcome.about["name"]: outcome.folder / "figures" / "size.png" for outcome in outcomes}
    beside = {f"{name}.png": picture for name, picture in drawn.items() if picture.is_file()}
    text = "\n".join(_page(outcomes, command, folder, beside)) + "\n"
    return text, beside | {
        f"{outcome.about['name']}-{table}.csv": outcome.folder / f"{table}.csv" for outcome in outcomes for table in TABLES
    }


def _page(outcomes: Sequence[Outcome], command: str, folder: str, pictures: Mapping[str, Path]) -> Iterator[str]:
    first = outcomes[0].about
    yield from (f"# {first['question'] or first['title']}", "", f"Made by `{command}`; not edited by hand.", "")
    telling = [outcome for outcome in outcomes if outcome.headline or outcome.about["seen"]]
    yield from ("## Answer", "") if telling else ()
    yield from (HEADLINE, "") if any(outcome.headline for outcome in telling) else ()
    for outcome in telling:
        yield from (f"**`{outcome.about['name']}`.** {_over(outcome)}".rstrip(), "")
        if headline := outcome.headline:
            yield from (*(f"- **{capital(cell)}:** {shown}." for cell, shown in outcome.verdicts.items()), "")
            yield from (*_lines(headline), "")
        if seen := outcome.about["seen"]:
            yield from (SEEN, "", *(f"- {each}" for each in seen), "")
    for kind, title in (("prediction", "Predictions, one by one"), ("published", "What others have found, row by row")):
        if answered := _side_by_side(outcomes, kind):
            yield from (f"## {title}", "", *answered, "")
    told: list[list[str]] = []
    for outcome in outcomes:
        about = outcome.about
        whole = "the whole study" if not about["size"] else f"size `{about['size']}`, **not the whole study**"
        yield from (f"## {about['title']}: {whole}", "", f"Played: {_size(outcome)}.", "")
        if left := _left_out(outcome):
            yield from ("Not played:", "", *(f"- {each}" for each in left), "")
        yield from (f"Predictions: fixed {about['registered']}. {outcome.summary('prediction') or 'none'}.", "")
        for key, title in HEDGES.items():
            if about[key] and about[key] not in told:           # once for all sizes of a study
                told.append(about[key])
                yield from (title, "", *(f"- {each}" for each in about[key]), "")
        if (picture := f"{about['name']}.png") in pictures:
            yield from (f"![Outcomes by the size of the model]({folder}/{picture})", "")
        for title, note, tables in _sections(outcome):
            yield from (f"### {title}", "")
            yield from (note, "") if note else ()
            for table in tables:
                if len(tables) > 1 or table.title != title:
                    yield from (f"**{table.title}**", "")
                yield from (*_lines(table), "")
        numbers = ", ".join(f"[{table}.csv]({folder}/{about['name']}-{table}.csv)" for table in TABLES)
        yield from (f"Numbers: {numbers}.", "")


def _side_by_side(outcomes: Sequence[Outcome], kind: str) -> list[str]:
    """The questions of one kind that were answered, with what each study came to: means with their 95 % intervals."""
    found = {outcome.about["name"]: outcome.in_short(kind) for outcome in outcomes}
    found = {name: answers for name, answers in found.items() if answers}
    asked = dict.fromkeys(ask for answers in found.values() for ask in answers)
    if not asked:
        return []
    head = ["question", *(f"`{name}`" for name in found)]
    rows = [[ask, *(answers.get(ask, "–") for answers in found.values())] for ask in asked]
    return _lines(Table("", head, rows))


def _lines(table: Table) -> list[str]:
    return [_line(table.head), "|" + "---|" * len(table.head), *map(_line, table.rows)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
