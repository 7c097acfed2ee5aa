"""A report's page as Markdown in the form that GitHub shows (GFM), made from the HTML: the words stand in one place only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "hr", "input", "line"}
LEFT_OUT = {"head", "style", "svg", "script"}
CONTAINERS = {"html", "body", "main", "section", "div", "header"}
APART = {"unit", "value", "difference", "tag"}
"""Spans that the page puts on a line of their own."""
KEYS = {"bubble": "●", "open": "○"}
"""What stands for the two colours of the page."""


@dataclass
class Element:
    """A tag, its attributes, and what is in it."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    @property
    def classes(self) -> set[str]:
        return set(self.attributes.get("class", "").split())

    @property
    def elements(self) -> list[Element]:
        return [child for child in self.children if isinstance(child, Element)]

    def all(self, *tags: str) -> Iterator[Element]:
        """Every element of these tags below this one, in the order of the page."""
        for child in self.elements:
            if child.tag in tags:
                yield child
            yield from child.all(*tags)

    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text() for child in self.children)


def as_markdown(html: str, pictures: str) -> str:
    """The page as Markdown: headings, tables and details as GitHub writes them, figures as figures/<name>.<pictures>.

    The contents come after the title; links to a section go to its heading. Colours that say something are signs: ● where the
    page shades towards a bubble, ○ where it shades away from one.
    """
    page = _tree(html)
    writer = _Writer(_anchors(page), pictures)
    contents = list(page.all("nav"))
    heads = list(page.all("header"))
    blocks = [block for part in [*heads, *contents, *page.all("main")] for block in writer.blocks(part)]
    return "\n\n".join(blocks) + "\n"


@dataclass(frozen=True)
class _Writer:
    anchors: dict[str, str]     # id of a section → anchor of its heading
    pictures: str

    def blocks(self, element: Element) -> list[str]:
        """What an element is as blocks, which stand apart from each other by an empty line."""
        tag = element.tag
        if tag in LEFT_OUT or "hidden" in element.classes:
            return []
        if element.attributes.get("role") == "alert":
            return ["\n>\n".join(_indented(block, "> ") for block in self._inside(element))]
        if tag in CONTAINERS:
            return self._inside(element)
        if tag == "nav":
            return ["**Contents**", *self._inside(element)]
        if tag in ("h1", "h2", "h3"):
            return [f"{'#' * int(tag[1])} {self.words(element)}"]
        if tag in ("ul", "ol"):
            return ["\n".join(_item(self.words(item)) for item in element.all("li"))]
        if tag == "dl":
            return ["\n".join(_item(line) for line in self._definitions(element))]
        if tag == "figure":
            return self._figure(element)
        if tag == "table":
            return self._table(element)
        if tag == "details":
            return self._details(element)
        if tag == "pre":
            return [_fenced(element.text())]
        return [text] if (text := _started(self.words(element))) else []

    def words(self, element: Element, cell: bool = False) -> str:
        """What stands in an element, on one line."""
        parts = [_escaped(child) if isinstance(child, str) else self._span(child, cell) for child in element.children]
        text = re.sub(r"[ \t\r\n]+", " ", "".join(parts)).strip(" ")
        return re.sub(r" ?(<br>) ?", r"\1", text).removeprefix("<br>") if cell else text.removeprefix("· ")

    def _span(self, element: Element, cell: bool) -> str:
        if element.tag in LEFT_OUT or "hidden" in element.classes:
            return ""
        if element.tag == "code":
            return _code(element.text())
        text = self.words(element, cell)
        if not text:
            return ""
        if element.tag == "strong":
            return f"**{text}**" + (" " if element.text()[-1:].isspace() else "")
        if element.tag == "a":
            target = element.attributes.get("href", "")
            return f"[{text}]({'#' + self.anchors.get(target[1:], target[1:]) if target.startswith('#') else target})"
        if "key" in element.classes:
            return f"{_sign(element)} {text}"
        if element.classes & APART:
            return f"<br>{text}" if cell else f" · {text}"
        spaced = " " if element.text()[-1:].isspace() else ""
        return f"{text}{spaced}"

    def _inside(self, element: Element) -> list[str]:
        return [block for child in element.elements for block in self.blocks(child)]

    def _figure(self, element: Element) -> list[str]:
        picture = next(svg for svg in element.all("svg") if svg.attributes.get("role") == "img")
        name = picture.attributes["data-name"]
        alt = re.sub(r"\s+", " ", picture.attributes.get("aria-label", ""))
        captions = [self.words(caption) for caption in element.all("figcaption")]
        return [f"![{_escaped(alt)}](figures/{name}.{self.pictures})", *captions]

    def _definitions(self, element: Element) -> Iterator[str]:
        term = ""
        for child in element.elements:
            if child.tag == "dt":
                term = self.words(child)
            else:
                yield f"**{term}**: {self.words(child)}"

    def _details(self, element: Element) -> list[str]:
        summary, *rest = element.elements
        head = escape(re.sub(r"\s+", " ", summary.text()).strip(), quote=False)
        return [f"<details>\n<summary>{head}</summary>", *(block for part in rest for block in self.blocks(part)), "</details>"]

    def _table(self, element: Element) -> list[str]:
        captions = [text for caption in element.all("caption") if "hidden" not in caption.classes
                    and (text := self.words(caption))]  # fmt: skip
        head = [self._row(row) for part in element.all("thead") for row in part.all("tr")]
        body = [self._row(row) for part in element.all("tbody") for row in part.all("tr")]
        names = [" ".join(dict.fromkeys(filter(None, column))) for column in zip(*_spread(head), strict=True)]
        wide = [(*row, *[("", 1, 1, True)] * (len(names) - len(row))) for row in body]
        left = [all(row[place][3] for row in wide) for place in range(len(names))]
        lines = [names, [":---" if text else "---:" for text in left], *([cell[0] for cell in row] for row in wide)]
        return [*captions, "\n".join(f"| {' | '.join(line)} |" for line in lines)]

    def _row(self, row: Element) -> list[tuple[str, int, int, bool]]:
        """The cells of a row: what is in one, how many columns and rows it takes, and whether it is text and not a number."""
        return [
            (
                " ".join(filter(None, [_sign(cell), self.words(cell, cell=True).replace("|", "\\|")])),
                int(cell.attributes.get("colspan", 1)),
                int(cell.attributes.get("rowspan", 1)),
                cell.tag == "th" or "text" in cell.classes,
            )
            for cell in row.elements
        ]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("html")
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if len(self.open) > 1 and self.open[-1].tag == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def _tree(html: str) -> Element:
    parser = _Parser()
    parser.feed(html)
    parser.close()
    return parser.root


