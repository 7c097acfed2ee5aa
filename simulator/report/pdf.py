"""A report's page as PDF, from the same HTML: paged, with contents, page numbers, and everything unfolded (WeasyPrint)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

FONTS = {"normal": "DejaVuSans.ttf", "bold": "DejaVuSans-Bold.ttf"}
"""Those of the figures, which matplotlib brings along: the same pages on every machine."""

_STAMP = "SOURCE_DATE_EPOCH"
"""The variable by which programs that stamp what they make agree on a time: reproducible-builds.org/specs/source-date-epoch."""


class CannotPrint(RuntimeError):
    """WeasyPrint, or a library that it needs, is not there; the message says what to install."""


def require_weasyprint() -> None:
    """Raise `CannotPrint` where no PDF can be made."""
    try:
        import weasyprint  # noqa: F401
    except ImportError:
        raise CannotPrint("--format pdf: WeasyPrint is not installed; pip install 'filterbubble[pdf]'") from None
    except OSError as error:        # it is there, but not Pango, which it draws text with
        raise CannotPrint(
            f"--format pdf: WeasyPrint cannot start ({str(error).splitlines()[0]}); install Pango, "
            "as doc.courtbouillon.org/weasyprint/stable/first_steps.html says"
        ) from None


def as_pdf(html: str) -> bytes:
    """The page as the bytes of a PDF file, the same each time. `CannotPrint` where there is no WeasyPrint."""
    require_weasyprint()
    document = paged(html)
    with _without_clock():
        return document.write_pdf()


@contextmanager
def _without_clock() -> Iterator[None]:
    """Fonts that are cut down are stamped with the time (fontTools), unless it is told to be another one."""
    given = os.environ.get(_STAMP)
    os.environ[_STAMP] = given or "0"
    try:
        yield
    finally:
        if given is None:
            del os.environ[_STAMP]
        else:
            os.environ[_STAMP] = given


def paged(html: str) -> Any:
    """The page laid out on paper, a `weasyprint.Document`. Nothing is fetched but fonts: the page has all it needs."""
    from weasyprint import HTML
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import URLFetcher

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fonts = {weight: (folder / name).as_uri() for weight, name in FONTS.items()}

    class FontsAlone(URLFetcher):
        def fetch(self, url: str, headers: Any = None) -> Any:
            if url.startswith("data:") or url in fonts.values():
                return super().fetch(url, headers)
            raise ValueError(f"{url}: a report needs nothing from outside")

    faces = "".join(
        f'@font-face {{ font-family: "report"; font-weight: {weight}; src: url("{url}"); }}\n' for weight, url in fonts.items()
    )
    style = faces + Path(__file__).with_name("pdf.css").read_text(encoding="utf-8")
    # The style comes after the page's own, which it overrides. On paper the title comes before the contents, and an interval
    # may stand below its mean: a table cannot be moved sideways.
    printed = html.replace("</head>", f"<style>\n{style}</style>\n</head>", 1)
    printed = re.sub(r"(<nav.*?</nav>)(.*?</header>)", r"\2\1", printed, count=1, flags=re.DOTALL).replace("\u00a0[", " [")
    return HTML(string=printed, url_fetcher=FontsAlone()).render(font_config=FontConfiguration())
