"""What replications and studies share beyond their worlds: how a page is written, and by which command it was made."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import simulator.report
from simulator.report.html import inline


def write_page(folder: Path, template: Path, pictures: Mapping[str, str], **content: Any) -> Path:
    """Write `report.html` into a folder and return its path; `pictures` holds the SVG text of each drawing by its name."""
    environment = Environment(
        loader=FileSystemLoader(template.parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template.name).render(
        css=Markup((Path(simulator.report.__file__).with_name("report.css")).read_text(encoding="utf-8")),
        picture=lambda drawing: inline(pictures[drawing.name], drawing), **content,
    )
    page = folder / "report.html"
    page.write_text(text, encoding="utf-8")
    return page


def made_by(
    words: Sequence[str], options: Mapping[str, object], overrides: Sequence[str], data: str | None, docs: Path
) -> str:
    """Return the command that makes the same page again; where the data are is everybody's own matter."""
    given = {**options, "--data": data and "PATH"}
    parts = [str(part) for name, value in given.items() if value is not None for part in (name, value)]
    changes = [part for change in overrides for part in ("--set", change)]
    return shlex.join(["filterbubble", *words, *parts, *changes, "--docs", str(docs)])
