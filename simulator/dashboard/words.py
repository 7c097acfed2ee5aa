"""The dashboard's texts as HTML: the table of measures, and one user's story told round by round."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from simulator.dashboard.figures import Cast, abbreviation, curve
from simulator.dashboard.pair import PairModel, WatchedModel
from simulator.dashboard.story import Chapter, Take
from simulator.report.vocabulary import difference_parts, number, wording
from simulator.text import shorten


def now(pair: PairModel, cast: Cast, measures: Sequence[str]) -> str:
    """A table of these measures in the newest measured round: both arms, and right minus left."""
    heads = "".join(f"<th>{_arm(model, cast)}</th>" for model in pair.sides)
    newest = [entries[-1][1] if (entries := curve(pair, model)) else {} for model in pair.sides]
    rows = []
    for measure in measures:
        words = wording(measure)
        left, right = (values.get(measure) for values in newest)
        cells = "".join("<td>–</td>" if value is None else f"<td>{number(value)}</td>" for value in (left, right))
        apart = "–" if left is None or right is None else difference_parts(right - left, float("nan"), float("nan"))[0]
        title = escape(f"{words.name}: {words.description}", quote=True)
        rows.append(f'<tr title="{title}"><th scope="row">{escape(words.label)}</th>{cells}<td>{apart}</td></tr>')
    head = f"<tr><th>Round {pair.round}</th>{heads}<th>difference</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def told(model: WatchedModel, cast: Cast, chapters: Sequence[Chapter], row: int) -> str:
    """One user's rounds in one arm, the newest first: her slate, a box per item, and what she took."""
    before = [model.start[row], *(chapter.interests for chapter in chapters)]
    rows = []
    for chapter, interests in reversed(list(zip(chapters, before, strict=False))):
        took = {take.item for take in chapter.takes}
        slate = "".join(_box(model, cast, item, place, item in took) for place, item in enumerate(chapter.slate))
        takes = "<br>".join(_take(model, cast, take) for take in chapter.takes) or '<span class="soft">nothing</span>'
        moved = float(abs(chapter.interests - interests).sum()) / 2
        rows.append(
            f'<tr><td>{chapter.round}</td><td class="{"slate" if slate else "soft"}">{slate or "no slate"}</td><td>{takes}</td>'
            f"<td>{number(moved, 3) if moved else '0'}</td></tr>"
        )
    head = "<tr><th>Round</th><th>Shown, best first</th><th>Took</th><th>Moved</th></tr>"
    body = "".join(rows) or '<tr><td colspan="4" class="soft begins">Press Step or ▶: her story begins with round 1.</td></tr>'
    return f'<div class="arm">{_arm(model, cast)}</div><table><thead>{head}</thead><tbody>{body}</tbody></table>'


def _arm(model: WatchedModel, cast: Cast) -> str:
    name = escape(shorten(model.platform.arm.name, 18))
    return f'<span class="rule" style="border-color: {cast.of(model).colour}">{name}</span>'


def _box(model: WatchedModel, cast: Cast, item: int, place: int, taken: bool) -> str:
    topic = _topic(model, item)
    told = f"place {place + 1}: {_name(model, item)}, mainly {cast.topics[topic]}{', taken' if taken else ''}"
    ink = _ink(cast.palette[topic])
    return (
        f'<span class="box{" taken" if taken else ""}" style="background: {cast.palette[topic]}; color: {ink}" '
        f'title="{escape(told, quote=True)}">{escape(abbreviation(cast.topics[topic]))}</span>'
    )


def _take(model: WatchedModel, cast: Cast, take: Take) -> str:
    how = "own find" if take.place is None else f"place {take.place + 1}"
    told = f"{_name(model, take.item)}, {cast.topics[_topic(model, take.item)]}; its utility to her {number(take.utility)}"
    return (
        f'<span title="{escape(told, quote=True)}">{escape(shorten(_name(model, take.item), 24))} '
        f'<span class="soft">{escape(cast.topics[_topic(model, take.item)])}, {how}</span></span>'
    )


def _topic(model: WatchedModel, item: int) -> int:
    return int(model.catalog.topics[item].argmax())


def _name(model: WatchedModel, item: int) -> str:
    return model.catalog.titles[item] if model.catalog.titles else f"item {item}"


def _ink(ground: str) -> str:
    """Black or white, whichever is read better on a colour: W3C relative luminance, WCAG 2.2."""
    channels = [int(ground[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "#000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#fff"
