"""Code of the user's in a scenario: `kind: module:Class` and programs. Only if allowed, and with words if it is wrong."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
from typer.testing import CliRunner

from policies import Popularity
from policies.external import External
from simulator.__main__ import app
from simulator.arms import Arm
from simulator.own_code import load_class, name_of
from simulator.scenario import Scenario, check, json_schema
from simulator.yaml_source import parse

POLICY = '''
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Interval

from policies.base import Policy


@dataclass
class Newest(Policy):
    """Everybody is shown the items of the highest number.

    Source: nowhere.
    """

    step: Annotated[int, Interval(ge=1)] = 1
    """Distance of the scores."""

    def learn(self, log, items, rng):
        self.score_ = torch.arange(log.n_items) * float(self.step)
        yield None

    def score(self, users, log):
        return self.score_.repeat(len(users), 1)
'''

SCENARIO = """\
title: Own
rounds: 3
warmup: 2
slate_size: 4
users: {{count: 30}}
items: {{count: 40, topics: 4}}
discovery: {{awareness: 10}}
measures: {{names: [consumption.alpha, exposure.gini]}}
report: {{formats: [svg], log: true}}
policies:
  - organic
  - {arm}
"""

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def imports() -> Iterator[None]:
    """What is made importable here is not for other tests."""
    path = sys.path[:]
    yield
    sys.path[:] = path


def module(folder: Path, text: str = POLICY) -> str:
    """Write a module under a name that no other test has, and return the name."""
    name = f"own_code_{next(_numbers)}"
    (folder / f"{name}.py").write_text(text)
    return name


def scenario(folder: Path, arm: str) -> Path:
    file = folder / "world.yaml"
    file.write_text(SCENARIO.format(arm=arm))
    return file


def command(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_policy_of_one_s_own_is_played_in_worker_processes_and_its_report_needs_it_no_more(tmp_path: Path):
    name = module(tmp_path)
    file = scenario(tmp_path, f"{{kind: '{name}:Newest', step: 2, name: mine, retrain_every: 2}}")
    out = tmp_path / "out"
    result = command("run", file, "--out", out, "--workers", 2, "-q", "--allow-code")
    assert result.exit_code == 0, result.output
    (log,) = (out / "log").glob("*mine.impressions.parquet")
    shown = pd.read_parquet(log)
    assert set(shown.loc[shown["round"] == 1, "item"]) > {36, 37, 38, 39}
    assert set(pd.read_parquet(out / "training.parquet")["round"]) == {1, 3}
    manifest = json.loads((out / "manifest.json").read_text())
    assert [arm["kind"] for arm in manifest["arms"]] == ["organic", f"{name}:Newest"]
    assert any("the items of the highest number (step 2)" in sentence for sentence in manifest["plain"])
    resolved = parse((out / "scenario.yaml").read_text(), "").values["policies"][1]
    assert (resolved["kind"], resolved["step"], resolved["retrain_every"]) == (f"{name}:Newest", 2, 2)

    (tmp_path / f"{name}.py").unlink()
    sys.modules.pop(name)
    before = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    assert command("report", out).exit_code == 0
    assert (out / "report.html").read_bytes() == before


def test_a_class_without_name_or_in_a_package_or_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here / "own_package", there):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)
    (here / "own_package" / "__init__.py").write_text("")
    name = module(here / "own_package")
    file = scenario(there, f"own_package.{name}:Newest")
    result = command("validate", file, "--allow-code")
    assert result.exit_code == 0, result.output
    assert f"arms: organic, own_package.{name}:Newest" in result.stdout


@pytest.mark.parametrize("arm", ["{name}:Newest", "{{kind: '{name}:Newest', step: 3}}"])
@pytest.mark.parametrize("action", ["run", "validate"])
def test_without_leave_nothing_of_it_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str, arm: str):
    name = module(tmp_path, "raise SystemExit('ran')")
    file = scenario(tmp_path, arm.format(name=name))
    result = command(action, file)
    assert result.exit_code == 2
    assert f"{file}:12:" in result.stderr
    assert f"'{name}:Newest' is code of your own, which a scenario runs only if you allow it: add --allow-code" in result.stderr
    assert name not in sys.modules
    assert "Traceback" not in result.output


def test_programs_need_leave_too(tmp_path: Path):
    file = scenario(tmp_path, "{kind: external, command: [there-is-no-such-program]}")
    result = command("validate", file)
    assert result.exit_code == 2
    assert f"{file}:12:12: policies[1].kind: 'external' starts a program" in result.stderr
    assert command("validate", file, "--allow-code").exit_code == 0
    result = command("validate", scenario(tmp_path, "{kind: external, command: python}"), "--allow-code")
    assert "policies[1].command: must be a list (got 'python')" in result.stderr


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_program_that_fails_is_told_of_in_one_paragraph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int):
    monkeypatch.setenv("TMPDIR", str(tmp_path))             # of workers, which are processes of their own
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    arm = f"{{kind: external, command: [{sys.executable}, -S, -c, 'import sys; sys.exit(\"no GPU here\")']}}"
    result = command("run", scenario(tmp_path, arm), "--out", tmp_path / "out", "--workers", workers, "-q", "--allow-code")
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    first, *rest = result.stderr.splitlines()
    assert first.startswith("arm 'external', replicate 1: ")
    assert first.endswith(": failed with exit code 1")
    assert rest[:2] == ["The end of its error output:", "    no GPU here"]
    kept = Path(rest[2].removeprefix("Kept for inspection: "))
    assert (kept / "log.parquet").exists()
    assert "no GPU here" in json.loads((tmp_path / "out" / "manifest.json").read_text())["failure"]


HEAD, BODY = POLICY.split("@dataclass\n")
DATACLASS = "from dataclasses import dataclass\n@dataclass\n"
ABSTRACT = f"{HEAD}\n@dataclass\nclass Newest(Policy):\n    def score(self, users, log): ...\n"


def with_field(field: str) -> str:
    return POLICY.replace("step: Annotated[int, Interval(ge=1)] = 1", field)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (POLICY, "own_code_nowhere:Newest", "there is no module 'own_code_nowhere' in the folder of the scenario file"),
        (POLICY, "NAME.deeper:Newest", "there is no module 'NAME.deeper'"),
        (POLICY, "NAME:Newst", "NAME.py) has no class 'Newst'; did you mean 'Newest'?"),
        ("def Newest(): ...", "NAME:Newest", "'Newest' in the module NAME"),
        ("import own_lack", "NAME:Newest", "'NAME' cannot be imported: ModuleNotFoundError: No module named 'own_lack'"),
        ("x = 1\ny = x / 0", "NAME:Newest", "cannot be imported: ZeroDivisionError: division by zero"),
        ("x = 1\ny = x / 0", "NAME:Newest", "NAME.py:2)"),
        ("class Newest(:", "NAME:Newest", "cannot be imported: SyntaxError: invalid syntax"),
        ("raise SystemExit(3)", "NAME:Newest", "cannot be imported: SystemExit: 3"),
        (HEAD + BODY, "NAME:Newest", "cannot be a policy: it must be a dataclass; write @dataclass above it"),
        (f"{DATACLASS}class Newest: ...", "NAME:Newest", "it must inherit from policies.base:Policy"),
        (ABSTRACT, "NAME:Newest", "cannot be a policy: it has no learn"),
        (with_field("step = 1"), "NAME:Newest", "step = 1 has no type; write step: int = 1"),
        (with_field("frozen: bool = True"), "NAME:Newest", "cannot be keys: Newest.frozen"),
        (with_field("step: 'torch.Tensr' = 1"), "NAME:Newest", "cannot be keys: module 'torch' has no"),
        (with_field("step: torch.Tensor"), "NAME:Newest", "cannot be keys: Unable to generate"),
        (POLICY, "{kind: 'NAME:Newest', step: 0}", "policies[1].step: must be at least 1 (got 0)"),
        (POLICY, "{kind: 'NAME:Newest', stop: 2}", "there is no key 'stop'; did you mean 'step'?"),
    ],
)
def test_what_is_wrong_with_a_class_is_said_at_its_line(tmp_path: Path, text: str, kind: str, words: str):
    name = module(tmp_path, text)
    file = scenario(tmp_path, kind.replace("NAME", name))
    result = command("validate", file, "--allow-code")
    assert result.exit_code == 2, result.output
    assert f"{file}:12:" in result.stderr
    assert words.replace("NAME", name) in result.stderr
    assert "Traceback" not in result.output


def test_a_field_that_a_class_overrides_needs_no_type_again(tmp_path: Path):
    name = module(tmp_path, POLICY.replace("    step:", "    trains = False\n    constant: ClassVar = 3\n\n    step:"))
    assert command("validate", scenario(tmp_path, f"{name}:Newest"), "--allow-code").exit_code == 0


CHOICE = """
from dataclasses import dataclass
import torch
from agents.choice import CHOICES

