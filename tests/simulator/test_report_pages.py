"""Markdown and PDF: the same words as the page, in the forms that GitHub and paper want."""

from __future__ import annotations

import builtins
import re
import time
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from simulator.__main__ import app
from simulator.report.markdown import as_markdown
from simulator.report.pages import UnknownFormat, page_formats
from simulator.report.pdf import CannotPrint, as_pdf, paged
from simulator.report.template import coded

PAGE = """<!doctype html><html><head><title>T</title><style>p { color: red }</style></head><body><div class="page">
<nav><ol><li><a href="#sure">How sure</a></li></ol></nav>
<header><div role="alert"><p>Not <strong>finished</strong>.</p><ul><li>mf: 1 of 2</li></ul></div>
<h1>A &lt;b&gt; | $x$</h1></header>
<main><section id="sure"><h2>How sure?</h2>
<p><strong>Two words </strong>and <code>--replicates</code>, see <a href="figures/a.csv">a.csv</a> and
<a href="#sure">here</a>; s_ui, *stars*, _under_, [links](x).</p>
<figure><div class="card"><svg role="img" data-name="paths" aria-label="Lines [1, 2]"><text>inside</text></svg></div>
<figcaption><strong>Paths.</strong> To read.</figcaption></figure>
<table><caption class="hidden">No</caption>
<thead><tr><th rowspan="2">Arm</th><th colspan="2">Alpha</th></tr><tr><th>▼</th><th>▲</th></tr></thead>
<tbody><tr><th><svg class="swatch"></svg>mf|1<span class="tag">frozen</span></th>
<td class="bubble"><span class="value">1.2</span><span class="difference"><span class="hidden">no </span>▼ −1*</span></td>
<td>3</td></tr></tbody></table>
<details><summary>More &amp; more</summary><dl><dt>Seed<span class="unit">number</span></dt><dd>7</dd></dl><pre>a: `b`
- c</pre></details></section></main></div></body></html>"""


@pytest.fixture(scope="module")
def text() -> str:
    return as_markdown(PAGE, "svg")


def rendered(text: str) -> str:
    return MarkdownIt("commonmark").enable("table").render(text)


def test_what_notes_have_between_backticks_is_code_and_the_rest_is_text():
    assert coded("size `a<b`, c < d, `alone") == "size <code>a&lt;b</code>, c &lt; d, `alone"


def test_markdown_by_hand(text: str) -> None:
    assert text == r"""> Not **finished**.
>
> - mf: 1 of 2

# A \<b\> | \$x\$

**Contents**

- [How sure](#how-sure)

## How sure?

**Two words** and `--replicates`, see [a.csv](figures/a.csv) and [here](#how-sure); s_ui, \*stars\*, \_under\_, \[links\](x).

![Lines \[1, 2\]](figures/paths.svg)

**Paths.** To read.

| Arm | Alpha ▼ | Alpha ▲ |
| :--- | ---: | ---: |
| mf\|1<br>frozen | ● 1.2<br>▼ −1\* | 3 |

<details>
<summary>More &amp; more</summary>

- **Seed · number**: 7

```yaml
a: `b`
- c
```

</details>
"""


def test_markdown_means_what_the_page_says(text: str) -> None:
    """Read by a Markdown parser, the words come out as they went in, and nothing becomes a link or a tag that was none."""
    html = rendered(text)
    assert "<h1>A &lt;b&gt; | $x$</h1>" in html
    assert "s_ui, *stars*, _under_, [links](x)." in html
    assert '<img src="figures/paths.svg" alt="Lines [1, 2]"' in html
    assert re.findall(r'href="([^"]*)"', html) == ["#how-sure", "figures/a.csv", "#how-sure"]
    assert '<td style="text-align:left">mf|1<br>frozen</td>' in html
    assert html.count("<blockquote>") == 1


def test_formats_are_named_once_with_commas_or_again() -> None:
    assert page_formats([]) == ["html"]
    assert page_formats(["md, html", "md"]) == ["html", "md"]
    with pytest.raises(UnknownFormat, match=r"--format markdwn: there is no such format.*html, md, pdf"):
        page_formats(["md,markdwn"])


def test_on_paper_there_are_contents_with_page_numbers_and_all_is_unfolded() -> None:
    pytest.importorskip("weasyprint")
    square = '<svg viewBox="0 0 10 10" width="100%"><rect width="9" height="9"/></svg>'
    picture = f'<figure><div class="card">{square}</div><figcaption>Cut</figcaption></figure>'
    end = f'{"<p>word</p>" * 100}</section><section id="end"><h2>End</h2>{"<p>x</p>" * 20}{picture}</section>'
    sheets = paged(PAGE.replace("</section>", end).replace("</ol>", '<li><a href="#end">End</a></li></ol>')).pages
    words = [[box.text for box in sheet._page_box.descendants() if hasattr(box, "text")] for sheet in sheets]
    assert len(sheets) > 2
    first = words[0]
    assert first.index("A <b> | $x$") < first.index("How sure")     # the title before the contents
    on = next(number for number, sheet in enumerate(words, start=1) if number > 1 and "End" in sheet)
    assert next(text for text in first[first.index("End") + 1 :] if text.strip(". ")).strip(". ") == f"{on}"
    assert f"1 / {len(sheets)}" in first
    assert any("Seed" in sheet for sheet in words)                  # what the page folds
    boxes = [(number, box) for number, sheet in enumerate(sheets) for box in sheet._page_box.descendants()]
    drawn = [number for number, box in boxes if "svg" in (box.element_tag or "") and box.width > 300]
    assert drawn == [number for number, sheet in enumerate(words) if "Cut" in sheet]


def test_a_pdf_is_the_same_bytes_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """And at any time: fonts would be stamped with it."""
    pytest.importorskip("weasyprint")
    first = as_pdf(PAGE)
    assert first.startswith(b"%PDF-")
    now = time.time() + 1000
    monkeypatch.setattr(time, "time", lambda: now)
    assert as_pdf(PAGE) == first


def test_pdf_takes_nothing_from_outside(tmp_path: Path) -> None:
    pytest.importorskip("weasyprint")
    secret = tmp_path / "secret.svg"
    secret.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>')
    plain = as_pdf(PAGE)
    assert as_pdf(PAGE.replace("<figure>", f'<img src="{secret.as_uri()}"><figure>')) == plain


def test_without_weasyprint_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    honest = builtins.__import__

    def missing(name: str, *args: object, **options: object) -> object:
        if name.split(".")[0] == "weasyprint":
            raise ImportError(name)
        return honest(name, *args, **options)      # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(CannotPrint, match=r"pip install 'filterbubble\[pdf\]'"):
        page_formats(["pdf"])
    result = CliRunner().invoke(app, ["report", str(tmp_path), "--format", "pdf"])
    assert result.exit_code == 2
    assert "pip install 'filterbubble[pdf]'" in result.output
    assert not list(tmp_path.iterdir())


def test_an_unknown_format_is_refused_with_exit_code_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(tmp_path), "--format", "docx"])
    assert result.exit_code == 2
    assert "--format docx: there is no such format" in result.output