def _anchors(page: Element) -> dict[str, str]:
    """The anchor that GitHub gives to the heading of each section: small letters, hyphens for spaces, no other signs."""
    heads = {
        section.attributes.get("id", ""): next((head.text() for head in section.all("h1", "h2", "h3")), "")
        for section in page.all("section")
    }
    return {id: re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for id, head in heads.items()}


def _spread(rows: Iterable[list[tuple[str, int, int, bool]]]) -> list[list[str]]:
    """Header rows as a full grid: a cell that spans columns stands in each, one that spans rows in the first alone."""
    rows = list(rows)
    width = sum(span for _, span, _, _ in rows[0]) if rows else 0
    grid = [[None] * width for _ in rows]  # type: list[list[str | None]]
    for number, row in enumerate(rows):
        for text, columns, deep, _ in row:
            place = grid[number].index(None)
            grid[number][place : place + columns] = [text] * columns
            for below in range(number + 1, min(number + deep, len(rows))):
                grid[below][place : place + columns] = [""] * columns
    return [[text or "" for text in row] for row in grid]


def _sign(element: Element) -> str:
    return next((sign for name, sign in KEYS.items() if name in element.classes), "")


def _item(text: str) -> str:
    return f"- {_started(text)}"


def _started(text: str) -> str:
    """Text that begins a block and is not to be taken for a heading, a list or a quotation."""
    return re.sub(r"^(\d+)([.)] )", r"\1\\\2", text) if text[:1].isdigit() else re.sub(r"^([#+-])(?=[# ])", r"\\\1", text)


def _escaped(text: str) -> str:
    """Text of which no letter means anything to Markdown, to HTML in it, or to GitHub's formulas."""
    text = re.sub(r"([\\`*\[\]<>$~])", r"\\\1", text)
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)        # within a word it means nothing
    return re.sub(r"&(?=#?\w+;)", r"\\&", text)


def _code(text: str) -> str:
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def _fenced(text: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}yaml\n{text.strip(chr(10))}\n{fence}"


def _indented(block: str, by: str) -> str:
    return "\n".join(f"{by}{line}" for line in block.split("\n"))