Logit = CHOICES["logit"]

@dataclass(frozen=True)
class Mine(Logit):
    '''As the logit, but calmer.'''

@dataclass
class Lacking:
    '''Cannot choose.'''
"""


def test_every_table_takes_classes(tmp_path: Path):
    name = module(tmp_path, CHOICE)
    file = scenario(tmp_path, "popularity")
    change = ("--set", f"users.choice={{kind: '{name}:Mine', temperature: 0.5}}", "--allow-code")
    result = command("run", file, "--out", tmp_path / "out", "--workers", 1, "-q", *change)
    assert result.exit_code == 0, result.output
    assert parse((tmp_path / "out" / "scenario.yaml").read_text(), "").values["users"]["choice"]["kind"] == f"{name}:Mine"
    result = command("validate", file, "--set", f"users.choice={name}:Lacking", "--allow-code")
    assert "cannot be a choice model: it has no choose" in result.stderr
    assert "--set users.choice" in result.stderr
    result = command("validate", file, "--set", f"users.drift={name}:Lacking", "--allow-code")
    assert "cannot be a drift model: it has no spaces and no start and no drift" in result.stderr


def test_what_is_made_in_python_needs_no_leave_and_loads_back(tmp_path: Path):
    name = module(tmp_path)
    sys.path.append(str(tmp_path))
    part = load_class(f"{name}:Newest", Popularity.__mro__[1], "policy")
    assert name_of(part) == f"{name}:Newest"
    made = Scenario(title="t", policies=(Arm("mine", part(step=4)), Arm("program", External(("true",)))))
    assert made.policies[0].policy == part(step=4)
    assert check(parse(made.resolved(), ""), allow_code=True) == made


def test_the_schema_takes_what_may_be_a_class():
    validator = jsonschema.Draft202012Validator(json_schema())

    def valid(arm: object) -> bool:
        return validator.is_valid({"title": "t", "policies": [arm]})

    assert valid("package.module:Class")
    assert valid({"kind": "package.module:Class", "anything": 3})
    assert not valid("package.module.Class")
    assert not valid({"kind": "package module:Class"})
