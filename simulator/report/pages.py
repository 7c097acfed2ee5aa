"""The forms of a report: `report.html`, and what is made from it alone, so that no sentence is written twice."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from simulator.faults import did_you_mean
from simulator.files import moved_into_place
from simulator.report.markdown import as_markdown
from simulator.report.pdf import as_pdf, require_weasyprint

PAGES = ("html", "md", "pdf")


class UnknownFormat(ValueError):
    """There is no such form of a report; the message says which there are."""


def page_formats(asked: Sequence[str]) -> list[str]:
    """The formats that a user names, each once and in the order of `PAGES`; ["md,pdf", "md"] → ["md", "pdf"], [] → ["html"].

    `UnknownFormat` for one that there is not, `CannotPrint` where a PDF cannot be made: both before anything is drawn.
    """
    names = [name.strip() for text in asked for name in text.split(",") if name.strip()]
    for name in names:
        if name not in PAGES:
            raise UnknownFormat(f"--format {name}: there is no such format{did_you_mean(name, PAGES)}")
    if "pdf" in names:
        require_weasyprint()
    return [name for name in PAGES if name in (names or ["html"])]


def write_pages(page: Path, formats: Sequence[str]) -> list[Path]:
    """Make `report.md` and `report.pdf`, those of `formats`, from `report.html`; return the paths of all that were asked for.

    The Markdown links the figures beside the page, as SVG where there are SVG files.
    """
    html = page.read_text(encoding="utf-8")
    pages = []
    for name in formats:
        made = page.with_suffix(f".{name}")
        if name != "html":
            with moved_into_place(made) as part:
                part.write_bytes(as_pdf(html) if name == "pdf" else _markdown(html, page.parent / "figures"))
        pages.append(made)
    return pages


def write_docs(page: Path, file: Path) -> None:
    """Make a Markdown file of `report.html` elsewhere, with what it links of the page's figures in a folder of its name.

    What the page links beside that, run directories and tables, stays where it is: there it is named, not linked.
    """
    text = _markdown(page.read_text(encoding="utf-8"), page.parent / "figures").decode()
    linked = sorted(set(re.findall(r"\]\(figures/([^)\s]+)\)", text)))
    text = re.sub(r"(?<!!)\[([^\]]*)\]\((?!figures/|#|https?:)[^)]*\)", r"\1", text)
    text = text.replace("](figures/", f"]({pictures_of(file).name}/")
    write_with_pictures(file, text, {name: page.parent / "figures" / name for name in linked})


def pictures_of(file: Path) -> Path:
    """Return the folder beside a Markdown file in which its pictures lie."""
    return file.with_suffix("")


def write_with_pictures(file: Path, text: str, pictures: Mapping[str, Path]) -> None:
    """Write a Markdown file, and copy what it shows into the folder of its name. `pictures`: by their names there."""
    folder = pictures_of(file)
    (folder if pictures else file.parent).mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        shutil.copyfile(picture, folder / name)
    with moved_into_place(file) as part:
        part.write_text(text, encoding="utf-8")


def _markdown(html: str, figures: Path) -> bytes:
    return as_markdown(html, "svg" if next(figures.glob("*.svg"), None) else "png").encode()
