"""What the front page says works."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.__main__ import app
from simulator.measures import DERIVED, MEASURES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^ {4}(?:.*&& )?filterbubble ([^#\n]*)", README, re.M)


def test_the_python_example_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(ROOT)
    for code in re.findall(r"```python\n(.*?)```", README, re.S):
        exec(code, {})
    assert "consumption.alpha" in capsys.readouterr().out


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.split()[0] in {"validate", "list", "show"}])
def test_the_quick_commands_work_as_written(monkeypatch: pytest.MonkeyPatch, command: str):
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 0, result.output


def test_the_files_and_keys_of_the_long_commands_are_there(monkeypatch: pytest.MonkeyPatch):
    """As written, but validated instead of run: `run` takes what `validate` takes, and more that plays no part here."""
    monkeypatch.chdir(ROOT)
    runs = [command.split() for command in COMMANDS if command.startswith("run ")]
    assert len(runs) >= 4
    for words in runs:
        changes = [part for word, value in pairwise(words) if word == "--set" for part in (word, value)]
        data = ["--data", "movielens-small"] if "--data" in words else []
        result = CliRunner().invoke(app, ["validate", words[1], *changes, *data])
        assert result.exit_code == 0, result.output


def test_links_and_measures_exist():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
    for name in re.findall(r"\b(?:exposure|consumption|interests|utility)\.[a-z_]+", README):
        assert name in MEASURES | DERIVED, name
