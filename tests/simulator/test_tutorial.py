"""The tutorial says what is so: its blocks run in order, in one namespace, and print what stands under them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"```python\n(.*?)```(?:\n+```text\n(.*?)```)?", re.S)
DECIMAL = re.compile(r"\d+\.(\d+)")


@pytest.fixture
def tutorial(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The module that the blocks run in, as a notebook's cells run in `__main__`; files go to an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    module = ModuleType("tutorial")
    monkeypatch.setitem(sys.modules, "tutorial", module)
    return module


def same(printed: str, shown: str) -> bool:
    """Alike but for spacing, and for one in the last place of a number that was rounded: a processor may round another way."""
    words, told = printed.split(), shown.split()
    return len(words) == len(told) and all(map(_same_word, words, told))


def _same_word(word: str, told: str) -> bool:
    numbers, expected = DECIMAL.findall(word), DECIMAL.findall(told)
    if DECIMAL.sub("#", word) != DECIMAL.sub("#", told) or (
        numbers and list(map(len, numbers)) != list(map(len, expected))
    ):
        return False
    pairs = zip(DECIMAL.finditer(word), DECIMAL.finditer(told), strict=True)
    return all(abs(float(a[0]) - float(b[0])) < 1.01 * 10 ** -len(b[1]) for a, b in pairs)


def test_the_blocks_run_and_print_what_is_shown(tutorial: ModuleType, capsys: pytest.CaptureFixture[str]):
    blocks = BLOCK.findall(TUTORIAL.read_text(encoding="utf-8"))
    assert len(blocks) > 10
    for code, shown in blocks:
        exec(compile(code, "docs/tutorial.md", "exec"), vars(tutorial))
        printed = capsys.readouterr().out
        assert same(printed, shown), f"{code}\nprints\n{printed}\nand not\n{shown}"
    assert Path("effects.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("printed", "alike"), [("mf 0.12 8\n", True), ("mf 0.13 8", True), ("mf 0.14 8", False), ("mf -0.12 8", False),
                           ("mf 0.12 9", False), ("ease 0.12 8", False), ("mf 0.123 8", False), ("mf 0.12", False)]
)
def test_what_is_alike(printed: str, alike: bool):
    assert same(printed, "mf 0.12 8") is alike


def test_links_lead_somewhere():
    for page in (TUTORIAL, TUTORIAL.with_name("tables.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), target
