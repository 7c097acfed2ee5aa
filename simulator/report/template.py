"""Pages from templates: every kind of page is written here, one HTML file that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

import simulator
from simulator.report.style import Drawing
from simulator.report.vocabulary import number

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(simulator.__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip


def coded(text: str) -> Markup:
    """Return a note of a scenario as HTML: what it has between backticks is code, as on pages in Markdown."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


_ENVIRONMENT.filters.update(number=number, coded=coded)


def write_page(page: Path, template: str, pictures: Mapping[str, str], **content: Any) -> Path:
    """Fill a template, write it to `page`, and return that.

    `template`: its path in the package, such as "report/report.html"; so are those that it extends (report/base.html, in the
    end) or takes from. `pictures`: the SVG text of each drawing by its name, for what the templates call `picture(drawing)`.
    """
    text = _ENVIRONMENT.get_template(template).render(
        css=Markup(Path(__file__).with_name("report.css").read_text(encoding="utf-8")),
        picture=lambda drawing: _inline(pictures[drawing.name], drawing), **content,
    )
    page.write_text(text, encoding="utf-8")
    return page


def _inline(svg: str, drawing: Drawing) -> Markup:
    """SVG text to stand in a page: without the head of a file, with ids that no other figure has."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"<title>.*?</title>\s*", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r'(?<=\bid=")', f"{drawing.name}-", body)
    body = re.sub(r'(?<=xlink:href="#)', f"{drawing.name}-", body)
    body = re.sub(r"(?<=url\(#)", f"{drawing.name}-", body)
    body = re.sub(r'<svg([^>]*?) width="[^"]*"', r"<svg\1", body, count=1)
    body = re.sub(r'<svg([^>]*?) height="[^"]*"', r"<svg\1", body, count=1)
    label = Markup('<svg role="img" data-name="{}" aria-label="{}"').format(drawing.name, drawing.alt)
    return Markup(body.replace("<svg", str(label), 1))
